"""What a model wrote as arguments: either checked values, or `BadArguments` with words that the
model can act on.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field

from agentkit.errors import AgentkitError
from agentkit.tools import BadArguments, parse_arguments, tool
from agentkit.values import Image

PNG = Image.from_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 32)


class Node(BaseModel):
    name: str
    children: list[Node] = []


@tool
def weather(
    city: str, days: Annotated[int, Field(ge=1, le=7)] = 1, unit: Literal["c", "f"] = "c"
) -> str:
    """Today's weather."""
    return city


@tool
def nothing() -> None: ...


@tool
def anything(
    tree: Node | None = None,
    free: Any = None,
    number: float = 0,
    many: dict[str, list[int]] = {},  # noqa: B006
    picture: Image | None = None,
    pictures: list[Image] = [],  # noqa: B006
    named: dict[str, Image] = {},  # noqa: B006
) -> None: ...


def look_up(handle: str) -> Image:
    if handle == "img_1":
        return PNG
    raise LookupError(f"there is no picture {handle!r}; there is: img_1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"city":"Oslo"}', {"city": "Oslo"}),
        (' \n{"city": "Oslo", "days": 3}\t', {"city": "Oslo", "days": 3}),
        ('\ufeff{"city":"Oslo"}', {"city": "Oslo"}),
        ('{"city":"Oslo","days":"3"}', {"city": "Oslo", "days": 3}),
        (json.dumps('{"city":"Oslo"}'), {"city": "Oslo"}),
        (r'{"city":"\ud83e\udd8a"}', {"city": "🦊"}),
        ('{"city":"\ud83e\udd8a"}', {"city": "🦊"}),
        (r'{"city":"a\ud83eb"}', {"city": "a\ufffdb"}),
        (r'{"city":"\udd8a\ud83e"}', {"city": "\ufffd\ufffd"}),
        ('{"city":"a\ud83eb"}', {"city": "a\ufffdb"}),
        (r'{"city":"\\ud83e"}', {"city": r"\ud83e"}),
        (r'{"city":"\\\ud83e"}', {"city": "\\\ufffd"}),
        (json.dumps('{"city":"\\ud83e"}'), {"city": "\ufffd"}),
        (r'{"city":"\u0000"}', {"city": "\0"}),
    ],
)
def test_accepted(text: str, expected: dict[str, object]):
    assert weather.check(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "null", "{}", '"{}"', '""', '"null"'])
def test_nothing_is_no_arguments(text: str):
    assert nothing.check(text) == {}
    with pytest.raises(BadArguments, match="city: is missing"):
        weather.check(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no valid JSON"),
        ('{"city":"Oslo"', "no valid JSON"),
        ('{"city":"Oslo"} and more', "no valid JSON"),
        ("city=Oslo", "no valid JSON"),
        ("[]", "must be a JSON object, not []"),
        ("3", "must be a JSON object, not 3"),
        ("true", "must be a JSON object"),
        (json.dumps(json.dumps('{"city":"Oslo"}')), "must be a JSON object"),
        ('{"city":"Oslo","city":"Rome"}', 'duplicate key "city"'),
        ('{"\\ud83e":1,"\\ud83f":1}', "duplicate key"),
        ('{"city":NaN}', "no valid JSON"),
        ('{"city":-Infinity}', "no valid JSON"),
        ('{"days":1e999}', "too large"),
        ('{"free":[[{"x":-1e999}]]}', "too large"),
        ('{"days":' + "9" * 5000 + "}", "no valid JSON"),
        ("[" * 10_000 + "]" * 10_000, "deeper than 64"),
        ('{"a":' * 10_000, "deeper than 64"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ('{"city":"' + "x" * 1_000_000 + '"}', "more than 1,000,000 bytes"),
        ('{"city":"' + "é" * 600_000 + '"}', "more than 1,000,000 bytes"),
        ('{"days":3}', "city: is missing"),
        ('{"city":"Oslo","day":3}', "day: there is no such parameter"),
        ('{"city":"Oslo","days":8}', "days: input should be less than or equal to 7, not 8"),
        ('{"city":"Oslo","unit":"k"}', "unit: input should be 'c' or 'f', not \"k\""),
        ('{"city":null}', "city: input should be a valid string, not null"),
        ('{"city":{"a":1}}', 'not {"a":1}'),
    ],
)
def test_refused(text: str, said: str):
    with pytest.raises(BadArguments) as caught:
        weather.check(text)
    message = str(caught.value)
    assert said.lower() in message.lower()
    assert 'city (string), days (integer, optional), unit ("c" | "f", optional)' in message
    assert len(message) < 1500
    assert isinstance(caught.value, AgentkitError)


def test_depth_64_is_accepted():
    assert anything.check('{"free":' + "[" * 63 + "]" * 63 + "}")
    with pytest.raises(BadArguments, match="deeper"):
        anything.check('{"free":' + "[" * 64 + "]" * 64 + "}")


def test_an_infinity_in_words_is_refused():
    for word in ("nan", "inf", "-Infinity"):
        with pytest.raises(BadArguments, match="number: input should be a finite number"):
            anything.check(json.dumps({"number": word}))


