"""The bill of one reply, as services tell it: in pieces, under the names of either API, wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.values import Usage
from agentkit.wire.usage import Bill

CHAT = {
    "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.04, "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 2, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "image_tokens": 4},
    "server_tool_use_details": {"tool_calls_requested": 2, "tool_calls_executed": 1},
    "cost_details": {"upstream_inference_cost": 0.03, "server_tool_cost": 0.01},
}  # fmt: skip
RESPONSES = {
    "input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost": 0.04,
    "input_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3, "image_tokens": 4},
    "server_tool_use": {"web_search_requests": 1}, "cost_details": {"server_tool_cost": 0.01},
}  # fmt: skip
READ = Usage(
    10, 5, 7, 3, 4, 1, requests=1, priced_requests=1, cost_usd=0.04, server_tool_cost_usd=0.01,
    cache_write_tokens=2,
)  # fmt: skip


def read(*told: Any) -> Usage:
    bill = Bill()
    for each in told:
        bill.add(each)
    return bill.usage()


@pytest.mark.parametrize("told", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_the_fields_of_either_api(told: dict[str, Any]) -> None:
    assert read(told) == READ


def test_what_is_not_told_is_not_known() -> None:
    assert read() == read({}) == read(None) == Usage(requests=1)


TOTALS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
NOTHING: dict[str, Any] = {
    **dict.fromkeys(CHAT), "prompt_tokens": 0, "cost": 0, "cost_details": {"server_tool_cost": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("later", [TOTALS, {}, NOTHING, dict.fromkeys(CHAT, "n/a"), dict.fromkeys(CHAT, -1)])  # fmt: skip
def test_a_later_chunk_that_tells_less_takes_nothing_away(later: dict[str, Any]) -> None:
    assert read(CHAT, later) == READ
    assert read(later, CHAT) == READ


def test_the_latest_total_of_a_stream_counts() -> None:
    sofar = [{"prompt_tokens": 10, "completion_tokens": count, "cost": count / 100} for count in (0, 1, 4)]  # fmt: skip
    assert read(*sofar) == Usage(10, 4, requests=1, priced_requests=1, cost_usd=0.04)


@given(st.data())
def test_any_parts_of_a_bill_make_the_whole(data: st.DataObject) -> None:
    flat = [(name, inner) for name, value in CHAT.items() for inner in (value if isinstance(value, dict) else [None])]  # fmt: skip
    parts: list[dict[str, Any]] = [{} for _ in range(4)]
    for name, inner in flat:
        part = parts[data.draw(st.integers(0, 3))]
        if inner is None:
            part[name] = CHAT[name]
        else:
            part.setdefault(name, {})[inner] = CHAT[name][inner]
    assert read(*parts) == READ


@pytest.mark.parametrize(
    ("told", "cost", "upstream", "whole"),
    [
        ({"cost": 0, "cost_details": {"upstream_inference_cost": 0.25}}, 0.25, 0.25, True),
        ({"cost": 0.01, "cost_details": {"upstream_inference_cost": 0.25}}, 0.26, 0.25, True),
        (
            {
                "cost": 0.01,
                "cost_details": {
                    "upstream_inference_cost": None,
                    "upstream_inference_prompt_cost": 0.05,
                    "upstream_inference_completions_cost": 0.2,
                },
            },
            0.26, 0.25, True,
        ),
        (
            {
                "cost": 0,
                "cost_details": {
                    "upstream_inference_input_cost": 0.05, "upstream_inference_output_cost": 0,
                },
            },
            0.05, 0.05, True,
        ),
        ({"cost": 0}, 0.0, None, False),
        ({"cost": 0.01, "cost_details": {"upstream_inference_cost": "0.25"}}, 0.01, None, False),
        ({"cost": 0.01, "cost_details": {"upstream_inference_prompt_cost": 0.05}}, 0.01, None, False),
        ({"cost": None, "cost_details": {"upstream_inference_cost": 0.25}}, 0.25, 0.25, False),
        ({"cost": None}, None, None, False),
    ],
)  # fmt: skip
def test_with_a_key_of_their_own_the_provider_bills_too(
    told: dict[str, Any], cost: float | None, upstream: float | None, whole: bool
) -> None:
    usage = read({**told, "is_byok": True})
    assert usage.cost_usd == (None if cost is None else pytest.approx(cost))
    assert (usage.upstream_cost_usd, usage.cost_is_whole) == (upstream, whole)


def test_without_one_the_upstream_cost_is_within_the_cost() -> None:
    assert read(CHAT).upstream_cost_usd is None
    odd = {**CHAT, "is_byok": "true"}
    assert read(odd).cost_usd == 0.04


def test_one_chunk_says_that_the_key_is_their_own_and_another_what_it_cost() -> None:
    told = {"cost": 0, "cost_details": {"upstream_inference_cost": 0.25}}
    assert read({"is_byok": True}, told, {"is_byok": False}).cost_usd == 0.25


WRONG = [
    "free", [], True, {"prompt_tokens": "10", "completion_tokens": -5, "cost": "0.01"},
    {"cost": -0.01}, {"cost": 1e12}, {"cost": 10**400}, {"cost": True}, {"cost": {"total": 1}},
    {"cost_details": [0.25], "prompt_tokens_details": "7", "prompt_tokens": True, "completion_tokens": 10**400},
]  # fmt: skip


@pytest.mark.parametrize("told", WRONG, ids=lambda value: str(value)[:40])
def test_what_is_no_amount_is_not_known(told: Any) -> None:
    assert read(told) == Usage(requests=1)
    assert read(told, CHAT, told) == READ


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert read({"prompt_tokens": 10.0, "cost": 1}) == replace(
        Usage(requests=1, priced_requests=1), input_tokens=10, cost_usd=1.0
    )


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*CHAT, *RESPONSES]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(junk, max_size=3))
def test_any_values_make_a_bill(told: list[Any]) -> None:
    usage = read(*told)
    assert all(getattr(usage, name) >= 0 for name in COUNTS)
    assert usage.cost_usd is None or usage.cost_usd >= 0


COUNTS = [name for name in Usage.__dataclass_fields__ if not name.endswith("_usd")]
