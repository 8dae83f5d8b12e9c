"""The entries of a ledger: written and read through its storage, each request next to the one
before it in its conversation.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from agentkit._redact import masked
from agentkit.openrouter import ledger_requests
from agentkit.openrouter.ledger_storage import CallKey, Entry, LedgerStorage, at_the_ledger
from agentkit.openrouter.stored_call import VERSION, StoredCall, calls_of
from agentkit.values import Pieces

T = TypeVar("T")
_MOST_REMEMBERED = 32 << 20
"""Bytes of the latest requests, one for each conversation, that are held in memory."""
_MOST_CONVERSATIONS = 256
"""Of which they are held: a server sees many, and few at a time."""


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives. No file is touched on the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


class Entries:
    """All that is written in one ledger. Its methods wait for the disk: they are called in a
    thread. They raise `LedgerError`.
    """

    def __init__(self, storage: LedgerStorage) -> None:
        self.storage = storage
        self.counted: set[str] = set()
        """Keys of the attempts whose cost the budgets of this process have counted."""
        self._latest: OrderedDict[str, tuple[CallKey, bytes]] = OrderedDict()
        self._remembered = 0
        self._lock = threading.Lock()

    def read_calls(self, run: str, call: str | None = None) -> list[StoredCall]:
        """The attempts of a run, or of one of its calls."""
        with at_the_ledger("read from"):
            return calls_of(self.storage.read(run, call))

    def write(self, key: CallKey, entries: tuple[Entry, ...], *, sync: bool) -> None:
        """Write entries of an attempt."""
        with at_the_ledger("write to"):
            self.storage.append(key, entries, sync=sync)

    def request(self, key: CallKey, session: str, body: Pieces, facts: Mapping[str, Any]) -> None:
        """Write the request of an attempt, and sync it. It is written without any secret that this
        process knows: a prompt, or a tool, may have told one.
        """
        data = masked(ledger_requests.flat(body), cut=True)
        with self._lock:
            base, earlier = self._latest.get(session, (None, b""))
        if base is not None and self._request_at(_place(base)) is None:
            base, earlier = None, b""  # it was swept
        segments, literal = ledger_requests.segments(data, earlier)
        copies = any(start >= 0 for start, _ in segments)
        told: dict[str, Any] = {
            "version": VERSION,
            "run": key.run,
            "call": key.call,
            "written_at": time.time(),
            **facts,
            "sha256": ledger_requests.digest(data),
        }
        if base is not None and copies:
            told |= {"base": _place(base), "segments": segments}
        else:
            literal = data
        self.write(key, (Entry("request", told, literal),), sync=True)
        self._remember(session, key, data)

    def _remember(self, session: str, key: CallKey, data: bytes) -> None:
        """Keep the latest request of a conversation: the next one is nearly the same."""
        with self._lock:
            _, before = self._latest.pop(session, (None, b""))
            self._latest[session] = (key, data)
            self._remembered += len(data) - len(before)
            while self._remembered > _MOST_REMEMBERED or len(self._latest) > _MOST_CONVERSATIONS:
                _, (_, dropped) = self._latest.popitem(last=False)
                self._remembered -= len(dropped)

    def body_of(self, call: StoredCall) -> Pieces | None:
        """The body that was sent; None where it cannot be read any more."""
        chain: list[Entry] = []
        request = call.request
        while request is not None:
            chain.append(request)
            base = request.facts.get("base")
            if base is None:
                break
            request = self._request_at(cast("dict[str, Any]", base))
        else:
            return None
        data = b""
        try:
            for each in reversed(chain):
                if (parts := each.facts.get("segments")) is not None:
                    data = ledger_requests.joined(parts, each.data, data)
                else:
                    data = each.data
                if ledger_requests.digest(data) != each.facts.get("sha256"):
                    return None
            return ledger_requests.pieces(data)
        except (ValueError, TypeError):
            return None

    def _request_at(self, place: Mapping[str, Any]) -> Entry | None:
        key = CallKey(str(place.get("run")), str(place.get("call")), int(place.get("attempt", 0)))
        with at_the_ledger("read from"):
            for found, entry in self.storage.read(key.run, key.call, bodies=False):
                if found.attempt == key.attempt and isinstance(entry, Entry):
                    return entry if entry.kind == "request" else None
        return None


def _place(key: CallKey) -> dict[str, Any]:
    return {"run": key.run, "call": key.call, "attempt": key.attempt}
