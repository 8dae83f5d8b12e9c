"""A reply with a thousand pictures: so many are kept as one reply may have, a failure tells of the
others, and the book-keeping takes no time that grows with the square of their number."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Literal

import pytest

from agentkit import Agent, FetchPolicy, OpenRouter
from agentkit.errors import ImageError, ProtocolError
from agentkit.images.collector import Collector
from agentkit.images.fetch import Fetcher
from agentkit.images.outcome import Outcome
from agentkit.images.spool import MAX_PICTURES, MAX_STRINGS, Spool
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.openrouter.response import MAX_EVENTS
from agentkit.studio import Studio
from agentkit.values import ImageFailure
from agentkit.wire.types import ImageKey, ImageRef
from tests.conftest import spread
from tests.security.peer import http, peering, start
from tests.security.pictures import chunk, whole

MANY = 1000
SECONDS = 15.0
"""Far more than is needed; a square takes minutes."""
END = chunk(b"IEND", b"")
DATA = whole("PNG", (2, 2)).removesuffix(END)


def text_of(number: int, size: int = 0) -> str:
    """A tiny picture in base64, another for each number; with `size`, one that the spool takes."""
    data = DATA + chunk(b"tEXt", b"n\0" + str(number).encode() + b"." * size) + END
    return base64.b64encode(data).decode()


def entry(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def chat(message: dict[str, Any]) -> dict[str, Any]:
    return {"id": "gen-1", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Here.", **message}}]}  # fmt: skip


def streamed(*events: dict[str, Any]) -> bytes:
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return start() + b"".join((*lines, b"data: [DONE]\n\n"))


def deltas(each: list[dict[str, Any]]) -> bytes:
    events = [{"id": "gen-1", "choices": [{"index": 0, "delta": delta}]} for delta in each]
    return streamed(
        *events, {"id": "gen-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    )


def item(number: int, kind: str = "image_generation_call", size: int = 0) -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"ig_{number}",
        "status": "completed",
        "result": text_of(number, size),
    }


def record(number: int) -> dict[str, Any]:
    result = json.dumps({"status": "ok", "imageB64": text_of(number)})
    return {"type": "reasoning.server_tool_call", "tool_name": "openrouter:image_generation", "index": number,
            "tool_call_id": f"c{number}", "arguments": "{}", "result": result}  # fmt: skip


def whole_response(output: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "resp-1", "status": "completed", "object": "response", "output": output}


def done(output: list[dict[str, Any]]) -> bytes:
    added = [
        {"type": "response.output_item.done", "output_index": n, "item": each}
        for n, each in enumerate(output)
    ]
    return streamed(*added, {"type": "response.completed", "response": whole_response(output)})


PNG = "data:image/png;base64,"
NUMBERS = range(MANY)
REPLIES: dict[str, tuple[Literal["chat", "responses"], bytes]] = {
    "images": ("chat", http(json.dumps(chat({"images": [entry(PNG + text_of(n)) for n in NUMBERS]})).encode())),
    "spooled images": ("chat", http(json.dumps(chat({"images": [entry(PNG + text_of(n, 4000)) for n in NUMBERS]})).encode())),
    "images, streamed": ("chat", deltas([{"images": [entry(PNG + text_of(n))]} for n in NUMBERS])),
    "content": ("chat", http(json.dumps(chat({"content": [entry(PNG + text_of(n)) for n in NUMBERS]})).encode())),
    "server tools": ("chat", http(json.dumps(chat({"reasoning_details": [record(n) for n in NUMBERS]})).encode())),
    "server tools, streamed": ("chat", deltas([{"reasoning_details": [record(n)]} for n in NUMBERS])),
    "items": ("responses", http(json.dumps(whole_response([item(n) for n in NUMBERS])).encode())),
    "spooled items": ("responses", http(json.dumps(whole_response([item(n, size=4000) for n in NUMBERS])).encode())),
    "items, streamed": ("responses", done([item(n, "openrouter:image_generation") for n in NUMBERS])),
}  # fmt: skip


@pytest.mark.parametrize("name", spread(REPLIES, 5))
async def test_a_reply_with_a_thousand_pictures(name: str) -> None:
    api, reply = REPLIES[name]
    async with (
        peering(reply, streamed() if reply.startswith(start()) else http(b"{}")) as peer,
        OpenRouter(
            api_key="sk-or-v1-0123", base_url=f"{peer.origin}/api/v1", timeouts=Timeouts(lookup=0)
        ) as client,
    ):
        chat = Agent(
            "a/b", api=api, client=client, store=MemoryImageStore(), checks=False
        ).conversation()
        began = time.process_time()
        if reply.startswith(start()):
            async with chat.stream("Go") as stream:
                answer = await stream.finish()
        else:
            answer = await chat.send("Go")
        assert time.process_time() - began < SECONDS
    assert len(answer.images) == MAX_PICTURES
    (failure,) = answer.failures
    assert str(MAX_PICTURES) in failure.reason
    run = answer.run.to_json()
    if not name.startswith("server tools"):  # whose record goes back as it came
        assert text_of(MANY - 1)[-60:] not in run, "what was not kept is not sent again either"
    assert len(run) < 3_000_000


@pytest.mark.parametrize("stream", [False, True])
async def test_a_drawing_with_a_thousand_pictures(stream: bool) -> None:
    events = [{"type": "image_generation.completed", "b64_json": text_of(n)} for n in NUMBERS]
    reply = (
        streamed(*events) if stream else http(json.dumps({"created": 0, "data": events}).encode())
    )
    async with (
        peering(reply) as peer,
        OpenRouter(
            api_key="sk-or-v1-0123", base_url=f"{peer.origin}/api/v1", timeouts=Timeouts(lookup=0)
        ) as client,
    ):
        studio = Studio("a/b", client=client, store=MemoryImageStore(), checks=False)
        if stream:
            async with studio.stream("foxes") as watched:
                drawing = await watched.finish()
        else:
            drawing = await studio.draw("foxes")
    assert len(drawing.images) == MAX_PICTURES
    assert len(drawing.failures) == 1


def test_the_spool_decodes_no_more_than_so_many() -> None:
    store = MemoryImageStore()
    spool = Spool(store, threshold=64)
    passed = (
        b"".join(spool.feed(f'["{text_of(n)}"]\n'.encode()) for n in range(MAX_STRINGS + 50))
        + spool.close()
    )
    assert len(spool.blobs) == MAX_STRINGS + 1
    assert passed.count(b"\n") == passed.count(spool.token.encode()) == MAX_STRINGS + 50
    *kept, beyond = spool.blobs.values()
    kept[-1].keep()
    with pytest.raises(ImageError, match=str(MAX_STRINGS)):
        beyond.keep()
    assert passed.splitlines()[-1] == passed.splitlines()[-50]


def test_nor_more_bytes_than_so_many() -> None:
    store = MemoryImageStore()
    spool = Spool(store, threshold=64, max_total_bytes=1000)
    spool.feed("".join(f'"{text_of(n, 400)}",' for n in range(4)).encode())
    told: list[str] = []
    for blob in spool.blobs.values():
        try:
            blob.keep()
        except ImageError as error:
            told.append(str(error))
    assert 0 < len(told) < 4
    assert set(told) == {"the pictures of one reply have more than 1000 bytes"}


async def test_nor_are_more_fetched() -> None:
    data = whole("PNG", (30, 30))
    store, told = MemoryImageStore(), []
    async with peering(get=http(data, kind="image/png")) as peer:
        fetcher = Fetcher(FetchPolicy(), store, origin=peer.origin)

        def hear(_: ImageRef, outcome: Outcome) -> None:
            told.append(outcome)

        collector = Collector(Spool(store, max_total_bytes=len(data)), store, fetcher, None, hear)
        for number in range(40):
            key = ImageKey("images", str(number))
            collector.see(ImageRef(key, "images", (f"{peer.origin}/{number}.png",)))
        await collector.finish()
        await collector.close()
    failed = [each for each in told if isinstance(each, ImageFailure)]
    assert len(told) == 40
    assert 20 < len(failed) < 40
    assert {each.reason for each in failed} == {
        f"the pictures of one reply have more than {len(data)} bytes"
    }
    assert all(each.url for each in failed)


async def test_a_million_events_are_too_many() -> None:
    words = b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"Well."}}]}\n\n'
    endless = start() + words + b"data:\n\n" * MAX_EVENTS
    async with (
        peering(endless) as peer,
        OpenRouter(
            api_key="sk-or-v1-0123", base_url=f"{peer.origin}/api/v1", timeouts=Timeouts(lookup=0)
        ) as client,
    ):
        agent = Agent("a/b", client=client, store=MemoryImageStore(), checks=False)
        with pytest.raises(ProtocolError, match=f"more than {MAX_EVENTS} events") as caught:
            async with agent.stream("Go") as stream:
                await stream.finish()
    assert caught.value.answer_so_far is not None
    assert caught.value.answer_so_far.text == "Well."
