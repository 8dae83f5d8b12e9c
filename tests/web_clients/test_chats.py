"""Whole chats of npm's `ai`, over HTTP: the parts that `useChat` is made of talk to a server of ours
as it is. No client complains, and a message that is loaded again is the one that was streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from agentkit import Image, ImageGeneration, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say, Think
from tests.clock import until
from tests.conftest import picture
from tests.unit.web.talking import TOKEN, Gate, Talker, chat_server
from tests.web_clients.node import Clients
from tests.web_clients.test_streams import as_had

WAYS = [
    ("six", "responses"),
    ("seven", "chat"),
    pytest.param(("six", "chat"), marks=pytest.mark.slow),
    pytest.param(("seven", "responses"), marks=pytest.mark.slow),
]


@tool
async def paint(colour: str) -> Image:
    """A plain picture of a colour."""
    return Image.from_bytes(picture(colour, (12, 12)))


@tool(approve=True)
def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


class Chat:
    """A chat in a client, beside what the server has of it."""

    def __init__(self, clients: Clients, page: Talker, version: str, **options: Any) -> None:
        self.clients, self.page, self.version, self.name = clients, page, version, "ada"
        self.options = options
        self.open(self.name)

    def open(self, name: str, messages: Any = None) -> None:
        """Load the page."""
        self.name = name
        self.ask("open", id="ada", messages=messages, automatic=True)

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.page.served.port}"
        return self.clients.ask(
            do, name=self.name, version=self.version, url=url, token=TOKEN, **given
        )

    def say(self, words: str, **given: Any) -> dict[str, Any]:
        return self.ask("send", message={"text": words}, options={"body": self.options}, **given)

    def begin(self, words: str) -> dict[str, Any]:
        return self.ask("begin", message={"text": words}, options={"body": self.options})

    def same(self, shown: dict[str, Any], errors: int = 0) -> list[dict[str, Any]]:
        """The answers that the client shows, which are those that the server has."""
        assert len(shown["errors"]) == errors, shown["errors"]
        assert shown["status"] == ("error" if errors else "ready")
        kept = self.page.history("ada")["messages"]
        answers = [each for each in shown["messages"] if each["role"] == "assistant"]
        loaded = [each for each in kept if each["role"] == "assistant"]
        assert len(answers) == len(loaded)
        for answer, again in zip(answers, loaded, strict=True):
            assert differences(answer, as_had(again, self.version)) == []
        assert [each["role"] for each in shown["messages"]] == [each["role"] for each in kept]
        return answers


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two messages differ, for a person who reads it."""
    names = sorted(one.keys() | other.keys())
    found = [f"{name}: {one.get(name)} is not {other.get(name)}" for name in names]
    return [
        words
        for name, words in zip(names, found, strict=True)
        if name != "parts" and one.get(name) != other.get(name)
    ] + [
        f"part {number}: {left} is not {right}"
        for number, (left, right) in enumerate(zip_longest(one["parts"], other["parts"]))
        if left != right
    ]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def chat(
    way: tuple[str, str], emulator: Emulator, tmp_path: Path, clients: Clients, gate: Gate
) -> Iterator[Chat]:
    version, api = way
    tools = [paint, delete, gate.tool(), ImageGeneration()]
    with chat_server(emulator, tmp_path, tools=tools) as page:
        yield Chat(clients, page, version, api=api)


def states(message: dict[str, Any]) -> list[str]:
    return [part["state"] for part in message["parts"] if part["type"] == "dynamic-tool"]


def test_tools_and_pictures(chat: Chat, emulator: Emulator) -> None:
    drawing = Draw("a fox", preview_count=2, data=picture(size=(160, 120), noise=90))
    emulator.play(
        [
            Reply([Think("hm"), Say("Look: "), drawing, CallTool("paint", {"colour": "red"})]),
            Reply([Say("There.")]),
            Reply([Say("And again.")]),
        ]
    )
    (first,) = chat.same(chat.say("Draw a fox"))
    assert states(first) == ["output-available", "output-available"]
    files = [part["url"] for part in first["parts"] if part["type"] == "file"]
    assert len(files) == 2
    for url in files:
        assert chat.page.ask("GET", f"/{url}").status == 200
    assert len(chat.same(chat.say("Once more"))) == 2


