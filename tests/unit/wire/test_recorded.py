"""Traffic that was recorded, if it lies beside the repository: both decoders against a plain second
reading of each file.

The recordings belong to others and are no part of this repository, so where they are absent these
tests are skipped.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentkit.values import Reasoning, Text, ToolCall
from agentkit.wire import chat, decoder, responses
from agentkit.wire.body import Encoded
from agentkit.wire.faults import from_body
from agentkit.wire.json import read_object
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.types import ImageRef, Reply, Request, Words

FOLDER = Path(__file__).parents[4] / "shared" / "wire"
CASES = sorted(
    path
    for path in FOLDER.glob("*/*.response.*")
    if path.suffix in {".json", ".sse"}
    and "image-apis" not in path.parent.name
    and "NOT-RECORDED" not in path.parent.name
)
pytestmark = pytest.mark.skipif(
    not CASES, reason="no recorded traffic lies beside the repository (../shared/wire)"
)


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events of a recorded stream, read as plainly as can be."""
    blocks = re.split(r"\r?\n\r?\n", data.decode())
    lines = [
        line[5:].strip()
        for block in blocks
        for line in block.splitlines()
        if line.startswith("data:")
    ]
    return [json.loads(line) for line in lines if line and line != "[DONE]"]


def api_of(path: Path) -> str | None:
    """The API that a recording is of, told by what it holds; None for another one."""
    data = path.read_bytes()
    first = (
        next(iter(events_of(data)), {}) if path.suffix == ".sse" else json.loads(data or b"null")
    )
    if not isinstance(first, dict):
        return None
    if "choices" in first or first.get("object") == "chat.completion.chunk":
        return "chat"
    if (
        first.get("object") == "response"
        or "output" in first
        or str(first.get("type", "")).startswith("response.")
    ):
        return "responses"
    return None


def cases(api: str, suffix: str) -> list[Any]:
    return [
        pytest.param(path, id=f"{path.parent.name}/{path.name}")
        for path in CASES
        if path.suffix == suffix and api_of(path) == api
    ]


def decode(api: Any, path: Path) -> tuple[Reply, bool, str, str]:
    """The reply, whether it was whole, and the words and reasoning that were told on the way."""
    reply = decoder(api, ())
    data = path.read_bytes()
    signals: list[Any] = []
    if path.suffix == ".json":
        signals += reply.whole(read_object(data))
    else:
        stream = EventStream()
        events = [
            event for at in range(0, len(data), 777) for event in stream.feed(data[at : at + 777])
        ] + stream.close()
        for event in events:
            if event and event != DONE:
                signals += reply.feed(read_object(event))
    told = [each for each in signals if isinstance(each, Words)]
    spoken = "".join(each.text for each in told if each.what == "text")
    thought = "".join(each.text for each in told if each.what == "reasoning")
    return reply.reply(), reply.finished, spoken, thought


