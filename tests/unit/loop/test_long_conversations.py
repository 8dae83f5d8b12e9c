"""A turn costs what is new, however much lies behind it."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentkit import Budget, FileImageStore, History, Image, Message, Run, Text
from agentkit.emulator import Reply, Say
from agentkit.run.history import Summary
from agentkit.values import replace
from agentkit.values.messages import BLOCK
from tests.conftest import Bench, picture
from tests.unit.loop import orphans

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


@pytest.mark.parametrize("size", [(2, 2), (300, 200)])
@pytest.mark.parametrize("trouble", ["deleted", "damaged"])
async def test_a_picture_that_was_sent_before_is_looked_at_each_time(
    bench: Bench, tmp_path: Path, size: tuple[int, int], trouble: str
) -> None:
    """It goes in the same bytes while it is there, and is told as a line when it is not."""
    store = FileImageStore(tmp_path / "pictures")
    bench.emulator.play([Reply([Say("A fox.")])] * 4)
    chat = bench.agent(store=store).conversation()
    data = picture(size=size, noise=3)
    await bench.ask(chat, ["What is it?", Image.from_bytes(data)])
    (image,) = chat.images.values()
    path = store.path_of(image.sha256)
    assert path is not None
    os.utime(path, (1, 1))  # long ago, so that the store remembers that it is whole
    for _ in range(2):
        await bench.ask(chat, "And now?")
        sent = orphans.pictures(bench.emulator.requests[-1].body)
        assert [each.sha256 for each in sent] == [image.sha256]
    if trouble == "deleted":
        path.unlink()
    else:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    await bench.ask(chat, "And now?")
    body = bench.emulator.requests[-1].body
    assert orphans.pictures(body) == []
    assert "img_1" in json.dumps(body)


class Words(str):
    """Words that count how often they are measured."""

    __slots__ = ()
    measured = 0

    def encode(self, *given: str, **named: str) -> bytes:
        Words.measured += 1
        return super().encode(*given, **named)


def measurable() -> tuple[Message, ...]:
    return tuple(replace(message, parts=(Text(Words(message.text)),)) for message in behind())


@pytest.mark.parametrize("policy", ["limit in money", "summary"])
async def test_what_lies_behind_is_measured_once(bench: Bench, policy: str) -> None:
    options: dict[str, Any] = {"checks": True, "budget": Budget(cost_usd=100)}
    if policy == "summary":
        options = {"history": History(summary=Summary("openai/gpt-5.2", after_tokens=1_000_000))}
    bench.emulator.play([Reply([Say("It snows.")])] * 4)
    begun = await bench.ask(bench.agent().conversation(), "Hello")
    whole = (*measurable(), *begun.run.messages)
    agent = bench.agent(**options)
    chat = agent.conversation(run=begun.run.replace(messages=whole, start=BEHIND))
    Words.measured = 0
    await bench.ask(chat, "How is the weather?")
    assert Words.measured >= BEHIND
    Words.measured = 0
    await bench.ask(chat, "And now?")
    await bench.ask(chat, "And then?")
    assert Words.measured <= 2 * BLOCK  # those that fill no block yet
