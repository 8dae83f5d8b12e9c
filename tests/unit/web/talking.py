"""A chat server on loopback, and a client that talks to it as a page does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar

from agentkit import Agent, FileImageStore, Image, ImageGeneration, OpenRouter, tool
from agentkit.emulator import Emulator
from agentkit.sessions import Sessions
from agentkit.web import WebApp, app
from tests.clock import GUARD
from tests.conftest import picture
from tests.processes import PATIENCE
from tests.web_server import Reply, Served, serving_app

TOKEN = "a-token-of-the-tests"
Chunk = dict[str, Any]
T = TypeVar("T")


class Gate:
    """A tool that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def tool(self) -> Any:
        @tool
        def wait(city: str) -> str:
            """The weather.

            Args:
                city: Where.
            """
            self.reached.set()
            assert self.opened.wait(GUARD)
            return f"{city}: snow"

        return wait


def wait_for(look: Callable[[], T]) -> T:
    """What another process does: the first value that is not false."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def painting() -> Any:
    """A tool that returns a small picture."""

    @tool
    def paint(what: str) -> Image:
        """Paints.

        Args:
            what: What.
        """
        return Image.from_bytes(picture(size=(48, 32)), alt=what)

    return paint


@dataclass
class Stream:
    """The answer to a request, read as it arrives."""

    response: HTTPResponse
    connection: HTTPConnection

    @property
    def status(self) -> int:
        return self.response.status

    def chunks(self) -> Iterator[Chunk]:
        """Each chunk up to the end of the stream, which it checks."""
        for line in self.response:
            text = line.decode().strip()
            if text == "data: [DONE]":
                assert self.response.read() == b"\n"
                return
            if text.startswith("data: "):
                yield json.loads(text.removeprefix("data: "))
        raise AssertionError("the stream has no end")

    def until(self, kind: str) -> list[Chunk]:
        """The chunks up to the first of this type."""
        read: list[Chunk] = []
        for chunk in self.chunks():
            read.append(chunk)
            if chunk["type"] == kind:
                return read
        raise AssertionError(f"no {kind} among {[each['type'] for each in read]}")

    def leave(self) -> None:
        """Go away, as a browser does whose tab is closed."""
        self.response.close()
        self.connection.close()


@dataclass
class Talker:
    """What one browser, or program, does at the server."""

    served: Served
    headers: dict[str, str] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request, and all of its answer."""
        given = {**self.headers, **headers}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            given.setdefault("content-type", "application/json")
        return self.served.ask(method, path, given.items(), body or b"")

    def get(self, path: str) -> Any:
        """The JSON of an answer."""
        reply = self.ask("GET", path)
        assert reply.status == 200, reply
        return reply.json()

    def open(self, method: str, path: str, body: Any = None) -> Stream:
        """One request, whose answer is read as it arrives."""
        connection = HTTPConnection("127.0.0.1", self.served.port, timeout=GUARD)
        headers = {**self.headers, "content-type": "application/json"}
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers)
        stream = Stream(connection.getresponse(), connection)
        self.streams.append(stream)
        return stream

    def begin(self, chat: str, words: str, **more: Any) -> Stream:
        """Send a message, and read its stream as it arrives."""
        return self.open("POST", "/api/chat", message(chat, words, **more))

    def say(self, chat: str, words: str, **more: Any) -> list[Chunk]:
        """Send a message, and read all of its stream."""
        stream = self.begin(chat, words, **more)
        assert stream.status == 200, stream.response.read()
        return list(stream.chunks())

    def history(self, chat: str) -> Any:
        return self.get(f"/api/chat/{chat}")


def message(chat: str, words: str, *files: str, **more: Any) -> dict[str, Any]:
    """The body of a new message."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": words}]
    parts += [{"type": "file", "mediaType": "image/png", "url": each} for each in files]
    said = {"id": "mine", "role": "user", "parts": parts}
    return {"id": chat, "trigger": "submit-message", "messages": [said], **more}


def answered(page: Talker, chat: str, *, approved: bool, **more: Any) -> dict[str, Any]:
    """The body with which a page says what a person decided about each held call."""
    last = page.history(chat)["messages"][-1]
    for part in last["parts"]:
        if part.get("state") == "approval-requested":
            part["state"] = "approval-responded"
            part["approval"] |= {"approved": approved, "reason": "not now"}
    return {"id": chat, "trigger": "submit-message", "messages": [last], **more}


def text_of(chunks: list[Chunk]) -> str:
    """The words of a stream."""
    return "".join(each["delta"] for each in chunks if each["type"] == "text-delta")


def told(message: Any) -> str:
    """The words of a message of the history."""
    return "".join(each["text"] for each in message["parts"] if each["type"] == "text")


def kinds(chunks: list[Chunk]) -> list[str]:
    return [each["type"] for each in chunks]


def agent_for(emulator: Emulator, folder: Path, **options: Any) -> Agent[Any]:
    """An agent whose pictures are in the folder."""
    client = OpenRouter(base_url=emulator.base_url, api_key="sk-or-any")
    given: dict[str, Any] = {"tools": [ImageGeneration()], "checks": False, **options}
    model = given.pop("model", "openai/gpt-5.2")
    return Agent(model, client=client, store=FileImageStore(folder / "store"), **given)


def web_for(agent: Agent[Any], folder: Path, **options: Any) -> WebApp:
    sessions = Sessions(f"sqlite:///{folder}/chats.db", store=agent.store)
    if "user" not in options:
        options.setdefault("token", TOKEN)
    return app(agent, sessions=sessions, **options)


@contextmanager
def chat_server(
    emulator: Emulator, folder: Path, *, web: dict[str, Any] | None = None, **options: Any
) -> Generator[Talker]:
    """A server for an agent with these options, and somebody who has its token."""
    made = web_for(agent_for(emulator, folder, **options), folder, **(web or {}))
    with serving_app(closing(made)) as served:
        page = Talker(served, {"authorization": f"Bearer {TOKEN}"})
        try:
            yield page
        finally:
            for stream in page.streams:
                stream.leave()


def closing(web: WebApp) -> Any:
    """The application, which closes the agent's client at its end, on the loop that used it."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def sent(event: Any) -> None:
            if event["type"] == "lifespan.shutdown.complete":
                await web.agent.client.close()
            await send(event)

        await web(scope, receive, sent)

    return application
