"""The paid requests of a run in a ledger: each claimed, written while it goes on, and read again by
a process that takes the run up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from agentkit._log import logger
from agentkit.errors import RunBusy, UsageError
from agentkit.openrouter.ledger_attempt import Attempt
from agentkit.openrouter.ledger_entries import Entries, in_thread
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Damaged,
    Entry,
    EntryKind,
    at_the_ledger,
)
from agentkit.openrouter.response import CutReply
from agentkit.openrouter.stored_call import StoredCall, Verdict
from agentkit.values import Pieces

Unknown = Literal["ask", "fail"]
_GATHERED = 1 << 20
"""Bytes that are read of a reply at once."""


class RunLedger:
    """The calls of one run, while this task goes on with it. `scope` stands before the names of
    those that a sub-agent makes.
    """

    def __init__(
        self,
        entries: Entries,
        run: str,
        session: str,
        release: Callable[[], None],
        *,
        is_new: bool,
        unknown: Unknown = "ask",
        scope: str = "",
        calls: dict[str, PaidCall] | None = None,
    ) -> None:
        self.entries, self.run, self.session = entries, run, session
        self.is_new = is_new
        """Whether nothing was written of it before."""
        self.unknown: Unknown = unknown
        """What becomes of a request that may have drawn and whose end is not known."""
        self._release, self._scope = release, scope
        self._calls: dict[str, PaidCall] = {} if calls is None else calls

    def turn(self, turn: int) -> PaidCall:
        """The request of this turn of the model."""
        return self._call(f"{self._scope}{turn}")

    def drawing(self, turn: int, call_id: str) -> PaidCall:
        """The request to the Image API that a tool call of this turn makes."""
        return self._call(f"{self._scope}{turn}.{quote(call_id, safe='')}")

    def summary(self, turn: int) -> RunLedger:
        """The calls of the summary that is written before this turn of the model."""
        return self._scoped(f"{self._scope}{turn}!summary/")

    def within(self, turn: int, call_id: str) -> RunLedger:
        """The calls of a sub-agent, which a tool call of this turn asks."""
        return self._scoped(f"{self._scope}{turn}.{quote(call_id, safe='')}/")

    def _scoped(self, scope: str) -> RunLedger:
        return RunLedger(
            self.entries,
            self.run,
            f"{self.session}/{scope}",
            lambda: None,
            is_new=self.is_new,
            unknown=self.unknown,
            scope=scope,
            calls=self._calls,
        )

    async def decide(self, key: str, verdict: Verdict) -> None:
        """Say what becomes of a request of this run. Raises `UsageError` for a key that names none
        whose outcome is unknown.
        """
        call = await self._found(key)
        if call is not None and call.closed == verdict:
            return
        if call is None or not call.is_open or call.is_known:
            why = "no request" if call is None else "a request whose outcome is known"
            raise UsageError(f"the call ledger has {why} under the key {key!r}")
        entry = Entry("decided", {"what": verdict, "by": "a person"})
        await in_thread(partial(self.entries.write, call.key, (entry,), sync=True))

    async def is_open(self, key: str) -> bool:
        """Whether the key names a request whose outcome can still be looked for."""
        call = await self._found(key)
        return call is not None and call.is_open

    async def _found(self, key: str) -> StoredCall | None:
        found = CallKey.of(key)
        if found is None or found.run != self.run:  # a saved run may say anything
            return None
        calls = await in_thread(partial(self.entries.read_calls, found.run, found.call))
        return next((each for each in calls if each.key == found), None)

    async def close(self) -> None:
        """Let go of the run. One of which nothing was written leaves no trace."""
        try:
            if self.is_new and not self._scope and not self._has_begun():
                await in_thread(partial(self.entries.storage.delete, self.run))
        finally:
            self._release()

    def _has_begun(self) -> bool:
        return any(each.begun for each in self._calls.values())

    def _call(self, name: str) -> PaidCall:
        if name not in self._calls:
            self._calls[name] = PaidCall(self, name)
        return self._calls[name]


class PaidCall:
    """One paid request of a run: what was written of it before, and what is written now."""

    def __init__(self, calls: RunLedger, name: str) -> None:
        self._calls, self._name = calls, name
        self.entries, self.unknown = calls.entries, calls.unknown
        self.attempt: Attempt | None = None
        """The latest."""
        self._stored: StoredCall | None = None
        self._is_read = calls.is_new
        self.begun = False
        """Whether an attempt was begun here."""

    @property
    def key(self) -> str | None:
        """The key of the latest attempt."""
        return None if self.attempt is None else str(self.attempt.key)

    @property
    def next_key(self) -> CallKey:
        """The key of the attempt that comes next, once `stored` was read."""
        number = 1 if self.attempt is None else self.attempt.key.attempt + 1
        return CallKey(self._calls.run, self._name, number)

    async def stored(self) -> StoredCall | None:
        """The latest attempt as it was written before; None without one, or once another one was
        begun.
        """
        if not self._is_read:
            entries, run = self.entries, self._calls.run
            calls = await in_thread(partial(entries.read_calls, run, self._name))
            self._is_read = True
            if calls:
                self._stored = max(calls, key=lambda each: each.key.attempt)
                self.attempt = Attempt(entries, self._stored.key, self._stored.pictures)
            for each in calls:
                if each.damaged is not None:
                    logger().warning("ledger_entry_damaged", call=str(each.key), at=each.damaged)
        return self._stored

    async def body(self, stored: StoredCall) -> Pieces | None:
        """The body that this attempt has sent, to be sent again as it is."""
        found = await in_thread(partial(self.entries.body_of, stored))
        if found is None:
            logger().warning("ledger_request_lost", call=str(stored.key))
        return found

    async def begin(self, path: str, body: Pieces, facts: Mapping[str, Any]) -> Attempt:
        """Claim the next attempt with this request, which is on the disk then. Raises `LedgerError`
        where it cannot be written, and `RunBusy` where another process has begun it.
        """
        key = self.next_key
        told = {"path": path, **facts}
        work = partial(self.entries.request, key, self._calls.session, body, told)
        claiming = asyncio.ensure_future(in_thread(work))
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self.begun = True
            claiming.add_done_callback(partial(self._never_sent, key))
            raise
        except FileExistsError:
            raise RunBusy(
                f"another process has sent request {key}: it goes on with this run"
            ) from None
        self.begun, self._stored = True, None
        self.attempt = Attempt(self.entries, key, {})
        return self.attempt

    def _never_sent(self, key: CallKey, claiming: asyncio.Future[None]) -> None:
        """Close an attempt that was claimed for a task which was cancelled meanwhile."""
        if not claiming.cancelled() and claiming.exception() is None:
            attempt = Attempt(self.entries, key, {})
            attempt.close_soon("refused", {"reason": "cancelled before it was sent"})

    async def close(self, kind: EntryKind, facts: Mapping[str, Any]) -> None:
        """Write how the latest attempt ended: `refused`, `failed`, or what was `decided`."""
        if self.attempt is None:
            return
        await self.attempt.close(kind, facts)
        if self._stored is None:
            return
        if kind == "failed":
            self._stored = replace(self._stored, failed=facts)
        else:
            what = "refused" if kind == "refused" else facts["what"]
            self._stored = replace(self._stored, closed=what)

    async def decide(self, verdict: Verdict, by: str) -> None:
        """Close the latest attempt: it is sent again, or given up."""
        await self.close("decided", {"what": verdict, "by": by})


class StoredReply:
    """The reply of an attempt, read from the ledger as if it came from the network. One that is not
    whole ends with `CutReply`.
    """

    def __init__(self, entries: Entries, call: StoredCall) -> None:
        self._entries, self._call = entries, call
        self.headers: Mapping[str, str] = call.headers
        self.status_code = int((call.head or {}).get("status", 200))

    async def aiter_raw(self) -> AsyncGenerator[bytes]:
        """The bytes, in the pieces in which they came."""
        key, storage = self._call.key, self._entries.storage
        records = iter(storage.read(key.run, key.call))

        def following() -> list[bytes]:
            found: list[bytes] = []
            size = 0
            with at_the_ledger("read from"):
                for place, entry in records:
                    if place.attempt != key.attempt or isinstance(entry, Damaged):
                        continue
                    if entry.kind == "body":
                        found.append(entry.data)
                        size += len(entry.data)
                    if size >= _GATHERED:
                        break
            return found

        while pieces := await in_thread(following):
            for piece in pieces:
                yield piece
        if not self._call.is_received:
            raise CutReply(
                "the process ended, or the connection broke, while the reply came: the request "
                "may have been carried out and billed"
            )

    aiter_bytes = aiter_raw
