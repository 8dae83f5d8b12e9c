"""When something breaks: nothing that had arrived is lost, nothing is sent twice, no error is
another request's.
"""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from pydantic import BaseModel, field_validator

from agentkit import Agent, Image, Limits, OpenRouter, ServerTool, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, RawReply, Reply, Say
from agentkit.errors import (
    APIError,
    ConnectionFailed,
    DeadlineExceeded,
    OutcomeUnknown,
    OutputInvalid,
    RunError,
    UsageError,
)
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.clock import FOREVER, GUARD, advance, turns, until
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)
SMALL = picture("blue", (8, 8))


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def chat_body(images: list[str], **more: Any) -> bytes:
    message = {
        "role": "assistant",
        "content": "Here.",
        "images": [{"type": "image_url", "image_url": {"url": url}} for url in images],
    }
    return json.dumps(
        {
            "id": "gen-1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            **more,
        }
    ).encode()


class Scripted:
    """A server that answers each POST by writing given bytes, and then hangs up or waits."""

    def __init__(self, *answers: bytes, hang: bool = False) -> None:
        self.answers, self.hang, self.posts = list(answers), hang, 0
        self.url = ""
        self.handlers: set[asyncio.Task[Any]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.answer(reader, writer)
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handlers.add(asyncio.current_task())  # type: ignore[arg-type]
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ),
            0,
        )
        await reader.readexactly(length)
        self.posts += head.startswith(b"POST")
        writer.write(self.answers.pop(0) if self.answers else b"")
        await writer.drain()
        if self.hang:
            await asyncio.sleep(FOREVER)

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for handler in self.handlers:
            handler.cancel()
        await asyncio.gather(*self.handlers, return_exceptions=True)


def http(body: bytes, *, length: int | None = None, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body) if length is None else length}\r\nx-generation-id: gen-9\r\n\r\n"
    return head.encode() + body


@pytest.fixture
async def scripted() -> AsyncIterator[Any]:
    clients: list[OpenRouter] = []

    def agent(server: Scripted, **options: Any) -> Agent[Any]:
        client = OpenRouter(
            api_key="sk-or-v1-canary-0123",
            base_url=f"{server.url}/api/v1",
            timeouts=Timeouts(lookup=0),
        )
        clients.append(client)
        return Agent("a/b", client=client, store=MemoryImageStore(), checks=False, **options)

    yield agent
    for client in clients:
        await client.close()


async def test_a_fallback_inside_an_except_block_is_not_sent_twice(scripted: Any) -> None:
    async with Scripted() as server:
        try:
            async with OpenRouter(api_key="k", base_url="http://127.0.0.1:9/api/v1") as nobody:
                await Agent("a/b", client=nobody, store=MemoryImageStore()).run("Go")
        except ConnectionFailed:
            with pytest.raises(OutcomeUnknown):
                await scripted(server).run("Go")
        assert server.posts == 1


async def test_a_picture_before_the_break_is_kept(scripted: Any) -> None:
    body = chat_body([data_url(BIG)], padding="x" * 60)
    async with Scripted(http(body[:-30], length=len(body))) as server:
        with pytest.raises(RunError) as caught:
            await scripted(server).run("Go")
        assert caught.value.generation_id == "gen-9"
        assert caught.value.run is not None
        assert [image.bytes() for image in caught.value.run.images] == [BIG]


