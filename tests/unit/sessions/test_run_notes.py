"""What a program that shows conversations keeps with their runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentkit import Agent
from agentkit.emulator import Reply, Say
from agentkit.errors import UsageError
from agentkit.sessions import Sessions
from tests.conftest import Bench
from tests.unit.sessions.older import write_old


@pytest.fixture
def sessions(database_url: str, bench: Bench) -> Iterator[Sessions]:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


async def turn(bench: Bench, sessions: Sessions, chat: str) -> str:
    bench.emulator.play([Reply([Say("ok")])])
    agent: Agent[None] = bench.agent()
    return (await agent.conversation(chat, sessions=sessions).send("hi")).run.id


async def test_notes_are_kept_with_a_run(bench: Bench, sessions: Sessions) -> None:
    run = await turn(bench, sessions, "ada")
    await sessions.note(run, "one")
    await sessions.note(run, "two ✨")
    await sessions.note("run_unknown", "lost")
    assert await sessions.notes([run, "run_unknown"]) == {run: "two ✨"}
    assert await sessions.notes([]) == {}


async def test_notes_go_with_their_run(bench: Bench, sessions: Sessions) -> None:
    run = await turn(bench, sessions, "ada")
    await sessions.note(run, "one")
    fork = await sessions.fork("ada")
    await sessions.delete("ada")
    assert await sessions.notes([run]) == {run: "one"}  # the fork has it still
    await sessions.delete(fork)
    assert await sessions.notes([run]) == {}


@pytest.mark.parametrize("data", [None, 7, b"one"])
async def test_notes_are_text(sessions: Sessions, data: object) -> None:
    with pytest.raises(UsageError, match=r"Sessions\.note\(data="):
        await sessions.note("run", data)  # type: ignore[arg-type]


async def test_a_database_that_had_no_notes(bench: Bench, database_url: str) -> None:
    """That of a version before them is opened, and has them from then on."""
    write_old(database_url, 1)
    async with Sessions(database_url, store=bench.store) as sessions:
        run = await turn(bench, sessions, "ada")
        await sessions.note(run, "one")
        assert await sessions.notes([run]) == {run: "one"}
