"""Scripts played by a program: what `agentkit demo` does, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from agentkit._check import check_number, refused
from agentkit._sync import run_sync
from agentkit.demo.junit import write_junit
from agentkit.demo.played import Played
from agentkit.demo.plays import Rate, Results, Silent, jobs_of, play_jobs, rates
from agentkit.demo.report import check_folder, write
from agentkit.demo.script import Script, load
from agentkit.demo.sources import AnsweredBy, opened
from agentkit.images.store import ImageStore, MemoryImageStore
from agentkit.values import Api

_GRACE = 10.0
"""Seconds for downloads, after Ctrl-C."""


@dataclass(frozen=True, slots=True)
class DemoResults:
    """What came of some scripts."""

    results: Results
    answered_by: AnsweredBy

    @property
    def plays(self) -> list[Played]:
        """Every play, in order: of each script with each model, through each API, each time."""
        return [self.results.by_job[index] for index in sorted(self.results.by_job)]

    @property
    def is_good(self) -> bool:
        """Whether all was as expected."""
        return self.results.is_good

    @property
    def failed(self) -> list[str]:
        """What was not as expected, a line each."""
        return [line for played in self.plays for line in played.failed]

    def rates(self, script: Script) -> list[Rate]:
        """How often each expectation of a script held."""
        return rates(self.results.of(script))

    def report(
        self, folder: str | Path, *, single_file: bool = False, pictures: bool = False
    ) -> list[Path]:
        """Write the report of each script, and return the paths of their pages. Several scripts get
        a folder each in `folder`. Raises as `agentkit demo` tells: `UsageError`, `ReportError`.
        """
        scripts, target = self.results.scripts, Path(folder)
        pages: list[Path] = []
        for number, script in enumerate(scripts, 1):
            own = target if len(scripts) == 1 else target / str(number)
            check_folder(own, single_file=single_file)
            pages.append(
                write(
                    script,
                    self.results.of(script),
                    own,
                    answered_by=self.answered_by,
                    single_file=single_file,
                    pictures=pictures,
                )
            )
        return pages

    def junit(self, path: str | Path) -> None:
        """Write the results as JUnit XML. Raises `UsageError`."""
        scripts = self.results.scripts
        plays = [(script, played) for script in scripts for played in self.results.of(script)]
        write_junit(Path(path), plays)


class PlayOptions(TypedDict, total=False):
    """The options of `play_scripts`, which says what each means."""

    apis: Sequence[Api]
    models: Sequence[str]
    repeat: int
    at_once: int
    live: bool
    cassette: str | Path | None
    variables: Mapping[str, str] | None
    store: ImageStore | None


async def play_scripts(
    *scripts: str | Path | Script,
    apis: Sequence[Api] = (),
    models: Sequence[str] = (),
    repeat: int = 1,
    at_once: int = 1,
    live: bool = False,
    cassette: str | Path | None = None,
    variables: Mapping[str, str] | None = None,
    store: ImageStore | None = None,
) -> DemoResults:
    """Play scripts, given as paths or as `load` read them, and check each turn. Nothing is printed
    or written.

    - `apis` and `models` are in place of those of the scripts; each script is played with each.
    - `repeat` is how often, `at_once` how many plays run at the same time.
    - `live`: OpenRouter answers, not the emulator. `cassette`: it is played, or recorded.
    - `variables` replace values of the scripts that are given as paths.
    - `store` keeps the pictures; by default they are kept in memory.

    Raises `ScriptError` for what cannot be played, and `UsageError` for a wrong argument. What goes
    wrong in a play stands in its turns.
    """
    if not scripts:
        raise refused("play_scripts(*{!r})", scripts, "is at least one script")
    check_number("play_scripts(repeat={!r})", repeat, whole=True, least=1)
    check_number("play_scripts(at_once={!r})", at_once, whole=True, least=1)
    if cassette is not None and at_once > 1:
        raise refused(
            "play_scripts(at_once={!r})",
            at_once,
            "is 1 with a cassette, whose requests come one by one",
        )
    loaded = [each if isinstance(each, Script) else load(Path(each), variables) for each in scripts]
    results = Results(jobs_of(loaded, apis=apis, models=models, repeat=repeat))
    kept = MemoryImageStore() if store is None else store
    path = None if cassette is None else Path(cassette)
    names = ", ".join(script.name for script in loaded)
    with opened(live=live, cassette=path, recorded_by=names) as source:
        await play_jobs(results, source, kept, at_once=at_once, watcher=lambda _: Silent())
        return DemoResults(results, source.answered_by)


def play_scripts_sync(*scripts: str | Path | Script, **options: Unpack[PlayOptions]) -> DemoResults:
    """`play_scripts` for code that is not async. The options are the same."""
    return run_sync(play_scripts(*scripts, **options), grace=_GRACE)
