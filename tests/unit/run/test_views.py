"""How the messages of a request go, as a mapping that grows with the conversation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentkit.run.history import MessageView
from agentkit.run.views import NONE, Views
from agentkit.values.messages import BLOCK

SHOWN = (None, MessageView("[one]"), MessageView("[two]"))
positions = st.integers(0, 4 * BLOCK)
changes = st.lists(st.dictionaries(positions, st.sampled_from(SHOWN)), max_size=6)


@given(changes, positions, positions)
def test_they_change_as_a_dictionary_does(
    steps: list[dict[int, MessageView | None]], at: int, number: int
) -> None:
    views, expected = NONE, dict[int, MessageView]()
    for step in steps:
        before, kept = views, dict(expected)
        views = views.changed(step)
        expected |= {place: view for place, view in step.items() if view is not None}
        expected = {place: view for place, view in expected.items() if step.get(place, view)}
        assert before == kept
    assert views == expected
    assert dict(views) == expected
    assert len(views) == len(expected)
    assert views.get(at) == expected.get(at)
    assert views.get(at, SHOWN[1]) == expected.get(at, SHOWN[1])
    assert (at in views) == (at in expected)
    assert Views.of(expected) == views
    start, stop = sorted((at, number))
    assert views.between(start, stop) == [expected.get(each) for each in range(start, stop)]
    first = number // BLOCK
    shown = [view for block in views.of_blocks(first, first + 2) for view in block]
    there = {first * BLOCK + place: view for place, view in enumerate(shown) if view is not None}
    assert there == {
        place: view
        for place, view in expected.items()
        if first * BLOCK <= place < (first + 2) * BLOCK
    }


def test_blocks_that_did_not_change_are_shared() -> None:
    view = MessageView("[one]")
    before = NONE.changed({0: view, 3 * BLOCK: view})
    after = before.changed({3 * BLOCK + 1: view})
    assert after.blocks[0] is before.blocks[0]
    assert before.changed({0: None}).of_blocks(0, 2) == ()
