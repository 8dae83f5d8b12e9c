"""The chat page in a real browser, before a real server whose model is the emulator.

Chromium is not installed by this repository: where it is missing, these tests skip and say so.
Whatever a test does, no page asks another server for anything, and none breaks its own policy.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import uvicorn

import agentkit.web
from agentkit import Agent, Context, File, FileImageStore, Image, ImageGeneration, OpenRouter, tool
from agentkit.emulator import Emulator, Fault, Playable
from agentkit.emulator.painter import paint
from agentkit.sessions import Sessions
from tests.clock import GUARD
from tests.processes import started
from tests.security.browser import CHROMIUM
from tests.unit.web.talking import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

TOKEN = "a-token-for-the-tests-of-the-page"
LONG = GUARD * 1000
"""Milliseconds for what comes by itself."""


@dataclass
class Gate:
    """Where a tool waits until the test lets it go on."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


class Site:
    """A chat server on a port that stays its own, so that it can go away and come back."""

    def __init__(self, folder: Path, *, faults: Sequence[Fault] = (), **options: Any) -> None:
        self.gate = Gate()
        self.folder = folder
        self.options = options
        self.emulator = Emulator(faults=faults)
        self.emulator.__enter__()
        self.port = 0
        self.ordered: list[tuple[str, int]] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def link(self) -> str:
        return f"{self.url}?token={TOKEN}"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        app = agentkit.web.app(
            self._agent(),
            sessions=self.sessions(),
            token=TOKEN,
            emulator=True,
            **self.options,
        )
        config = uvicorn.Config(
            app, log_level="error", access_log=False, ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()

    def sessions(self) -> Sessions:
        """The database, opened once more."""
        url = f"sqlite:///{self.folder / 'chats.db'}"
        return Sessions(url, store=FileImageStore(self.folder / "pictures"))

    def talk(self, chat: str, turns: Iterable[tuple[str, Sequence[Playable]]]) -> None:
        """Makes a conversation without a browser: what is asked, and what the model replies."""
        sessions = self.sessions()
        conversation = self._agent().conversation(chat, sessions=sessions)
        for prompt, replies in turns:
            self.emulator.play(*replies)
            conversation.send_sync(prompt)
        sessions.close()

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(GUARD)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.gate.opened.set()
        self.stop()
        self.emulator.__exit__(None, None, None)

    def _agent(self) -> Agent[Any]:
        return studio(self.folder, self.emulator.base_url, self.gate, self.ordered)


class Mortal(Site):
    """The same server in a process of its own, which can be killed."""

    def start(self) -> None:
        if self.port == 0:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self.port = listener.getsockname()[1]
        where = self.folder / "process"
        where.mkdir(exist_ok=True)
        self._child = started(serve, self.folder, self.port, self.emulator.base_url, folder=where)
        wait_for(self._answers)

    def _answers(self) -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        assert self._child.is_alive()
        return False

    def stop(self) -> None:
        """At once, with whatever it is doing."""
        self._child.kill()
        self._child.join()


def serve(folder: Path, port: int, base_url: str) -> None:
    """What the process of a `Mortal` does."""
    gate = Gate()
    gate.opened.set()
    agent = studio(folder, base_url, gate, [])
    sessions = Sessions(f"sqlite:///{folder / 'chats.db'}", store=agent.store)
    app = agentkit.web.app(agent, sessions=sessions, token=TOKEN, emulator=True)
    uvicorn.run(app, port=port, log_level="error", access_log=False, ws="none")


def studio(folder: Path, base_url: str, gate: Gate, ordered: list[tuple[str, int]]) -> Agent[Any]:
    """The agent of all these servers."""

    @tool
    def look_up(words: str) -> str:
        """Look words up, which takes as long as the test wants.

        Args:
            words: What to look up.
        """
        gate.reached.set()
        assert gate.opened.wait(GUARD)
        return f"Found: {words}."

    @tool(approve=True)
    def order_prints(address: str, copies: int) -> str:
        """Order prints.

        Args:
            address: Where they go.
            copies: How many.
        """
        ordered.append((address, copies))
        return f"{copies} prints go to {address}."

    @tool
    def redraw(picture: Image, words: str) -> Image:
        """Draw a picture again, with a change.

        Args:
            picture: Which one.
            words: What is to be different.
        """
        made = paint(
            words, source=picture.bytes(), size=(picture.width or 64, picture.height or 64)
        )
        return Image.from_bytes(made, alt=words)

    @tool
    def book(context: Context, day: str) -> str:
        """Book a table.

        Args:
            day: When.
        """
        form = {"guests": {"type": "integer", "minimum": 1, "title": "Guests"}}
        form |= {"seat": {"enum": ["in", "out"], "enumNames": ["Inside", "Outside"]}}
        said = context.ask("For how many\u202e?", {"properties": form, "required": ["guests"]})
        sure = context.ask("Really?", {"properties": {"sure": {"type": "boolean"}}})
        return f"{day}: {said}, {sure}"

    @tool
    def report(title: str) -> list[File]:
        """Write a report, and its table.

        Args:
            title: Of the report.
        """
        page = f"<!doctype html><title>{title}</title><script>parent.broken = 1</script>"
        table = File.from_bytes(b"day,rain\nMonday,7\n", name=f"{title}.csv")
        return [File.from_bytes(page.encode(), name=f"{title}.html"), table]

    client = OpenRouter(base_url=base_url, api_key="sk-or-test-key")
    store = FileImageStore(folder / "pictures")
    helper = Agent(
        "openai/gpt-5.2", tools=[look_up, ImageGeneration()], client=client, store=store
    ).as_tool("helper", "Somebody who looks things up and draws them.")
    return Agent(
        "openai/gpt-5.2",
        name="Studio",
        tools=[look_up, order_prints, book, redraw, report, helper, ImageGeneration()],
        client=client,
        store=store,
    )


@dataclass
class Window:
    """A page, and what it did that it must not do."""

    page: Page
    site: Site
    broken: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> None:
        self.page.goto(self.site.link if not path else self.site.url + path)
        self.page.wait_for_selector(".composer textarea", timeout=LONG)

    def ask(self, words: str) -> None:
        self.page.fill(".composer textarea", words)
        self.page.press(".composer textarea", "Enter")

    def answered(self, count: int = 1) -> None:
        """Waits until so many answers are complete."""
        self.page.wait_for_function(
            "n => document.querySelectorAll('.answer').length >= n && !document.querySelector('.streaming')",
            arg=count,
            timeout=LONG,
        )

    def wait(self, selector: str, **options: Any) -> Any:
        return self.page.wait_for_selector(selector, timeout=LONG, **options)

    def until(self, script: str, arg: Any = None) -> None:
        self.page.wait_for_function(script, arg=arg, timeout=LONG)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a module. None of them is async: while playwright runs, the thread
    has a loop of its own, so it ends before any other module begins.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: make test installs it"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, see CONTRIBUTING.md")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.start()
    yield made
    made.close()


def watched(context: BrowserContext, site: Site, broken: list[str]) -> None:
    """Writes down requests to others, and what the policy of the page refused."""

    def asked(request: Any) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("blob", "data") and where.netloc != f"127.0.0.1:{site.port}":
            broken.append(f"asked {request.url}")

    context.on("request", asked)
    context.expose_function("agentkitBroken", lambda words: broken.append(words))
    context.add_init_script(
        "addEventListener('securitypolicyviolation', e =>"
        " agentkitBroken(`policy ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));"
        "addEventListener('error', e => agentkitBroken(`error ${e.message}`));"
        "addEventListener('unhandledrejection', e => agentkitBroken(`rejection ${e.reason}`));"
    )


@contextmanager
def looking_at(
    browser: Browser, site: Site, *, size: tuple[int, int] = (1200, 800), **options: Any
) -> Generator[Window]:
    """Somebody who looks at this site."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        service_workers="block",
        accept_downloads=True,
        **options,
    )
    broken: list[str] = []
    watched(context, site, broken)
    yield Window(context.new_page(), site, broken)
    context.close()
    assert broken == []


@pytest.fixture
def window(chromium: Browser, site: Site) -> Iterator[Window]:
    with looking_at(chromium, site) as shown:
        yield shown
