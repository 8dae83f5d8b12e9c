"""`Ledger`: what was sent and what came of each paid request, on the disk before it goes on.

A process that dies loses nothing that had reached the disk: a reply that was received is read from
there and never bought again, and a request whose end is not known is reported, with its id.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from agentkit._check import (
    argument,
    check_choice,
    check_kind,
    check_number,
    check_or_default,
    check_text,
    refused,
)
from agentkit.openrouter import ledger_sweep
from agentkit.openrouter.ledger_entries import Entries, in_thread
from agentkit.openrouter.ledger_folder import FolderLocks, FolderStorage, ProcessLocks
from agentkit.openrouter.ledger_storage import CallKey, LedgerStorage, RunLocks, at_the_ledger
from agentkit.openrouter.paid_call import RunLedger, Unknown
from agentkit.openrouter.stored_call import VERDICTS, StoredCall, Verdict
from agentkit.run import Run

_SWEEP_SECONDS = 600.0
"""How often the bounds of a ledger are looked at."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much a ledger keeps. What is beyond is removed now and then when a run begins, and by
    `Ledger.sweep`: the oldest runs first, those that have not ended too. Raises `UsageError` for a
    wrong value.
    """

    bytes: int = 4 << 30
    """Of all runs together."""
    days: float = 30
    """Since the last entry of a run."""

    def __post_init__(self) -> None:
        check_number("Keep(bytes={!r})", self.bytes, whole=True, least=0, unit="bytes")
        check_number("Keep(days={!r})", self.days, least=0, unit="days")


class Ledger:
    """A record of paid requests that outlives the process: `Agent(…, ledger=Ledger("calls"))`.

    - `folder` is where it is kept, readable by its owner alone; or a `LedgerStorage` of your own.
    - `unknown` says what becomes of a request that may have drawn and whose end is not known: with
      `"ask"` the run waits for a person (`resume(run, outcomes={key: "again"})`), with `"fail"` it
      raises `OutcomeUnknown`.
    - `keep` (`Keep`) bounds its bytes and days.
    - `locks` decides who goes on with a run, where the storage is no folder.

    One ledger serves many agents and processes. Raises `UsageError` for a wrong argument; what
    cannot be written raises `LedgerError` before the request is sent.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | LedgerStorage,
        *,
        unknown: Unknown = "ask",
        keep: Keep | None = None,
        locks: RunLocks | None = None,
    ) -> None:
        storage, own_locks = _storage_of(folder)
        self.entries = Entries(storage)
        self.locks: RunLocks = own_locks if locks is None else locks
        self.unknown: Unknown = check_choice(
            argument("Ledger", "unknown"), unknown, ("ask", "fail")
        )
        self.keep = check_or_default(argument("Ledger", "keep"), keep, Keep)
        self._swept = 0.0

    def __repr__(self) -> str:
        storage = self.entries.storage
        folder = storage.folder if isinstance(storage, FolderStorage) else storage
        return f"Ledger({str(folder)!r})"

    async def open(self, run: str, session: str | None = None) -> RunLedger:
        """Take a run for this task, until `close`. `session` names the conversation it belongs to.

        Raises `RunBusy` where another one has it, and `LedgerError`.
        """

        def take() -> tuple[Callable[[], None], bool]:
            if time.time() - self._swept > _SWEEP_SECONDS:
                self._keep_within()
            release = self.locks.lock(run)
            try:
                with at_the_ledger("read from"):
                    found = iter(self.entries.storage.read(run, bodies=False))
                    return release, next(found, None) is None
            except BaseException:
                release()
                raise

        taking = asyncio.ensure_future(in_thread(take))
        try:
            release, is_new = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_let_go)
            raise
        return RunLedger(
            self.entries, run, session or run, release, is_new=is_new, unknown=self.unknown
        )

    async def saved(self, run: Run) -> None:
        """Tell the ledger that this run was saved (`run.to_json()`): what it has of the replies in
        it is removed. Of a run that has ended, the rest is removed by the next `sweep`. The store
        alone has its pictures then, so that must outlive the process too. `Answer.save` does not
        know whether it does, and tells the ledger nothing.

        Without this, everything stays until it is beyond `keep`.
        """
        check_kind("Ledger.saved({!r})", run, Run, "a run: answer.run")
        ended = run.status not in {"running", "paused"}
        await in_thread(
            partial(ledger_sweep.mark_saved, self.entries, run.id, run.turns, ended=ended)
        )

    async def sweep(self) -> int:
        """Remove what nobody needs: runs that were saved and had ended, and what is beyond `keep`,
        whatever runs go on. Returns how many runs were removed.
        """

        def removed() -> int:
            return ledger_sweep.sweep(self.entries, self.locks) + self._keep_within()

        return await in_thread(removed)

    def _keep_within(self) -> int:
        self._swept = now = time.time()
        most, days = self.keep.bytes, self.keep.days
        return ledger_sweep.keep_within(
            self.entries, self.locks, most_bytes=most, days=days, now=now
        )

    async def calls(self, run: str) -> list[StoredCall]:
        """What was written of the requests of a run."""
        return await in_thread(partial(self.entries.read_calls, run))

    async def decide(self, key: str, verdict: Verdict) -> None:
        """Say what becomes of a request whose outcome is unknown: it is sent `"again"`, or given up
        (`"give_up"`). `resume(run, outcomes={key: verdict})` does so for a run.

        Raises `UsageError` for a key that names no request, or one whose outcome is known, and
        `RunBusy` while its run goes on.
        """
        check_choice(f"Ledger.decide({key!r}, {{!r}})", verdict, VERDICTS)
        found = CallKey.of(check_text("Ledger.decide({!r})", key))
        if found is None:
            raise refused("Ledger.decide({!r})", key, "is the key of a request: error.call")
        calls = await self.open(found.run)
        try:
            await calls.decide(key, verdict)
        finally:
            await calls.close()


def _let_go(taking: asyncio.Future[tuple[Callable[[], None], bool]]) -> None:
    """Release a run that was taken for a task which was cancelled meanwhile."""
    if not taking.cancelled() and taking.exception() is None:
        taking.result()[0]()


def _storage_of(folder: object) -> tuple[LedgerStorage, RunLocks]:
    given: object = folder
    if isinstance(folder, os.PathLike):
        given = os.fspath(cast("os.PathLike[str]", folder))
    if isinstance(given, str) and given and "\0" not in given:
        storage = FolderStorage(Path(given).expanduser().absolute())
        return storage, FolderLocks(storage)
    if all(callable(getattr(given, each, None)) for each in _METHODS):
        return cast("LedgerStorage", given), ProcessLocks()
    accepted = f"is the path of a folder, or a storage with {', '.join(_METHODS)}"
    raise refused("Ledger({!r})", given, accepted)


_METHODS = ("append", "read", "runs", "delete")
