"""A turn that ends before its end: what was paid for stays in the conversation, under handles that
are never given twice, and downloads go on.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest

from agentkit import (
    Conversation,
    FetchPolicy,
    Image,
    ImageFailed,
    ImageReady,
    Limits,
    RunFinished,
    TextDelta,
    tool,
)
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import AgentkitError, ConversationBusy, DeadlineExceeded, UsageError
from agentkit.events import Event
from agentkit.values import Messages
from tests.clock import FOREVER, GUARD, advance, turns, until
from tests.conftest import Bench
from tests.unit.images.slow_host import FOX, HEN, LONG, SlowHost, slow_host
from tests.unit.loop.test_grace import drawn


@pytest.fixture
async def host() -> AsyncIterator[SlowHost]:
    async with slow_host() as host:
        yield host


def handles(chat: Conversation[Any]) -> list[tuple[str, bytes]]:
    return [(name, image.bytes()) for name, image in chat.images.items()]


BOTH = [("img_1", FOX), ("img_2", HEN)]
THEN = Reply([Draw("a hill"), Say("Another one.")])
"""The next turn: one picture more."""


async def the_next(bench: Bench, chat: Conversation[Any]) -> str:
    """The handle of the picture of the next turn."""
    bench.emulator.play([THEN])
    answer = await bench.ask(chat, "Go on")
    assert answer.status == "completed"
    return answer.images[0].name


def counts(chat: Conversation[Any]) -> tuple[int, int]:
    return len(chat.messages), chat.usage.requests


async def left(chat: Conversation[Any], how: str, host: SlowHost) -> None:
    """Begin a turn, and end it in this way while both pictures are on their way."""
    if how == "cancelled":
        task = asyncio.create_task(chat.send("Draw"))
        await host.both_asked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return
    with pytest.raises(ZeroDivisionError) if how == "raised" else nullcontext():
        async with chat.stream("Draw") as stream:
            await host.both_asked()
            if how == "raised":
                raise ZeroDivisionError
            if how == "stopped":
                stream.stop()


@pytest.mark.parametrize("how", ["cancelled", "left", "raised", "stopped"])
async def test_downloads_outlive_their_turn(bench: Bench, host: SlowHost, how: str) -> None:
    bench.emulator.play([drawn(host)])
    chat = bench.agent(fetch=LONG).conversation()
    await left(chat, how, host)
    assert (handles(chat), chat.failures) == ([], ())  # at once: the host still holds both
    assert counts(chat) == (2 if how == "stopped" else 0, 1)
    assert await the_next(bench, chat) == "img_3"  # the others are promised
    host.released.set()
    await chat.settled()
    assert handles(chat)[:2] == BOTH
    assert list(chat.images) == ["img_1", "img_2", "img_3"]
    assert len(host.paths) == 2
    assert len(bench.emulator.posts) == 2


async def test_the_stream_that_was_left_has_them_too(bench: Bench, host: SlowHost) -> None:
    bench.emulator.play([drawn(host)])
    chat = bench.agent(fetch=LONG).conversation()
    async with chat.stream("Draw") as stream:
        await host.both_asked()
    host.released.set()
    await chat.settled()
    assert stream.run is not None
    assert [image.bytes() for image in stream.run.images] == [FOX, HEN]
    assert stream.run.partial is not None
    ready = [each.image.name async for each in stream if isinstance(each, ImageReady)]
    assert ready == ["img_1", "img_2"]


async def test_closing_the_client_waits_for_them(bench: Bench, host: SlowHost) -> None:
    bench.emulator.play([drawn(host)])
    chat = bench.agent(fetch=LONG).conversation()
    await left(chat, "left", host)
    closing = asyncio.create_task(bench.client.close())
    await turns()
    assert not closing.done()
    host.released.set()
    await closing
    assert handles(chat) == BOTH


async def test_an_event_loop_that_shuts_down_waits_for_them(bench: Bench, host: SlowHost) -> None:
    """It cancels each task once, as `asyncio.run` does at its end."""
    bench.emulator.play([drawn(host)])
    chat = bench.agent(fetch=LONG).conversation()
    before = asyncio.all_tasks()
    await left(chat, "left", host)
    rest = [
        each
        for each in asyncio.all_tasks() - before
        if "serving" not in repr(each) and "Peer" not in repr(each)
    ]
    for task in rest:
        task.cancel()
    host.released.set()
    await chat.settled()
    assert handles(chat) == BOTH
    assert len(bench.emulator.posts) == 1


async def test_what_takes_longer_can_be_fetched_again(bench: Bench, host: SlowHost) -> None:
    bench.emulator.play([drawn(host)])
    chat = bench.agent(fetch=FetchPolicy(private=True, grace=0.05)).conversation()
    async with chat.stream("Draw") as stream:
        await host.both_asked()
    await until(lambda: len(chat.failures) == 2)
    await chat.settled()
    assert [each.url for each in chat.failures] == host.urls
    assert chat.images == {}
    failed = [each.failure.url async for each in stream if isinstance(each, ImageFailed)]
    assert failed == host.urls
    host.released.set()
    hen, fox = reversed(chat.failures)
    image = await chat.fetch_again(hen)
    assert (image.bytes(), chat.images[image.name]) == (HEN, image)
    assert chat.failures == (fox,)
    assert image.name == "img_1"  # promised to what did not come, and taken back
    assert await the_next(bench, chat) == "img_2"


async def test_what_cannot_be_fetched_again_is_refused(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([Draw("a fox", status="error", error="the brush broke"), Say("Sorry.")])]
    )
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Draw")
    assert answer.failures == chat.failures
    with pytest.raises(UsageError, match="with a URL"):
        await chat.fetch_again(answer.failures[0])
    with pytest.raises(UsageError, match="ImageFailure"):
        await chat.fetch_again("img_1")  # type: ignore[arg-type]


async def test_a_picture_is_there_from_its_event_on(bench: Bench) -> None:
    bench.emulator.play([Reply([Draw("a fox"), Say("Here it is."), Draw("a cat")])])
    chat, seen = bench.agent().conversation(), 0
    async with chat.stream("Draw") as stream:
        async for event in stream:
            if isinstance(event, ImageReady):
                seen += 1
                assert chat.images[event.image.name].sha256 == event.image.sha256
    assert seen == 2
    assert list(chat.images.values()) == list(stream.answer.images)


async def test_what_came_before_an_error_stays(bench: Bench) -> None:
    """A picture, then a tool, then a failure."""

    @tool
    def look() -> str:
        return "seen"

    bench.emulator.play(
        [Reply([Draw("a fox"), CallTool("look", {})]), Failure("no such thing", 400), THEN]
    )
    chat = bench.agent(tools=[look]).conversation()
    with pytest.raises(AgentkitError):
        await bench.ask(chat, "Draw")
    assert list(chat.images) == ["img_1"]
    assert chat.messages == ()
    cost = chat.usage.cost_usd
    assert cost is not None
    assert cost > 0
    answer = await bench.ask(chat, "Again")
    assert [image.name for image in answer.images] == ["img_2"]
    assert list(chat.images) == ["img_1", "img_2"]
    assert chat.usage.cost_usd == pytest.approx(cost + (answer.usage.cost_usd or 0.0))


async def test_a_run_that_goes_on_is_counted_once(bench: Bench) -> None:
    @tool(approve=True)
    def look() -> str:
        return "seen"

    bench.emulator.play([Reply([Draw("a fox"), CallTool("look", {})]), Reply([Say("Done.")])])
    chat = bench.agent(tools=[look]).conversation()
    paused = await bench.ask(chat, "Draw")
    assert (paused.status, list(chat.images)) == ("paused", ["img_1"])
    assert chat.usage.requests == 1
    done = await chat.resume(paused.run, approve={paused.pending[0].id: True})
    assert done.status == "completed"
    assert chat.usage.requests == 2
    assert chat.usage.cost_usd == done.usage.cost_usd


async def test_a_run_that_goes_on_takes_no_handle_of_another(bench: Bench) -> None:
    """Two turns fail, and the first of them goes on."""
    bad = Failure("no such thing", 400)

    @tool
    def look() -> str:
        return "seen"

    def first(what: str) -> list[Any]:
        return [Reply([Draw(what), CallTool("look", {})]), bad]

    bench.emulator.play([*first("a fox"), *first("a cat"), THEN])
    chat = bench.agent(tools=[look]).conversation()
    errors: list[Any] = []
    for _ in range(2):
        with pytest.raises(AgentkitError) as caught:
            await bench.ask(chat, "Draw")
        errors.append(caught.value)
    assert list(chat.images) == ["img_1", "img_2"]
    answer = await chat.resume(errors[0].run)
    assert [image.name for image in answer.images] == ["img_1", "img_3"]
    assert list(chat.images) == ["img_1", "img_2", "img_3"]


async def test_stop_keeps_what_came_as_the_turn(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([Say("Once upon a time "), Draw("a fox"), Say("there " * 200)], pause=0.05)]
    )
    chat = bench.agent().conversation()
    async with chat.stream("Tell") as stream:
        async for event in stream:
            if isinstance(event, ImageReady):
                stream.stop()
                stream.stop()
    answer = stream.answer
    if bench.way.stream:
        assert answer.status == "interrupted"
        assert answer.text.startswith("Once upon a time")
        assert len(answer.text) < 1000
    assert [image.name for image in answer.images] == ["img_1"]
    assert [each.role for each in chat.messages] == ["user", "assistant"]
    assert chat.messages == answer.run.messages
    assert chat.usage.requests == 1
    bench.emulator.play([THEN])
    again = await bench.ask(chat, "Go on")
    assert "img_1" not in [image.name for image in again.images]
    assert len(chat.messages) == 4


async def test_stop_while_a_tool_runs(bench: Bench) -> None:
    running = asyncio.Event()

    @tool
    async def wait() -> str:
        running.set()
        await asyncio.sleep(3600)
        return "never"

    bench.emulator.play([Reply([Say("Let me see. "), CallTool("wait", {})])])
    chat = bench.agent(tools=[wait]).conversation()
    turn = chat.start("Wait")
    await running.wait()
    turn.stop()
    answer = await turn.answer()
    assert (answer.status, answer.invocations[0].status) == ("interrupted", "cancelled")
    events = [event async for event in turn]
    assert isinstance(events[-1], RunFinished)
    bench.emulator.play([Reply([Say("Fine.")])])
    assert (await bench.ask(chat, "And now?")).text == "Fine."


async def test_a_started_turn_goes_on_when_nobody_looks(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("a "), Say("b"), Draw("a fox")])])
    chat = bench.agent().conversation()
    turn = chat.start("Draw")
    with pytest.raises(ConversationBusy):
        chat.start("Another")
    one = asyncio.create_task(anext(aiter(turn)))
    one.cancel()  # a reader that leaves changes nothing
    waiting = asyncio.create_task(turn.answer())
    await turns(1)
    waiting.cancel()
    readers: list[list[Event]] = await asyncio.gather(*(read(turn) for _ in range(3)))
    assert readers[0] == readers[1] == readers[2]
    assert any(isinstance(event, TextDelta) for event in readers[0])
    assert turn.done
    answer = await turn.answer()
    assert answer.text == "a b"
    assert turn.run == answer.run
    turn.stop()  # too late: nothing changes
    assert (await turn.answer()) is answer
    assert chat.messages == answer.run.messages


async def test_nobody_has_to_hold_a_started_turn(bench: Bench) -> None:
    noted = asyncio.Event()

    @tool
    async def note() -> str:
        for _ in range(3):
            await asyncio.sleep(0)
            gc.collect()
        noted.set()
        return "noted"

    bench.emulator.play([Reply([CallTool("note", {})], delay=0.05), Reply([Say("Done.")])])
    bench.agent(tools=[note]).conversation().start("Note it")
    while not noted.is_set():
        gc.collect()
        await asyncio.sleep(0.01)
    await until(lambda: len(bench.emulator.posts) == 2)


async def read(turn: Any) -> list[Event]:
    return [event async for event in turn]


async def test_the_error_of_a_started_turn(bench: Bench) -> None:
    bench.emulator.play([Failure("no such thing", 400)])
    chat = bench.agent().conversation()
    turn = chat.start("Draw")
    await until(lambda: turn.done)
    await turns()
    with pytest.raises(AgentkitError, match="no such thing"):
        await turn.answer()
    with pytest.raises(AgentkitError, match="no such thing"):
        await read(turn)


async def test_a_turn_that_is_drained_keeps_no_event(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("One two three.")], chunk=4), "Four."])
    chat = bench.agent().conversation()
    turn = chat.start("Count")
    await turn.begun()
    assert turn.run is not None
    seen = [event async for event in turn.drained()]
    assert isinstance(seen[-1], RunFinished)
    assert "".join(each.text for each in seen if isinstance(each, TextDelta)) == "One two three."
    assert (await turn.answer()).text == "One two three."
    assert [event async for event in chat.start("Go on")][-1].kind == "run_finished"


async def test_a_reader_that_gathers_reads_what_came_meanwhile_at_once(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("One two three.")], chunk=4)])
    turn = bench.agent().conversation().start("Count")
    pauses = [FOREVER]
    events = turn.drained(lambda: pauses.pop() if pauses else 0.0)
    first = asyncio.ensure_future(anext(events))
    await turn.answer()
    await turns()
    assert not first.done()
    assert pauses == []
    advance(FOREVER)
    seen = [await first]
    while not isinstance(seen[-1], RunFinished):
        following = events.__anext__()
        with pytest.raises(StopIteration) as told:  # it is there, and nothing is waited for
            following.send(None)
        seen.append(told.value.value)
    assert "".join(each.text for each in seen if isinstance(each, TextDelta)) == "One two three."
    assert [event async for event in events] == []


async def test_a_turn_that_cannot_begin(bench: Bench) -> None:
    nowhere = Image.from_url("http://127.0.0.1:1/fox.png")
    turn = bench.agent().conversation().start(["What is this?", nowhere])
    with pytest.raises(AgentkitError):
        await turn.begun()
    assert turn.run is None
    with pytest.raises(AgentkitError):
        _ = [event async for event in turn.drained()]


async def test_stopped_at_once(bench: Bench) -> None:
    """What had come is the prompt; where that was not even stored, there is no turn."""
    chat = bench.agent().conversation()
    turn = chat.start("Draw")
    turn.stop()
    answer = await turn.answer()
    assert (answer.status, answer.parts) == ("interrupted", ())
    assert [each.role for each in chat.messages] == ["user"]
    turn = chat.start(["Draw", Image.from_bytes(FOX)])
    turn.stop()
    with pytest.raises(AgentkitError, match="before anything was sent"):
        await turn.answer()
    assert counts(chat)[0] == 1
    assert bench.emulator.posts == []
    assert await the_next(bench, chat) == "img_1"


async def test_the_end_of_a_turns_time_is_waited_for(bench: Bench, host: SlowHost) -> None:
    """As in a run without a conversation: the error has all the pictures."""
    bench.emulator.play([drawn(host)])
    chat = bench.agent(limits=Limits(seconds=20), fetch=LONG).conversation()
    asked = bench.ask(chat, "Draw")
    error, _ = await asyncio.gather(asked, host.release_after(20), return_exceptions=True)
    assert isinstance(error, DeadlineExceeded)
    assert error.run is not None
    assert handles(chat) == BOTH == [(each.name, each.bytes()) for each in error.run.images]


async def test_an_adopted_run_takes_no_picture_away(bench: Bench) -> None:
    """A run of a fork has another picture under the handle."""
    bench.emulator.play([THEN, Reply([Draw("a cat")])])
    chat = bench.agent().conversation()
    other = chat.fork()
    await bench.ask(chat, "Draw")
    mine = chat.images["img_1"]
    chat._messages = Messages.of(())
    theirs = (await bench.ask(other, "Draw")).run
    assert theirs.images[0].sha256 != mine.sha256
    chat.adopt(theirs)
    assert chat.images["img_1"].sha256 == theirs.images[0].sha256
    assert isinstance(chat.images["img_2"], Image)
    assert chat.images["img_2"].sha256 == mine.sha256


@pytest.mark.parametrize("checks", [True, False], ids=["priced", "no price known"])
async def test_a_request_without_a_reply_is_no_free_one(bench: Bench, checks: bool) -> None:
    """It may be billed, and what its highest price was, nobody may know: the cost is not whole."""
    bench.emulator.play([Reply([Say("Late.")], delay=GUARD)])
    chat = bench.agent(checks=checks).conversation()
    turn = chat.start("Go")
    await until(lambda: bool(bench.emulator.posts))
    turn.stop()
    usage = (await turn.answer()).usage
    assert (usage.requests, usage.cost_usd, usage.cost_is_whole) == (1, None, False)
    assert (usage.uncertain_usd > 0) is checks
