"""What is on the disk at which moment: the transactions of a turn in an SQLite file, and which of
them wait for the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from agentkit import Ledger, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.sessions import Sessions
from agentkit.sessions.sqlite import WRITES, does_sync
from tests.conftest import Bench


@pytest.fixture
def sessions(bench: Bench, tmp_path: Path) -> Iterator[Sessions]:
    sessions = Sessions(f"sqlite:///{tmp_path}/chats.db", store=bench.store)
    yield sessions
    sessions.close()


class Written:
    """The transactions that were begun: True for each that waits for the disk at its end."""

    def __init__(self) -> None:
        self.syncs: list[bool] = []

    def begun(self, connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            self.syncs.append(does_sync(connection))


@pytest.fixture
def written() -> Iterator[Written]:
    seen = Written()
    event.listen(Engine, "begin", seen.begun)
    yield seen
    event.remove(Engine, "begin", seen.begun)


async def test_a_plain_turn_waits_three_times_for_the_disk(
    bench: Bench, sessions: Sessions, written: Written
) -> None:
    bench.emulator.play(["One.", "Two."])
    chat = bench.agent().conversation("ada", sessions=sessions)
    await bench.ask(chat, "One")
    written.syncs.clear()
    await bench.ask(chat, "Two")
    # The run, and with it its request, before that is sent.
    assert written.syncs[:2] == [False, True]
    # The reply, with its head or behind it, and the turn.
    assert written.syncs[-2:] == [True, True]
    assert sum(written.syncs) == 3


async def test_a_ledger_elsewhere_leaves_no_write_to_wait(
    bench: Bench, sessions: Sessions, written: Written, tmp_path: Path
) -> None:
    bench.emulator.play(["One."])
    agent = bench.agent(ledger=Ledger(tmp_path / "calls"))
    await bench.ask(agent.conversation("ada", sessions=sessions), "One")
    assert written.syncs
    assert all(written.syncs)


async def test_a_tool_runs_once_all_before_it_is_on_the_disk(
    bench: Bench, sessions: Sessions, written: Written
) -> None:
    before: list[bool] = []

    @tool
    def note() -> str:
        before.append(written.syncs[-1])
        return "noted"

    bench.emulator.play([Reply([CallTool("note", {})]), Reply([Say("Done.")])])
    chat = bench.agent(tools=[note]).conversation("ada", sessions=sessions)
    await bench.ask(chat, "One")
    assert before == [True]
