"""Many turns: what is remembered, echoed, forked, and left behind after an error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from agentkit import (
    Agent,
    Denied,
    FetchPolicy,
    Image,
    ImageGeneration,
    ImageReady,
    InvocationProgress,
    Limits,
    Message,
    OpenRouter,
    Run,
    RunFinished,
    TextDelta,
    tool,
)
from agentkit.emulator import (
    CallTool,
    Draw,
    Emulator,
    Fault,
    RawReply,
    Reply,
    Say,
    Socket,
    Think,
    When,
)
from agentkit.errors import (
    APIError,
    ConversationBusy,
    DeadlineExceeded,
    OutputInvalid,
    ProtocolError,
    StreamInterrupted,
    UsageError,
)
from agentkit.hooks import Asking, Hooks
from agentkit.images.store import MemoryImageStore
from agentkit.tools import Progress
from tests.clock import FOREVER, GUARD, advance
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)


@tool
def weather(city: str) -> str:
    """Today's weather in a city."""
    return f"rain in {city}"


@tool(approve=True)
def pay(usd: int) -> str:
    """Pays."""
    return "paid"


async def test_it_remembers_what_was_said(bench: Bench) -> None:
    chat = bench.agent().conversation()
    await bench.ask(chat, "My name is Ada.")
    answer = await bench.ask(chat, "What is my name?")
    assert "Ada" in answer.text
    assert len(chat.messages) == 4
    assert chat.usage.requests == 2


async def test_a_picture_is_echoed_and_the_next_turn_is_accepted(bench: Bench) -> None:
    chat = bench.agent(tools=[ImageGeneration()]).conversation()
    assert chat.next_handle == "img_1"
    first = await bench.ask(chat, "Draw a fox in the snow")
    assert (chat.next_handle, chat.fork().next_handle) == ("img_2", "img_2")
    second = await bench.ask(chat, "Now at night")
    assert [image.name for image in (*first.images, *second.images)] == ["img_1", "img_2"]
    assert list(chat.images) == ["img_1", "img_2"]
    assert chat.images["img_1"].bytes() != chat.images["img_2"].bytes()


async def test_what_the_wire_gave_is_echoed_verbatim(bench: Bench) -> None:
    secret = "QUJDRA" * 400
    bench.emulator.play(
        [
            Reply(
                [
                    Think("Hm.", encrypted=secret),
                    Say("One."),
                    CallTool("weather", '{"city":  "Oslo"}', id="call_a"),
                ]
            ),
            Reply([Say("Two.")]),
        ]
    )
    await bench.ask(bench.agent(tools=[weather]), "Go")
    sent = bench.emulator.requests[-1].body
    history = sent["messages" if bench.way.api == "chat" else "input"]
    assert secret in str(history)
    assert '{"city":  "Oslo"}' in str(history)


async def test_the_api_and_the_model_can_change_between_turns(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply([Say("See: "), CallTool("weather", {"city": "Oslo"})]),
            Reply([Say("Wet. "), Draw("a fox", places=("message_images",), data=BIG)]),
            Reply([Say("Still wet.")]),
        ]
    )
    chat = bench.agent(tools=[weather, ImageGeneration()]).conversation()
    await bench.ask(chat, "Weather?")
    chat.api = "responses" if chat.api == "chat" else "chat"
    chat.model = (
        "google/gemini-3.1-flash-image-preview"
        if "google/gemini-3.1-flash-image-preview" in str(bench.emulator.base_url)
        else chat.model
    )
    answer = await bench.ask(chat, "And now?")
    assert answer.text == "Still wet."
    sent = str(bench.emulator.requests[-1].body)
    for kept in ("See: ", "rain in Oslo", "Wet.", "data:image/png;base64,"):
        assert kept in sent


