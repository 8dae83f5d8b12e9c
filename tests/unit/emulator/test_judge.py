"""The judge of bodies (`tests.judge`) sees what is wrong, and hears every exchange."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.emulator import Emulator, Raw, Reply, Say
from agentkit.emulator.server.exchange import Exchange
from tests.judge import Judge, judged

MESSAGES = [{"role": "user", "content": "hi"}]
TOOL = {"type": "openrouter:web_search", "parameters": {"engine": "exa"}}


def asked(path: str, body: dict[str, Any], status: int = 200) -> list[str]:
    return judged(Exchange("POST", path, body, status, ()))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": MESSAGES, "tools": [TOOL]}),
        ("/responses", {"input": "hi", "tools": [TOOL], "stop": ["x"]}),
        ("/images", {"model": "a/b", "prompt": "x", "quality": "max"}),
    ],
)
def test_a_right_request(path: str, body: dict[str, Any]) -> None:
    assert asked(path, body) == []


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/chat/completions", {"messages": MESSAGES, "temperature": "hot"}, "temperature"),
        ("/chat/completions", {"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ("/chat/completions", {"messages": MESSAGES, "service_tier": "rapid"}, "an unknown word"),
        ("/responses", {"input": [{"type": "function_call", "call_id": "x"}]}, "input"),
        ("/responses", {"input": "hi", "tools": [{"type": "hologram"}]}, "tools"),
        ("/images", {"model": "a/b", "prompt": "x", "quality": "superb"}, "an unknown word"),
        ("/images", {"prompt": "x"}, "model"),
    ],
)
def test_a_wrong_request(path: str, body: dict[str, Any], where: str) -> None:
    assert any(where in each for each in asked(path, body))
    assert asked(path, body, status=400) == [], "the emulator refused it already"


@pytest.mark.parametrize(
    ("reply", "where"),
    [
        ({"type": "response.hologram", "sequence_number": 1}, "an unknown variant"),
        ({"type": "response.output_text.delta", "delta": 5}, "StreamEvents"),
    ],
)
def test_a_wrong_event(reply: dict[str, Any], where: str) -> None:
    exchange = Exchange("POST", "/responses", {"input": "hi"}, 200, (reply,), streamed=True)
    assert any(where in each for each in judged(exchange))


def test_a_shape_is_judged_once_and_a_wrong_one_again() -> None:
    right: set[Any] = set()
    fine = {"model": "a/b", "prompt": "x", "quality": "low"}
    odd = {**fine, "quality": "superb"}
    for body, wrong in ((fine, 0), (odd, 1), (odd, 1), ({**fine, "prompt": "a red fox"}, 0)):
        assert len(judged(Exchange("POST", "/images", body, 200, ()), right)) == wrong
    assert len(right) == 1


@pytest.mark.unjudged
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_every_exchange_is_heard(wire, judge: Judge, path: str, stream: bool) -> None:
    body = {"model": "openai/gpt-5.2", "stream": stream}
    body |= {"input": "hi"} if path == "/responses" else {"messages": MESSAGES}
    wire.post(path, body).read()
    (exchange,) = judge.taken()
    assert (exchange.path, exchange.request, exchange.streamed) == (path, body, stream)
    assert (len(exchange.replies) > 1) == stream
    wire.get("/models")
    wire.post(path, {"model": 5})
    assert [each.status for each in judge.taken()] == [200, 400]


@pytest.mark.unjudged
def test_what_a_test_dictates_is_not_judged(wire, emulator: Emulator, judge: Judge) -> None:
    odd = {"type": "hologram", "id": "x"}
    wire.emulator.play([Reply([Say("x")]), Reply([Raw(responses=odd)]), Reply([Say("x")])])
    for _ in range(3):
        wire.responses("hi")
    taken = judge.taken()
    assert [each.dictated for each in taken] == [False, True, True]
    assert [len(judged(each)) for each in taken] == [0, 0, 0]
