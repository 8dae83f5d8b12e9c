"""Replies that others recorded, served byte for byte from a loopback server to an agent, and held
against a plain reading.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Answer, Conversation, OpenRouter, Reasoning, Run, Text, TextDelta, tool
from agentkit.errors import APIError, RunError
from agentkit.images.spool import Spool
from agentkit.images.store import ImageStore, MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.values import Message
from agentkit.wire import decoder
from agentkit.wire.json import read_object
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.types import Reply, Words
from tests.recorded import plain
from tests.recorded.plain import Plain
from tests.recorded.recordings import Recording, image_bodies, recordings
from tests.recorded.server import Canned, Replayer, replaying

RECORDINGS = recordings()
STREAMS = [each for each in RECORDINGS if each.is_stream]
JSON = {"content-type": "application/json"}
DONE_TURN = {
    "chat": {
        "id": "gen-closing",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Done."},
                "finish_reason": "stop",
            }
        ],
    },
    "responses": {
        "id": "gen-closing",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Done."}],
            }
        ],
    },
}


def canned(recording: Recording, *sizes: int) -> Canned:
    """The recorded reply, in pieces of these sizes; what is left comes as one."""
    pieces: list[bytes] = []
    at = 0
    for size in sizes:
        pieces.append(recording.body[at : at + size])
        at += size
    pieces.append(recording.body[at:])
    return Canned(tuple(piece for piece in pieces if piece), recording.headers, recording.status)


def closing(recording: Recording) -> Canned:
    return Canned((json.dumps(DONE_TURN[recording.api]).encode(),), JSON)


def recorded_tool(
    name: str, arguments: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]
) -> object:
    """A tool that takes what the recorded call gives, and writes it down."""

    def recorded(**given: Any) -> str:
        calls.append((name, given))
        return f"result {len(calls)}"

    parameters = [
        Parameter(each, Parameter.KEYWORD_ONLY, annotation=Any, default=None) for each in arguments
    ]
    recorded.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return tool(recorded, name=name, description="As it was called.")


@asynccontextmanager
async def talking(
    recording: Recording, expected: Plain, *sizes: int
) -> AsyncIterator[tuple[Conversation[Any], Replayer, list[tuple[str, dict[str, Any]]]]]:
    """A conversation whose first reply is the recorded one."""
    done: list[tuple[str, dict[str, Any]]] = []
    arguments: dict[str, dict[str, Any]] = {}
    for _, name, given in expected.calls:
        arguments.setdefault(name, {}).update(given)
    tools = [recorded_tool(name, given, done) for name, given in arguments.items()]
    async with replaying([canned(recording, *sizes), closing(recording)]) as server:
        if expected.error is not None:
            server.replies.pop()
        async with OpenRouter(
            api_key="sk-or-test", base_url=server.base_url, timeouts=Timeouts(lookup=0)
        ) as client:
            agent = Agent(
                "vendor/model",
                tools=tools,
                api=recording.api,
                client=client,
                store=MemoryImageStore(),
                checks=False,
            )
            yield agent.conversation(), server, done


async def ask(chat: Conversation[Any], recording: Recording) -> tuple[Answer[Any], str]:
    """The answer, and the words of its first turn as they were streamed."""
    if not recording.is_stream:
        return await chat.send("Go on"), ""
    async with chat.stream("Go on") as stream:
        events = [event async for event in stream]
        words = "".join(event.text for event in events if isinstance(event, TextDelta))
        return await stream.finish(), words


def first_reply(run: Run) -> Message:
    return next(message for message in run.messages if message.role == "assistant")


def check_message(message: Message, expected: Plain) -> None:
    assert message.text == expected.text
    assert (
        "".join(part.text for part in message.parts if isinstance(part, Reasoning))
        == expected.reasoning
    )
    assert [
        (call.id, call.name, json.loads(call.arguments or "{}")) for call in message.calls
    ] == expected.calls
    citations = [
        dict(each) for part in message.parts if isinstance(part, Text) for each in part.citations
    ]
    assert citations == expected.annotations


def check_pictures(answer: Answer[Any], expected: Plain, store: ImageStore) -> None:
    """Whole pictures are had; those that their publisher cut stand beside them as failures, with
    what arrived kept aside. The files of containers were not recorded.
    """
    failures = [each for each in answer.failures if each.source.place != "file"]
    whole = [data for value in expected.pictures if (data := plain.picture(value)) is not None]
    assert [image.bytes() for image in answer.images] == whole
    cut = [value for value in expected.pictures if plain.picture(value) is None]
    for failure, value in zip(failures, cut, strict=True):
        assert failure.reason
        if (rest := plain.bytes_of(value)) is not None:
            assert failure.kept == hashlib.sha256(rest).hexdigest()
            assert store.open(failure.kept).read() == rest


def check_usage(run: Run, expected: Plain) -> None:
    usage = run.spent[0]
    assert {name: getattr(usage, name) for name in expected.numbers()} == expected.numbers()
    assert usage.priced_requests == int(expected.usage.get("cost") is not None)


def is_only_an_id(item: dict[str, Any]) -> bool:
    """Whether it is reasoning of which nothing was sent: OpenAI keeps it, OpenRouter does not."""
    return item.get("type") == "reasoning" and not (
        item.get("summary") or item.get("content") or item.get("encrypted_content")
    )


def check_echo(
    body: dict[str, Any], recording: Recording, expected: Plain, done: list[Any]
) -> None:
    """What the next request sends back of the reply."""
    if recording.api == "chat":
        (message,) = [each for each in body["messages"] if each["role"] == "assistant"]
        assert message.get("reasoning_details", []) == expected.echo
        # a message that is empty without its picture, which a recording cuts off, has a word in it:
        # some providers refuse none
        assert (message["content"] or "") == expected.text or (
            message["content"] == "(no answer)" and not expected.text
        )
        calls = [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", ())
        ]
        answered = [each["tool_call_id"] for each in body["messages"] if each["role"] == "tool"]
    else:
        items = [item for item in body["input"] if item.get("type") != "function_call_output"]
        if not expected.pictures and not any(map(is_only_an_id, expected.echo)):
            echoed = items[1 : 1 + len(expected.echo)]
            assert len(echoed) == len(expected.echo)
            assert [item for item in echoed if item not in [*expected.echo, *expected.also]] == []
            assert [item["type"] for item in echoed] == [item["type"] for item in expected.echo]
        calls = [
            (each["call_id"], each["name"], json.loads(each["arguments"]))
            for each in items
            if each.get("type") == "function_call"
        ]
        answered = [
            each["call_id"] for each in body["input"] if each.get("type") == "function_call_output"
        ]
    assert [call[1:] for call in calls] == [call[1:] for call in expected.calls]
    for (call_id, _, _), (given, _, _) in zip(calls, expected.calls, strict=True):
        assert call_id == given or (
            len(given) > 40 and re.fullmatch("[a-zA-Z0-9_-]{1,40}", call_id)
        )
    assert answered == [call_id for call_id, _, _ in calls]
    assert not any(is_only_an_id(item) for item in body.get("input", ()))
    assert sorted(done, key=str) == sorted(
        ((name, given) for _, name, given in expected.calls), key=str
    )


async def check(recording: Recording, *sizes: int) -> None:
    expected = plain.read(recording)
    async with talking(recording, expected, *sizes) as (chat, server, done):
        if expected.error is not None:
            await check_error(chat, recording, expected)
            return
        answer, words = await ask(chat, recording)
        check_message(first_reply(answer.run), expected)
        check_pictures(answer, expected, chat.agent.store)
        check_usage(answer.run, expected)
        asked = {call.id: False for call in answer.pending}
        assert answer.status == (
            "limited"
            if expected.finish in {"length", "incomplete"}
            else "paused"
            if asked
            else "completed"
        )
        if recording.is_stream:
            assert words == "\n\n".join(
                each for each in (expected.text, "Done." if expected.calls else "") if each
            )
        if asked:
            await chat.resume(answer.run, approve=asked)
        elif not expected.calls:
            await chat.send("And then?")
        assert len(server.bodies) == 2
        assert server.bodies[0].get("stream", False) is recording.is_stream
        check_echo(server.bodies[1], recording, expected, done)


async def check_error(chat: Conversation[Any], recording: Recording, expected: Plain) -> None:
    assert expected.error is not None
    with pytest.raises(RunError) as raised:
        await ask(chat, recording)
    error = raised.value
    assert type(error) is expected.error
    assert expected.words in str(error)
    assert error.generation_id == (expected.id or recording.headers.get("x-generation-id"))
    assert not chat.messages
    assert error.run is not None
    if isinstance(error, APIError) and recording.status >= 400:
        assert error.status == recording.status
    if expected.text or expected.reasoning:
        assert error.run.partial is not None
        check_message(error.run.partial, expected)


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
async def test_read_as_it_was_written(recording: Recording) -> None:
    await check(recording)


@pytest.mark.parametrize("recording", STREAMS, ids=str)
async def test_cut_at_random_the_answer_is_the_same(recording: Recording) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await check(recording, *(min(1 + int(chance.expovariate(1 / 300)), 3000) for _ in range(200)))


def decoded(recording: Recording, pieces: list[bytes]) -> tuple[Reply, str]:
    """The reply as the decoder reads it from these pieces, and the words that it told on the
    way.
    """
    spool, events, reading = (
        Spool(MemoryImageStore(), token="t"),
        EventStream(),
        decoder(recording.api, ()),
    )
    words: list[str] = []
    for piece in [*pieces, b""]:
        passed = spool.feed(piece) if piece else spool.close()
        for data in events.feed(passed) if piece else [*events.feed(passed), *events.close()]:
            if data != DONE:
                words += [
                    each.text for each in reading.feed(read_object(data)) if isinstance(each, Words)
                ]
    return reading.reply(), "".join(words)


@pytest.mark.parametrize("recording", STREAMS, ids=str)
def test_byte_by_byte_the_reply_is_the_same(recording: Recording) -> None:
    body = recording.body
    whole, slices = (
        decoded(recording, [body]),
        decoded(recording, [body[at : at + 1] for at in range(len(body))]),
    )
    assert _plainly(slices[0]) == _plainly(whole[0])
    assert slices[1] == whole[1]
    assert slices[0].finish == (plain.read(recording).finish)


def _plainly(reply: Reply) -> Reply:
    """The reply with its error, an exception, as the words of it: equal errors are not one and the
    same.
    """
    return replace(reply, error=repr(reply.error) if reply.error is not None else None)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", image_bodies(), ids=lambda path: path.name[:60])
def test_pictures_of_image_apis_leave_the_wire_whole(path: Path) -> None:
    body, chance = path.read_bytes(), random.Random(len(path.name))
    store = MemoryImageStore()
    spool = Spool(store)
    passed, at = b"", 0
    while at < len(body):
        size = chance.randrange(1, 1 << 16)
        passed += spool.feed(body[at : at + size])
        at += size
    passed += spool.close()
    wanted = [base64.b64decode(value) for value in _long_strings(json.loads(body))]
    stored = [blob.keep() for blob in spool.blobs.values()]
    assert [each.sha256 for each in stored] == [hashlib.sha256(data).hexdigest() for data in wanted]
    assert all(each.width and each.height for each in stored)
    assert len(passed) < 8192 + len(body) - sum(len(base64.b64encode(data)) for data in wanted)
    json.loads(passed)


def _long_strings(value: object) -> list[str]:
    match value:
        case str() if len(value) > 4096 and value.startswith(("iVBOR", "/9j/", "UklGR")):
            return [value]
        case dict():
            return [found for each in value.values() for found in _long_strings(each)]
        case list():
            return [found for each in value for found in _long_strings(each)]
    return []