async def test_a_fork_is_a_second_future(bench: Bench) -> None:
    chat = bench.agent().conversation()
    await bench.ask(chat, "My name is Ada.")
    other = chat.fork()
    await bench.ask(other, "My favourite colour is green.")
    assert len(chat.messages) == 2
    assert len(other.messages) == 4
    sessions = {
        request.body["session_id"]
        for request in bench.emulator.requests
        if request.method == "POST"
    }
    assert (
        sessions == {chat.session_id} == {other.session_id}
    )  # the prompt cache of what was said is for both


async def test_the_users_pictures_are_numbered_and_sent(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Nice cat.")]), Reply([Say("Yes.")])])
    chat = bench.agent().conversation()
    await bench.ask(chat, ["Look", Image.from_bytes(BIG)])
    await bench.ask(chat, "Is it?")
    assert chat.images["img_1"].width == 160
    assert not chat.images["img_1"].prompt
    sent = [str(request.body) for request in bench.emulator.requests if request.method == "POST"]
    assert all("data:image/png;base64,iVBOR" in body for body in sent)


async def test_an_error_leaves_the_conversation_as_it_was(bench: Bench) -> None:
    chat = bench.agent().conversation()
    await bench.ask(chat, "Hello")
    before = chat.messages
    bench.emulator.play([RawReply(400, b'{"error":{"message":"no such thing","code":400}}')])
    with pytest.raises(APIError, match="no such thing") as caught:
        await bench.ask(chat, "Do it")
    assert chat.messages == before
    assert caught.value.run is not None
    assert caught.value.run.messages[-1].text == "Do it"
    assert (await bench.ask(chat, "Hello again")).status == "completed"


async def test_what_failed_is_not_kept_in_memory(bench: Bench) -> None:
    chat = bench.agent(tools=[pay]).conversation()
    await bench.ask(chat, "Hello")
    kept = weakref.ref(chat.messages[0])
    failed: list[weakref.ref[Message]] = []
    for _ in range(2):
        bench.emulator.play([RawReply(400, b'{"error":{"message":"no","code":400}}')])
        with pytest.raises(APIError) as caught:
            await bench.ask(chat, "x" * 200_000)
        assert caught.value.run is not None
        failed += [weakref.ref(message) for message in caught.value.run.messages[2:]]
        del caught
    bench.emulator.play([Reply([CallTool("pay", {"usd": 1})])])
    paused = await bench.ask(chat, "Pay")
    failed += [weakref.ref(message) for message in paused.run.messages[2:]]
    chat.drop()
    del paused
    await asyncio.sleep(0)  # the task of the stream ends
    gc.collect()
    assert len(failed) == 4
    assert [each() for each in failed] == [None] * 4
    assert kept() is chat.messages[0]


async def test_the_failure_of_another_run_leaves_the_turn_that_waits(bench: Bench) -> None:
    agent = bench.agent(tools=[pay])
    chat, other = agent.conversation(), agent.conversation()
    bench.emulator.play(
        [Reply([CallTool("pay", {"usd": 1})]), Reply([CallTool("pay", {"usd": 2})])]
    )
    own, foreign = await bench.ask(chat, "One"), await bench.ask(other, "Two")
    refused = RawReply(400, b'{"error":{"message":"no","code":400}}')
    bench.emulator.play([refused])
    with pytest.raises(APIError):
        await chat.resume(foreign.run, approve={foreign.pending[0].id: True})
    assert chat.waiting is own.run
    bench.emulator.play([refused])
    saved = Run.from_json(own.run.to_json(), blobs=bench.store)  # the same run
    with pytest.raises(APIError):
        await chat.resume(saved, approve={own.pending[0].id: True})
    assert chat.waiting is None


async def test_an_adopted_run_that_broke_says_that_it_did(bench: Bench) -> None:
    chat = bench.agent(tools=[pay]).conversation()
    bench.emulator.play([RawReply(400, b'{"error":{"message":"no","code":400}}')])
    with pytest.raises(APIError) as caught:
        await bench.ask(chat, "Hello")
    assert caught.value.run is not None
    kept = chat.adopt(caught.value.run)
    assert (kept.status, kept.limit) == ("interrupted", None)
    bench.emulator.play([Reply([CallTool("pay", {"usd": 1})])])
    given_up = chat.adopt((await bench.ask(chat, "Pay")).run)
    assert (given_up.status, given_up.limit) == ("interrupted", None)
    saved = Run.from_json(given_up.run.to_json(), blobs=bench.store)
    assert chat.agent.conversation(run=saved).messages == chat.messages  # it is a turn
    with pytest.raises(UsageError, match=r"has ended \(interrupted\)"):
        await chat.agent.resume(saved)


@dataclass
class Silence:
    """A server that takes every request and never says a word."""

    url: str
    asked: asyncio.Event


@pytest.fixture
async def silence() -> AsyncIterator[Silence]:
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
            asked.set()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield Silence(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked)
    server.close()


async def test_the_time_of_a_run_holds_for_the_look_into_the_catalogue(
    silence: Silence, store: MemoryImageStore
) -> None:
    async with OpenRouter(api_key="sk-or-test", base_url=f"{silence.url}/api/v1") as client:
        chat = Agent(
            "openai/gpt-5.2", client=client, store=store, limits=Limits(seconds=0.3)
        ).conversation()
        with pytest.raises(DeadlineExceeded, match=r"limit of 0\.3 seconds") as caught:
            await chat.send("Hello")
        assert caught.value.run is not None
        assert caught.value.run.messages[-1].text == "Hello"
        assert caught.value.run.seconds >= 0.3
        assert chat.messages == ()


async def test_what_the_catalogue_took_is_time_of_the_run(bench: Bench) -> None:
    bench.emulator.faults.add(
        Fault(socket=Socket("stall", at="response", seconds=0.4), when=When(api="models", times=1))
    )
    answer = await bench.ask(bench.agent(checks=True), "Hello")
    assert answer.run.seconds >= 0.4


async def test_the_time_of_a_run_holds_for_results_that_are_fetched(
    bench: Bench, silence: Silence
) -> None:
    @tool(external=True)
    def photo() -> Image:
        """A photo."""
        raise NotImplementedError

    bench.emulator.play([Reply([CallTool("photo")]), Reply([Say("Nice.")])])
    fetch = FetchPolicy(private=True)
    chat = bench.agent(tools=[photo], limits=Limits(seconds=1000), fetch=fetch).conversation()
    paused = await bench.ask(chat, "Show me")
    results = {paused.pending[0].id: Image.from_url(f"{silence.url}/a.png")}
    resumed = asyncio.create_task(chat.resume(paused.run, results=results))
    await asyncio.wait_for(silence.asked.wait(), GUARD)
    advance(1000)
    with pytest.raises(DeadlineExceeded, match=r"limit of 1000 seconds") as caught:
        await resumed
    assert caught.value.run is not None
    assert (caught.value.run.status, chat.waiting) == (
        "paused",
        paused.run,
    )  # nothing was decided yet


async def test_one_turn_at_a_time(bench: Bench) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(asking: Asking) -> None:
        asked.set()
        await go_on.wait()

    bench.emulator.play([Reply([Say("slow")])])
    chat = bench.agent(hooks=Hooks(before_request=wait)).conversation()
    first = asyncio.create_task(bench.ask(chat, "One"))
    await asyncio.wait_for(asked.wait(), GUARD)
    with pytest.raises(ConversationBusy, match="fork"):
        await chat.send("Two")
    go_on.set()
    assert (await first).text == "slow"


async def test_cancelled_between_tools_leaves_no_trace(bench: Bench) -> None:
    begun = asyncio.Event()

    @tool
    async def slow() -> str:
        """Takes long."""
        begun.set()
        await asyncio.sleep(FOREVER)
        return "late"

    bench.emulator.play([Reply([CallTool("slow")])])
    chat = bench.agent(tools=[slow]).conversation()
    task = asyncio.create_task(bench.ask(chat, "Go"))
    await asyncio.wait_for(begun.wait(), GUARD)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert chat.messages == ()
    assert len(asyncio.all_tasks()) == 1


async def test_leaving_a_stream_early(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    emulator.play([Reply([Say("word " * 2000)], chunk=5)])
    chat = Agent("openai/gpt-5.2", client=client, store=store).conversation()
    async with chat.stream("Talk") as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break
    assert chat.messages == ()
    assert stream.run is not None
    assert stream.run.partial is not None
    assert stream.run.partial.text.startswith("word")
    kept = chat.adopt(stream.run)
    assert kept.text.startswith("word")
    assert chat.messages[-1].role == "assistant"
    emulator.play([Reply([Say("Fine.")])])
    assert (await chat.send("And?")).text == "Fine."


async def test_each_reader_sees_every_event_from_the_start(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    emulator.play([Reply([Say("one two three four"), Draw("a fox", data=BIG)], chunk=2)])
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], client=client, store=store)

    async def read(stream: Any) -> list[str]:
        return [type(event).__name__ async for event in stream]

    async with agent.stream("Go") as stream:
        together = await asyncio.gather(read(stream), read(stream))
        late = await read(stream)
    assert together[0] == together[1] == late
    assert late[-1] == "RunFinished"
    assert "ImageReady" in late


async def test_text_arrives_before_the_stream_ends(
    client: OpenRouter, emulator: Emulator, store: MemoryImageStore
) -> None:
    emulator.play([Reply([Say("first ")], hang=True)])
    async with Agent("openai/gpt-5.2", client=client, store=store).stream("Go") as stream:
        async with asyncio.timeout(GUARD):
            async for event in stream:
                if isinstance(event, TextDelta):
                    break


async def test_pictures_are_fetched_while_the_stream_goes_on(
    client: OpenRouter, emulator: Emulator, store: MemoryImageStore
) -> None:
    emulator.play(
        [Reply([Draw("a fox", places=("server_tool_call",), data=BIG), Say("…")], hang=True)]
    )
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], client=client, store=store)
    async with agent.stream("Go") as stream:
        async with asyncio.timeout(GUARD):
            async for event in stream:
                if isinstance(event, ImageReady):
                    assert event.image.bytes() == BIG
                    break


