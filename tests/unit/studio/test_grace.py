"""A request whose time is over, that is cancelled or whose stream is left: its pictures were paid
for, and their downloads have `FetchPolicy.grace` seconds more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import pytest

from agentkit import FetchPolicy, ImageReady
from agentkit.errors import DeadlineExceeded
from agentkit.images.store import MemoryImageStore
from tests.faults.scene import missing
from tests.unit.images.slow_host import FOX, HEN, LONG, SlowHost, slow_host
from tests.unit.studio.conftest import EVENTS, JSON, Line, sse

Made = Callable[..., Any]
LIMIT = 20.0


@pytest.fixture
async def host() -> AsyncIterator[SlowHost]:
    async with slow_host() as host:
        yield host


def say(line: Line, host: SlowHost, *, stream: bool) -> None:
    entries = [{"url": url} for url in host.urls]
    if stream:
        line.say(sse(*({"type": "image_generation.completed", **each} for each in entries)), EVENTS)
    else:
        line.say(json.dumps({"data": entries}).encode(), JSON)


async def drawn(studio: Any, *, stream: bool) -> Any:
    if not stream:
        return await studio.draw("both", n=2)
    async with studio.stream("both", n=2) as watched:
        return await watched.finish()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_leaves_them_their_time(
    line: Line, at_line: Made, host: SlowHost, stream: bool
) -> None:
    say(line, host, stream=stream)
    asked = drawn(at_line(fetch=LONG, seconds=LIMIT), stream=stream)
    error, _ = await asyncio.gather(asked, host.release_after(LIMIT), return_exceptions=True)
    assert isinstance(error, DeadlineExceeded)
    assert error.drawing is not None
    assert [image.bytes() for image in error.drawing.images] == [FOX, HEN]
    assert len(line.posts) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancellation_leaves_them_their_time(
    line: Line, at_line: Made, host: SlowHost, store: MemoryImageStore, stream: bool
) -> None:
    say(line, host, stream=stream)
    task = asyncio.create_task(drawn(at_line(fetch=LONG), stream=stream))
    await host.both_asked()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    host.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not missing(store, [sha256(FOX).hexdigest(), sha256(HEN).hexdigest()])


async def test_a_stream_that_is_left(line: Line, at_line: Made, host: SlowHost) -> None:
    say(line, host, stream=True)
    async with at_line(fetch=LONG).stream("both", n=2) as stream:
        await host.both_asked()
        assert stream.drawing is None
        host.release_soon()
    assert stream.drawing is not None
    assert [image.bytes() for image in stream.drawing.images] == [FOX, HEN]
    ready = [each.image.bytes() async for each in stream if isinstance(each, ImageReady)]
    assert ready == [FOX, HEN]


@pytest.mark.parametrize("grace", [0, 0.05])
async def test_what_takes_longer_is_named(
    line: Line, at_line: Made, host: SlowHost, grace: float
) -> None:
    say(line, host, stream=True)
    fetch = FetchPolicy(private=True, grace=grace)
    async with at_line(fetch=fetch).stream("both", n=2) as stream:
        await host.both_asked()
    assert stream.drawing is not None
    assert [each.url for each in stream.drawing.failures] == host.urls
    assert all("grace" in each.reason for each in stream.drawing.failures)
