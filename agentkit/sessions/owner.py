"""The lock by which other processes know that this one lives, while it holds something."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import uuid4

from agentkit.errors import SessionError
from agentkit.sessions.locks import Locks

_LOCK = "\0owner "
"""The name of such a lock begins so. No conversation has such a name."""


class Owner:
    """This process as the owner of what it holds in a database. It has a lock while it holds
    anything; where that is free, the process has died.
    """

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self.renew()
        _owners.add(self)

    def renew(self) -> None:
        """In the child of a fork: what is held is the parent's, and so may be the guard."""
        self._guard = threading.Lock()
        self._name: str | None = None
        self._counts: dict[str, int] = {}
        self._releases: dict[str, Callable[[], None]] = {}

    def enter(self) -> str:
        """The name of the owner, for one thing that is held. Blocks; raises `SessionError`."""
        with self._guard:
            name = self._name
            if name is not None:
                try:
                    self._locks.check(_LOCK + name)
                except SessionError:
                    name = None  # the connection was lost: others believe that it has died
            if name is None:
                name = f"{os.getpid()}.{uuid4().hex}"
                self._releases[name] = self._locks.take(_LOCK + name)
                self._name = name
            self._counts[name] = self._counts.get(name, 0) + 1
            return name

    def leave(self, name: str) -> None:
        """One thing less is held. Blocks."""
        with self._guard:
            if name not in self._counts:  # the parent's
                return
            self._counts[name] -= 1
            if self._counts[name]:
                return
            del self._counts[name]
            if self._name == name:
                self._name = None
            with suppress(SessionError):  # a lock that was lost is free
                self._releases.pop(name)()

    def dead(self, owners: Iterable[str]) -> set[str]:
        """Which of these have died. Blocks; raises `SessionError`."""
        return {each for each in owners if self._locks.is_free(_LOCK + each)}


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def _renew_owners() -> None:
    for owner in list(_owners):
        owner.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_owners)
