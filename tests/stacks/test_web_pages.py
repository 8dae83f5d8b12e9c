"""The pages of `docs/chat-server-wire.md`, as they stand there, in a real browser before a chat server
that is mounted in their site: `useChat` with versions 6 and 7 of npm's `ai`, and assistant-ui.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route

from agentkit import Image, ImageGeneration, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.web import WebApp
from tests.architecture.documents import ROOT, blocks
from tests.clock import GUARD
from tests.conftest import picture
from tests.security.browser import CHROMIUM
from tests.stacks.install import PAGES
from tests.unit.web.talking import agent_for, web_for
from tests.web_server import serving_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.stacks

SOURCES = Path(__file__).parent / "pages"
DOCUMENT = ROOT / "docs" / "chat-server-wire.md"
SIX = ("--alias:ai=ai6", "--alias:@ai-sdk/react=ai6-react")
WAYS = {
    "useChat-6": ("usechat", SIX),
    "useChat-7": ("usechat", ()),
    "assistant-ui": ("assistant_ui", ()),
}
NAMES = ["usechat", "assistant_ui"]
"""The examples, in the order in which the document has them."""


@tool
async def paint(colour: str) -> Image:
    """A plain picture of a colour."""
    return Image.from_bytes(picture(colour, (12, 12)))


@tool(approve=True)
def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium: apt-get install chromium, see CONTRIBUTING.md")
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def bundled(way: str, folder: Path) -> Path:
    """The page as one script. Skips the test where what it is made of is not installed."""
    name, options = WAYS[way]
    esbuild = PAGES / "node_modules" / ".bin" / "esbuild"
    if not (PAGES / ".ready").exists():
        pytest.skip("the packages of npm are not installed: make stacks, with Node 20 and npm")
    code = [block.code for block in blocks("jsx") if block.page == DOCUMENT]
    build = PAGES / f"build-{folder.name}"  # beside `node_modules`, where imports look
    build.mkdir(exist_ok=True)
    for each in SOURCES.glob("*.jsx"):
        (build / each.name).write_text(each.read_text("utf-8"), "utf-8")
    (build / f"{name}.jsx").write_text(code[NAMES.index(name)], "utf-8")
    script = folder / "page.js"
    alias = "--alias:@/components/assistant-ui/thread=./thread.jsx"
    how = ["--bundle", "--format=esm", "--target=es2022", "--jsx=automatic", "--log-level=error"]
    command = [esbuild, f"./{name}_entry.jsx", *how, alias, *options, f"--outfile={script}"]
    subprocess.run(list(map(str, command)), cwd=build, check=True, timeout=GUARD)
    return script


def site(web: WebApp, script: Path) -> Starlette:
    """A site with the page at its root, and the chat server below `/chat`."""

    async def page(_: object) -> Response:
        return HTMLResponse('<!doctype html><body><script type="module" src="/page.js"></script>')

    async def code(_: object) -> Response:
        return FileResponse(script)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await web.close()
        await web.agent.client.close()

    routes = [Mount("/chat", web), Route("/page.js", code), Route("/", page)]
    return Starlette(routes=routes, lifespan=lifespan)


@pytest.mark.parametrize("way", WAYS)
def test_a_page_of_the_documentation(way: str, chromium: Browser, tmp_path: Path) -> None:
    script = bundled(way, tmp_path)
    with Emulator() as emulator:
        fox = Draw("a fox", data=picture(size=(160, 120), noise=90), preview_count=1)
        emulator.play(
            [
                Reply([Say("Look: "), fox, CallTool("paint", {"colour": "red"})]),
                Reply([Say("There you are.")]),
                Reply([CallTool("delete", {"path": "a.txt"})]),
                Reply([Say("All done.")]),
            ]
        )
        agent = agent_for(
            emulator, tmp_path, tools=[paint, delete, ImageGeneration()], api="responses"
        )
        web = web_for(agent, tmp_path, user=lambda _: "ada")
        with serving_app(site(web, script)) as served:
            page = chromium.new_page()
            broken: list[str] = []
            page.on("pageerror", lambda error: broken.append(str(error)))
            page.goto(f"http://127.0.0.1:{served.port}/")
            box = page.locator("input, textarea").first
            box.fill("Draw a fox")
            box.press("Enter")
            page.get_by_text("There you are.").wait_for()
            shown = "[...document.images].filter(each => each.naturalWidth > 0).length === 2"
            page.wait_for_function(shown)
            box.fill("Delete it")
            box.press("Enter")
            page.get_by_role("button", name="Yes").click()
            page.get_by_text("All done.").wait_for()
            assert broken == []
            if way != "assistant-ui":  # whose threads are in memory, unless an adapter keeps them
                page.reload()
                page.get_by_text("All done.").wait_for()
                page.wait_for_function(shown)
            page.close()
