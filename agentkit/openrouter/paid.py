"""One paid request: sent under the money law, its reply read event by event, and nothing lost where
it breaks off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self

from agentkit._log import logger
from agentkit._sync import finish
from agentkit.budget import Hold
from agentkit.errors import (
    ImageError,
    OutcomeUnknown,
    RunError,
    StoreError,
    StreamInterrupted,
    UsageError,
)
from agentkit.images.embedded import ReplySpool
from agentkit.images.store import ImageStore
from agentkit.openrouter.billing import Told, settle, was_billed
from agentkit.openrouter.client import Exchange, OpenRouter
from agentkit.openrouter.paid_call import Attempt, PaidCall, StoredReply
from agentkit.openrouter.retry import Retrying, Stakes, may_be_at_work, needs_proof
from agentkit.openrouter.stored_call import StoredCall
from agentkit.values import Pieces
from agentkit.wire.generation import Generation
from agentkit.wire.types import JsonObject, Signal

RESCUE_SECONDS = 10.0
"""Time that what had arrived has to be stored after a cancellation, beside the grace that downloads
have.
"""
LOOK_UP_MARGIN = 0.2
"""Seconds of the time that is left which a look-up leaves, so that the error it is about comes
before the deadline."""


class ReplyDecoder(Protocol):
    """What a decoder of any of the APIs has in common with the others."""

    @property
    def finished(self) -> bool:
        """Whether the reply has come to its end."""
        ...

    @property
    def closed(self) -> bool:
        """Whether no event of its stream can follow, so that nobody waits for the stream's end."""
        ...

    def feed(self, event: JsonObject) -> list[Signal]:
        """Take one event of a stream."""
        ...

    def whole(self, body: JsonObject) -> list[Signal]:
        """Take a buffered body."""
        ...


class Reader(Protocol):
    """What a reply is read into. It keeps what has arrived, and hands it on after an error."""

    looked_up: Generation | None
    """What OpenRouter said when it was asked what became of the request."""

    @property
    def decoder(self) -> ReplyDecoder:
        """What turns the events of the reply into signals."""
        ...

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        ...

    @property
    def id_in_body(self) -> str | None:
        """The id that the reply itself tells."""
        ...

    @property
    def told(self) -> Told:
        """What is known of the cost by now."""
        ...

    @property
    def labels(self) -> Mapping[str, object]:
        """What log lines say of the request."""
        ...

    def begin(self, exchange: Exchange) -> None:
        """The headers of the reply are there."""
        ...

    def hear(self, signal: Signal) -> None:
        """Take what one event told."""
        ...

    async def rescue(self, grace: float | None = None) -> None:
        """After an error: store the pictures that had arrived already, and wait for the downloads
        of the others. After a cancellation, also a second time, `grace` is how many seconds these
        have; those that have not ended then become failures.
        """
        ...

    def leave(self, grace: float) -> bool:
        """After a cancellation: leave the downloads to a task that outlives the request, for at
        most `grace` seconds. False where there are none, or nobody to go on with them.
        """
        ...

    def hand_on(self, error: RunError | None, hold: Hold) -> None:
        """Give what had arrived to the error, or, after a cancellation, to whoever watches; with
        what may have been spent beside what was told, as the hold has been settled.
        """
        ...

    async def close(self) -> None:
        """Stop what still goes on."""
        ...


