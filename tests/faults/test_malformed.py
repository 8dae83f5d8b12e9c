"""Replies that are not what they should be: an error of agentkit's own, in time, and no false
success.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.errors import ProtocolError
from tests.conftest import examples
from tests.faults.malformed import Malformed, could_finish, judge, table, wrong_with
from tests.faults.replay import Heard
from tests.faults.scene import WAYS, Way
from tests.unit.openrouter.peer import PEM

ALL = list(table())
EACH = 8
"""Of the replies with one odd field one in so many is tried here, and of the others one in two, in
turn with the ways; all of them where time does not count.
"""


@pytest.fixture(autouse=True)
def few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


def of(way: Way) -> list[Malformed]:
    return [case for case in ALL if (case.api, case.stream) == (way.api, way.stream)]


def some(way: Way) -> list[Malformed]:
    cases = of(way)
    shapes = [case for case in cases if " is " not in case.name and "without " not in case.name]
    fields = [case for case in cases if case not in shapes]
    return [*shapes[WAYS.index(way) % 2 :: 2], *fields[::EACH]]


def test_the_table_is_large_enough() -> None:
    assert len({str(case) for case in ALL}) == len(ALL)
    assert sum(len(some(way)) for way in WAYS) >= 250
    assert len(ALL) >= 2000


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_malformed_replies(way: Way) -> None:
    verdict = await judge(some(way))
    assert verdict.wrong == []
    assert verdict.tried == len(some(way))
    assert verdict.outcomes["ProtocolError"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_all_malformed_replies(way: Way) -> None:
    verdict = await judge(of(way))
    assert verdict.wrong == []


def test_the_judge_sees_what_is_wrong() -> None:
    bad = Malformed("x", "chat", True, b"data: {}\n\n", may_end_well=True)
    assert "false success" in str(wrong_with(bad, Heard(posts=1)))
    assert "KeyError" in str(wrong_with(bad, Heard(error=KeyError("x"), posts=1)))
    assert "without what had arrived" in str(
        wrong_with(bad, Heard(error=ProtocolError("x"), posts=1))
    )
    assert not could_finish("chat", b'data: {"choices":[{"finish_reason":null}]}\n\n', stream=True)
    assert could_finish("chat", b'data: {"choices":[{"finish_reason":"stop"}]}\n\n', stream=True)


KEYS = [
    "id", "choices", "index", "delta", "message", "content", "images", "image_url", "url", "type", "text", "tool_calls", "function",
    "name", "arguments", "finish_reason", "reasoning_details", "result", "tool_name", "usage", "cost", "error", "code", "metadata",
    "output", "output_index", "item", "item_id", "sequence_number", "response", "status", "call_id", "part", "data", "b64_json",
    "partial_image_index", "partial_image_b64", "imageUrl", "annotations", "summary", "encrypted_content",
]  # fmt: skip
WORDS = [
    "stop", "error", "function", "function_call", "message", "image_url", "image_generation_call", "openrouter:image_generation",
    "reasoning.server_tool_call", "reasoning.text", "response.completed", "response.failed", "response.output_item.added",
    "response.output_item.done", "response.output_text.delta", "response.function_call_arguments.delta", "output_text", "note", "completed",
    "image_generation.completed", "image_generation.partial_image", "image_generation.text_chunk", "{}", '{"text":"a"}',
    "data:image/png;base64,iVBORw0KGgo=", "http://127.0.0.1:1/x.png", "\ud83d", "",
]  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2**70)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=6)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=14,
)
events = st.lists(
    st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=5), min_size=1, max_size=5
)


@pytest.mark.parametrize("way", WAYS, ids=str)
@given(events=events, done=st.booleans())
@settings(
    max_examples=examples(10),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_anything_that_looks_like_a_reply(way: Way, events: list[dict], done: bool) -> None:
    if way.stream:
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        body = "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()
    else:
        body = json.dumps(events[0]).encode()
    case = Malformed("drawn by lot", way.api, way.stream, body, may_end_well=True)
    verdict = asyncio.run(judge([case], at_once=1))
    assert verdict.wrong == []