def words(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def calls(reply: Reply) -> list[tuple[str, str, Any]]:
    return [
        (part.id, part.name, loaded(part.arguments))
        for part in reply.parts
        if isinstance(part, ToolCall)
    ]


def loaded(arguments: str) -> Any:
    return json.loads(arguments) if arguments else ""


def pictures(reply: Reply) -> int:
    return sum(isinstance(part, ImageRef) for part in reply.parts)


def paid(usage: dict[str, Any]) -> float | None:
    """What the user pays: with a key of their own, the provider's price on top of the fee."""
    cost = usage.get("cost")
    own = usage["cost_details"]["upstream_inference_cost"] if usage.get("is_byok") else 0
    return None if cost is None else cost + own


def check_usage(reply: Reply, usage: dict[str, Any] | None, given: str, made: str) -> None:
    usage = usage or {}
    assert reply.usage.input_tokens == usage.get(given, 0)
    assert reply.usage.output_tokens == usage.get(made, 0)
    assert reply.usage.cost_usd == paid(usage)


def check_echo(api: Any, reply: Reply) -> None:
    """What is sent back is JSON, and each call in it can be answered."""
    from agentkit.values import Message

    message = Message("assistant", (), tuple((item,) for item in reply.raw), api)
    pieces = (chat if api == "chat" else responses).encode(Request("m", (message,)), Encoded())
    body = json.loads(b"".join(piece for piece in pieces if isinstance(piece, bytes)))
    items = body["messages" if api == "chat" else "input"]
    came = [item for item in map(json.loads, reply.raw) if item.get("content") != BLANK]
    if not any(map(only_an_id, came)):
        assert len(items) == len(came)
    else:  # what came after such reasoning cannot all go without it
        assert items
        assert not any(map(only_an_id, items))


BLANK = [{"type": "output_text", "annotations": [], "logprobs": [], "text": ""}]


def only_an_id(item: Any) -> bool:
    """Whether it is reasoning of which nothing was sent: OpenAI keeps it, OpenRouter does not."""
    return item.get("type") == "reasoning" and not (
        item.get("summary") or item.get("content") or item.get("encrypted_content")
    )


@pytest.mark.parametrize("path", cases("chat", ".json"))
def test_a_buffered_chat_reply(path: Path) -> None:
    body = json.loads(path.read_bytes())
    choice = body["choices"][0]
    message = choice["message"]
    reply, finished, spoken, thought = decode("chat", path)
    assert finished
    assert words(reply) == (message.get("content") or "") == spoken
    assert calls(reply) == [
        (call["id"], call["function"]["name"], loaded(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    assert pictures(reply) == len(message.get("images") or ())
    assert thought == "".join(part.text for part in reply.parts if isinstance(part, Reasoning))
    if isinstance(message.get("reasoning"), str):
        assert thought == message["reasoning"]
    check_usage(reply, body.get("usage"), "prompt_tokens", "completion_tokens")
    assert (reply.id, reply.model, reply.finish) == (
        body["id"],
        body.get("model"),
        choice["finish_reason"],
    )
    assert (reply.error is None) == ("error" not in body and "error" not in choice)
    (echoed,) = [json.loads(item) for item in reply.raw]
    assert echoed.get("reasoning_details") == (message.get("reasoning_details") or None)
    check_echo("chat", reply)


@pytest.mark.parametrize("path", cases("chat", ".sse"))
def test_a_streamed_chat_reply(path: Path) -> None:
    events = events_of(path.read_bytes())
    choices = [choice for event in events for choice in event.get("choices", ())]
    deltas = [choice.get("delta", {}) for choice in choices]
    reply, finished, spoken, thought = decode("chat", path)
    assert words(reply) == "".join(delta.get("content") or "" for delta in deltas) == spoken
    assert thought == "".join(delta.get("reasoning") or "" for delta in deltas)
    finishes = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    assert reply.finish == (finishes[-1] if finishes else None)
    named: dict[tuple[int, str], list[str]] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls") or ()):
        key = next(
            (known for known in named if known[0] == call["index"]),
            (call["index"], call["function"].get("name")),
        )
        named.setdefault(key, []).append(call["function"].get("arguments") or "")
    assert [(name, arguments) for _, name, arguments in calls(reply)] == [
        (name, loaded("".join(texts))) for (_, name), texts in sorted(named.items())
    ]
    usages = [event["usage"] for event in events if event.get("usage")]
    check_usage(reply, usages[-1] if usages else None, "prompt_tokens", "completion_tokens")
    broken = any("error" in event for event in events) or "error" in finishes
    assert (reply.error is not None) == broken
    assert finished == bool(finishes or broken)
    check_echo("chat", reply)


def said_in(output: list[dict[str, Any]]) -> str:
    """The words of its messages, a blank line between one and the next."""
    messages = [item["content"] for item in output if item["type"] == "message"]
    return "\n\n".join(
        filter(None, ("".join(part.get("text") or "" for part in message) for message in messages))
    )


def called_in(output: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [
        (item["call_id"], item["name"], loaded(item["arguments"]))
        for item in output
        if item["type"] == "function_call"
    ]


@pytest.mark.parametrize("path", cases("responses", ".json"))
def test_a_buffered_responses_reply(path: Path) -> None:
    body = json.loads(path.read_bytes())
    reply, finished, spoken, _ = decode("responses", path)
    assert finished == (body.get("status") not in {"queued", "in_progress"})
    assert words(reply) == said_in(body["output"]) == spoken
    assert calls(reply) == called_in(body["output"])
    assert pictures(reply) == sum(
        item["type"] == "image_generation_call" for item in body["output"]
    )
    check_usage(reply, body.get("usage"), "input_tokens", "output_tokens")
    assert (reply.error is None) == (body.get("error") is None)
    echoed = [json.loads(item) for item in reply.raw]
    assert [item["type"] for item in echoed] == [item["type"] for item in body["output"]]
    assert [item for item in echoed if item["type"] != "function_call"] == [
        item for item in body["output"] if item["type"] != "function_call"
    ]
    check_echo("responses", reply)


@pytest.mark.parametrize("path", cases("responses", ".sse"))
def test_a_streamed_responses_reply(path: Path) -> None:
    events = events_of(path.read_bytes())
    if sum(event["type"] == "response.created" for event in events) > 1:
        pytest.skip("several replies in one file")
    final = [
        event["response"]
        for event in events
        if event["type"] in {"response.completed", "response.incomplete", "response.failed"}
    ]
    ended = {
        event["output_index"]: event["item"]
        for event in events
        if event["type"] == "response.output_item.done"
    }
    done = [
        item
        for _, item in sorted(
            {**dict(enumerate(final[-1]["output"] if final else ())), **ended}.items()
        )
    ]
    reply, finished, spoken, _ = decode("responses", path)
    assert finished == bool(final)
    deltas = "".join(
        event["delta"] for event in events if event["type"] == "response.output_text.delta"
    )
    assert words(reply) == said_in(done) == spoken
    assert deltas in {"", spoken}
    assert calls(reply) == called_in(done)
    assert [json.loads(item)["type"] for item in reply.raw] == [item["type"] for item in done]
    if final:
        check_usage(reply, final[-1].get("usage"), "input_tokens", "output_tokens")
        assert reply.finish in {final[-1]["status"], "length", "content_filter"}
    check_echo("responses", reply)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name)
        for path in CASES
        if path.suffix == ".json" and b'"error":{' in path.read_bytes()[:20].replace(b" ", b"")
    ],
)
def test_a_recorded_error_has_the_providers_words(path: Path) -> None:
    status = json.loads(path.with_name(path.name.replace(".response.", ".meta.")).read_bytes())[
        "status"
    ]
    body = json.loads(path.read_bytes())["error"]
    error = from_body(status, path.read_bytes())
    assert error.status == status
    assert body["message"] in str(error)
    assert (error.raw or "") in str(body.get("metadata"))


def test_each_kind_of_recording_is_among_them() -> None:
    assert all(cases(api, suffix) for api in ("chat", "responses") for suffix in (".json", ".sse"))
