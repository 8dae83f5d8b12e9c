"""The value in a reply's words: in prose, in a fence, after thoughts; never one inside a thought."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agentkit.tools.output import BadOutput, Output


class City(BaseModel):
    name: str
    size: int = 0
    tags: list[str] = []


OSLO = '{"name": "Oslo", "size": 700000}'
ROME = '{"name": "Rome"}'
VALUE = City(name="Oslo", size=700000)


@pytest.mark.parametrize(
    "words",
    [
        OSLO,
        f"\n\n {OSLO}\n",
        f"```json\n{OSLO}\n```",
        f"```\n{OSLO}\n```",
        f"```JSON\n{OSLO}```",
        f"Sure!\n\n```json\n{OSLO}\n```\n\nAnything else?",
        f"Here is the JSON you asked for:\n{OSLO}",
        f"{OSLO}\n\nI hope this helps {{really}}.",
        f"<think>Which city? {{hm}}</think>\n\n{OSLO}",
        f"<THINK>\n{ROME}\n</THINK>{OSLO}",
        f"<thinking>{ROME} and {{</thinking> {OSLO}",
        f"{ROME}</think>{OSLO}",
        f"[THINK]{ROME}[/THINK]{OSLO}",
        f"◁think▷{ROME}◁/think▷{OSLO}",
        f"<seed:think>{ROME}</seed:think>{OSLO}",
        f"First {ROME}, but no: {OSLO}",
        f"{OSLO} and not {{}} or [1]",
        f"[see]({{) {OSLO} [1]",
        f'He said "hm {OSLO}',
        f"Outer {{a, {OSLO}}}",
        json.dumps(OSLO),
        '{"name": "Oslo", "size": 700000, "tags": null}',
        '{"name": "Oslo", "size": "700000", "tags": "[]"}',
        f"{OSLO}\n<think>Was {ROME} meant?",
        '{"name": "Oslo", "size": 700000, "tags": [],}',
        'So:\n```json\n{\n"name": "Oslo",\n"size": 700000,\n}\n```',
    ],
)
def test_found(words: str):
    assert Output(City).read(words) == VALUE


def test_tags_and_braces_inside_strings():
    words = 'So: {"name": "a <think> } {\nb", "tags": ["</think>"]}'
    assert Output(City).read(words) == City(name="a <think> } {\nb", tags=["</think>"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "no JSON"),
        ("Oslo", "no JSON"),
        (f"<think>{OSLO}</think>", "no JSON"),
        (f"<think>{OSLO}", "no JSON"),
        (f"{OSLO}</think> well", "no JSON"),
        ('{"name": "Oslo"', "no JSON"),
        ('Here: {"name": "Oslo", "size": "big"}', "size: "),
        ("Here: {} and [1]", "the whole"),
        ('{"name": NaN}', "name"),
    ],
)
def test_not_found(words: str, said: str):
    with pytest.raises(BadOutput) as caught:
        Output(City).read(words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (int, '{"value": 5}', 5),
        (int, "5", 5),
        (int, "<think>4</think>5", 5),
        (int, "It is:\n```json\n5\n```", 5),
        (str, '{"value": "five"}', "five"),
        (str, 'So: {"value": "{\\"a\\": 1}"}', '{"a": 1}'),
        (list[int], "So [1, 2]!", [1, 2]),
        (list[City], f"[{ROME}, {OSLO}]", [City(name="Rome"), VALUE]),
        (date | None, '{"value": null}', None),
        (Literal["good", "bad"], "good", "good"),
        (Literal["good", "bad"], "<think>bad?</think>\n**good**.", "good"),
        (date, "2026-01-02", date(2026, 1, 2)),
        (bool, "True", True),
        (str, "five", "five"),
        (tuple[int, date], '{"value": [1, "2026-01-02"]}', (1, date(2026, 1, 2))),
    ],
)
def test_types_that_are_no_objects(kind: Any, words: str, value: object):
    assert Output(kind).read(words) == value


@pytest.mark.parametrize(
    "words", ["goodness", "good or bad", "good\nbad", "", "{good", "<think>good"]
)
def test_words_that_are_no_value_are_none(words: str):
    with pytest.raises(BadOutput):
        Output(Literal["good", "bad"]).read(words)
    if "g" not in words:
        with pytest.raises(BadOutput):
            Output(str).read(words)


def test_a_problem_is_told_under_the_name_that_the_model_knows():
    class Strasse(BaseModel):
        größe: int  # noqa: PLC2401

    with pytest.raises(BadOutput, match="groe: Input should be a valid integer"):
        Output(Strasse).read('{"groe": "x"}')


@pytest.mark.parametrize("hostile", ["{", "[", '{"a":', '{"a":[', '"{', "<think>{", "{}", "```\n"])
def test_hostile_words_take_no_time(hostile: str):
    with pytest.raises(BadOutput):
        Output(City).read(hostile * 100_000)


@given(st.text(), st.text(), st.sampled_from(["", "<think>", "```json\n", "</think>", "{", '"']))
def test_the_last_value_is_found_behind_any_words(before: str, name: str, mark: str):
    value = City(name=name)
    words = f"{before}{mark}\n</think>\n{value.model_dump_json()}"
    assert Output(City).read(words) == value
