"""Messages that grow: a value that is equal to a tuple, and shares what lies behind."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace as dataclass_replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import Message, Run, Text
from agentkit.values import Messages
from agentkit.values.messages import BLOCK


def said(*numbers: int) -> tuple[Message, ...]:
    return tuple(Message("user", (Text(f"Message {number}"),)) for number in numbers)


MANY = said(*range(5 * BLOCK + 3))
places = st.integers(-2 * len(MANY), 2 * len(MANY))


@given(st.lists(st.integers(0, 2 * BLOCK), max_size=8), places, places)
def test_they_grow_as_a_tuple_does(counts: list[int], start: int, stop: int) -> None:
    grown, whole = Messages.of(()), ()
    for count in counts:
        before, grown, whole = grown, grown.with_more(*MANY[:count]), (*whole, *MANY[:count])
        assert grown.begins_with(before)
        assert before.begins_with(grown) == (count == 0)
    assert grown == whole
    assert whole == grown
    assert hash(grown) == hash(whole)
    assert len(grown) == len(whole)
    assert list(grown) == list(whole)
    assert list(reversed(grown)) == list(reversed(whole))
    assert grown[start:stop] == whole[start:stop]
    assert grown[::-2] == whole[::-2]
    assert type(grown[start:]) is tuple
    assert grown.first(max(start, 0)) == whole[: max(start, 0)]
    assert Messages.of(list(whole)) == grown
    assert grown.whole == whole


@given(places)
def test_a_position_is_that_of_a_tuple(at: int) -> None:
    grown = Messages.of(MANY)
    if -len(MANY) <= at < len(MANY):
        assert grown[at] is MANY[at]
        return
    with pytest.raises(IndexError):
        grown[at]


@given(st.integers(0, len(MANY) - 1))
def test_others_are_not_their_beginning(at: int) -> None:
    changed = Messages.of((*MANY[:at], *said(-1), *MANY[at + 1 :]))
    assert not Messages.of(MANY).begins_with(changed)
    assert Messages.of(MANY) != changed
    assert changed.first(at) == MANY[:at]
    assert Messages.of(MANY).begins_with(changed.first(at))


def test_what_lies_behind_is_shared_and_never_changes() -> None:
    before = Messages.of(MANY)
    one, other = before.with_more(*said(-1)), before.with_more(*said(-2))
    assert [id(each) for each in one.blocks] == [id(each) for each in before.blocks]
    assert (before[-1], one[-1], other[-1]) == (MANY[-1], *said(-1), *said(-2))
    assert Messages.of(one) is one


def run_of(messages: Sequence[Message]) -> Run:
    return Run("run_1", "openai/gpt-5.2", "chat", tuple(messages), len(messages) - 1)


def test_a_run_shows_a_tuple_and_shares_the_rest() -> None:
    run = run_of(MANY)
    grown = run.replace(messages=run.shared_messages.with_more(*said(-1)), start=len(MANY))
    assert type(grown.messages) is tuple
    assert grown.messages == (*MANY, *said(-1))
    assert grown.messages is grown.messages
    assert grown.added == said(-1)
    assert grown.shared_messages.blocks[0] is run.shared_messages.blocks[0]
    match grown:
        case Run(messages=(first, *_, last)):
            assert (first, last) == (MANY[0], *said(-1))
        case _:
            pytest.fail("a run is matched by its fields")


@pytest.mark.parametrize("count", [1, BLOCK, len(MANY)])
def test_a_run_is_copied_saved_and_compared_as_before(count: int) -> None:
    run = run_of(MANY[:count])
    copies = [copy(run), deepcopy(run), pickle.loads(pickle.dumps(run))]
    copies += [Run.from_json(run.to_json()), dataclass_replace(run), run.replace()]
    for each in copies:
        assert each == run
        assert each.messages == MANY[:count]
        assert type(each.messages) is tuple
        assert repr(each.messages) == repr(run.messages)
        assert Run.from_json(each.to_json()) == run
