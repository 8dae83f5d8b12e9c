"""A turn costs what is new, however much lies behind it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections import ChainMap
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import Any

import pytest

from agentkit import (
    Budget,
    Context,
    Conversation,
    FileImageStore,
    History,
    Image,
    Message,
    Run,
    Text,
    tool,
)
from agentkit.emulator import CallTool, Reply, Say
from agentkit.run.history import Summary
from agentkit.values import replace
from agentkit.values.messages import BLOCK
from tests.conftest import Bench, picture
from tests.unit.loop import orphans

BEHIND = 600
"""Messages."""
PICTURES = 200


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


def by_name() -> set[int]:
    """What lives and maps every picture of the conversation."""
    return {
        id(each)
        for each in gc.get_objects()
        if isinstance(each, dict)
        and len(each) >= PICTURES
        and all(isinstance(value, Image) for value in each.values())
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


async def test_a_tool_costs_no_copy_of_what_it_does_not_read(bench: Bench) -> None:
    found: list[tuple[set[int], set[int]]] = []
    told: list[Context] = []

    @tool
    async def look(context: Context, closely: bool = False) -> str:
        """Look at the conversation."""
        told.append(context)
        found.append((as_long(), by_name()))
        if closely:
            assert len(context.messages) == len(chat.run.messages) + 4
            assert list(context.images) == [f"img_{at + 1}" for at in range(PICTURES)]
            assert context.images["img_7"].name == "img_7"
            assert "img_0" not in context.images
        return "seen"

    bench.emulator.play(
        [
            Reply([Say("It snows.")]),
            Reply([CallTool("look", {})]),
            Reply([CallTool("look", {"closely": True})]),
            Reply([Say("Done.")]),
        ]
    )
    begun = await bench.ask(bench.agent().conversation(), ["Hello", Image.from_bytes(picture())])
    (image,) = begun.run.images
    images = tuple(replace(image, name=f"img_{at + 1}") for at in range(PICTURES))
    whole = (*behind(), *begun.run.messages)
    run = begun.run.replace(messages=whole, start=BEHIND, images=images)
    chat = bench.agent(tools=[look]).conversation(run=run)
    before = as_long()
    answer = await bench.ask(chat, "Look")
    assert answer.text == "Done."
    (long, named), (long_again, named_again) = found
    assert long | long_again <= before
    assert named_again <= named
    context = told[1]
    assert context.messages == answer.run.messages[: len(context.messages)]
    assert context.messages is context.messages
    assert context == dataclass_replace(context)
    assert context.images == {each.name: each for each in images}


TURNS = 20


def empty() -> int:
    """How many sets live in which nothing is, and maps of several."""
    return sum(
        isinstance(each, ChainMap) or (type(each) is set and not each) for each in gc.get_objects()
    )


async def test_turns_at_once_hold_little_that_is_empty(bench: Bench) -> None:
    """What the garbage collector would look at again and again."""
    together = asyncio.Barrier(TURNS + 1)

    @tool
    async def wait() -> str:
        """Wait for the others."""
        await together.wait()
        await together.wait()
        return "done"

    agent = bench.agent(tools=[wait], budget=Budget(images=1000))
    kept: list[Conversation[None]] = []
    before = during = after = 0
    for _ in range(2):  # in the first round much is made that stays
        calls, words = [Reply([CallTool("wait", {})])], [Reply([Say("It snows.")])]
        bench.emulator.play(calls * TURNS + words * TURNS)
        gc.collect()
        before = empty()
        chats = [agent.conversation() for _ in range(TURNS)]
        kept += chats
        turns = [asyncio.ensure_future(bench.ask(chat, "Hello")) for chat in chats]
        await asyncio.wait_for(together.wait(), 60)
        gc.collect()
        during = empty()
        await together.wait()
        answers = await asyncio.gather(*turns)
        gc.collect()
        after = empty()
        assert {each.text for each in answers} == {"It snows."}
    assert (during - before) / TURNS <= 7
    assert (after - before) / TURNS <= 2