@pytest.mark.parametrize("approved", [True, False])
def test_approvals(chat: Chat, emulator: Emulator, approved: bool) -> None:
    emulator.play([Reply([CallTool("delete", {"path": "a.txt"})]), Reply([Say("Well.")])])
    (asked,) = chat.same(chat.say("Delete it"))
    assert states(asked) == ["approval-requested"]
    why = {} if approved else {"reason": "not that one"}
    (answered,) = chat.same(chat.ask("decide", approved=approved, **why))
    assert states(answered) == ["output-available" if approved else "output-denied"]
    assert [part["text"] for part in answered["parts"] if part["type"] == "text"] == ["Well."]


def test_arguments_that_a_person_changes(chat: Chat, emulator: Emulator) -> None:
    asks = CallTool("delete", {"path": "a.txt"}, id="call_d")
    emulator.play([Reply([asks]), Reply([Say("Well.")])])
    chat.say("Delete it")
    options = {"body": {"edited": {"call_d": {"path": "b.txt"}}}}
    (answered,) = chat.same(chat.ask("decide", approved=True, options=options))
    (call,) = [part for part in answered["parts"] if part["type"] == "dynamic-tool"]
    assert (call["input"], call["output"]) == ({"path": "b.txt"}, "b.txt is gone")


def test_an_answer_to_a_question_that_was_answered(chat: Chat, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("delete", {"path": "a.txt"})]), Reply([Say("Well.")])])
    chat.say("Delete it")
    asked = chat.page.history("ada")["messages"]
    chat.ask("decide", approved=True)
    chat.open("late", asked)
    shown = chat.ask("decide", approved=True)
    assert [shown["status"], len(shown["errors"])] == ["error", 1]
    assert "answered already" in shown["errors"][0]


def test_a_reload_before_the_approval(chat: Chat, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("delete", {"path": "a.txt"})]), Reply([Say("Well.")])])
    chat.say("Delete it")
    chat.open("again", chat.page.history("ada")["messages"])
    (answered,) = chat.same(chat.ask("decide", approved=True))
    assert states(answered) == ["output-available"]


def test_a_stop(chat: Chat, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Once upon a time")], hang=True)])
    chat.begin("A story")
    assert chat.page.ask("POST", "/api/chat/ada/stop", {}).json() == {"stopped": True}
    (kept,) = chat.same(chat.ask("end"))
    assert kept["metadata"]["status"] == "stopped"


def test_an_error(chat: Chat, emulator: Emulator) -> None:
    broken = Failure("the provider gave up", 502, form="stream")
    emulator.play([Reply([Draw("a fox"), Say("Look")], error=broken)])
    (failed,) = chat.same(chat.say("Draw"), errors=1)
    assert failed["metadata"]["status"] == "failed"
    assert any(part["type"] == "file" for part in failed["parts"])


def test_a_reload_while_the_turn_goes_on(chat: Chat, emulator: Emulator, gate: Gate) -> None:
    emulator.play(
        [Reply([Say("One moment."), CallTool("wait", {"city": "Oslo"})]), Reply([Say("Snow.")])]
    )
    chat.begin("The weather")
    first = chat.name
    chat.open("again", chat.page.history("ada")["messages"])
    chat.ask("resume")
    gate.opened.set()
    (answer,) = chat.same(chat.ask("end"))
    assert states(answer) == ["output-available"]
    chat.name = first
    assert chat.same(chat.ask("end")) == [answer]


async def test_who_leaves_stops_nothing(chat: Chat, emulator: Emulator, gate: Gate) -> None:
    emulator.play([Reply([CallTool("wait", {"city": "Oslo"})]), Reply([Say("Snow.")])])
    chat.begin("The weather")
    chat.ask("leave")
    gate.opened.set()
    await until(lambda: chat.page.history("ada")["status"] == "idle")
    kept = chat.page.history("ada")["messages"]
    assert kept[-1]["metadata"]["status"] == "completed"


def test_another_try(chat: Chat, emulator: Emulator) -> None:
    emulator.play([Reply([Say("One.")]), Reply([Say("Two.")])])
    chat.say("Count")
    (answer,) = chat.same(chat.ask("regenerate", options={"body": chat.options}))
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == ["Two."]
