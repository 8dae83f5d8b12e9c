"""The link of a chat server in a real browser: it lets in whoever follows it, from the command line
or from another site, and leaves no token in the address.
"""

from __future__ import annotations

import pytest
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from agentkit.web.doors import Doors
from tests.clock import GUARD
from tests.security.browser import CHROMIUM
from tests.web_server import serving_app

TOKEN = "a-token-that-a-test-has-chosen"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await HTMLResponse("<h1>The chat</h1>")(scope, receive, send)


class Elsewhere:
    """A site of somebody else that links to the server."""

    target = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(f'<a href="{self.target}">A chat</a>')(scope, receive, send)


def test_a_link_lets_in_wherever_it_is_followed() -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    elsewhere, doors = Elsewhere(), Doors(page, token=TOKEN)
    with (
        serving_app(doors, lifespan="off") as served,
        serving_app(elsewhere, lifespan="off") as other,
        playwright.sync_playwright() as running,
    ):
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        foreign = f"http://localhost:{other.port}/"

        def follow(context: object, target: str) -> tuple[str, str]:
            """Where somebody is who clicks on it there, and what they see."""
            elsewhere.target = target
            tab = context.new_page()  # type: ignore[attr-defined]
            tab.set_default_timeout(GUARD * 1000)
            tab.goto(foreign)
            tab.click("a")
            tab.wait_for_url(f"{served.url}/")
            tab.wait_for_function("document.title !== 'One moment' && document.body.innerText")
            return tab.url, tab.inner_text("body")

        try:
            known = browser.new_context()
            assert follow(known, doors.link(served.url)) == (f"{served.url}/", "The chat")
            assert follow(known, served.url) == (f"{served.url}/", "The chat")
            (cookie,) = known.cookies()
            assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
            stranger = browser.new_context()
            assert "does not know you" in follow(stranger, served.url)[1]
            assert stranger.cookies() == []
        finally:
            browser.close()
