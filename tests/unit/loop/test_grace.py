"""A run's end (its time is over, it is cancelled, its stream is left) ends the asking, not the
downloads of what is paid for: these have `FetchPolicy.grace` seconds more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from agentkit import FetchPolicy, Image, ImageFailed, ImageReady, Limits, OpenRouter, tool
from agentkit.emulator import CallTool, Raw, Reply, Say, UseServerTool
from agentkit.errors import DeadlineExceeded
from agentkit.studio import Studio
from agentkit.tools import Billed
from agentkit.values import Usage
from tests.conftest import Bench
from tests.faults.scene import missing
from tests.unit.images.slow_host import FOX, HEN, LONG, SlowHost, slow_host
from tests.unit.openrouter.peer import Line, reply, serving

LIMIT = 20.0


def drawn(host: SlowHost) -> Reply:
    """A reply with both pictures, as either API has them."""
    images = [{"type": "image_url", "image_url": {"url": url}} for url in host.urls]
    items = [
        {"type": "image_generation_call", "id": f"ig_{at}", "status": "completed", "result": url}
        for at, url in enumerate(host.urls)
    ]
    return Reply(
        [Say("Here: "), Raw(chat={"images": images}), *(Raw(responses=each) for each in items)]
    )


@pytest.fixture
async def host() -> AsyncIterator[SlowHost]:
    async with slow_host() as host:
        yield host


async def test_a_deadline_leaves_them_their_time(bench: Bench, host: SlowHost) -> None:
    bench.emulator.play([drawn(host)])
    agent = bench.agent(limits=Limits(seconds=LIMIT), fetch=LONG)
    asked = bench.ask(agent, "Draw")
    error, _ = await asyncio.gather(asked, host.release_after(LIMIT), return_exceptions=True)
    assert isinstance(error, DeadlineExceeded)
    assert error.run is not None
    assert error.answer_so_far is not None
    assert [image.bytes() for image in error.run.images] == [FOX, HEN]
    assert [image.bytes() for image in error.answer_so_far.images] == [FOX, HEN]
    assert [image.name for image in error.run.images] == ["img_1", "img_2"]
    assert error.answer_so_far.text == "Here: "
    assert (len(bench.emulator.posts), len(host.paths)) == (1, 2)


async def test_a_cancellation_leaves_them_their_time(bench: Bench, host: SlowHost) -> None:
    """However often it comes."""
    bench.emulator.play([drawn(host)])
    task = asyncio.create_task(bench.ask(bench.agent(fetch=LONG), "Draw"))
    await host.both_asked()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    host.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not missing(bench.store, [sha256(FOX).hexdigest(), sha256(HEN).hexdigest()])


async def test_a_stream_that_is_left(bench: Bench, host: SlowHost) -> None:
    bench.emulator.play([drawn(host)])
    async with bench.agent(fetch=LONG).stream("Draw") as stream:
        await host.both_asked()
        host.release_soon()
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [FOX, HEN]
    ready = [each.image.name async for each in stream if isinstance(each, ImageReady)]
    assert ready == ["img_1", "img_2"]


async def test_files_of_a_turn_that_is_left_come_with_its_pictures(
    bench: Bench, host: SlowHost
) -> None:
    """In a conversation, which goes on with the downloads of pictures by itself."""
    if bench.way.api == "chat":  # where server tools leave no files
        return
    shell = UseServerTool("openrouter:shell", files={"rain.csv": b"day,rain\n"})
    bench.emulator.play([Reply([shell, *drawn(host).content])])
    chat = bench.agent(fetch=LONG).conversation()
    async with chat.stream("Draw") as stream:
        await host.both_asked()
        host.release_soon()
    await chat.settled()
    assert [image.bytes() for image in chat.images.values()] == [FOX, HEN]
    assert [file.bytes() for file in chat.files.values()] == [b"day,rain\n"]
    assert stream.run is not None
    assert [file.name for file in stream.run.files] == ["file_1"]


@pytest.mark.parametrize("grace", [0, 0.05])
async def test_what_takes_longer_is_named(bench: Bench, host: SlowHost, grace: float) -> None:
    bench.emulator.play([drawn(host)])
    fetch = FetchPolicy(private=True, grace=grace)
    async with bench.agent(fetch=fetch).stream("Draw") as stream:
        await host.both_asked()
    assert stream.run is not None
    assert [each.url for each in stream.run.failures] == host.urls
    assert all("grace" in each.reason for each in stream.run.failures)
    failed = [each.failure.url async for each in stream if isinstance(each, ImageFailed)]
    assert (failed, stream.run.images) == (host.urls, ())


async def test_a_picture_in_the_words(bench: Bench, host: SlowHost) -> None:
    """Also one whose place in the words was not whole when the run ended."""
    words = "".join(f" ![it]({url})" for url in host.urls)
    bench.emulator.play([Reply([Say(f"See{words}")], hang=True)])
    fetch = FetchPolicy(private=True, hosts=("127.0.0.1",), grace=60)
    async with bench.agent(fetch=fetch).stream("Draw") as stream:
        await host.both_asked()
        host.release_soon()
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [FOX, HEN]


async def test_pictures_that_a_tool_gave(bench: Bench, host: SlowHost) -> None:
    @tool
    async def shoot() -> Billed[list[Image]]:
        """Takes pictures."""
        return Billed([Image.from_url(url) for url in host.urls], Usage(requests=1, cost_usd=0.5))

    bench.emulator.play([Reply([CallTool("shoot")])])
    async with bench.agent(tools=[shoot], fetch=LONG).stream("Draw") as stream:
        await host.both_asked()
        host.release_soon()
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [FOX, HEN]
    assert [each.status for each in stream.run.invocations] == ["completed"]


async def test_an_agent_that_is_a_tool(bench: Bench, host: SlowHost) -> None:
    """The agent that called it waits for its grace."""
    painter = bench.agent(fetch=LONG).as_tool("painter", "Paints.")
    bench.emulator.play([Reply([CallTool("painter", {"prompt": "Both"})]), drawn(host)])
    async with bench.agent(tools=[painter], fetch=LONG).stream("Draw") as stream:
        await host.both_asked()
        host.release_soon()
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [FOX, HEN]


async def test_a_studio_that_is_a_tool(bench: Bench, host: SlowHost) -> None:
    """What it had drawn is the result of its call."""

    async def images(line: Line) -> None:
        await line.request()
        data = [{"url": url} for url in host.urls]
        await line.send(reply(json.dumps({"data": data, "usage": {"cost": 0.08}}).encode()))
        await line.gone()

    bench.emulator.play([Reply([CallTool("draw_image", {"prompt": "Both"})])])
    async with serving(images) as peer, OpenRouter(api_key="sk-or-1", base_url=peer.url) as client:
        studio = Studio(client=client, store=bench.store, fetch=LONG, checks=False)
        async with bench.agent(tools=studio.tools(n=2), fetch=LONG).stream("Draw") as stream:
            await host.both_asked()
            host.release_soon()
    run = stream.run
    assert run is not None
    assert [image.bytes() for image in run.images] == [FOX, HEN]
    (call,) = run.invocations
    assert (call.status, call.images, call.cost_usd) == ("completed", ("img_1", "img_2"), 0.08)