async def test_a_cut_stream_is_no_success(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore, bench: Bench
) -> None:
    if not bench.way.stream:
        pytest.skip("a buffered body is whole or broken")
    emulator.play(
        [
            Reply(
                [
                    Say("Here: "),
                    Draw("a fox", places=("message_images",), data=BIG),
                    Say("x" * 5000),
                ],
                cut_after=int(len(BIG) * 1.4),
                chunk=50,
            )
        ]
    )
    with pytest.raises(StreamInterrupted) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.answer_so_far is not None
    assert "Here" in caught.value.answer_so_far.text


async def test_html_with_200_is_a_protocol_error(bench: Bench) -> None:
    bench.emulator.play(
        [RawReply(200, b"<html><body>Welcome to the hotel</body></html>", "text/html")]
    )
    with pytest.raises(ProtocolError, match="HTML"):
        await bench.ask(bench.agent(), "Go")


async def test_approval_in_another_process(bench: Bench) -> None:
    spent: list[int] = []

    @tool(approve=lambda arguments: arguments["euros"] > 10)
    def buy(euros: int) -> str:
        """Buys something."""
        spent.append(euros)
        return f"bought for {euros}"

    bench.emulator.play(
        [
            Reply([CallTool("buy", {"euros": 5}, id="a"), CallTool("buy", {"euros": 50}, id="b")]),
            Reply([Say("Done.")]),
        ]
    )
    agent = bench.agent(tools=[buy])
    answer = await bench.ask(agent, "Buy")
    assert answer.status == "paused"
    assert [call.id for call in answer.pending] == ["b"]
    assert spent == [5]
    saved = answer.run.to_json()
    run = Run.from_json(saved, blobs=bench.store)
    for wrong, message in (
        ({"c": True}, "no call with this id"),
        ({"b": "yes"}, "accepted are True, False and Denied"),
    ):
        with pytest.raises(UsageError, match=message):
            await agent.resume(run, approve=wrong)  # type: ignore[arg-type]
    bench.emulator.play([Reply([Say("Done.")])])
    resumed = await agent.resume(run, approve={"b": True})
    assert (resumed.status, resumed.text, spent) == ("completed", "Done.", [5, 50])


