"""A bad setting is an error at once, which names the argument, what was given and what is
accepted.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import Limits, ModelSettings
from agentkit.errors import UsageError

WHOLE, ABOVE = "a whole number of at least 1", "a finite number above 0"
LIMITS: list[tuple[str, Any, str]] = [
    ("turns", 0, WHOLE), ("turns", -1, WHOLE), ("turns", 1.0, WHOLE), ("turns", True, WHOLE), ("turns", "3", WHOLE),
    ("turns", None, WHOLE), ("tool_calls", -1, "a whole number of at least 0"), ("tool_calls", None, "a whole number"),
    ("parallel", 0, WHOLE), ("parallel", None, WHOLE), ("images", -1, "a whole number of at least 0"),
    ("images", 1.5, "a whole number"), ("output_tokens", 0, WHOLE), ("output_tokens", "many", WHOLE),
    ("seconds", 0, ABOVE), ("seconds", float("nan"), ABOVE), ("seconds", float("inf"), ABOVE), ("seconds", None, ABOVE),
    ("seconds", True, ABOVE), ("cost_usd", 0, ABOVE), ("cost_usd", -1.0, ABOVE), ("cost_usd", "1 USD", ABOVE),
    ("cost_usd", float("nan"), ABOVE),
]  # fmt: skip
SETTINGS: list[tuple[str, Any, str]] = [
    ("temperature", -0.1, "a number from 0.0 to 2.0"), ("temperature", 2.1, "2.0"), ("temperature", "hot", "a number"),
    ("temperature", float("nan"), "a number"), ("temperature", True, "a number"), ("top_p", 1.1, "from 0.0 to 1.0"),
    ("max_tokens", 0, WHOLE), ("max_tokens", True, WHOLE), ("max_tokens", "5", WHOLE), ("max_tokens", 5.5, WHOLE),
    ("seed", "x", "a whole number"), ("seed", 1.5, "a whole number"),
    ("stop", "END", "a list or tuple, not a string"), ("stop", 5, "a list or tuple"), ("stop", [1], "strings"),
    ("models", "a/b", "not a string"), ("models", [None], "strings"), ("plugins", "web", "not a string"),
    ("plugins", {"id": "web"}, "a list or tuple"), ("plugins", ["web"], "mappings"),
    ("modalities", "image", "not a string"), ("modalities", (5,), "a list of strings"),
    ("reasoning", 5, "an effort, or a mapping"), ("tool_choice", {"type": "auto"}, "a string"),
    ("tool_choice", 1, "a string"), ("parallel_tool_calls", "yes", "True or False"), ("preset", 1, "a string"),
    ("provider", ["openai"], "a mapping"), ("image_config", "wide", "a mapping"), ("extra", [("a", 1)], "a mapping"),
    ("extra", None, "a mapping"), ("session_id", "", "1 to 256"), ("session_id", "x" * 257, "1 to 256"),
    ("session_id", 7, "a string"), ("top_k", -1, "at least 0"), ("top_k", 1.5, "a whole number"),
    ("frequency_penalty", 2.5, "from -2.0 to 2.0"), ("presence_penalty", "low", "a number from -2.0"),
    ("service_tier", 1, "a string"), ("user", ["me"], "a string"), ("prompt_cache_key", 5, "a string"),
    ("cache_control", 300, "how long"), ("trace", "t-1", "a mapping"), ("metadata", ["a"], "a mapping"),
    ("deferred_tools", True, "a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "accepted"), LIMITS)
def test_a_bad_limit(name: str, given: Any, accepted: str) -> None:
    with pytest.raises(UsageError) as caught:
        Limits(**{name: given})
    assert str(caught.value).startswith(f"Limits({name}={given!r}): accepted is ")
    assert accepted in str(caught.value)


@pytest.mark.parametrize(("name", "given", "accepted"), SETTINGS)
def test_a_bad_setting(name: str, given: Any, accepted: str) -> None:
    with pytest.raises(UsageError) as caught:
        ModelSettings(**{name: given})
    assert str(caught.value).startswith(f"ModelSettings({name}=")
    assert "accepted is" in str(caught.value)
    assert accepted in str(caught.value)


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers() | st.text(max_size=3), max_size=3) | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)  # fmt: skip


@given(st.sampled_from([*ModelSettings.__dataclass_fields__]), anything)
def test_any_setting_is_taken_or_a_usage_error(name: str, value: Any) -> None:
    try:
        ModelSettings(**{name: value})
    except UsageError as error:
        assert name in str(error)


@given(st.sampled_from([*Limits.__dataclass_fields__]), anything)
def test_any_limit_is_taken_or_a_usage_error(name: str, value: Any) -> None:
    try:
        Limits(**{name: value})
    except UsageError as error:
        assert name in str(error)


def test_good_edges_are_accepted() -> None:
    Limits(turns=1, tool_calls=0, parallel=1, seconds=0.1, images=0, cost_usd=0.01, output_tokens=1)
    ModelSettings(
        temperature=0,
        top_p=1,
        max_tokens=1,
        seed=-1,
        session_id="x" * 256,
        reasoning={"max_tokens": 5},
    )
    ModelSettings(stop=(), modalities=("image",), parallel_tool_calls=False)


def test_lists_become_tuples() -> None:
    assert ModelSettings(stop=["a", "b"]).stop == ("a", "b")  # type: ignore[arg-type]
    assert ModelSettings(plugins=[{"id": "web"}]).plugins == ({"id": "web"},)  # type: ignore[arg-type]


def test_settings_are_merged_by_what_is_set() -> None:
    base = ModelSettings(temperature=0.5, seed=1, extra={"a": 1, "b": 1}, parallel_tool_calls=True)
    over = ModelSettings(seed=0, extra={"b": 2, "c": 3}, parallel_tool_calls=False)
    merged = base.merged(over)
    assert (merged.temperature, merged.seed, merged.parallel_tool_calls) == (0.5, 0, False)
    assert merged.extra == {"a": 1, "b": 2, "c": 3}
    assert base.merged(None) is base
