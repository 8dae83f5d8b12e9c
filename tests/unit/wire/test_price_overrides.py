"""Prices that hold on some days, at some hours, or for long prompts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.wire.catalogue import chat_models, image_endpoints
from agentkit.wire.price_overrides import highest, overrides_of

MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
USUAL = 1.0


def price(*overrides: Any, when: datetime | None = MONDAY, tokens: float = 100) -> float | None:
    return highest("prompt", USUAL, overrides_of({"overrides": [*overrides]}), when, tokens)


CASES: list[tuple[dict[str, Any], float]] = [
    ({}, 5.0),
    ({"utc_days": ["monday"]}, 5.0),
    ({"utc_days": ["Monday", "sunday"]}, 5.0),
    ({"utc_days": ["tuesday"]}, USUAL),
    ({"utc_start": 1100, "utc_end": 1300}, 5.0),
    ({"utc_start": 1300, "utc_end": 1400}, USUAL),
    ({"utc_start": 1300, "utc_end": 1100}, USUAL),
    ({"utc_start": 2200, "utc_end": 1300}, 5.0),
    ({"utc_start": 1300}, USUAL),
    ({"utc_start": 0, "utc_end": 2400}, 5.0),
    ({"utc_days": ["tuesday"], "utc_start": 1100, "utc_end": 1300}, USUAL),
    ({"min_prompt_tokens": 10}, 5.0),
    ({"min_prompt_tokens": 120}, 5.0),  # the prompt may have more tokens than its bytes tell
    ({"min_prompt_tokens": 200_000}, USUAL),
    ({"utc_days": ["tuesday"], "min_prompt_tokens": 10}, USUAL),
    ({"utc_start": 1202, "utc_end": 1300}, 5.0),  # in two minutes
    ({"moon": "full"}, 5.0),  # who knows when
    ({"max_prompt_tokens": 7}, 5.0),
    ({"utc_days": ["someday"]}, 5.0),
    ({"utc_start": 1299, "utc_end": 1300}, 5.0),
    ({"utc_start": "1300"}, 5.0),
    ({"min_prompt_tokens": "many"}, 5.0),
    ({"utc_days": None, "min_prompt_tokens": None}, 5.0),
]


@pytest.mark.parametrize(("conditions", "cost"), CASES)
def test_a_price_holds_under_its_conditions(conditions: dict[str, Any], cost: float) -> None:
    assert price({"prompt": "5", **conditions}) == cost


def test_a_lower_price_counts_only_where_it_surely_holds() -> None:
    cheap = {"prompt": "0.5"}
    assert price({**cheap, "utc_days": ["monday"]}) == 0.5
    assert price({**cheap, "utc_days": ["monday"]}, when=None) == USUAL
    assert price({**cheap, "utc_start": 1158, "utc_end": 1500}) == USUAL
    assert price({**cheap, "moon": "full"}) == USUAL
    assert price({**cheap, "min_prompt_tokens": 90}) == USUAL


def test_the_last_of_those_that_hold_sets_the_price() -> None:
    weekday, noon = {"utc_days": ["monday"]}, {"utc_start": 1000, "utc_end": 1400}
    assert price({"prompt": "5", **weekday}, {"prompt": "3", **noon}) == 3.0
    assert price({"prompt": "5", **weekday}, {"completion": "3", **noon}) == 5.0
    assert price({"prompt": "5", **weekday}, {"prompt": "3", **noon}, when=None) == 5.0


def test_the_time_is_that_of_utc() -> None:
    auckland = (MONDAY - timedelta(hours=1)).astimezone(timezone(timedelta(hours=13)))
    assert auckland.weekday() == 1
    assert price({"prompt": "5", "utc_days": ["monday"]}, when=auckland) == 5.0


@pytest.mark.parametrize("wrong", [None, "x", 5, {}, [3, "x", None], [{"prompt": "-1"}], [{"prompt": "nan"}], [{"prompt": []}]])  # fmt: skip
def test_what_is_no_override_changes_nothing(wrong: Any) -> None:
    assert highest("prompt", USUAL, overrides_of({"overrides": wrong}), MONDAY) == USUAL


values = st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.text(max_size=9), max_size=2)  # fmt: skip
names = st.sampled_from(["utc_days", "utc_start", "utc_end", "min_prompt_tokens", "prompt", "odd"])


@given(st.lists(st.dictionaries(names, values), max_size=3), st.floats(0, 1e6))
def test_at_any_time_is_never_cheaper_than_at_one(entries: list[Any], tokens: float) -> None:
    at_one, at_any = price(*entries, tokens=tokens), price(*entries, when=None, tokens=tokens)
    assert at_one is not None
    assert at_any is not None
    assert 0 <= at_one <= at_any


def test_both_catalogues_have_them() -> None:
    pricing = {"prompt": "1", "completion": "2", "overrides": [{"prompt": "5", "utc_days": ["monday"]}]}  # fmt: skip
    (model,) = chat_models({"data": [{"id": "a/b", "pricing": pricing}]})
    assert model.prices == {"prompt": 1.0, "completion": 2.0}
    assert model.highest_price("prompt", MONDAY, 100) == 5.0
    assert model.highest_price("prompt", MONDAY + timedelta(days=1), 100) == 1.0
    assert (model.highest_price("completion", MONDAY, 1), model.highest_price("web_search", MONDAY, 1)) == (2.0, 0.0)  # fmt: skip
    line = {"billable": "output_image", "unit": "image", "cost_usd": 0.04,
            "overrides": [{"cost_usd": 0.08, "utc_days": ["sunday"]}]}  # fmt: skip
    (endpoint,) = image_endpoints({"endpoints": [{"provider_name": "A", "pricing": [line]}]})
    (found,) = endpoint.prices
    assert [found.highest(when) for when in (None, MONDAY, MONDAY - timedelta(days=1))] == [0.08, 0.04, 0.08]  # fmt: skip