async def test_a_denied_call_is_told_to_the_model(bench: Bench) -> None:
    @tool(approve=True)
    def buy(euros: int) -> str:
        """Buys something."""
        raise AssertionError("never run")

    bench.emulator.play([Reply([CallTool("buy", {"euros": 50}, id="b")]), Reply([Say("Pity.")])])
    chat = bench.agent(tools=[buy]).conversation()
    answer = await bench.ask(chat, "Buy")
    assert chat.messages == ()
    resumed = await chat.resume(answer.run, approve={"b": Denied("too dear")})
    assert resumed.invocations[0].status == "denied"
    assert "too dear" in str(bench.emulator.requests[-1].body)
    assert len(chat.messages) == 4


async def test_an_external_result(bench: Bench) -> None:
    @tool(external=True)
    def ask_ada(question: str) -> Image:
        """Asks Ada."""
        raise AssertionError("never run")

    bench.emulator.play(
        [Reply([CallTool("ask_ada", {"question": "?"}, id="q")]), Reply([Say("Thanks.")])]
    )
    agent = bench.agent(tools=[ask_ada])
    answer = await bench.ask(agent, "Ask")
    assert answer.status == "paused"
    resumed = await agent.resume(answer.run, results={"q": Image.from_bytes(BIG)})
    assert [image.bytes() for image in resumed.images] == [BIG]
    assert resumed.text == "Thanks."


