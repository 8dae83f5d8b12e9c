"""One attempt at a paid request, as a ledger has it: what was sent, what came, how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from agentkit.errors import LedgerError, OutcomeUnknown
from agentkit.openrouter.ledger_storage import CallKey, Damaged, Entry, Stored

VERSION = 1
FACTS = ("closing", "draws", "content_type", "worst_usd")
"""The limit for which the request closes its run, whether it may bring pictures, its type, and what
it may cost at most, in USD.
"""
Verdict = Literal["again", "give_up"]
VERDICTS: tuple[Verdict, ...] = ("again", "give_up")


class Undecided(OutcomeUnknown):
    """A request of a tool of which a person has to say what becomes of it."""


@dataclass(frozen=True, slots=True)
class StoredCall:
    """An attempt as it was written."""

    key: CallKey
    request: Entry | None = None
    """None where it cannot be read."""
    head: Mapping[str, Any] | None = None
    """The status and the headers of the reply, once they were there."""
    size: int = 0
    """Bytes of the reply that were written."""
    is_received: bool = False
    """Whether the reply is there as a whole."""
    is_masked: bool = False
    """Whether it held a secret, in whose place `*` stands."""
    failed: Mapping[str, Any] | None = None
    """What the caller was told that went wrong."""
    closed: Literal["refused", "again", "give_up"] | None = None
    """Why it is over, apart from its reply."""
    pictures: Mapping[str, str] = field(default_factory=dict[str, str])
    """URL → sha256 of the pictures that were downloaded."""
    is_saved: bool = False
    """Whether its reply is in a saved run, and was deleted here."""
    is_unsent: bool = False
    """Whether it was never sent: its request is not whole."""
    damaged: str | None = None
    """Where an entry is damaged."""

    @property
    def is_open(self) -> bool:
        """Whether what is there of it is taken, or its outcome found out, before anything else is
        sent for this call.
        """
        return self.closed is None and not self.is_unsent

    @property
    def is_known(self) -> bool:
        """Whether its outcome is: its reply is whole, and nobody was told that it is an error."""
        return self.is_received and self.failed is None

    @property
    def facts(self) -> dict[str, Any]:
        """What was written beside the body, for whoever goes on with the run."""
        if self.request is None:
            return {}
        told = self.request.facts
        return {name: told[name] for name in FACTS if name in told}

    @property
    def path(self) -> str | None:
        """Where it was sent."""
        found = None if self.request is None else self.request.facts.get("path")
        return found if isinstance(found, str) else None

    @property
    def closing(self) -> str | None:
        """The limit for which the request closes its run."""
        found = None if self.request is None else self.request.facts.get("closing")
        return found if isinstance(found, str) else None

    @property
    def may_draw(self) -> bool:
        """Whether it says by itself that it may bring pictures."""
        return self.request is not None and self.request.facts.get("draws") is True

    @property
    def worst_usd(self) -> float | None:
        """What it may have cost at most, in USD; None where nobody knew a price."""
        found = None if self.request is None else self.request.facts.get("worst_usd")
        return found if isinstance(found, float) and found > 0.0 else None

    @property
    def generation_id(self) -> str | None:
        """OpenRouter's id of it, where an error told it."""
        found = (self.failed or {}).get("generation_id")
        return found if isinstance(found, str) else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the reply, by their names in lower case."""
        found = (self.head or {}).get("headers")
        given = cast("dict[str, str]", found) if isinstance(found, dict) else {}
        return {name: str(value) for name, value in given.items()}


def calls_of(records: Iterable[Stored]) -> list[StoredCall]:
    """The attempts that these entries tell of, in their order. Raises `LedgerError` for those of a
    newer agentkit.
    """
    readers: dict[tuple[str, int], _Reader] = {}
    for key, entry in records:
        place = (key.call, key.attempt)
        if place not in readers:
            readers[place] = _Reader(key)
        readers[place].take(entry)
    return [each.call() for each in readers.values()]


class _Reader:
    """Reads the entries of one attempt."""

    def __init__(self, key: CallKey) -> None:
        self._key = key
        self._entries: dict[str, Entry] = {}
        self._pictures: dict[str, str] = {}
        self._size, self._digest = 0, hashlib.sha256()
        self._damaged: Damaged | None = None

    def take(self, entry: Entry | Damaged) -> None:
        if isinstance(entry, Damaged):
            self._damaged = entry
        elif entry.kind == "body":
            self._size += len(entry.data)
            self._digest.update(entry.data)
        elif entry.kind == "pictures":
            self._pictures[str(entry.facts.get("url"))] = str(entry.facts.get("sha256"))
        else:
            self._check(entry)
            self._entries[entry.kind] = entry

    def _check(self, entry: Entry) -> None:
        version = entry.facts.get("version")
        if entry.kind == "request" and version != VERSION:
            raise LedgerError(
                f"the call ledger has an entry of version {version!r} ({self._key}); this agentkit "
                f"reads {VERSION}: go on with the agentkit that wrote it"
            )

    def call(self) -> StoredCall:
        found, damaged = self._entries, self._damaged
        received = found.get("received")
        told: Mapping[str, Any] = {} if received is None else received.facts
        digest = self._digest.hexdigest()
        whole = told.get("size") == self._size and told.get("sha256") == digest
        return StoredCall(
            self._key,
            found.get("request"),
            found["head"].facts if "head" in found else None,
            self._size,
            whole,
            told.get("masked") is True,
            found["failed"].facts if "failed" in found else None,
            _closed(found),
            self._pictures,
            "saved" in found,
            damaged is not None and damaged.is_cut and not damaged.is_begun,
            None if damaged is None else damaged.where,
        )


def _closed(found: Mapping[str, Entry]) -> Literal["refused", "again", "give_up"] | None:
    if "decided" in found:
        return "give_up" if found["decided"].facts.get("what") == "give_up" else "again"
    return "refused" if "refused" in found else None
