"""A turn costs what is new, however much lies behind it."""

from __future__ import annotations

import gc

from agentkit import Message, Run, Text
from agentkit.emulator import Reply, Say
from tests.conftest import Bench

BEHIND = 3000
"""Messages."""


def behind() -> tuple[Message, ...]:
    pairs = [
        (Message("user", (Text(f"Question {at}"),)), Message("assistant", (Text(f"Answer {at}"),)))
        for at in range(BEHIND // 2)
    ]
    return tuple(message for pair in pairs for message in pair)


def as_long() -> set[int]:
    """What lives and holds every message of the conversation."""
    return {
        id(each)
        for each in gc.get_objects()
        if isinstance(each, list | tuple) and len(each) >= BEHIND and isinstance(each[-1], Message)
    }


async def test_no_turn_copies_what_lies_behind(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("It snows.")])] * 3)
    begun = await bench.ask(bench.agent().conversation(), "Hello")
    whole = (*behind(), *begun.run.messages)
    chat = bench.agent().conversation(run=begun.run.replace(messages=whole, start=BEHIND))
    first = await bench.ask(chat, "How is the weather?")
    before = as_long()
    second = await bench.ask(chat, "And now?")
    assert first.run.id != second.run.id
    assert as_long() <= before
    assert type(second.run.messages) is tuple
    assert second.run.messages == (*whole, *first.messages, *second.messages)
    assert chat.messages is second.run.messages


async def test_a_long_conversation_goes_whole_and_in_order(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("It snows.")])] * 2)
    begun = await bench.ask(bench.agent().conversation(), "Hello")
    grown: Run = begun.run.replace(messages=(*behind(), *begun.run.messages), start=BEHIND)
    await bench.ask(bench.agent().conversation(run=grown), "And now?")
    body = bench.emulator.requests[-1].body
    items = body["messages" if "messages" in body else "input"]
    words = [str(each) for each in items]
    assert len(items) == BEHIND + 3
    for at in range(0, BEHIND // 2, 97):
        assert f"Question {at}'" in words[2 * at]
        assert f"Answer {at}'" in words[2 * at + 1]
    assert "And now?" in words[-1]
