"""One log of a turn for any number of readers: each has all of it, and the slow ones catch up."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentkit.web import stream_log
from agentkit.web.chunks import Chunk
from agentkit.web.stream_log import StreamLog
from agentkit.web.ui_message import reduced
from tests.clock import advance, turns


def delta(words: str, part: str = "text-1") -> Chunk:
    return {"type": "text-delta", "id": part, "delta": words}


def picture(status: str, part: str = "picture-1") -> Chunk:
    return {"type": "data-picture", "id": part, "data": {"status": status}}


async def read(log: StreamLog, start: int = 0) -> list[Chunk]:
    return [chunk async for chunk in log.read(start) if chunk is not None]


async def test_a_reader_sees_each_delta_as_it_comes() -> None:
    log = StreamLog()
    seen: list[Any] = []

    async def watch() -> None:
        seen.extend([chunk["delta"] async for chunk in log.read() if chunk is not None])

    task = asyncio.create_task(watch())
    for words in ("one ", "two ", "three"):
        log.add([delta(words)])
        await turns()
    log.close()
    await task
    assert seen == ["one ", "two ", "three"]


async def test_one_who_comes_late_reads_the_words_at_once() -> None:
    log = StreamLog()
    for number in range(1_000):
        log.add([delta(f"{number} ")])
    log.add([delta("else", "text-2")])
    log.close()
    chunks = await read(log)
    assert len(chunks) < 5
    assert "".join(each["delta"] for each in chunks[:-1]) == "".join(f"{n} " for n in range(1_000))
    assert chunks[-1] == delta("else", "text-2")


async def test_of_a_part_that_is_told_again_the_first_and_the_latest_stay() -> None:
    log = StreamLog()
    log.add([picture("making"), picture("preview"), delta("words"), picture("preview")])
    log.add([picture("making", "picture-2"), picture("ready")])
    log.close()
    told = [(each.get("id"), each.get("data", {}).get("status")) for each in await read(log)]
    assert told == [
        *(("picture-1", "making"), ("text-1", None)),
        *(("picture-2", "making"), ("picture-1", "ready")),
    ]


async def test_a_mark_parts_what_was_known_from_what_is_new() -> None:
    log = StreamLog()
    log.add([delta("old "), picture("making")])
    log.add([delta("old")])
    mark = log.mark()
    log.add([delta(" new"), picture("ready")])
    log.close()
    assert await read(log, mark) == [delta(" new"), picture("ready")]
    assert (await read(log))[0] == delta("old ")


async def test_a_silent_stream_says_that_it_is_alive() -> None:
    log = StreamLog()
    reader = log.read()
    waiting = asyncio.ensure_future(anext(reader))
    await turns()
    advance(14.0)
    await turns()
    assert not waiting.done()
    advance(1.5)
    assert await waiting is None
    log.add([delta("word")])
    assert await anext(reader) == delta("word")
    await reader.aclose()


async def test_who_leaves_takes_nothing_along() -> None:
    log = StreamLog()
    log.add([delta("one ")])
    first = log.read()
    await anext(first)
    await first.aclose()
    log.add([delta("two")])
    log.close()
    assert "".join(each["delta"] for each in await read(log)) == "one two"


async def test_what_is_kept_does_not_grow_with_what_is_told_again() -> None:
    log = StreamLog()
    tracemalloc.start()
    try:
        for number in range(20_000):
            log.add([delta("word "), picture(f"preview {number}")])
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    # Of what is made here and in the log alone: other threads of the process may be at work.
    ours = [tracemalloc.Filter(True, name) for name in (__file__, stream_log.__file__)]
    size = sum(each.size for each in taken.filter_traces(ours).statistics("filename"))
    assert size < 8 << 20


async def test_what_is_part_of_no_message_is_not_kept_for_long() -> None:
    """The words of a sub-agent: one who is behind has the latest, and all of the message."""
    log = StreamLog()
    for number in range(20_000):
        passing = {"type": "data-progress", "data": {"delta": str(number)}, "transient": True}
        log.add([passing, *([delta("word ")] if number % 10_000 == 0 else [])])
    log.close()
    chunks = await read(log)
    assert len(chunks) < 2_000
    assert [each["data"]["delta"] for each in chunks if "data" in each][-1] == "19999"
    assert "".join(each.get("delta", "") for each in chunks) == "word word "


CHUNKS = st.lists(
    st.one_of(
        st.builds(delta, st.text(max_size=5), st.sampled_from(["text-1", "text-2"])),
        st.builds(picture, st.sampled_from(["making", "preview", "ready"])),
        st.just({"type": "start-step"}),
    ),
    max_size=30,
)


@given(CHUNKS, st.integers(0, 30))
def test_the_message_is_the_same_for_every_reader(chunks: list[Chunk], joins: int) -> None:
    begun = [
        {"type": "start", "messageId": "run"},
        *({"type": "text-start", "id": each} for each in ("text-1", "text-2")),
    ]

    async def seen() -> tuple[list[Chunk], list[Chunk], list[Chunk]]:
        log = StreamLog()
        early = asyncio.create_task(read(log))
        late = None
        for number, chunk in enumerate([*begun, *chunks]):
            if number == joins:
                late = asyncio.create_task(read(log))
            log.add([chunk])
            await asyncio.sleep(0)
        log.close()
        late = late or asyncio.create_task(read(log))
        return await early, await late, await read(log)

    expected = reduced([*begun, *chunks])
    for told in asyncio.run(seen()):
        assert reduced(told) == expected
