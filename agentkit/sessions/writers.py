"""Whose turn it is to write to an SQLite file, among the threads of this process.

SQLite's log is one file, so a sync of the disk is one for all that was written before it. Whoever
has others behind it that wait for the disk leaves the sync to them, and waits with them: many
conversations that are written at once wait for the disk once.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

_MOST_LEFT = 16
"""Transactions in a row that leave the sync to one behind them."""


@dataclass(slots=True)
class Turn:
    """The turn of one thread, for one transaction."""

    wants_sync: bool
    """Whether its transaction is to be on the disk."""
    syncs: bool
    """Whether the end of its transaction waits for that."""
    number: int | None = None
    """Of a transaction that has left the sync to one behind it."""


class Line:
    """A lock that is given in the order in which it was asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._gates: deque[threading.Lock] = deque()
        """One for each thread that waits. It is opened when the lock is handed to the thread."""

    def __len__(self) -> int:
        """How many threads wait."""
        return len(self._gates)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait for the lock."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        try:
            gate.acquire()
        except BaseException:  # the user interrupts the program
            with self._guard:
                if gate in self._gates:
                    self._gates.remove(gate)
                else:
                    self._hand_on()
            raise

    def release(self) -> None:
        """Hand it to the one who waits longest."""
        with self._guard:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._gates:
            self._gates.popleft().release()
        else:
            self._is_taken = False


class Writers:
    """The threads that write to one file."""

    def __init__(self) -> None:
        self.turn = Line()
        self._changed = threading.Condition()
        self._to_sync = 0
        """Those that want to be on the disk, and whose transactions have not ended."""
        self._committed = 0
        self._synced = 0
        """How many of the transactions that were committed are on the disk."""

    @property
    def queued(self) -> int:
        """How many threads wait for their turn."""
        return len(self.turn)

    def begin(self, *, sync: bool) -> Turn:
        """Wait for the turn to write one transaction, and take it until `end`. With `sync`, the
        transaction is to be on the disk: see `is_synced`.
        """
        if sync:
            self._now_to_sync(1)
        try:
            self.turn.acquire()
        except BaseException:  # the user interrupts the program
            if sync:
                self._now_to_sync(-1)
            raise
        turn = Turn(wants_sync=sync, syncs=sync)
        if sync:
            with self._changed:
                if self._to_sync > 1 and self._committed - self._synced < _MOST_LEFT:
                    turn.syncs = False
        return turn

    def end(self, turn: Turn, *, is_committed: bool) -> None:
        """The transaction was committed, or rolled back. With `wants_sync`, call `is_synced`."""
        with self._changed:
            if is_committed:
                self._committed += 1
                if turn.syncs:
                    self._synced = self._committed
                elif turn.wants_sync:
                    turn.number = self._committed
            if turn.wants_sync:  # first: else the next one would leave its sync to this one
                self._to_sync -= 1
                self._changed.notify_all()
        self.turn.release()

    def _now_to_sync(self, more: int) -> None:
        with self._changed:
            self._to_sync += more
            self._changed.notify_all()

    def is_synced(self, turn: Turn) -> bool:
        """Wait for those that the sync was left to. False if none of them came to its end."""
        number = turn.number
        if number is None:
            return True
        with self._changed:
            self._changed.wait_for(lambda: self._synced >= number or not self._to_sync)
            return self._synced >= number
