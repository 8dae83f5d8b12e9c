"""What a process that died, or a disk that was full, has left in the ledger of a conversation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from agentkit.emulator import Emulator
from agentkit.errors import LedgerError
from agentkit.openrouter.ledger_storage import CallKey, LedgerStorage
from agentkit.sessions import Sessions
from tests.conftest import Bench


class Unswept:
    """A storage from which nothing can be deleted for a while."""

    def __init__(self, own: LedgerStorage) -> None:
        self.own, self.is_full = own, True
        self.append, self.read, self.runs = own.append, own.read, own.runs

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        if self.is_full:
            raise LedgerError("the disk is full")
        self.own.delete(run, bodies_of)


@pytest.fixture
def sessions(database_url: str, bench: Bench) -> Any:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


async def test_a_sweep_removes_what_a_kept_turn_has_left(
    bench: Bench, emulator: Emulator, sessions: Sessions
) -> None:
    storage = Unswept(sessions.ledger.entries.storage)
    sessions.ledger.entries.storage = storage
    chat = bench.agent().conversation("ada", sessions=sessions)
    emulator.play(["One."])
    answer = await bench.ask(chat, "One")  # it is kept, so it did not fail
    assert answer.text == "One."
    assert [each.run for each in storage.runs()] == [answer.run.id]
    storage.is_full = False
    await sessions.sweep()
    assert list(storage.runs()) == []
    assert len(bench.agent().conversation("ada", sessions=sessions).messages) == 2
