"""Turns that end before their end: what came is told, and is shown again later."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Agent, ImageGeneration, OpenRouter
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.events import Event, InvocationStarted, TextDelta
from agentkit.images.store import MemoryImageStore
from agentkit.stream import AnswerStream
from agentkit.web.message_facts import Ending
from agentkit.web.retelling import assistant_message, take_up
from tests import ui_stream
from tests.unit.web.wire.turns import Client, parts, pictures, slow


@pytest.fixture
def talk(emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> Client:
    agent = Agent(
        "openai/gpt-5.2",
        api="responses",
        client=client,
        store=store,
        tools=[ImageGeneration(), slow],
        checks=False,
    )
    return Client(agent)


async def test_a_turn_that_is_stopped_keeps_what_came(talk: Client, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Once upon a time")], hang=True)])

    def stop(event: Event, stream: AnswerStream[Any]) -> None:
        if isinstance(event, TextDelta):
            stream.stop()

    told = await talk.ask("A story", stop)
    assert told.message["metadata"]["status"] == "stopped"
    assert "".join(part["text"] for part in parts(told.message, "text")).startswith("Once")
    assert any(chunk["type"] == "abort" for chunk in told.chunks)
    assert assistant_message(told.run, told.notes) == told.message


async def test_a_call_that_is_stopped_is_cancelled(talk: Client, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("slow", {"steps": 1})]), Reply([Say("ok")], hang=True)])

    def stop(event: Event, stream: AnswerStream[Any]) -> None:
        if isinstance(event, InvocationStarted):
            stream.stop()

    told = await talk.ask("Go", stop)
    (call,) = parts(told.message, "dynamic-tool")
    assert call["state"] in {"output-error", "output-available"}  # it may have ended before
    assert assistant_message(told.run, told.notes) == told.message


async def test_a_turn_that_fails_says_why_and_shows_what_was_paid_for(
    talk: Client, emulator: Emulator
) -> None:
    broken = Failure("the provider gave up", 502, form="stream")
    emulator.play([Reply([Draw("a fox"), Say("Look at this fox")], error=broken)])
    told = await talk.ask("Draw")
    facts = told.message["metadata"]
    assert facts["status"] == "failed"
    assert "gave up" in facts["error"]
    assert told.chunks[-3] == {"type": "error", "errorText": facts["error"]}
    assert [each["status"] for each in pictures(told.message)] == ["ready"]
    assert assistant_message(told.run, told.notes) == told.message


async def test_a_picture_that_never_comes_is_told(talk: Client, emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a fox", preview_count=1), Say("Look")], cut_after=900)])
    told = await talk.ask("Draw")
    assert told.message["metadata"]["status"] == "failed"
    assert {each["status"] for each in pictures(told.message)} <= {"failed"}
    assert assistant_message(told.run, told.notes) == told.message


async def test_a_turn_that_was_interrupted_goes_on(talk: Client, emulator: Emulator) -> None:
    """As after the end of a process: what the run has is told, then what comes."""
    emulator.play([Reply([CallTool("slow", {"steps": 2})]), Reply([Say("Once upon")], hang=True)])

    def stop(event: Event, stream: AnswerStream[Any]) -> None:
        if isinstance(event, TextDelta):
            stream.stop()

    told = await talk.ask("Go", stop)
    cut = told.run.replace(status="running")
    shown = assistant_message(cut, told.notes, Ending("interrupted"))
    assert shown["metadata"]["status"] == "interrupted"
    up = take_up(cut, told.notes)
    ended = up.teller.end(cut.replace(status="completed"))
    ui_stream.check([*up.whole, *ended])
    calls = {part["toolCallId"] for part in parts(shown, "dynamic-tool")}
    ui_stream.check([*up.rest, {"type": "start-step"}, *ended], calls)
