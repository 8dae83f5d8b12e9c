"""Tool calls as providers really send them (the rows on tool calls of the fault table)."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.tools.arguments import MAX_BYTES
from agentkit.wire.json import MAX_DEPTH
from agentkit.wire.tool_calls import CallBuilder, Growing, for_history, parse_object, settle


def delta(
    index: int | None = 0,
    call_id: str | None = None,
    name: str | None = None,
    arguments: Any = None,
) -> Any:
    function = {
        key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None
    }
    return {
        **({"index": index} if index is not None else {}),
        **({"id": call_id} if call_id is not None else {}),
        "type": "function",
        "function": function,
    }


def built(*deltas: Any) -> list[tuple[str, str, str]]:
    builder = CallBuilder()
    for each in deltas:
        builder.feed(each)
    return builder.calls()


PARIS, OSLO = '{"city":"Paris"}', '{"city":"Oslo"}'
STREAMS: dict[str, tuple[list[Any], list[tuple[str, str, str]]]] = {
    "whole in one delta": ([delta(0, "a", "w", PARIS)], [("a", "w", PARIS)]),
    "arguments in pieces": (
        [delta(0, "a", "w", ""), delta(0, None, None, '{"ci'), delta(0, None, None, 'ty":"Paris"}')],
        [("a", "w", PARIS)],
    ),
    "two, interleaved, indexes out of order": (
        [delta(1, "b", "w", ""), delta(0, "a", "v", ""), delta(1, None, None, OSLO), delta(0, None, None, PARIS)],
        [("a", "v", PARIS), ("b", "w", OSLO)],
    ),
    "all with index 0, ids differ": (
        [delta(0, "a", "w", PARIS), delta(0, "b", "w", OSLO)],
        [("a", "w", PARIS), ("b", "w", OSLO)],
    ),
    "all with index 0, ids differ, arguments in pieces": (
        [delta(0, "a", "w"), delta(0, "", "", PARIS[:5]), delta(0, None, None, PARIS[5:]), delta(0, "b", "w"),
         delta(0, None, None, OSLO)],
        [("a", "w", PARIS), ("b", "w", OSLO)],
    ),
    "all with index 0, no ids, names differ": (
        [delta(0, None, "v", PARIS), delta(0, None, "w", OSLO)],
        [("", "v", PARIS), ("", "w", OSLO)],
    ),
    "all with index 0, no ids, one name": (
        [delta(0, None, "w", PARIS), delta(0, None, "w", OSLO)],
        [("", "w", PARIS), ("", "w", OSLO)],
    ),
    "no index at all": (
        [delta(None, "a", "w", PARIS), delta(None, "b", "w", OSLO)],
        [("a", "w", PARIS), ("b", "w", OSLO)],
    ),
    "the name in pieces": (
        [delta(0, "a", "get_"), delta(0, None, "weather"), delta(0, None, None, PARIS)],
        [("a", "get_weather", PARIS)],
    ),
    "the name in each delta": (
        [delta(0, "a", "w", '{"city"'), delta(0, None, "w", ':"Paris"}')],
        [("a", "w", PARIS)],
    ),
    "id and name in each delta": (
        [delta(0, "a", "w", '{"city"'), delta(0, "a", "w", ':"Paris"}'), delta(0, "a", "w", "")],
        [("a", "w", PARIS)],
    ),
    "the name in each delta, the last of them without arguments": (
        [delta(0, None, "w", '{"city"'), delta(0, None, "w", ':"Paris"}'), delta(0, None, "w", "")],
        [("", "w", PARIS)],
    ),
    "the name again without arguments, and arguments after it": (
        [delta(0, None, "w", PARIS), delta(0, None, "w", ""), delta(0, None, None, OSLO)],
        [("", "w", PARIS), ("", "w", OSLO)],
    ),
    "one chunk twice": ([delta(0, "a", "w", PARIS)] * 2, [("a", "w", PARIS)] * 2),
    "one index and one id for two calls": (
        [delta(0, "a", "w", PARIS), delta(0, "a", "w", OSLO)],
        [("a", "w", PARIS), ("a", "w", OSLO)],
    ),
    "the id comes late": ([delta(0, None, "w"), delta(0, "a", None, PARIS)], [("a", "w", PARIS)]),
    "a name that changes in the midst is another call": (
        [delta(0, None, "v", '{"a":'), delta(0, None, "w", PARIS)],
        [("", "v", '{"a":'), ("", "w", PARIS)],
    ),
    "arguments as an object": ([delta(0, "a", "w", {"city": "Paris"})], [("a", "w", '{"city": "Paris"}')]),
    "no arguments": ([delta(0, "a", "now")], [("a", "now", "")]),
    "null everywhere": ([{"index": None, "id": None, "function": None}], [("", "", "")]),
    "wrong kinds": ([{"index": "0", "id": 7, "function": {"name": ["w"], "arguments": 5}}], [("", "", "")]),
    "a pair split over deltas": (
        [delta(0, "a", "w", '{"x":"\ud83d'), delta(0, None, None, '\ude00"}')],
        [("a", "w", '{"x":"😀"}')],
    ),
    "half a pair": ([delta(0, "a", "w", '{"x":"\ud83d"}')], [("a", "w", '{"x":"\ufffd"}')]),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_calls_are_put_together(case: str) -> None:
    deltas, calls = STREAMS[case]
    assert built(*deltas) == calls


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=4), st.data())
def test_any_cut_of_the_arguments_gives_the_same_calls(
    plan: list[tuple[str, int]], data: st.DataObject
) -> None:
    deltas: list[Any] = []
    for index, (name, number) in enumerate(plan):
        arguments = json.dumps({"n": number, "words": "é😀"}, ensure_ascii=data.draw(st.booleans()))
        at = data.draw(st.integers(0, len(arguments)))
        deltas += [
            delta(index, f"id{index}", name, arguments[:at]),
            delta(index, None, None, arguments[at:]),
        ]
    assert [(call_id, name, json.loads(text)["n"]) for call_id, name, text in built(*deltas)] == [
        (f"id{index}", name, number) for index, (name, number) in enumerate(plan)
    ]


def test_a_call_without_an_id_gets_a_stable_one() -> None:
    calls = [("", "w", PARIS), ("", "w", PARIS)]
    once, again = (settle(calls, seed="gen-1", cut=False) for _ in range(2))
    assert once == again
    assert len({call.id for call in once}) == 2
    assert all(call.id and call.fault is None for call in once)
    assert settle(calls, seed="gen-2", cut=False)[0].id != once[0].id


def test_equal_calls_with_one_id_are_one() -> None:
    (call,) = settle([("a", "w", PARIS)] * 3, seed="s", cut=False)
    assert (call.id, call.arguments, call.fault) == ("a", PARIS, None)


def test_different_calls_with_one_id_both_fail_under_ids_of_their_own() -> None:
    calls = settle([("a", "w", PARIS), ("b", "w", PARIS), ("a", "w", OSLO)], seed="s", cut=False)
    assert [call.fault is None for call in calls] == [False, True, False]
    assert len({call.id for call in calls}) == 3
    assert [call.arguments for call in calls] == [PARIS, PARIS, OSLO]
    assert "'a'" in (calls[0].fault or "")


def test_three_calls_with_one_id_of_which_two_are_equal() -> None:
    calls = settle(
        [("a", "w", PARIS), ("a", "w", OSLO), ("a", "w", OSLO), ("b", "v", PARIS)],
        seed="s",
        cut=False,
    )
    assert [(call.arguments, call.fault is None) for call in calls] == [
        (PARIS, False),
        (OSLO, False),
        (PARIS, True),
    ]


@pytest.mark.parametrize("arguments", ["", "{", '{"city":"Par', '{"city":"Paris"', "nul"])
def test_a_call_cut_by_length_is_marked(arguments: str) -> None:
    whole, half = settle([("a", "w", PARIS), ("b", "w", arguments)], seed="s", cut=True)
    assert whole.fault is None
    assert half.fault == "the reply was cut inside this call"
    assert settle([("b", "w", arguments)], seed="s", cut=False)[0].fault is None


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (PARIS, {"city": "Paris"}),
        (json.dumps(PARIS), {"city": "Paris"}),
        (json.dumps(json.dumps(PARIS)), None),
        ("{}", {}),
        ("", None),
        ("null", None),
        ("[1]", None),
        ("5", None),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a":NaN}', {"a": None}),
        ('{"a":1e999}', {"a": None}),
        ('{"a":"\\ud83d"}', {"a": "\ufffd"}),
        ('{"\\ud83d":{"b":["\\ude00"]}}', {"\ufffd": {"b": ["\ufffd"]}}),
        ('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH, ...),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), None),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, None),
        ('{"a":' + "9" * 5000 + "}", None),
        ('{"a":1} and more', None),
    ],
)  # fmt: skip
def test_arguments_are_an_object_or_nothing(arguments: str, value: Any) -> None:
    parsed = parse_object(arguments)
    assert parsed is not None if value is ... else parsed == value


def strict(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise AssertionError(name)

    value = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()
    return value


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (PARIS, PARIS),
        (' { "a" : 1 } ', ' { "a" : 1 } '),
        (json.dumps(PARIS), PARIS),
        ("", "{}"),
        ("{", "{}"),
        ("[1]", "{}"),
        ('{"a":NaN}', '{"a":null}'),
        ('{"a":"\\ud83d"}', '{"a":"\ufffd"}'),
        (json.dumps({"a": "x" * (MAX_BYTES - 20)}), json.dumps({"a": "x" * (MAX_BYTES - 20)})),
        (json.dumps({"a": "x" * MAX_BYTES}), "{}"),
        (json.dumps({"a": "é" * (MAX_BYTES // 2)}, ensure_ascii=False), "{}"),
    ],
    ids=lambda text: text[:40],
)
def test_the_history_holds_only_objects(arguments: str, kept: str) -> None:
    assert for_history(arguments) == kept


@given(
    st.text()
    | st.recursive(
        st.none() | st.floats() | st.text(), lambda i: st.dictionaries(st.text(), i)
    ).map(json.dumps)
)
def test_any_arguments_leave_valid_json_in_the_history(arguments: str) -> None:
    assert isinstance(strict(for_history(arguments)), dict)


@pytest.mark.parametrize("piece", ["}", '"', "x", '\\"', "{}", "[]"])
def test_a_name_in_each_delta_costs_no_look_at_all_that_came_before(piece: str) -> None:
    parsed: list[int] = []

    def count(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "parse_object":
            parsed.append(len(frame.f_locals["arguments"]))

    builder = CallBuilder()
    sys.setprofile(count)
    try:
        for text in ["{", *[piece] * 2_000]:
            function = {"name": "note", "arguments": text}
            builder.feed({"index": 0, "function": function})
    finally:
        sys.setprofile(None)
    assert sum(parsed) < 20_000


@given(st.lists(st.sampled_from(['{"a":', '"b"', "}", "1", " ", "\\", '\\"', "[", "]", "{", ","])))
def test_whole_arguments_are_known_however_they_are_sliced(pieces: list[str]) -> None:
    growing = Growing(0)
    for number, piece in enumerate(pieces, 1):
        growing.arguments.append(piece)
        assert growing.is_whole() == (parse_object("".join(pieces[:number])) is not None)
