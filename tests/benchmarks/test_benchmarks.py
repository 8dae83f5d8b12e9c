"""Each case once, as small as it can be: what is measured is right. How long it takes is nobody's
business here.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import floors, page, past, web
from tests.benchmarks.cases import TINY, Case, cases
from tests.benchmarks.ledger import shares
from tests.benchmarks.measure import import_seconds, medians, start_seconds
from tests.benchmarks.path import TRANSPORT, footprint
from tests.benchmarks.replies import DELTA, WORDS, png
from tests.benchmarks.server import running
from tests.benchmarks.sessions import measured, table
from tests.benchmarks.subjects import subjects
from tests.conftest import spread


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as address:
        yield address


CASES = cases(TINY)


@pytest.mark.filterwarnings(
    "ignore:Sending a large body:ResourceWarning"
)  # what the SDK does on aiohttp
@pytest.mark.parametrize("case", spread(CASES, 3), ids=lambda case: case.title)
async def test_each_subject_gives_the_right_answer(case: Case, origin: str, tmp_path: Path) -> None:
    several = subjects(tmp_path)
    for subject in several:
        result = await case.work(subject, origin, tmp_path)
        if isinstance(result, Path):
            assert result.read_bytes() == png(TINY.megabytes), subject.name
        else:
            assert result == (DELTA * TINY.deltas if "deltas" in case.title else WORDS), (
                subject.name
            )
    for subject in several:
        await subject.close()


@pytest.mark.slow
async def test_samples_are_interleaved_and_named(origin: str, tmp_path: Path) -> None:
    several = subjects(tmp_path)
    seconds = await medians(CASES[0], several, origin, tmp_path, 1)
    assert list(seconds) == [subject.name for subject in several]
    for subject in several:
        await subject.close()


@pytest.mark.slow
def test_memory_that_is_held_shows_in_the_peak() -> None:
    code = (
        "from tests.benchmarks.measure import peak_memory, reset_peak; before = reset_peak(); held = b'x' * (32 << 20); "
        "raise SystemExit(peak_memory() - before <= 16 << 20)"
    )  # in an interpreter of its own: this one may hold enough already
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False
        ).returncode
        == 0
    )


async def test_an_import_is_timed_in_an_interpreter_of_its_own() -> None:
    seconds = await asyncio.to_thread(import_seconds, ["json"], 1)
    assert seconds["json"] > 0


async def test_a_start_is_timed_as_a_whole_process() -> None:
    seconds = await asyncio.to_thread(
        start_seconds, {"nothing": ["-c", ""], "work": ["-c", "sum(range(10_000_000))"]}, 1
    )
    # A system that counts in ticks may see none in a short program.
    assert 0 <= seconds["nothing"] < seconds["work"]


@pytest.mark.parametrize("usd", [None, 1.0])
async def test_frames_and_calls_of_a_turn_are_our_own(
    usd: float | None, origin: str, tmp_path: Path
) -> None:
    found = await footprint(origin, tmp_path, usd)
    assert found.frames[0] == TRANSPORT
    assert found.frames[-1] == "Agent.run"
    assert set(found.frames) <= set(found.calls)
    # How often a reader is called depends on the pieces that the network delivers, and whether a
    # connection is there still on the time in between.
    again = set((await footprint(origin, tmp_path, usd)).calls)
    differ = set(found.calls) ^ again
    assert all("Delivery" in name or name == "_acknowledged" for name in differ), differ


@pytest.mark.slow
async def test_what_lies_behind_a_turn_is_there(origin: str, tmp_path: Path) -> None:
    found = await past.rows(origin, tmp_path, turns=130, pictures=2, streams=2)
    assert [each.title.split()[0] for each in found] == ["text", "text", "fork", "first", "longest"]
    assert min(each.floor for each in found) > 0
    assert min(each.ours for each in found[2:]) > 0


@pytest.mark.slow
async def test_floors_do_the_same_work(origin: str, tmp_path: Path) -> None:
    found = await floors.rows(origin, tmp_path, megabytes=1, turns=2, samples=1)
    assert [each.unit for each in found] == ["s", "s", "s", "s", "B"]
    assert min(each.floor for each in found) > 0
    kept = await asyncio.to_thread(lambda: list(tmp_path.glob("fetched/*/*.png")))
    assert len(kept) == 1
    assert (tmp_path / "spooled.png").read_bytes() == png(1)


async def test_the_ledger_beside_its_syncs(origin: str, tmp_path: Path) -> None:
    more, syncs = await shares(origin, tmp_path, 1, 1, None)
    assert syncs > 0
    assert more < 60
    assert len(list((tmp_path / "calls").rglob("*.call"))) == 2


def test_the_figures_of_a_conversation(origin: str, tmp_path: Path) -> None:
    figures = measured(origin, tmp_path, 3, samples=1)
    assert min(*figures.turn, figures.sent[1], *figures.load) > 0
    assert len(table(figures)) == 7


@pytest.mark.slow
def test_the_figures_of_a_chat_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CHATS", 3)
    monkeypatch.setattr(web, "TURNS", 2)
    load, took = web.loaded(2, 1), web.opened(1)
    assert load.deltas > 0
    assert min(load.lag, load.gap, took["list"], took["open"]) > 0


@pytest.mark.slow
@pytest.mark.skipif(page.CHROMIUM is None, reason="no Chromium: see CONTRIBUTING.md")
def test_the_page_is_measured() -> None:
    seen = page.measured(4, 1)
    assert seen.first > 0
    assert seen.elements > 100
