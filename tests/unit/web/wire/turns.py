"""Turns of every kind, and a client that holds their messages as a chat server tells them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit import Agent, File, Image, ImageGeneration, Limits, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say, Think
from agentkit.errors import RunError
from agentkit.events import Event
from agentkit.images.store import MemoryImageStore
from agentkit.run import Run
from agentkit.stream import AnswerStream
from agentkit.tools import Progress
from agentkit.web.asked import Answers, read_asked, resumption
from agentkit.web.chunks import Chunk
from agentkit.web.message_facts import Ending
from agentkit.web.retelling import take_up
from agentkit.web.telling import Teller
from agentkit.web.ui_message import UIMessage, reduced
from tests import ui_stream
from tests.conftest import picture

ENDS = ("csv", "txt")
BIG = picture(size=(160, 120), noise=90)


@tool
def weather(city: str) -> str:
    """Today's weather in a city."""
    return f"rain in {city}"


@tool
async def paint(colour: str) -> Image:
    """A plain picture of a colour."""
    return Image.from_bytes(picture(colour, (12, 12)))


@tool
def report(title: str) -> list[File]:
    """Writes a report, and its source."""
    return [File.from_bytes(f"{title} {end}".encode(), name=f"{title}.{end}") for end in ENDS]


@tool(approve=True)
async def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


@tool(external=True)
def where() -> str:
    """Where the user is, which only their browser knows."""
    raise NotImplementedError


@tool
def broken() -> str:
    """Fails."""
    raise RuntimeError("no such luck")


@tool
async def slow(steps: int) -> AsyncIterator[object]:
    """Says how far it is."""
    for step in range(steps):
        yield Progress(f"step {step}")
    yield "done"


@dataclass(frozen=True)
class Scenario:
    name: str
    replies: tuple[Reply, ...]
    check: Callable[[UIMessage], None]
    tools: tuple[Any, ...] = ()
    helped: tuple[Any, ...] = ()
    """The tools of a sub-agent, which is a tool then."""
    answer: Callable[[UIMessage], None] | None = None
    """What a person says to the calls that wait."""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def parts(message: UIMessage, kind: str) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if part["type"] == kind]


def pictures(message: UIMessage) -> list[dict[str, Any]]:
    return [part["data"] for part in parts(message, "data-picture")]


def is_said(message: UIMessage) -> None:
    assert [part["text"] for part in parts(message, "text")] == ["Hello **you**"]
    assert [part["text"] for part in parts(message, "reasoning")] == ["let me see"]
    assert message["metadata"]["status"] == "completed"
    assert message["metadata"]["costUsd"] > 0


def has_tools(message: UIMessage) -> None:
    states = {part["toolName"]: part["state"] for part in parts(message, "dynamic-tool")}
    assert states == {
        "weather": "output-available",
        "broken": "output-error",
        "slow": "output-available",
        "paint": "output-available",
    }
    assert len(parts(message, "step-start")) == 2
    assert [each["name"] for each in pictures(message)] == ["img_1"]
    assert {part["data"]["status"] for part in parts(message, "data-call")} == {
        "completed",
        "failed",
    }


def has_drawn(message: UIMessage) -> None:
    (drawn,) = pictures(message)
    assert (drawn["status"], drawn["name"], drawn["width"]) == ("ready", "img_1", 160)
    assert [part["url"] for part in parts(message, "file")] == [drawn["url"]]
    kinds = [part["type"] for part in message["parts"]]
    assert kinds.index("data-picture") < kinds.index("text", kinds.index("text") + 1)
    assert parts(message, "dynamic-tool")[0]["providerExecuted"] is True


def has_failed(message: UIMessage) -> None:
    (failed,) = pictures(message)
    assert failed["status"] == "failed"
    assert failed["reason"]
    assert failed["url"] is None


def says(**approval: Any) -> Callable[[UIMessage], None]:
    def answer(message: UIMessage) -> None:
        for part in parts(message, "dynamic-tool"):
            if part["state"] == "approval-requested":
                part["state"] = "approval-responded"
                part["approval"] = {**part["approval"], **approval}

    return answer


def is_gone(message: UIMessage) -> None:
    (call,) = parts(message, "dynamic-tool")
    assert (call["state"], call["output"]) == ("output-available", "a.txt is gone")
    assert call["approval"]["approved"] is True


def is_denied(message: UIMessage) -> None:
    (call,) = parts(message, "dynamic-tool")
    assert call["state"] == "output-denied"
    assert call["approval"]["reason"] == "not that one"
    assert parts(message, "data-call")[0]["data"]["status"] == "denied"


