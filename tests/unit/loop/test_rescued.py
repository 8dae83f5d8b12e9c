"""A run that ends while a picture is still on its way: it was paid for, so it is in the store, or a
failure names it.
"""

from __future__ import annotations

import base64
from typing import Any

from agentkit import FetchPolicy, ImageFailed, ImageFailure, ImageReady
from agentkit.emulator import Draw, Emulator, Fault, Reply, Say, Socket, When
from agentkit.errors import StoreError
from agentkit.images.collector import Collector
from agentkit.images.fetch import Fetcher
from agentkit.images.spool import Spool
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import OpenRouter
from agentkit.studio import Studio
from agentkit.wire.types import ImageKey, ImageRef
from tests.clock import turns, until
from tests.conftest import Bench, picture

FOX = picture(size=(160, 120), noise=1)
HEN = picture(size=(120, 90), noise=2)
BY_URL = Draw("a fox", data=FOX, shape="url")
STALLED = Fault(socket=Socket("stall", at="body", byte=900), when=When(api="pictures"))


async def stalled(emulator: Emulator) -> None:
    """The download of the fox hangs, and the hen has been read."""
    await until(lambda: emulator.faults.stalls)
    await until(lambda: emulator.posts[0].delivered)
    await turns(50)


async def test_a_run_whose_caller_goes_away(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Here: "), BY_URL, Draw("a hen", data=HEN)])])
    bench.emulator.faults.add(STALLED)
    agent = bench.agent(model="google/gemini-2.5-flash-image", fetch=FetchPolicy(grace=0))
    async with agent.stream("Draw") as stream:
        await stalled(bench.emulator)
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [HEN]
    (failure,) = stream.run.failures
    assert failure.url is not None
    assert failure.url.startswith(bench.emulator.origin)
    assert "ended before" in failure.reason


async def test_a_drawing_whose_caller_goes_away(emulator: Emulator, client: OpenRouter) -> None:
    emulator.play([Reply([BY_URL, Draw("a hen", data=HEN)])])
    emulator.faults.add(STALLED)
    studio = Studio(
        "openai/gpt-5-image",
        client=client,
        store=MemoryImageStore(),
        checks=False,
        fetch=FetchPolicy(grace=0),
    )
    async with studio.stream("a fox and a hen", n=2) as stream:
        await stalled(emulator)
    events = [event async for event in stream]
    assert sorted(type(event).__name__ for event in events) == ["ImageFailed", "ImageReady"]
    for event in events:
        if isinstance(event, ImageFailed):
            assert event.failure.url
        elif isinstance(event, ImageReady):
            assert event.image.bytes() == HEN


class Full(MemoryImageStore):
    def create(self) -> Any:
        raise StoreError("no space left")


async def test_at_once_each_picture_has_its_outcome() -> None:
    """What a cancellation finds: a URL, a picture that the disk does not take, one that is broken,
    one that never came.
    """
    store, told = Full(), []
    small = picture("blue", (8, 8))
    collector = Collector(
        Spool(store),
        store,
        Fetcher(FetchPolicy(), store),
        None,
        lambda _, outcome: told.append(outcome),
    )
    values = [
        "https://images.openrouter.ai/fox.png",
        base64.b64encode(small).decode(),
        "bm90IGEgcGljdHVyZQ==",
    ]
    for number, value in enumerate(values):
        collector.see(ImageRef(ImageKey("images", str(number)), "images", (value,)))
    collector.see(ImageRef(ImageKey("server", "0"), "server_tool", (), error="the tool failed"))
    await collector.finish(grace=0)
    await collector.close()
    assert all(isinstance(each, ImageFailure) for each in told)
    assert [each.url for each in told] == [values[0], None, None, None]
    assert [each.data for each in told] == [None, small, b"not a picture", None]
    assert told[1].reason == "no space left"
    assert told[3].reason == "the tool failed"
    assert len(collector.outcomes) == 4
