"""A turn costs what is new, however much lies behind it."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest

from agentkit import FileImageStore, Image, Message, Run, Text
from agentkit.emulator import Reply, Say
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
