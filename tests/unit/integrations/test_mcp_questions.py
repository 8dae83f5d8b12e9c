"""What MCP servers ask a person in the middle of a call: the run pauses for the answer, on
connections of both eras.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters

from agentkit import Agent, Answer, OpenRouter, Run, Toolset
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.integrations import mcp
from tests.conftest import Bench
from tests.unit.integrations import friendly_server
from tests.web_server import serving_app

SCRIPT = Path(__file__).with_name("friendly_server.py")
ERAS = ["2026-07-28", "2025-11-25"]
WELL = Reply([Say("Well.")])


@asynccontextmanager
async def friendly(kind: str, era: str, **options: Any) -> AsyncIterator[Toolset]:
    """The tools of the friendly server, which speaks this era: as a process, inside, over HTTP."""
    server = friendly_server.server
    if kind == "process":
        args = [str(SCRIPT), *(["2025"] if era == ERAS[1] else [])]
        where = {"PYTHONPATH": str(Path.cwd())}
        process = StdioServerParameters(command=sys.executable, args=args, env=where)
        async with mcp.tools(process, **options) as tools:
            yield tools
        return
    if era == ERAS[1]:
        server.middleware.append(friendly_server.of_2025)
    try:
        if kind == "inside" and era == ERAS[0]:  # nothing else is spoken there
            async with mcp.tools(server, **options) as tools:
                yield tools
            return
        with serving_app(server.streamable_http_app()) as served:
            async with mcp.tools(f"{served.url}/mcp", **options) as tools:
                yield tools
    finally:
        if era == ERAS[1]:
            server.middleware.remove(friendly_server.of_2025)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    friendly_server.made.clear()


@pytest.fixture
def agent(client: OpenRouter, store: MemoryImageStore) -> Agent[Any]:
    return Agent("openai/gpt-5.2", client=client, store=store, checks=False)


def with_tools(agent: Agent[Any], *tools: Any) -> Agent[Any]:
    return Agent(agent.model, client=agent.client, store=agent.store, checks=False, tools=tools)


def calling(emulator: Emulator, *calls: tuple[str, dict[str, Any]]) -> None:
    """The model makes these calls in one reply."""
    emulator.play([Reply([CallTool(name, given, id=f"c{n}") for n, (name, given) in enumerate(calls)]), WELL])  # fmt: skip


def asked(answer: Answer[Any], call_id: str = "c0") -> Any:
    """What a call asks."""
    assert answer.status == "paused"
    (call,) = [each for each in answer.pending if each.id == call_id]
    assert call.question is not None
    return call.question


async def test_a_question_in_each_way(bench: Bench, era: str) -> None:
    calling(bench.emulator, ("asks", {}))
    async with friendly("inside", era) as tools:
        agent = bench.agent(tools=[tools])
        answer = await bench.ask(agent, "Go")
        question = asked(answer)
        assert question.message == "How wide?"
        assert question.schema["properties"]["width"]["type"] == "integer"
        assert question.note.startswith("The MCP server ")
        assert len(bench.emulator.requests) == 1
        with pytest.raises(UsageError, match="width: accepted is a whole number"):
            await agent.resume(answer.run, answers={"c0": {"width": "7"}})
        done = await agent.resume(answer.run, answers={"c0": {"width": 7}})
    assert done.text == "Well."
    result = str(done.invocations[0].result)
    assert result == ("accept {'width': 7} asked" if era == ERAS[0] else "accept width=7")
    assert done.run.asked == ()


@pytest.mark.parametrize("kind", [pytest.param("process", marks=pytest.mark.slow), "http"])
async def test_over_each_transport_another_process_goes_on(
    agent: Agent[Any], emulator: Emulator, store: MemoryImageStore, kind: str, era: str
) -> None:
    """The connection of the run that goes on is another one: a process of a server has begun anew,
    and has forgotten what it asked.
    """
    calling(emulator, ("asks", {}))
    async with friendly(kind, era) as tools:
        answer = await with_tools(agent, tools).run("Go")
    saved = answer.run.to_json()
    async with friendly(kind, era) as tools:
        run = Run.from_json(saved, blobs=store)
        done = await with_tools(agent, tools).resume(run, answers={"c0": {"width": 7}})
    assert "accept" in str(done.invocations[0].result)
    assert "7" in str(done.invocations[0].result)


async def test_several_questions_and_one_of_them_twice(
    agent: Agent[Any], emulator: Emulator, store: MemoryImageStore, era: str
) -> None:
    calling(emulator, ("books", {"day": "Mon"}))
    given = [("guests", 0), ("sure", True), ("guests", 3), ("sure", True)]
    if era == ERAS[1]:
        del given[1]  # it asks one after the other
    async with friendly("inside", era) as tools:
        booking = with_tools(agent, tools)
        answer = await booking.run("Book")
        for name, value in given:
            assert list(asked(answer).schema["properties"]) == [name]
            run = Run.from_json(answer.run.to_json(), blobs=store)
            answer = await booking.resume(run, answers={"c0": {name: value}})
    assert answer.text == "Well."
    (call,) = answer.invocations
    calls = 3 if era == ERAS[0] else 4
    assert call.result == f"booked Mon 3 accept in call {calls}"
    if era == ERAS[0]:
        assert friendly_server.made == ["Mon None", "Mon s1", "Mon s2"]


async def test_a_person_declines(agent: Agent[Any], emulator: Emulator, era: str) -> None:
    """The server hears of it where the call is still to be made. One that has ended is not made
    once more for a no.
    """
    calling(emulator, ("asks", {}))
    async with friendly("inside", era) as tools:
        asking = with_tools(agent, tools)
        answer = await asking.run("Go")
        done = await asking.resume(answer.run, answers={"c0": False})
    result = str(done.invocations[0].result)
    if era == ERAS[0]:
        assert result == "decline None asked"
    else:
        assert result == "the user declined to answer; the call ended: cancel None"


async def test_a_person_is_told_that_the_call_is_made_again(
    agent: Agent[Any], emulator: Emulator, era: str
) -> None:
    calling(emulator, ("books", {"day": "Mon"}))
    async with friendly("inside", era) as tools:
        booking = with_tools(agent, tools)
        answer = await booking.run("Book")
        note = asked(answer).note
        if era == ERAS[0]:
            assert "If it has forgotten" in note
            return
        assert "its call ended: not booked: cancel. An answer makes the call once more" in note
        done = await booking.resume(answer.run, answers={"c0": False})
    assert friendly_server.made == ["Mon None"]
    assert "not booked: cancel" in str(done.invocations[0].result)


async def test_two_calls_ask_at_once(agent: Agent[Any], emulator: Emulator, era: str) -> None:
    """Each question is that of its call, and so is each answer."""
    calling(emulator, ("books", {"day": "Mon"}), ("books", {"day": "Tue"}), ("draw", {"colour": "red"}))  # fmt: skip
    guests = {"Mon": 2, "Tue": 4}
    async with friendly("inside", era) as tools:
        booking = with_tools(agent, tools)
        answer = await booking.run("Book")
        assert answer.run.images
        for _ in range(8):
            if answer.status != "paused":
                break
            answers: dict[str, Any] = {}
            for call in answer.pending:
                assert call.question is not None
                words = call.question.message
                day = next((each for each in guests if each in words), None)
                answers[call.id] = {"sure": True} if day is None else {"guests": guests[day]}
            answer = await booking.resume(answer.run, answers=answers)
    assert answer.text == "Well."
    first, second, drew = answer.invocations
    assert str(first.result).startswith("booked Mon 2 accept")
    assert str(second.result).startswith("booked Tue 4 accept")
    assert drew.status == "completed"


async def test_an_approved_call_asks(agent: Agent[Any], emulator: Emulator, era: str) -> None:
    calling(emulator, ("asks", {}))
    async with friendly("inside", era, approve=True) as tools:
        asking = with_tools(agent, tools)
        answer = await asking.run("Go")
        answer = await asking.resume(answer.run, approve={"c0": True})
        assert asked(answer).message == "How wide?"
        done = await asking.resume(answer.run, answers={"c0": {"width": 7}})
    assert "7" in str(done.invocations[0].result)


async def test_no_page_is_opened(agent: Agent[Any], emulator: Emulator, era: str) -> None:
    calling(emulator, ("opens_a_page", {}))
    async with friendly("inside", era) as tools:
        answer = await with_tools(agent, tools).run("Go")
    assert (answer.status, answer.invocations[0].result) == ("completed", "decline")


async def test_a_program_without_a_person_says_no(
    agent: Agent[Any], emulator: Emulator, era: str
) -> None:
    async def nobody(_: str, __: Any) -> None:
        await asyncio.sleep(0)

    calling(emulator, ("asks", {}))
    async with friendly("inside", era, ask=nobody) as tools:
        answer = await with_tools(agent, tools).run("Go")
    assert answer.status == "completed"
    assert "decline" in str(answer.invocations[0].result)