def is_limited(message: UIMessage) -> None:
    assert message["metadata"]["status"] == "limited"
    assert message["metadata"]["limit"] == "turns"


def knows(message: UIMessage) -> None:
    """The client runs a tool of its own, as `addToolOutput` does."""
    (call,) = parts(message, "dynamic-tool")
    assert call["state"] == "input-available"
    call.update(state="output-available", output="Oslo")


def is_known(message: UIMessage) -> None:
    (call,) = parts(message, "dynamic-tool")
    assert (call["state"], call["output"]) == ("output-available", "Oslo")


def has_helped(message: UIMessage) -> None:
    helper, inner = parts(message, "dynamic-tool")
    assert (helper["toolCallId"], inner["toolCallId"]) == ("call_h", "call_h/call_d")
    assert (helper["state"], inner["state"]) == ("output-available", "output-available")
    assert {part["id"]: part["data"]["parent"] for part in parts(message, "data-call")} == {
        "call_h": None,
        "call_h/call_d": "call_h",
    }
    assert [part["text"] for part in parts(message, "text")] == ["I ask.", "Done."]


def has_painted(message: UIMessage) -> None:
    (painted,) = pictures(message)
    assert (painted["status"], painted["name"]) == ("ready", "img_1")
    assert painted["invocationId"] == "call_h/call_p"
    assert len(parts(message, "file")) == 1


def files(message: UIMessage) -> list[dict[str, Any]]:
    return [part["data"] for part in parts(message, "data-file")]


def has_files(message: UIMessage) -> None:
    told = [(each["name"], each["filename"], each["invocationId"]) for each in files(message)]
    assert told == [("file_1", "rain.csv", "call_r"), ("file_2", "rain.txt", "call_r")]
    assert [part["url"] for part in parts(message, "file")] == [f["url"] for f in files(message)]


def has_handed_on(message: UIMessage) -> None:
    told = [(each["name"], each["invocationId"]) for each in files(message)]
    assert told == [("file_1", "call_h/call_r"), ("file_2", "call_h/call_r")]
    assert len(parts(message, "file")) == 2


def cites(message: UIMessage) -> None:
    assert [part["url"] for part in parts(message, "source-url")] == ["https://example.org/"]


CITED = {"url": "https://example.org/", "title": "Example", "start_index": 0, "end_index": 2}
ASKS = Reply([CallTool("delete", {"path": "a.txt"}, id="call_d")])
SCENARIOS = [
    Scenario("words", (Reply([Think("let me see"), Say("Hello **you**")]),), is_said),
    Scenario(
        "tools",
        (
            Reply(
                [
                    Say("One moment."),
                    CallTool("weather", {"city": "Oslo"}),
                    CallTool("broken", {}),
                    CallTool("slow", {"steps": 3}),
                    CallTool("paint", {"colour": "red"}),
                ]
            ),
            Reply([Say("Rain.")]),
        ),
        has_tools,
        (weather, broken, slow, paint),
    ),
    Scenario(
        "files",
        (Reply([CallTool("report", {"title": "rain"}, id="call_r")]), Reply([Say("There.")])),
        has_files,
        (report,),
    ),
    Scenario(
        "a sub-agent that gives files",
        (
            Reply([CallTool("helper", {"prompt": "report it"}, id="call_h")]),
            Reply([CallTool("report", {"title": "rain"}, id="call_r")]),
            Reply([Say("There.")]),
            Reply([Say("Done.")]),
        ),
        has_handed_on,
        helped=(report,),
    ),
    Scenario(
        "drawing",
        (Reply([Say("Look: "), Draw("a fox", data=BIG, preview_count=2), Say("Nice?")]),),
        has_drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "a drawing that fails",
        (Reply([Say("Look: "), Draw("a fox", status="error", error="moderated"), Say("Sorry.")]),),
        has_failed,
        (ImageGeneration(),),
    ),
    Scenario(
        "approval",
        (ASKS, Reply([Say("Done.")])),
        is_gone,
        (delete,),
        answer=says(approved=True),
    ),
    Scenario(
        "denial",
        (ASKS, Reply([Say("Very well.")])),
        is_denied,
        (delete,),
        answer=says(approved=False, reason="not that one"),
    ),
    Scenario(
        "a result from outside",
        (Reply([CallTool("where", {}, id="call_w")]), Reply([Say("In Oslo.")])),
        is_known,
        (where,),
        answer=knows,
    ),
    Scenario(
        "a sub-agent that asks",
        (
            Reply([Say("I ask."), CallTool("helper", {"prompt": "delete it"}, id="call_h")]),
            Reply([Think("well"), CallTool("delete", {"path": "b.txt"}, id="call_d")]),
            Reply([Say("It is gone.")]),
            Reply([Say("Done.")]),
        ),
        has_helped,
        helped=(delete,),
        answer=says(approved=True),
    ),
    Scenario(
        "a sub-agent that draws",
        (
            Reply([CallTool("helper", {"prompt": "paint it"}, id="call_h")]),
            Reply([CallTool("paint", {"colour": "red"}, id="call_p")]),
            Reply([Say("Here it is.")]),
            Reply([Say("Done.")]),
        ),
        has_painted,
        helped=(paint,),
    ),
    Scenario(
        "pages that are cited",
        (Reply([Say("So they say.", annotations=[CITED, CITED])]),),
        cites,
    ),
    Scenario(
        "limit",
        (Reply([CallTool("weather", {"city": "Oslo"})]), Reply([Say("That is all.")])),
        is_limited,
        (weather,),
        options={"limits": Limits(turns=1)},
    ),
]


