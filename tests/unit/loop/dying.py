"""Runs whose process dies: what a ledger holds then is a beginning of its files, since these only
grow, and the run is the one that was saved before the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit import Agent, Answer, Ledger, Run
from agentkit.hooks import Asking, Hooks
from tests.conftest import Bench


@dataclass
class Dying:
    """Makes agents with one ledger, each as a process of its own makes them, and remembers what each
    request was asked with.
    """

    bench: Bench
    folder: Path

    def __post_init__(self) -> None:
        self.saved: list[str] = []

    def agent(self, *, unknown: Any = "ask", **options: Any) -> Agent[Any]:
        ledger = Ledger(self.folder, unknown=unknown)
        return self.bench.agent(ledger=ledger, hooks=Hooks(before_request=self._save), **options)

    async def _save(self, asking: Asking) -> None:
        self.saved.append(asking.run.to_json())

    def run(self, number: int = -1) -> Run:
        """The run as it was saved before a request."""
        return Run.from_json(self.saved[number], blobs=self.bench.store)

    async def resume(self, run: Run | None = None, **options: Any) -> Answer[Any]:
        """The run gone on with by another process, in the way of the bench."""
        given = {name: options.pop(name) for name in ("outcomes", "approve") if name in options}
        agent, run = self.agent(**options), self.run() if run is None else run
        if self.bench.way.stream:
            async with agent.resume_stream(run, **given) as stream:
                return await stream.finish()
        return await agent.resume(run, **given)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.call"))

    def cuts(self, file: Path) -> list[tuple[int, bytes]]:
        """See `ends`."""
        return ends(file)


def ends(file: Path) -> list[tuple[int, bytes]]:
    """Where each entry of a file ends, and the file up to there."""
    data, at, found = file.read_bytes(), 0, list[tuple[int, bytes]]()
    while at < len(data):
        line = data.index(b"\n", at)
        at = line + 1 + int(data[at:line].split(b" ")[1]) + 1
        found.append((at, data[:at]))
    return found


def seen(answer: Answer[Any]) -> Any:
    """What of an answer does not tell how long it took."""
    calls = [
        (each.id, each.name, each.status, each.result, each.images) for each in answer.invocations
    ]
    return answer.messages, answer.images, answer.failures, answer.usage, answer.status, calls