def test_a_huge_number_is_kept():
    assert anything.check('{"free":' + "9" * 4000 + "}") == {"free": int("9" * 4000)}


def test_each_field_is_told_of_but_not_endlessly():
    with pytest.raises(BadArguments) as caught:
        anything.check(
            json.dumps({"many": {str(index): ["x"] for index in range(50)}, "tree": {"name": 3}})
        )
    assert "tree.name: input should be a valid string" in str(caught.value)
    assert len(caught.value.problems) == 9
    assert caught.value.problems[-1] == "and 43 more"


def test_values_are_those_of_json():
    class Strict(BaseModel, strict=True):
        day: date
        pair: tuple[int, int]

    @tool
    def book(at: datetime, price: Decimal, key: UUID, strict: Strict, tags: set[str]) -> None: ...

    values = book.check(
        '{"at":"2026-01-02T03:04:05Z","price":"1.10","key":"12345678-1234-5678-1234-567812345678",'
        '"strict":{"day":"2026-01-02","pair":[1,2]},"tags":["a","a"]}'
    )
    assert values["price"] == Decimal("1.10")
    assert values["strict"] == Strict(day=date(2026, 1, 2), pair=(1, 2))
    assert values["tags"] == {"a"}


def test_arguments_that_were_parsed_before():
    parsed = parse_arguments('{"city":"Oslo","days":"3"}')
    assert parsed == {"city": "Oslo", "days": "3"}
    assert weather.check(parsed) == {"city": "Oslo", "days": 3}
    with pytest.raises(BadArguments, match="city"):
        weather.check({"days": 3})


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("no good"),
        KeyError("no good"),
        RuntimeError("no good"),
        RecursionError("no good"),
    ],
)
def test_a_validator_of_the_user_may_raise_anything(raised: Exception):
    def refuse(value: str) -> str:
        raise raised

    @tool
    def picky(word: Annotated[str, AfterValidator(refuse)]) -> None: ...

    with pytest.raises(BadArguments, match="no good"):
        picky.check('{"word":"x"}')


def test_pictures_by_handle():
    shown = anything.schema["properties"]
    assert shown["picture"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert shown["pictures"]["items"] == {"type": "string"}
    assert "such as img_2" in shown["picture"]["description"]
    assert "such as img_2" in shown["pictures"]["description"]
    values = anything.check('{"picture":"img_1","pictures":["img_1","img_1"]}', images=look_up)
    assert values == {"picture": PNG, "pictures": [PNG, PNG]}
    assert anything.check('{"named":{"x":"img_1"}}', images=look_up) == {"named": {"x": PNG}}
    assert anything.check('{"picture":null}', images=look_up) == {"picture": None}


@pytest.mark.parametrize("handle", ['"img_9"', '""', '"\\ud800"', '"{why}"'])
def test_an_unknown_handle_tells_those_that_exist(handle: str):
    with pytest.raises(BadArguments, match=r"picture: there is no picture .*; there is: img_1"):
        anything.check(f'{{"picture":{handle}}}', images=look_up)
    with pytest.raises(BadArguments, match=r"pictures\.1: there is no picture"):
        anything.check(f'{{"pictures":["img_1",{handle}]}}', images=look_up)


def test_a_picture_is_only_ever_named():
    for value in ("3", '{"sha256":"x"}', '"data:image/png;base64,AAAA"'):
        with pytest.raises(BadArguments, match="picture: "):
            anything.check(f'{{"picture":{value}}}', images=look_up)
    with pytest.raises(BadArguments, match="has none"):
        anything.check('{"picture":"img_1"}')
    with pytest.raises(BadArguments, match="picture: img_1"):
        anything.check('{"picture":"img_1"}', images={}.__getitem__)


def _either_values_or_bad_arguments(text: str) -> None:
    for each in (weather, nothing, anything):
        try:
            values = each.check(text, images=look_up)
        except BadArguments as error:
            message = str(error)
            message.encode()
            assert len(message) < 6000
        else:
            assert set(values) <= set(each.schema["properties"])


@given(st.text(st.characters(exclude_categories=())))
@example("\ud800")
@example('"\\')
@example('{"\\ud83')
def test_any_text(text: str):
    _either_values_or_bad_arguments(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["name", "children", "x"]) | st.text(), inner)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["city", "days", "unit", "tree", "free", "number", "many", "picture", "pictures", "other"]
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, JSON), st.booleans(), st.booleans())
def test_any_json(value: dict[str, Any], escaped: bool, doubled: bool):
    text = json.dumps(value, ensure_ascii=escaped)
    _either_values_or_bad_arguments(json.dumps(text) if doubled else text)


@given(st.text(alphabet='{}[]":,\\ud8eE019.-naNIfty city\ud83e\udd8a'))
def test_almost_json(text: str):
    _either_values_or_bad_arguments(text)


@given(st.text(st.characters(exclude_categories=())))
def test_surrogates_are_joined_or_replaced(word: str):
    expected = word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    for escaped in (True, False):
        assert weather.check(json.dumps({"city": word}, ensure_ascii=escaped)) == {"city": expected}