@dataclass
class Told:
    """A turn as a client has it."""

    message: UIMessage
    whole: UIMessage
    """For a client that came back and had nothing of it."""
    run: Run
    notes: str
    chunks: list[Chunk]
    """What the client was sent."""
    before: UIMessage | None = None
    """The message that went on, as it was."""


class Client:
    """Talks to an agent as a chat server does, and holds the message as `ai` does."""

    def __init__(self, agent: Agent[Any]) -> None:
        self.chat = agent.conversation()

    async def ask(
        self, prompt: str, on: Callable[[Event, AnswerStream[Any]], None] | None = None
    ) -> Told:
        """Take a turn; `on` is called at each event."""
        chunks: list[Chunk] = []
        teller: Teller | None = None
        stream = self.chat.stream(prompt)
        ending: Ending | None = None
        try:
            async with stream:
                async for event in stream:
                    if teller is None:
                        teller = self._begun(stream, chunks)
                    chunks += teller.tell(event)
                    if on is not None:
                        on(event, stream)
        except RunError as error:
            ending = Ending("failed", str(error))
        if teller is None:
            teller = self._begun(stream, chunks)
        assert stream.run is not None
        chunks += teller.end(stream.run, ending)
        ui_stream.check(chunks)
        message = reduced(chunks)
        return Told(message, message, stream.run, teller.notes.to_json(), chunks)

    def _begun(self, stream: AnswerStream[Any], chunks: list[Chunk]) -> Teller:
        assert stream.run is not None
        teller = Teller(stream.run, drawing=["paint"])
        chunks += teller.begin()
        return teller

    async def answer(self, told: Told) -> Told:
        asked = read_asked({"id": "c", "messages": [told.message]})
        assert isinstance(asked.what, Answers)
        given = resumption(told.run, asked.what)
        up = take_up(told.run, told.notes, given.verdicts, drawing=["paint"])
        chunks: list[Chunk] = []
        options: dict[str, Any] = {
            "approve": given.approve,
            "results": given.results,
            "outcomes": given.outcomes,
            "answers": given.answers,
        }
        async with self.chat.resume_stream(told.run, **options) as stream:
            async for event in stream:
                chunks += up.teller.tell(event)
        assert stream.run is not None
        chunks += up.teller.end(stream.run)
        calls = {part["toolCallId"] for part in parts(told.message, "dynamic-tool")}
        ui_stream.check([*up.rest, {"type": "start-step"}, *chunks], calls)
        ui_stream.check([*up.whole, *chunks])
        message = reduced([*up.rest, *chunks], told.message)
        whole = reduced([*up.whole, *chunks])
        notes, sent = up.teller.notes.to_json(), [*up.rest, *chunks]
        return Told(message, whole, stream.run, notes, sent, told.message)


def agent_for(
    scenario: Scenario, api: str, client: OpenRouter, store: MemoryImageStore
) -> Agent[Any]:
    """The agent of a scenario."""

    def agent(*tools: Any, **options: Any) -> Agent[Any]:
        return Agent(
            "openai/gpt-5.2",
            api=api,
            client=client,
            store=store,
            tools=tools,
            checks=False,
            **options,
        )

    helper = [agent(*scenario.helped).as_tool("helper", "Helps.")] if scenario.helped else []
    return agent(*scenario.tools, *helper, **scenario.options)


async def played(scenario: Scenario, agent: Agent[Any], emulator: Emulator) -> AsyncIterator[Told]:
    """The turn of a scenario: as far as it goes, and again after a person has answered."""
    emulator.play(list(scenario.replies))
    talk = Client(agent)
    told = await talk.ask("Go on")
    yield told
    if scenario.answer is not None:
        scenario.answer(told.message)
        yield await talk.answer(told)
