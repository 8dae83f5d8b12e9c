"""A page whose turns workers take, behind two web processes: the one that took the message is
killed, and the page reads on at the other one.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvicorn

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter, tool, web
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.integrations.dbos import Durable
from tests.processes import PATIENCE, Child, started
from tests.unit.web.talking import wait_for
from tests.web_page.conftest import TOKEN, Site, Window, looking_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DRAWS = Reply(
    [Say("Drawing."), Draw("a fox", size=(96, 64)), CallTool("look_up", {"words": "fox"})]
)
BUYS = Reply([Say("Prints?"), CallTool("order_prints", {"copies": 3})])


def studio(folder: Path, base_url: str) -> Agent[Any]:
    """The agent of the worker, which the web processes know by its name."""

    @tool
    async def look_up(words: str) -> str:
        """Look words up, until the test has made a file.

        Args:
            words: What to look up.
        """
        (folder / "reached").touch()
        while not (folder / "open").exists():  # noqa: ASYNC110 - made by another process
            await asyncio.sleep(0.02)
        return f"Found: {words}."

    @tool(approve=True)
    def order_prints(copies: int) -> str:
        """Order prints.

        Args:
            copies: How many.
        """
        with (folder / "ordered").open("a") as file:
            file.write(f"{copies}\n")
        return f"{copies} prints."

    return Agent(
        "openai/gpt-5.2",
        name="studio",
        tools=[look_up, order_prints, ImageGeneration()],
        client=OpenRouter(base_url=base_url, api_key="sk-or-test-key"),
        store=FileImageStore(folder / "pictures"),
        checks=False,
    )


def durable_at(folder: Path, base_url: str) -> Durable:
    return Durable(f"sqlite:///{folder}/runs.db", agents=[studio(folder, base_url)])


def work(folder: Path, base_url: str) -> None:
    """Be the worker, until the process is killed."""

    async def working() -> None:
        async with durable_at(folder, base_url).working(2) as worker:
            (folder / "works").touch()
            await worker.wait()

    asyncio.run(working())


def serve(folder: Path, port: int, known_as: str, base_url: str) -> None:
    """Be a web process, until it is killed. It asks no model anything."""
    durable = durable_at(folder, base_url)
    agent = durable.agents["studio"]
    app = web.app(agent, durable=durable, token=TOKEN, emulator=True, hosts=[known_as])
    uvicorn.run(app, port=port, log_level="error", access_log=False, ws="none")


class Balancer:
    """One address for several servers: each connection goes to the first that takes it."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            for port in self.ports:
                with suppress(ConnectionRefusedError):
                    server = socket.create_connection(("127.0.0.1", port))
                    break
            else:
                return
            with server, selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, server)
                selector.register(server, selectors.EVENT_READ, client)
                while True:
                    for key, _ in selector.select():
                        data = cast("socket.socket", key.fileobj).recv(1 << 16)
                        if not data:
                            return
                        cast("socket.socket", key.data).sendall(data)


class Workshop:
    """Two web processes behind one address, and a worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.emulator = Emulator()
        self.emulator.__enter__()
        self.balancer = Balancer()
        self.port = self.balancer.port
        self.fronts: dict[int, Child] = {}
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = int(listener.getsockname()[1])
            self.fronts[port] = self._started(f"web-{port}", serve, port, self.url[:-1])
            self.balancer.ports.append(port)
        self.worker = self._started("worker", work)
        for port in self.fronts:
            wait_for(lambda port=port: _answers(port))
        wait_for((folder / "works").exists)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def link(self) -> str:
        return f"{self.url}?token={TOKEN}"

    def kill_the_first_front(self) -> None:
        """The one that every connection went to."""
        port = next(iter(self.fronts))
        child = self.fronts.pop(port)
        child.kill()
        child.join(PATIENCE)

    def close(self) -> None:
        self.balancer.close()
        for child in (*self.fronts.values(), self.worker):
            child.kill()
            child.join(PATIENCE)
        self.emulator.__exit__(None, None, None)

    def _started(self, name: str, does: Any, *given: Any) -> Child:
        where = self.folder / name
        where.mkdir()
        return started(does, self.folder, *given, self.emulator.base_url, folder=where)


def _answers(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


@contextmanager
def page_of(browser: Browser, workshop: Workshop) -> Generator[Window]:
    with looking_at(browser, cast("Site", workshop)) as window:
        yield window


@pytest.mark.slow
def test_the_web_process_is_killed_and_the_page_reads_on_at_another_one(
    chromium: Browser, workshop: Workshop
) -> None:
    workshop.emulator.play(DRAWS, "Done.")
    with page_of(chromium, workshop) as window:
        page = window.page
        window.open()
        window.ask("Draw a fox")
        window.wait(".frame img.final.shown")
        wait_for((workshop.folder / "reached").exists)
        with page.expect_response("**/stream", timeout=PATIENCE * 1000) as joined:
            workshop.kill_the_first_front()
        assert joined.value.status == 200
        window.wait(".answer >> text=Drawing.")
        assert page.is_visible("button[aria-label='Stop the answer']")
        (workshop.folder / "open").touch()
        window.answered()
        assert page.inner_text(".bubble") == "Draw a fox"
        assert "Done." in page.inner_text(".answer")
        assert page.locator(".frame img.final.shown").count() == 1
        assert page.locator(".answer, .prompt").count() == 2
        assert len(workshop.emulator.posts) == 2
        _decided(window, workshop)


def _decided(window: Window, workshop: Workshop) -> None:
    """A call waits for a yes, also after a reload, and the worker goes on."""
    page = window.page
    workshop.emulator.play(BUYS, "Ordered.")
    window.ask("Order prints")
    window.wait(".approval")
    page.reload()
    window.wait(".approval")
    page.click(".approval >> text=Allow >> nth=0")
    window.until("() => document.body.innerText.includes('Ordered.')")
    window.answered(2)
    assert (workshop.folder / "ordered").read_text() == "3\n"
    assert page.locator(".answer, .prompt").count() == 4