class PaidRequest:
    """A request that is guarded from its sending to the end of its block:

        async with hold, PaidRequest(client, store, reader, hold, …) as request:
            exchange = await request.send(path, body)

    At the end the hold is settled. An error leaves the block as a `RunError` that has what had
    arrived, the id of the request, what a look-up told, and whether it was billed. `deadline` is in
    seconds of the event loop's clock. After a cancellation, downloads of what was paid for go on
    for at most `grace` seconds.
    """

    def __init__(
        self,
        client: OpenRouter,
        store: ImageStore,
        reader: Reader,
        hold: Hold,
        *,
        deadline: float,
        grace: float,
        stakes: Stakes,
        call: PaidCall | None = None,
    ) -> None:
        self._client, self._store, self._reader, self._hold = client, store, reader, hold
        self._deadline, self._grace = deadline, grace
        self._stakes, self._call = stakes, call
        self.replayed: StoredCall | None = None
        """What the ledger had of the request, where nothing was sent."""
        self._attempt: Attempt | None = None
        self._answered = False
        self._looked_up: frozenset[str] = frozenset()
        self.generation_id: str | None = None
        """OpenRouter's id of the request, if a header told it."""

    async def send(
        self,
        path: str,
        body: Pieces,
        content_type: str = "application/json",
        facts: Mapping[str, Any] | None = None,
    ) -> Exchange:
        """Send the request, read its reply to the end, and close the connection. `facts` are what
        the ledger keeps beside the body.

        Where the ledger has a reply, that is read instead. Where it has a request whose outcome is
        not known, what there is of it is read, and the error raised that a broken connection gives.
        One that is sent again goes as it was written.
        """
        facts = {**(facts or {}), "content_type": content_type}
        call = self._call
        stored = None if call is None else await call.stored()
        if call is not None and stored is not None:
            if stored.is_open or stored.closed == "give_up":
                return await self._replay(call, stored)
            is_same = stored.closing == facts.get("closing")
            if stored.closed == "again" and is_same:
                kept = await call.body(stored)
                if kept is not None:
                    path, body, facts = stored.path or path, kept, stored.facts
        exchange: Exchange | None = None
        try:
            attempts, began = None, asyncio.get_running_loop().time()
            try:
                exchange = await self._opened(path, body, facts)
            except Exception as error:  # noqa: BLE001 - `Retrying` tells them apart
                attempts = self._more_attempts(began, error)
            if attempts is not None:
                async for attempt in attempts:
                    with attempt:
                        exchange = await self._opened(path, body, facts)
                        break
            if exchange is None:
                raise AssertionError("unreachable: the last attempt succeeds or raises")
            self._answered, self.generation_id = True, exchange.generation_id
            self._reader.begin(exchange)
            await self._read(exchange)
            return exchange
        finally:
            if exchange is not None:
                await exchange.close()

    def _more_attempts(self, began: float, failed: Exception) -> Retrying:
        """The attempts after one that failed."""
        return Retrying(
            self._client.retry,
            self._stakes,
            seconds_left=self._seconds_left,
            look_up=self._ask,
            hold_again=self._hold_again,
            going_again=self._close_attempt,
            began=began,
            first=failed,
        )

    async def _opened(self, path: str, body: Pieces, facts: Mapping[str, Any]) -> Exchange:
        """One attempt: on the disk before it is sent, where there is a ledger."""
        kind = str(facts.get("content_type"))
        if self._call is None:
            return await self._client.open(path, body, self._store, kind)
        self._attempt = attempt = await self._call.begin(path, body, facts)
        exchange = await self._client.open(path, body, self._store, kind)
        try:
            await exchange.record(attempt)
        except BaseException:
            await exchange.close()
            raise
        exchange.downloads = attempt
        return exchange

    async def _replay(self, call: PaidCall, stored: StoredCall) -> Exchange:
        """Read what the ledger has of the reply."""
        self.replayed, self._attempt = stored, call.attempt
        if stored.head is None:
            words = (
                "the process ended before the reply began: the request may have been carried out "
                "and billed"
            )
            raise OutcomeUnknown(words, generation_id=stored.generation_id)
        waits = self._client.timeouts
        reply = StoredReply(call.entries, stored)
        exchange = Exchange(
            reply, ReplySpool(self._store), first_byte=waits.first_byte, idle=waits.idle
        )
        exchange.downloads = self._attempt
        self._answered, self.generation_id = True, exchange.generation_id
        self._reader.begin(exchange)
        await self._read(exchange)
        return exchange

    async def _hold_again(self) -> bool:
        return await self._hold.again(None if self._call is None else self._call.next_key.attempt)

    async def _close_attempt(self, error: BaseException) -> None:
        """Write how an attempt ended after which the request is sent again."""
        if self._attempt is None or self._call is None:
            return
        billed = (
            error.generation.billed if isinstance(error, RunError) and error.generation else None
        )
        if billed is None and may_be_at_work(error):
            facts = {"what": "again", "by": "retry", "reason": str(error)}
            await self._call.close("decided", facts)
        else:
            await self._call.close("refused", {"reason": str(error)})

    async def _tell_ledger(self, error: RunError) -> None:
        """Write how the last attempt ended, of which the caller is told."""
        if self._attempt is None or self._call is None:
            return
        error.call = str(self._attempt.key)
        self._call.entries.counted.add(error.call)
        facts: dict[str, Any] = {"reason": str(error), "generation_id": error.generation_id}
        facts["cost_usd"] = self._reader.told.cost_usd
        if error.billed is False:
            await self._call.close("refused", facts)
        else:
            await self._call.close("failed", facts)

    async def _read(self, exchange: Exchange) -> None:
        reader, decoder = self._reader, self._reader.decoder
        hear = reader.hear

        def take(event: JsonObject) -> bool:
            for signal in decoder.feed(event) if exchange.is_stream else decoder.whole(event):
                hear(signal)
            return decoder.closed

        try:
            await exchange.read(take)
        except OutcomeUnknown as error:
            if decoder.finished:
                reason = str(error)
                logger().warning("connection_broke_after_finish", **reader.labels, reason=reason)
            elif exchange.is_stream and reader.begun:
                raise StreamInterrupted(str(error), generation_id=exchange.generation_id) from None
            else:
                raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if problem is None:
                settle(self._hold, self._reader.told)
            elif isinstance(problem, asyncio.CancelledError):
                await self._cancelled(problem)
            elif isinstance(problem, RunError | ImageError | StoreError):
                error = await self._failed(problem)
                # The frames below hold the reply, in which a server may have repeated the key: no
                # traceback goes into them.
                cause = None if error is problem else problem.with_traceback(None)
                error.__context__ = None
                raise error.with_traceback(None) from cause
            elif isinstance(problem, UsageError):
                self._hold.release()  # nothing was sent
                if self._attempt is not None and self._call is not None:
                    await self._call.close("refused", {"reason": str(problem)})
        finally:
            await self._reader.close()

    async def _cancelled(self, problem: asyncio.CancelledError) -> None:
        # What the end of a run's time has cancelled is awaited: its error has all the pictures.
        is_left = self._seconds_left() > LOOK_UP_MARGIN and self._reader.leave(self._grace)
        try:
            if not is_left:
                # A second cancellation says nothing that `problem` does not say.
                with suppress(asyncio.CancelledError):
                    await finish(self._reader.rescue(self._grace), self._grace + RESCUE_SECONDS)
        except TimeoutError:
            logger().warning("rescue_too_slow", **self._reader.labels)
        settle(self._hold, self._reader.told, problem)
        self._reader.hand_on(None, self._hold)
        if self._attempt is not None and self._call is not None:
            self._call.entries.counted.add(str(self._attempt.key))

    async def _failed(self, problem: RunError | ImageError | StoreError) -> RunError:
        """The error to raise, with all that is known of the request."""
        error = self._as_run_error(problem)
        error.generation_id = error.generation_id or self.generation_id or self._id_in_body()
        try:
            await self._reader.rescue()
            await self._look_up(error)
        except asyncio.CancelledError as cancelled:
            await self._cancelled(cancelled)
            raise
        told, stakes = self._reader.told, self._stakes
        error.billed = was_billed(error, told, stakes, answered=self._answered)
        settle(self._hold, told, error)
        self._reader.hand_on(error, self._hold)
        await self._tell_ledger(error)
        return error

    def _as_run_error(self, problem: RunError | ImageError | StoreError) -> RunError:
        if isinstance(problem, RunError):
            return problem
        # An error of this side: before the reply it kept the request from being sent whole.
        error = RunError(str(problem))
        error.billed = None if self._answered else False
        return error

    def _id_in_body(self) -> str | None:
        """The id where no header told it: half of the recorded replies have none there."""
        found = self._reader.id_in_body
        return found if found is not None and found.startswith("gen-") else None

    async def _look_up(self, error: RunError) -> None:
        """Where the outcome is open: ask what became of the request, and tell it with the error."""
        if error.generation is None and error.generation_id not in {None, *self._looked_up}:
            is_open = isinstance(error, OutcomeUnknown | StreamInterrupted)
            if is_open or (not self._answered and await needs_proof(error, self._stakes)):
                error.generation = await self._ask(error.generation_id or "")
        found = error.generation
        if isinstance(found, Generation):
            self._reader.looked_up = found
            error.args = (f"{error}; {found}",)

    async def _ask(self, generation_id: str) -> Generation | None:
        self._looked_up |= {generation_id}
        seconds = self._seconds_left() - LOOK_UP_MARGIN
        return await self._client.generation(generation_id, seconds=seconds)

    def _seconds_left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()
