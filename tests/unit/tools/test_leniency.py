"""What models write that nearly fits, and is taken as it is meant; and its wrong twin, which stays
as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from agentkit.tools import BadArguments, tool
from agentkit.tools.output import Output
from agentkit.wire.tool_calls import for_history
from tests.unit.tools.kinds import KINDS


class Stop(BaseModel):
    city: str
    nights: int = 2
    notes: list[str] | None = None


@dataclass
class Size:
    width: int
    unit: str = "cm"
    tags: list[str] = field(default_factory=list[str])


class Options(TypedDict):
    loud: NotRequired[bool]


@tool
def plan(
    city: str,
    days: int = 3,
    unit: Literal["C", "F"] = "C",
    until: int | None = 7,
    stops: list[Stop] = [],  # noqa: B006
    size: Size | None = None,
    options: Options = {},  # noqa: B006
    counts: dict[str, int] = {},  # noqa: B006
    free: Any = 5,
    either: str | list[int] = "",
    short: Annotated[str, Field(max_length=3)] = "",
    numbers: Annotated[list[int], Field(min_length=1)] = [1],  # noqa: B006
    pair: tuple[int, int] = (1, 2),
    names: set[str] = set(),  # noqa: B006
) -> None:
    """Plans."""


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"days": None, "unit": None}, {}),
        ({"until": None}, {"until": None}),
        ({"free": None}, {"free": None}),
        ({"stops": None}, {}),
        (
            {"stops": [{"city": "Rome", "nights": None, "notes": None}]},
            {"stops": [Stop(city="Rome", notes=None)]},
        ),
        ({"size": {"width": 3, "unit": None, "tags": None}}, {"size": Size(3)}),
        ({"options": {"loud": None}}, {"options": {}}),
        ({"numbers": "[1, 2]"}, {"numbers": [1, 2]}),
        ({"numbers": ' [1,\n2]"'.rstrip('"')}, {"numbers": [1, 2]}),
        ({"counts": '{"a": 1}'}, {"counts": {"a": 1}}),
        ({"pair": "[3, 4]", "names": '["x"]'}, {"pair": (3, 4), "names": {"x"}}),
        ({"size": '{"width": 3}'}, {"size": Size(3)}),
        (
            {"stops": '[{"city": "Rome", "nights": null}]'},
            {"stops": [Stop(city="Rome")]},
        ),
        ({"stops": ['{"city": "Rome"}']}, {"stops": [Stop(city="Rome")]}),
        ({"either": "[1]"}, {"either": "[1]"}),
        ({"free": "[1]"}, {"free": "[1]"}),
        ({"city": '{"a": 1}'}, {"city": '{"a": 1}'}),
        ({"city": "null"}, {"city": "null"}),
        ({"days": "", "unit": "", "numbers": "", "options": ""}, {}),
        ({"days": "null", "unit": "None", "stops": "undefined", "counts": " "}, {}),
        ({"until": "null"}, {}),
        ({"size": {"width": 3, "tags": ""}}, {"size": Size(3)}),
        ({"either": "", "free": "null"}, {"either": "", "free": "null"}),
    ],
)
def test_what_is_meant(given_: dict[str, Any], expected: dict[str, Any]):
    values = plan.check(json.dumps({"city": "Oslo", **given_}))
    assert values == {"city": "Oslo", **expected}


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"city": None}, "city: input should be a valid string, not null"),
        ({"counts": {"a": None}}, "counts.a: input should be a valid integer, not null"),
        ({"numbers": [None]}, "numbers.0: input should be a valid integer, not null"),
        ({"stops": [{"city": None}]}, "stops.0.city: input should be a valid string"),
        ({"stops": [None]}, "stops.0"),
        ({"short": "[1, 2]"}, 'short: string should have at most 3 characters, not "[1, 2]"'),
        ({"counts": {"a": ""}}, "counts.a: input should be a valid integer"),
        ({"stops": [{"city": 3, "nights": ""}]}, "stops.0.city: input should be a valid string"),
        ({"days": "nothing"}, "days: input should be a valid integer"),
        ({"numbers": '"[1]"'}, "numbers: input should be a valid array"),
        ({"numbers": "1, 2"}, "numbers: input should be a valid array"),
        ({"numbers": '{"a": 1}'}, "numbers: input should be a valid array"),
        ({"numbers": '["a"]'}, "numbers.0: input should be a valid integer"),
        ({"numbers": "[]"}, "numbers: list should have at least 1 item"),
        ({"numbers": "[" * 70 + "]" * 70}, "numbers: input should be a valid array"),
    ],
)
def test_what_is_refused(given_: dict[str, Any], said: str):
    with pytest.raises(BadArguments) as caught:
        plan.check(json.dumps({"city": "Oslo", **given_}))
    assert said in str(caught.value)
    assert "Call the tool again" in str(caught.value)


class Street(BaseModel):
    größe: int  # noqa: PLC2401
    next: Street | None = None


@pytest.mark.parametrize("strict", [False, True])
def test_an_object_inside_a_string_has_the_names_that_the_model_knows(strict: bool):
    @tool(strict=strict)
    def build(street: Street, streets: dict[str, Street] = {}) -> None:  # noqa: B006
        """Builds."""

    inner = json.dumps({"groe": 1, "next": '{"groe": 2, "next": null}'})
    more = [{"key": "a", "value": '{"groe": 3}'}] if strict else {"a": '{"groe": 3}'}
    text = json.dumps({"street": inner, "streets": more})
    first = Street(größe=1, next=Street(größe=2))
    assert build.check(text) == {"street": first, "streets": {"a": Street(größe=3)}}
    assert build.check(build.parse(text)) == build.check(text)
    assert Output(Street).read(f"So: {inner}") == first
    assert Output(dict[str, Street]).read(json.dumps({"value": more})) == {"a": Street(größe=3)}


@pytest.mark.parametrize(
    ("text", "city"),
    [
        ('{"city": "one\ntwo\tthree"}', "one\ntwo\tthree"),
        ('{"city":\t"a\rb\0c"\n}', "a\rb\0c"),
        ('{"city": "a \\"quoted\\"\nline\\n"}', 'a "quoted"\nline\n'),
        ('{"city": "a\\\nb"}', "a\nb"),
        (json.dumps('{"city": "one\ntwo"}'), "one\ntwo"),
        ('{"city": "\n\\ud83e\\udd8a"}', "\n🦊"),
    ],
)
def test_control_characters_inside_strings(text: str, city: str):
    assert plan.check(text) == {"city": city}


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Oslo, ]", "stops": [{"city": "a,}",},],}',
        '{"city": "Oslo, ]", "stops": [{"city": "a,}"} , ]\n,\n}',
        '```json\n{"city": "Oslo, ]", "stops": [{"city": "a,}"}]}\n```',
        '{"city": "Oslo, ]", "stops": [{"city": "a,}"}]}<|call|>',
        '{"city": "Oslo, ]", "stops": [{"city": "a,}"}]}\n</parameter>\n</tool_call>',
        '{}{"city": "Oslo, ]", "stops": [{"city": "a,}"}]}',
        json.dumps('{"city": "Oslo, ]", "stops": [{"city": "a,}"},]}'),
    ],
)
def test_what_does_not_belong_to_the_arguments_is_left_out(text: str):
    """By the tool, and by what goes back to the model."""
    assert plan.check(text) == {"city": "Oslo, ]", "stops": [Stop(city="a,}")]}
    assert json.loads(for_history(text)) == {"city": "Oslo, ]", "stops": [{"city": "a,}"}]}


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Oslo",',
        '{"city": "Oslo",,}',
        '```json\n{"city": "Oslo"',
        '{}{"city": "Os',
        '{"city": "Oslo"} {"city": "Rome"}',
        '{"city": "Oslo"} and more',
    ],
)
def test_nothing_that_is_cut_off_or_ambiguous_is_completed(text: str):
    with pytest.raises(BadArguments):
        plan.check(text)
    assert for_history(text) == "{}"


@pytest.mark.parametrize(
    "text", ['{"city": "a\nb', '{"city": a\nb}', '{"city": "a\n", "city": ""}']
)
def test_control_characters_mend_nothing_else(text: str):
    with pytest.raises(BadArguments):
        plan.check(text)


def test_unfinished_strings_take_no_time():
    for text in (
        '{"city": "\n' + '\\"' * 190_000,
        '{"city": "\n' + '"' * 390_000,
        "```" + " " * 390_000 + "x",
        ", " * 190_000,
        "</a>" * 90_000,
    ):
        with pytest.raises(BadArguments):
            plan.check(text)


@pytest.mark.parametrize(("kind", "value"), KINDS, ids=[str(kind)[:50] for kind, _ in KINDS])
def test_every_kind(kind: Any, value: Any):
    def take(value: Any = value) -> None:
        """Takes a value."""

    def takes(value: object) -> bool:
        try:
            TypeAdapter(kind).validate_json(json.dumps(value))
        except ValidationError:
            return False
        return True

    take.__annotations__["value"] = kind
    made, encoded = tool(take), json.dumps(value)
    assert made.check('{"value": null}') == ({"value": None} if takes(None) else {})
    if isinstance(value, list | dict) and not takes(encoded):
        assert made.check(json.dumps({"value": encoded})) == made.check({"value": value})


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@tool
def anything(value: Any, text: str = "", mapping: dict[str, Any] = {}) -> None:  # noqa: B006
    """Takes anything."""


@given(TREES, st.text(), st.dictionaries(st.text(max_size=3), TREES))
def test_a_value_that_fits_is_never_changed(value: Any, text: str, mapping: dict[str, Any]):
    given_ = {"value": value, "text": text, "mapping": mapping}
    assert anything.check(json.dumps(given_)) == given_
    for inner in (value, mapping, [text]):
        encoded = json.dumps(inner)
        assert anything.check(json.dumps({"value": encoded, "text": encoded})) == {
            "value": encoded,
            "text": encoded,
        }


@given(st.text())
def test_any_string_may_have_its_control_characters_raw(text: str):
    raw = json.dumps(text, ensure_ascii=False)
    for number in range(32):
        escaped = json.dumps(chr(number))[1:-1]
        raw = raw.replace("\\\\", "\ue000").replace(escaped, chr(number)).replace("\ue000", "\\\\")
    if "\ue000" not in text:
        assert plan.check(f'{{"city": {raw}}}') == {"city": text}