async def test_structured_output_is_repaired_once(bench: Bench) -> None:
    from pydantic import BaseModel

    class Report(BaseModel):
        city: str
        degrees: int

    bench.emulator.play(
        [
            Reply([Say('{"city": "Oslo"}')]),
            Reply([Say('```json\n{"city": "Oslo", "degrees": 7}\n```')]),
        ]
    )
    answer = await bench.ask(bench.agent(output=Report), "Report")
    assert answer.output == Report(city="Oslo", degrees=7)
    assert "degrees" in str(bench.emulator.requests[-1].body)
    bench.emulator.play([Reply([Say("no")]), Reply([Say("never")])])
    with pytest.raises(OutputInvalid, match="after one repair"):
        await bench.ask(bench.agent(output=Report), "Report")


async def test_progress_of_a_generator_tool(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    @tool
    async def count(to: int) -> Any:
        """Counts."""
        for number in range(to):
            yield Progress(f"at {number}")
        yield "counted"

    emulator.play([Reply([CallTool("count", {"to": 2})]), Reply([Say("Done.")])])
    async with Agent("openai/gpt-5.2", tools=[count], client=client, store=store).stream(
        "Go"
    ) as stream:
        seen = [event.message async for event in stream if isinstance(event, InvocationProgress)]
    assert seen == ["at 0", "at 1"]
    assert stream.answer.invocations[0].result == "counted"


async def test_the_last_event_is_the_answers_status(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    async with Agent("openai/gpt-5.2", client=client, store=store).stream("Hello") as stream:
        events = [event async for event in stream]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == stream.answer.status == "completed"


async def test_a_turn_that_goes_on_is_not_given_up(bench: Bench) -> None:
    chat = bench.agent().conversation()
    async with chat.stream("Hello") as stream:
        with pytest.raises(ConversationBusy):
            chat.drop()
        await stream.finish()
    assert chat.drop() is None
