"""The chat service of `examples/`: its login, and what people do in it, over real sockets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.sessions import Sessions
from tests.cassettes.recorder import example
from tests.clock import GUARD
from tests.conftest import picture
from tests.unit.web.talking import Gate, Stream, Talker, message, text_of, told
from tests.web_server import Served, serving_app

SITE = "http://chat.test:8080"
HOST = {"host": "chat.test:8080", "origin": SITE}

pytest.importorskip("fastapi")
MODULE = example("web_fastapi")


class Service:
    """The example, for a test that drives it."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.client = OpenRouter(base_url=emulator.base_url, api_key="sk-or-any")
        self.gate = Gate()
        self.streams: list[Stream] = []
        agent = Agent(
            "openai/gpt-5.2",
            tools=[ImageGeneration(), MODULE.order_print, self.gate.tool()],
            client=self.client,
            store=FileImageStore(folder / "store"),
        )
        people = MODULE.People(folder / "people.json")
        for name in ("ada", "bob"):
            people.add(name, f"password of {name}")
        sessions = Sessions(f"sqlite:///{folder}/chats.db", store=agent.store)
        self.app = MODULE.service(agent, sessions, people, site=SITE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(event: Any) -> None:
            if event["type"] == "lifespan.shutdown.complete":
                await self.client.close()
            await send(event)

        await self.app(scope, receive, sent)


@pytest.fixture
def service(emulator: Emulator, tmp_path: Path) -> Service:
    return Service(emulator, tmp_path)


@pytest.fixture
def served(service: Service) -> Generator[Served]:
    with serving_app(service, lifespan="on") as running:
        yield running
        service.gate.opened.set()
        for stream in service.streams:
            stream.leave()


def log_in(served: Served, name: str, password: str = "", **headers: str) -> Talker:
    """Somebody who has sent the form."""
    form = {"name": name, "password": password or f"password of {name}"}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    person = Talker(served, dict(HOST))
    reply = person.ask("POST", "/", urlencode(form).encode(), **{**kind, **headers})
    assert reply.status == 303, reply
    cookie, *attributes = (reply.header("set-cookie") or "").split("; ")
    assert {"HttpOnly", "SameSite=lax"} <= set(attributes)
    person.headers["cookie"] = cookie
    assert reply.header("location") == "/chat/"
    return person


def at_chat(service: Service, person: Talker) -> Talker:
    """The same person at the chat, below its path."""

    class Below(Talker):
        def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
            return super().ask(method, f"/chat{path}", body, **headers)

        def open(self, method: str, path: str, body: Any = None) -> Any:
            return super().open(method, f"/chat{path}", body)

    return Below(person.served, person.headers, service.streams)


def test_only_those_who_have_logged_in(served: Served) -> None:
    stranger = Talker(served, dict(HOST))
    assert b"<form" in stranger.ask("GET", "/").body
    page = stranger.ask("GET", "/chat/")
    assert (page.status, page.header("location")) == (303, "/")
    assert stranger.ask("GET", "/chat/api/chats").status == 401
    with pytest.raises(AssertionError, match="status=403"):
        log_in(served, "ada", "a guess")
    with pytest.raises(AssertionError, match="status=403"):
        log_in(served, "nobody")
    with pytest.raises(AssertionError, match="status=403"):
        log_in(served, "ada", origin="https://evil.example")
    with pytest.raises(AssertionError, match="status=413"):
        log_in(served, "ada", "long" * 1_000)
    ada = log_in(served, "ada")
    assert b"<!doctype html>" in ada.ask("GET", "/chat/").body.lower()
    assert ada.get("/chat/api/about")["user"] == "ada"
    assert ada.get("/chat/api/about")["budget"]["costUsd"] == MODULE.A_DAY


def test_a_picture_can_be_had_from_the_moment_it_is_drawn(
    served: Served, service: Service, emulator: Emulator
) -> None:
    ada, bob = at_chat(service, log_in(served, "ada")), at_chat(service, log_in(served, "bob"))
    brought = ada.ask("POST", "/api/images", picture(), **{"content-type": "image/png"}).json()
    emulator.play(
        Reply(
            [Say("With a hat: "), Draw("a fox", size=(64, 48)), CallTool("wait", {"city": "Oslo"})]
        ),
        Reply([Say("Done.")]),
    )
    said = message("foxes", "Put a hat on it", f"{SITE}/chat/{brought['url']}")
    stream = ada.open("POST", "/api/chat", said)
    drawn = stream.until("file")[-1]
    assert service.gate.reached.wait(GUARD)
    assert ada.history("foxes")["status"] == "running"
    shown = ada.ask("GET", f"/{drawn['url']}")
    assert (shown.status, shown.header("content-type")) == (200, "image/png")
    assert ada.ask("GET", f"/{drawn['url']}?w=16").status == 200
    assert bob.ask("GET", f"/{drawn['url']}").status == 404
    service.gate.opened.set()
    assert text_of(list(stream.chunks())) == "Done."
    assert ada.ask("GET", f"/{drawn['url']}").status == 200
    prompt, answer = ada.history("foxes")["messages"]
    assert brought["url"] in [each.get("url") for each in prompt["parts"]]
    assert told(answer).startswith("With a hat:")
    assert bob.get("/api/chats")["chats"] == []


def test_an_order_waits_for_a_yes(served: Served, service: Service, emulator: Emulator) -> None:
    ada = at_chat(service, log_in(served, "ada"))
    emulator.play(
        Reply([Draw("a fox", size=(64, 48))]),
        Reply([CallTool("order_print", {"picture": "img_1", "copies": 2})]),
        Reply([Say("They arrive on Friday.")]),
    )
    ada.say("foxes", "Draw a fox")
    chunks = ada.say("foxes", "Order two prints of it")
    (question,) = [each for each in chunks if each["type"] == "tool-approval-request"]
    assert ada.history("foxes")["status"] == "waiting"
    answer = ada.history("foxes")["messages"][-1]
    (call,) = [each for each in answer["parts"] if each.get("toolCallId") == question["toolCallId"]]
    assert call["input"] == {"picture": "img_1", "copies": 2}
    call |= {"state": "approval-responded"}
    call["approval"] = {"id": question["approvalId"], "approved": True}
    body = {"id": "foxes", "trigger": "submit-message", "messages": [answer]}
    rest = list(ada.open("POST", "/api/chat", body).chunks())
    (output,) = [each for each in rest if each["type"] == "tool-output-available"]
    assert "2 of img_1 ordered" in str(output["output"])
    assert text_of(rest) == "They arrive on Friday."
