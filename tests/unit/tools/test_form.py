"""The form of an answer that a person gives: what is a form, what fits it, and what is read of
words that were typed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.tools.form import Misfit, NoForm, checked_answer, fields_of

COLOURS = ["red", "green"]
TITLED = [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5, "title": "Your name"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "size": {"type": "number", "default": 1.5},
        "sure": {"type": "boolean"},
        "colour": {"type": "string", "enum": COLOURS, "enumNames": ["Red", "Green"]},
        "shade": {"oneOf": TITLED},
        "several": {"type": "array", "items": {"enum": COLOURS}, "maxItems": 2},
        "titled": {"type": "array", "items": {"anyOf": TITLED}, "minItems": 1},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["string", "null"]},
    },
    "required": ["name"],
}
FIELDS = {each.name: each for each in fields_of(FORM)}


def test_fields() -> None:
    kinds = {name: each.kind for name, each in FIELDS.items()}
    assert kinds == {
        "name": "string", "age": "integer", "size": "number", "sure": "boolean", "colour": "string", "shade": "string",
        "several": "several", "titled": "several", "maybe": "integer", "either": "string",
    }  # fmt: skip
    assert [each.name for each in FIELDS.values() if each.is_required] == ["name"]
    assert (FIELDS["name"].title, FIELDS["age"].title) == ("Your name", "age")
    assert FIELDS["colour"].titles == FIELDS["shade"].titles == ("Red", "Green")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("name", ["Ada", "Ada L"], ["", "Ada Lo", 5, None, ["Ada"]]),
        ("age", [0, 150, 3.0], [-1, 151, 1.5, True, "3", float("nan")]),
        ("size", [0, -1.5], [True, "1", float("inf")]),
        ("sure", [True, False], [1, "true", 0]),
        ("colour", ["red"], ["Red", "blue", 1, ["red"]]),
        ("shade", ["r", "g"], ["Red", "b"]),
        ("several", [[], ["red"], ["red", "green"]], ["red", ["blue"], ["red"] * 3, [["red"]]]),
        ("titled", [["r"]], [[], ["Red"], {"r": 1}]),
        ("maybe", [5], ["5", 1.5]),
        ("either", ["x"], [5]),
    ],
)
def test_what_fits(name: str, right: list[Any], wrong: list[Any]) -> None:
    known = {"name": "Ada"}
    for value in right:
        assert checked_answer(FORM, {**known, name: value})[name] == value
    for value in wrong:
        with pytest.raises(Misfit, match=f"^{name}: "):
            checked_answer(FORM, {**known, name: value})


def test_defaults_and_nothing() -> None:
    assert checked_answer(FORM, {"name": "Ada", "maybe": None}) == {"name": "Ada", "size": 1.5}
    assert checked_answer({}, {}) == {}
    with pytest.raises(Misfit, match="nothing"):
        checked_answer({}, {"a": 1})


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("name", " Ada ", "Ada"),
        ("age", "42", 42),
        ("size", "1.5", 1.5),
        ("size", "2", 2),
        ("sure", "Yes", True),
        ("sure", "n", False),
        ("colour", "red", "red"),
        ("colour", "Red", "red"),
        ("colour", "2", "green"),
        ("shade", "Green", "g"),
        ("several", "1, green", ["red", "green"]),
        ("several", "", []),
        ("titled", "Red", ["r"]),
    ],
)
def test_what_is_typed(name: str, typed: str, value: object) -> None:
    assert FIELDS[name].read(typed) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("name", "a name that is too long"),
        ("age", "old"),
        ("age", "1e5"),
        ("age", "9" * 301),
        ("size", "inf"),
        ("sure", "perhaps"),
        ("colour", "3"),
        ("colour", "0"),
        ("several", "red, blue"),
        ("titled", ""),
    ],
)
def test_what_is_typed_and_does_not_fit(name: str, typed: str) -> None:
    with pytest.raises(Misfit, match="accepted is") as raised:
        FIELDS[name].read(typed)
    assert typed == "" or typed not in str(raised.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)
words = ["type", "enum", "oneOf", "anyOf", "items", "const", "default", "minimum", "enumNames"]
schemas = st.dictionaries(st.sampled_from(words), json_values, max_size=4) | json_values


@given(st.dictionaries(st.text(max_size=5), schemas, max_size=4), json_values, st.text())
def test_any_form_and_any_answer(properties: Any, answer: Any, typed: str) -> None:
    form = {"properties": properties, "required": list(properties)}
    try:
        fields = fields_of(form)
    except NoForm:
        return
    for each in fields:
        with suppress(Misfit):
            each.check(each.read(typed))
        with suppress(Misfit):
            checked_answer(form, {each.name: answer})
