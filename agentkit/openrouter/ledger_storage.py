"""What a call ledger writes, and the storage that it is written to: a folder now, a database
later.

A call is one paid request of a run. Each time it is sent is an attempt, which has entries: what was
sent, what came, and how it ended. An entry is small facts, as JSON, and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote, unquote

from agentkit.errors import AgentkitError, LedgerError, RunBusy

EntryKind = Literal[
    "request", "head", "body", "received", "refused", "failed", "pictures", "decided", "saved"
]
"""What an entry tells of its attempt:

- `request`: the bytes that are sent. The first entry; it claims the attempt.
- `head`: the status and the headers of the reply.
- `body`: bytes of the reply, as they came. There are many of these.
- `received`: the reply is whole; its length and its sha256, and whether a secret in it is masked.
- `refused`: surely not accepted, or not billed: the next attempt has a key of its own.
- `failed`: the error that the caller was told, and whether the request was billed.
- `pictures`: the sha256 of the picture that was behind a URL.
- `decided`: whether it is sent again, by a person's decision or because it could not draw.
- `saved`: the run that has the reply was saved, and had ended or not.
"""

_LONGEST_NUMBER = 10


@dataclass(frozen=True, slots=True)
class CallKey:
    """The name of one attempt: the run, the call within it, and the number of the attempt."""

    run: str
    call: str
    """The turn (`3`); a tool's drawing (`3.CALL`); or a turn of a sub-agent (`3.CALL/0`)."""
    attempt: int
    """From 1 on."""

    @property
    def call_name(self) -> str:
        """The run and the call, without the number of the attempt."""
        return f"{quote(self.run, ' :', errors='surrogatepass')}/{self.call}"

    @property
    def tool_call(self) -> str | None:
        """The id of the tool call that pays for it; None for a turn of the run itself."""
        found = self.call.partition("/")[0].partition(".")[2]
        return unquote(found, errors="surrogatepass") if found else None

    def __str__(self) -> str:
        return f"{self.call_name}/{self.attempt}"

    @classmethod
    def of(cls, text: str) -> CallKey | None:
        """The key that `str` has written; None for other words."""
        run, _, rest = text.partition("/")
        call, _, attempt = rest.rpartition("/")
        if not (run and call and attempt.isdecimal() and len(attempt) < _LONGEST_NUMBER):
            return None
        return cls(unquote(run, errors="surrogatepass"), call, int(attempt))


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was written of an attempt."""

    kind: EntryKind
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON values."""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry that was cut or edited. What was written before it can be read."""

    where: str
    """The name of the file, say."""
    at: int
    """Where it begins, in bytes or entries."""
    is_cut: bool
    """Whether it merely ends too early: it was being written when the process died."""
    is_begun: bool = True
    """Whether an entry stands before it. If not, and it is cut, nothing was sent."""


Stored = tuple[CallKey, Entry | Damaged]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that has entries."""

    run: str
    size: int
    """In bytes."""
    written_at: float
    """Unix time of its last entry."""


class LedgerStorage(Protocol):
    """Where a ledger is kept. Each method is called in a thread, and may wait for its disk. What it
    raises becomes a `LedgerError`; only `FileExistsError` has a meaning of its own.
    """

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        """Add entries to an attempt, in this order; with `sync`, they last when it returns.

        A `request` begins the attempt. Raises `FileExistsError` where it was begun before, by
        whomever, and leaves no trace where it cannot be written as a whole.
        """
        ...

    def read(self, run: str, call: str | None = None, *, bodies: bool = True) -> Iterator[Stored]:
        """The entries of a run, or of one of its calls, by attempt, in the order in which they were
        written. Without `bodies`, the `body` entries have no bytes. Of an attempt, nothing comes
        behind an entry that is `Damaged`.
        """
        ...

    def runs(self) -> Collection[StoredRun]:
        """All runs that have entries."""
        ...

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        """Remove a run; or, of these attempts, all entries but the `request`."""
        ...


class RunLocks(Protocol):
    """Decides who goes on with a run."""

    def lock(self, run: str) -> Callable[[], None]:
        """Take the run, until the function that is returned is called, or the process ends. Raises
        `RunBusy` where another one has it, at once.
        """
        ...


def run_busy(run: str, who: str) -> RunBusy:
    """The error for a run that another one has: `another process`, say."""
    return RunBusy(
        f"{who} goes on with run {run}: wait until it has ended. When that process dies, the run "
        "is free"
    )


@contextmanager
def at_the_ledger(doing: str) -> Generator[None]:
    """Any error of a storage's becomes a `LedgerError` that says what was being done: `write to`,
    `read from`.
    """
    try:
        yield
    except (AgentkitError, FileExistsError):
        raise
    except Exception as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LedgerError(f"cannot {doing} the call ledger: {words}") from error
