"""Several plays: of several scripts, through several APIs, with several models, again and again,
some at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from agentkit.demo.played import Played, PlayedTurn, Watcher
from agentkit.demo.player import PlayOptions, play
from agentkit.demo.script import Script, Turn
from agentkit.demo.sources import Source
from agentkit.demo.tools import Toolbox, load_tools
from agentkit.events import Event
from agentkit.images.store import ImageStore
from agentkit.values import Api


@dataclass(frozen=True, slots=True)
class Loaded:
    """A script that can be played, and what it names."""

    script: Script
    tools: Toolbox


@dataclass(frozen=True, slots=True)
class Job:
    """One play that is to be made."""

    loaded: Loaded
    api: Api
    model: str = ""
    """In place of the script's; turns that name one keep it."""
    number: int = 1
    """From 1, where a script is played several times."""


def jobs_of(
    scripts: Iterable[Script],
    *,
    apis: Sequence[Api] = (),
    models: Sequence[str] = (),
    repeat: int = 1,
) -> list[Job]:
    """The plays of these scripts: each with each model, through each API, `repeat` times. Raises
    `ScriptError` for tools, agents and pictures that cannot be loaded.
    """
    return [
        Job(loaded, api, model, number)
        for loaded in [Loaded(script, load_tools(script)) for script in scripts]
        for model in models or [""]
        for api in apis or loaded.script.apis
        for number in range(1, repeat + 1)
    ]


@dataclass
class Results:
    """What has come of the plays so far. It grows while they are made."""

    jobs: Sequence[Job]
    by_job: dict[int, Played] = field(default_factory=dict[int, Played])

    def of(self, script: Script) -> list[Played]:
        """The plays of a script, in the order of the jobs; those that were interrupted too."""
        return [
            self.by_job[index]
            for index, job in enumerate(self.jobs)
            if job.loaded.script is script and index in self.by_job
        ]

    @property
    def scripts(self) -> list[Script]:
        """The scripts, in order."""
        found: list[Script] = []
        for job in self.jobs:
            if not any(job.loaded.script is each for each in found):
                found.append(job.loaded.script)
        return found

    @property
    def is_good(self) -> bool:
        """Whether all was played, and as expected."""
        return len(self.by_job) == len(self.jobs) and all(
            played.is_good for played in self.by_job.values()
        )


async def play_jobs(
    results: Results,
    source: Source,
    store: ImageStore,
    *,
    at_once: int = 1,
    watcher: Callable[[Job], Watcher],
) -> None:
    """Make the plays, at most `at_once` at a time, and keep what comes of them in `results`, which
    has it also where this is cancelled.
    """
    gate = asyncio.Semaphore(at_once)

    async def run(index: int, job: Job) -> None:
        async with gate, source.connection(job.loaded.script) as connection:
            options = PlayOptions(
                job.model,
                job.number,
                connection.emulator,
                connection.is_replayed,
                on_stop=lambda played: results.by_job.update({index: played}),
            )
            results.by_job[index] = await play(
                job.loaded.script,
                job.api,
                job.loaded.tools,
                watcher(job),
                client=connection.client,
                store=store,
                options=options,
            )

    try:
        async with asyncio.TaskGroup() as group:
            for index, job in enumerate(results.jobs):
                group.create_task(run(index, job))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


class Silent:
    """A `Watcher` that shows nothing."""

    def conversation_started(self, script: Script, api: Api) -> None:
        """Nothing is shown."""

    def turn_started(self, number: int, turn: Turn) -> None:
        """Nothing is shown."""

    def event(self, event: Event) -> None:
        """Nothing is shown."""

    def turn_finished(self, turn: PlayedTurn) -> None:
        """Nothing is shown."""

    def conversation_finished(self, played: Played) -> None:
        """Nothing is shown."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often an expectation held over several plays."""

    turn: int
    field: str
    expected: str
    held: int
    of: int


def rates(plays: Sequence[Played]) -> list[Rate]:
    """How often each expectation held, in the order of the script. A turn that failed, or was not
    played, holds none of them. What could not be checked does not count.
    """
    held: Counter[tuple[int, str, str]] = Counter()
    unheld: Counter[tuple[int, str, str]] = Counter()
    skipped: Counter[tuple[int, str, str]] = Counter()
    order: dict[tuple[int, str, str], None] = {}
    ended: Counter[int] = Counter()
    for played in plays:
        for turn in played.turns:
            ended[turn.number] += bool(turn.checks)
            for check in turn.checks:
                key = (turn.number, check.field, check.expected)
                order[key] = None
                counts = {"met": held, "unmet": unheld, "skipped": skipped}[check.outcome]
                counts[key] += 1
    found: list[Rate] = []
    for key in sorted(order, key=lambda key: key[0]):
        # A check that a play does not have, such as of a tool that was not called, was met there.
        unseen = ended[key[0]] - held[key] - unheld[key] - skipped[key]
        total = len(plays) - skipped[key]
        if total:
            found.append(Rate(*key, held[key] + unseen, total))
    return found