async def test_a_picture_cut_inside_is_a_failure_with_its_bytes_kept_aside(scripted: Any) -> None:
    body = chat_body([data_url(BIG)])
    async with Scripted(http(body[: len(body) // 2], length=len(body))) as server:
        with pytest.raises(RunError) as caught:
            await scripted(server).run("Go")
        run = caught.value.run
        assert run is not None
        assert run.images == ()
        assert run.failures[0].kept


async def test_the_deadline_in_the_middle_of_a_slow_picture(scripted: Any) -> None:
    async with (
        Scripted(hang=True) as slow,
        Scripted(
            http(chat_body([f"{slow.url}/slow.png", data_url(SMALL), data_url(BIG)]))
        ) as server,
    ):
        from agentkit import FetchPolicy

        fetch = FetchPolicy(seconds=FOREVER, private=True, grace=0)
        agent = scripted(server, limits=Limits(seconds=1000), fetch=fetch)
        asked = asyncio.create_task(agent.run("Go"))
        await until(lambda: slow.handlers)
        await turns(50)
        advance(1000)
        with pytest.raises(DeadlineExceeded) as caught:
            await asked
        assert caught.value.run is not None
        assert caught.value.generation_id == "gen-9"
        assert {image.bytes() for image in caught.value.run.images} == {SMALL, BIG}


async def test_a_broken_picture_is_not_echoed(bench: Bench) -> None:
    cut = BIG[:-200]
    bench.emulator.play(
        [
            Reply([Say("Look:"), Draw("a", places=("message_images",), data=cut)]),
            Reply([Say("Fine.")]),
        ]
    )
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Go")
    assert len(answer.failures) == 1
    await bench.ask(chat, "And?")
    assert base64.b64encode(cut)[:200].decode() not in str(bench.emulator.requests[-1].body)
    assert "agentkit-blob" not in str(bench.emulator.requests[-1].body)


async def test_a_tool_that_exits_or_cancels_itself_is_a_failed_call(bench: Bench) -> None:
    @tool
    def leave() -> str:
        """Leaves."""
        raise SystemExit(2)

    @tool
    async def give_up() -> str:
        """Gives up."""
        raise asyncio.CancelledError

    bench.emulator.play([Reply([CallTool("leave"), CallTool("give_up")]), Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[leave, give_up]), "Go")
    assert [call.status for call in answer.invocations] == ["failed", "failed"]
    assert answer.text == "Well."


def test_a_sync_form_on_its_own_loop_says_so(emulator: Emulator) -> None:
    inner = Agent(
        "openai/gpt-5.2",
        client=OpenRouter(api_key="k", base_url=emulator.base_url, timeouts=Timeouts(lookup=0)),
        store=MemoryImageStore(),
    )

    @tool
    async def nested() -> str:
        """Asks another agent, the wrong way."""
        return inner.run_sync("Hello").text

    emulator.play([Reply([CallTool("nested")]), Reply([Say("Well.")])])
    outer = Agent(
        "openai/gpt-5.2",
        tools=[nested],
        client=inner.client,
        store=MemoryImageStore(),
        limits=Limits(seconds=GUARD),
    )
    assert "await the async form" in (outer.run_sync("Go").invocations[0].error or "")


async def test_no_key_in_any_corner_of_an_error(scripted: Any) -> None:
    for answer in (b"", b"HTTP/1.1 401 No\r\ncontent-length: 20\r\n\r\nsk-or-v1-canary-0123"):
        async with Scripted(answer) as server:
            task = asyncio.create_task(
                scripted(server).run("Go")
            )  # the traceback begins inside agentkit
            await asyncio.wait([task])
            error = task.exception()
            assert isinstance(error, RunError)
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            assert "canary" not in "".join(shown.format())
            assert error.__context__ is None or "canary" not in repr(vars(error.__context__))


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b"{}",
        b'{"error":"Provider disconnected","choices":[{"message":{"content":"x"}}]}',
    ],
)
async def test_a_body_without_an_answer_is_no_success(body: bytes, scripted: Any) -> None:
    async with Scripted(http(body)) as server:
        with pytest.raises(RunError):
            await scripted(server).run("Go")


async def test_a_number_that_no_float_holds(scripted: Any) -> None:
    body = chat_body([], usage={"cost": 10**400, "prompt_tokens": 1})
    async with Scripted(http(body)) as server:
        answer = await scripted(server).run("Go")
    assert answer.usage.cost_usd is None


async def test_a_picture_gone_from_the_store_in_the_middle_of_a_run(bench: Bench) -> None:
    @tool
    def lose() -> str:
        """Loses all pictures."""
        for image in list(bench.store._shelf):
            bench.store.delete(image)
        return "gone"

    bench.emulator.play([Reply([CallTool("lose")]), Reply([Say("A pity.")])])
    answer = await bench.ask(bench.agent(tools=[lose]), ["Look", Image.from_bytes(BIG)])
    assert answer.text == "A pity."
    first, second = (json.dumps(request.body) for request in bench.emulator.requests)
    assert ("data:image/" in first, "data:image/" in second) == (True, False)
    assert "pictures that are not shown here: img_1" in second


async def test_whole_calls_of_a_buffered_body(bench: Bench) -> None:
    seen: list[int] = []

    @tool
    def count(number: int) -> int:
        """Counts."""
        seen.append(number)
        return number

    bench.emulator.play(
        [
            Reply(
                [CallTool("count", {"number": 1}, id="a"), CallTool("count", {"number": 1}, id="a")]
            ),
            Reply([Say("Done.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[count]), "Go")
    assert answer.text == "Done."
    assert seen == [1]


def test_a_key_that_no_header_can_hold() -> None:
    with pytest.raises(UsageError, match="ASCII"):
        OpenRouter(api_key="sk-or-…")


def test_an_error_of_the_api_is_one() -> None:
    assert issubclass(APIError, RunError)
    assert RawReply().status == 200


async def test_the_time_that_a_run_took_is_told_by_every_error(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Hello." * 40)], delay=0.2, cut_after=300)])
    with pytest.raises(RunError) as caught:
        await bench.ask(bench.agent(), "Go")
    assert not isinstance(caught.value, DeadlineExceeded)
    assert caught.value.run is not None
    assert caught.value.run.seconds >= 0.2


async def test_the_time_of_a_run_that_was_left(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Hello.")], delay=FOREVER)])
    async with bench.agent().stream("Go") as stream:
        await until(lambda: bench.emulator.requests)
        advance(70)
    assert stream.run is not None
    assert 70 <= stream.run.seconds < 70 + GUARD


class Slow(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def looked_up(cls, x: int) -> int:
        raise TimeoutError("the directory took too long") if x == 1 else KeyError("no such row")


@pytest.mark.parametrize(
    ("x", "words"), [(1, "TimeoutError: the directory took too long"), (2, "KeyError")]
)
async def test_a_validator_that_breaks_is_no_deadline(bench: Bench, x: int, words: str) -> None:
    bench.emulator.play([Reply([Say(f'{{"x": {x}}}')])] * 2)
    with pytest.raises(OutputInvalid, match=words) as caught:
        await bench.ask(bench.agent(output=Slow), "Go")
    assert caught.value.run is not None
    assert isinstance(caught.value.__cause__, TimeoutError if x == 1 else KeyError)
    assert len(bench.emulator.requests) == 2


async def test_a_time_out_of_something_else_is_no_deadline(bench: Bench) -> None:
    class Vaulted(ServerTool):
        def to_wire(self) -> dict[str, Any]:
            raise TimeoutError("the vault took too long")

    with pytest.raises(TimeoutError, match="the vault took too long"):
        await bench.ask(bench.agent(tools=[Vaulted("openrouter:datetime")]), "Go")


@pytest.mark.parametrize("kind", ["agent", "studio"])
async def test_an_error_that_comes_after_finish_was_given_up_is_raised_at_the_end_of_the_block(
    kind: str, emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    emulator.play([Reply(error=Failure("No foxes", 403), delay=1)])
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
    watched: Any = (
        agent if kind == "agent" else Studio(client=client, store=store, checks=False)
    ).stream("a fox")
    with pytest.raises(APIError, match="No foxes"):
        async with watched as stream:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.finish(), 0.05)
            await until(lambda: len(asyncio.all_tasks()) == 1)  # the request has ended
