"""Every cell of the table ends as it must."""

from __future__ import annotations

import asyncio

import pytest

from agentkit import Answer
from agentkit.errors import RunError
from agentkit.studio import Drawing
from tests.clock import turns
from tests.faults.cells import Cell, Outcome
from tests.faults.scene import KEPT, KEY, LAST, MORE, SLACK, WORDS, Seen, play
from tests.faults.table import cells
from tests.unit.openrouter.peer import PEM

CELLS = list(cells())


@pytest.fixture(autouse=True)
def few_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the system's certificates takes longer than most cells."""
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


def test_the_table_is_large_enough() -> None:
    assert sum(not cell.slow for cell in CELLS) >= 300
    assert len({str(cell) for cell in CELLS}) == len(CELLS)
    assert {cell.row for cell in CELLS} == {cell.row for cell in CELLS if not cell.slow}


@pytest.mark.parametrize(
    "cell",
    [pytest.param(each, id=str(each), marks=[pytest.mark.slow] * each.slow) for each in CELLS],
)
async def test_a_cell(cell: Cell) -> None:
    seen, outcome = await play(cell.scene), cell.outcome
    await turns()  # a generator that was left to the collection of garbage is closed
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks were left behind: {left}"
    said = f"{type(seen.error).__name__}: {seen.error}"
    accepted = outcome.error if isinstance(outcome.error, tuple) else (outcome.error or type(None),)
    assert type(seen.error) in accepted, said
    if cell.scene.faults:
        assert seen.struck, "the fault did not strike"
    assert seen.sent - followed(cell) == outcome.sent, said
    assert (seen.lookups > 0) == outcome.looked, said
    assert seen.seconds < cell.row.seconds + SLACK
    for check in (holds_for_all, tools_ran):
        check(cell, seen)
    if isinstance(seen.error, RunError):
        broke_off(outcome, seen, seen.error)
    elif seen.error is None:
        ended_well(cell, seen)
    if outcome.check is not None:
        outcome.check(seen)


def followed(cell: Cell) -> int:
    """The turn after the tool, where there is one."""
    return 1 if cell.outcome.error is None and cell.way.api != "images" else 0


def holds_for_all(cell: Cell, seen: Seen) -> None:
    unproved = [before for before, _ in seen.repeats if not before.known_unbilled]
    assert not unproved, f"sent again without proof: {unproved}"
    assert not seen.lost, "a picture was delivered and is not in the store"
    assert seen.open <= KEPT, "a connection was left open"
    assert not seen.left, "a connection outlived its client"
    if cell.way.api != "images":
        assert seen.kept == (seen.error is not None)
    if seen.error is not None:
        assert KEY not in f"{seen.error!r} {seen.error}"
        assert seen.error.__class__.__module__ == "agentkit.errors"


def tools_ran(cell: Cell, seen: Seen) -> None:
    own = ["note"] if cell.outcome.error is None and cell.way.api != "images" else []
    before = ["weather"] if cell.moment == "after_tool" and cell.way.api != "images" else []
    assert seen.ran == [*before, *(own if cell.outcome.ran is None else cell.outcome.ran)]


def broke_off(outcome: Outcome, seen: Seen, error: RunError) -> None:
    so_far = seen.so_far
    assert so_far is not None, "what had arrived is missing"
    assert error.run is not None or error.drawing is not None
    assert len(str(error)) < 3000
    if outcome.id is not None:
        assert (error.generation_id is not None) == outcome.id
    if error.generation_id is not None:
        assert error.generation_id in {post.generation_id for post in seen.posts}
    if outcome.billed is not None:
        assert error.generation is not None
        assert error.generation.billed == outcome.billed
    if outcome.pictures is not None:
        assert len(so_far.images) == outcome.pictures
    for image in so_far.images:
        assert seen.store.open(image.sha256).read() == image.bytes()
    if error.run is not None:
        assert not error.run.pending, "a call of a cut message could still be run"


def ended_well(cell: Cell, seen: Seen) -> None:
    answer = seen.answer
    if isinstance(answer, Drawing):
        pictures = 2 if cell.outcome.pictures is None else cell.outcome.pictures + 1
        assert (len(answer.images), len(answer.failures)) == (pictures, cell.outcome.failures)
        return
    assert isinstance(answer, Answer)
    assert answer.status == "completed"
    assert "".join(answer.text.split()) == "".join((WORDS + MORE + LAST).split())
    wanted = 1 if cell.outcome.pictures is None else cell.outcome.pictures
    assert (len(answer.images), len(answer.failures)) == (wanted, cell.outcome.failures)
