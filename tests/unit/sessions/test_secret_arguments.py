"""Calls whose arguments held the client's key, which no row has: such a call is never run with what
is left of them, by whomever the conversation is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Context, OpenRouter, Run, tool
from agentkit.emulator import CallTool, Reply
from agentkit.sessions import Sessions
from tests.conftest import Bench
from tests.unit.sessions.test_bad_input import everything

KEY = "sk-or-v1-" + "fedcba9876543210" * 4
TOLD = {"token": KEY}
TOKEN: dict[str, Any] = {"properties": {"token": {"type": "string"}}, "required": ["token"]}


class Case:
    """An agent with tools that are given the key, and what they were called with."""

    def __init__(self, bench: Bench, url: str, client: OpenRouter) -> None:
        self.bench, self.url, self._client = bench, url, client
        self.called: list[str] = []
        self.sessions = Sessions(url, store=bench.store)
        self._opened = [self.sessions]

        @tool(approve=True)
        def send(token: str) -> str:
            self.called.append(token)
            return "sent"

        @tool
        def note(token: str) -> str:
            self.called.append(token)
            return "noted"

        @tool(external=True)
        def ask(token: str) -> str: ...

        self.tools = [send, note, ask]

    def agent(self, *tools: object) -> Agent[str]:
        return self.bench.agent(client=self._client, tools=[*(tools or self.tools)])

    def restarted(self, url: str = "") -> Sessions:
        """The database as another process opens it."""
        self._opened.append(Sessions(url or self.url, store=self.bench.store))
        return self._opened[-1]

    def has_key(self) -> bool:
        rows = everything(self.url)
        return any(KEY[at : at + 20] in rows for at in range(len(KEY) - 20))

    def close(self) -> None:
        for each in self._opened:
            each.close()


@pytest.fixture
async def case(bench: Bench, database_url: str) -> AsyncIterator[Case]:
    async with OpenRouter(api_key=KEY, base_url=bench.emulator.base_url) as client:
        case = Case(bench, database_url, client)
        yield case
        case.close()


def results(run: Run) -> list[tuple[str, bool]]:
    """What the model was told of the calls of the last round: the words, and whether it is an
    error.
    """
    said = next(each for each in reversed(run.messages) if each.role == "tool")
    return [(part.text, each.error) for each in said.parts for part in each.parts]


async def test_the_process_that_asked_runs_it_as_it_was_approved(case: Case) -> None:
    case.bench.emulator.play([Reply([CallTool("send", TOLD)]), "Done."])
    chat = case.agent().conversation("ada", sessions=case.sessions)
    answer = await case.bench.ask(chat, "Send it")
    (asked,) = answer.pending
    await chat.resume(answer.run, approve={asked.id: True})
    assert case.called == [KEY]
    assert not case.has_key()


async def test_after_a_restart_it_fails_and_nobody_is_asked(case: Case) -> None:
    case.bench.emulator.play(
        [Reply([CallTool("send", TOLD), CallTool("send", {"token": "ada"})]), "Done."]
    )
    chat = case.agent().conversation("ada", sessions=case.sessions)
    asked = (await case.bench.ask(chat, "Send it")).pending
    loaded = case.agent().conversation("ada", sessions=case.restarted())
    run = loaded.waiting
    assert run is not None
    assert [each.call_id for each in run.waiting] == [asked[1].id]
    answer = await loaded.resume(run, approve={asked[1].id: True})
    assert answer.text == "Done."
    assert case.called == ["ada"]
    (failed, was_error), (sent, _) = results(answer.run)
    assert "held a key" in failed
    assert was_error
    assert sent == "sent"
    assert not case.has_key()


async def test_where_nothing_else_waits_the_turn_goes_on(case: Case) -> None:
    case.bench.emulator.play([Reply([CallTool("send", TOLD)]), "I see."])
    chat = case.agent().conversation("ada", sessions=case.sessions)
    await case.bench.ask(chat, "Send it")
    loaded = case.agent().conversation("ada", sessions=case.restarted())
    assert loaded.waiting is None
    assert loaded.interrupted is not None
    answer = await loaded.go_on()
    assert answer.text == "I see."
    assert case.called == []
    again = case.agent().conversation("ada", sessions=case.restarted())
    assert [each.role for each in again.messages] == ["user", "assistant", "tool", "assistant"]


async def test_of_a_round_that_was_cut_it_is_not_run_again(case: Case, tmp_path: Path) -> None:
    """Of calls that nobody approves."""
    if not case.url.startswith("sqlite"):
        pytest.skip("a copy of a file is what a process that dies leaves behind")
    left = tmp_path / "left.db"

    @tool
    def note(token: str) -> str:
        with closing(sqlite3.connect(case.url.removeprefix("sqlite:///"))) as now:
            if not left.exists():
                with closing(sqlite3.connect(left)) as copy:
                    now.backup(copy)
        case.called.append(token)
        return "noted"

    agent = case.agent(note)
    told = Reply([CallTool("note", TOLD), CallTool("note", {"token": "b"})])
    case.bench.emulator.play([told, "Done.", "Noted."])
    await case.bench.ask(agent.conversation("ada", sessions=case.sessions), "Note it")
    case.called.clear()
    loaded = agent.conversation("ada", sessions=case.restarted(f"sqlite:///{left}"))
    answer = await loaded.go_on()
    assert answer.text == "Noted."
    assert case.called == ["b"]
    assert [was_error for _, was_error in results(answer.run)] == [True, False]


async def test_a_result_from_outside_is_taken(case: Case) -> None:
    """The tool is run elsewhere, and was told the arguments when they were there."""
    case.bench.emulator.play([Reply([CallTool("ask", TOLD)]), "Done."])
    chat = case.agent().conversation("ada", sessions=case.sessions)
    (asked,) = (await case.bench.ask(chat, "Ask")).pending
    loaded = case.agent().conversation("ada", sessions=case.restarted())
    assert loaded.waiting is not None
    answer = await loaded.resume(loaded.waiting, results={asked.id: "yes"})
    assert results(answer.run) == [("yes", False)]
    assert not case.has_key()


async def test_those_of_an_agent_that_was_called_fail_too(case: Case) -> None:
    helper = case.agent().as_tool("helper", "Helps.")
    case.bench.emulator.play(
        [
            Reply([CallTool("helper", {"prompt": "Send it"})]),
            Reply([CallTool("send", TOLD)]),
            "I could not.",
            "Done.",
        ]
    )
    chat = case.agent(helper).conversation("ada", sessions=case.sessions)
    assert (await case.bench.ask(chat, "Send it")).status == "paused"
    loaded = case.agent(helper).conversation("ada", sessions=case.restarted())
    assert loaded.waiting is None
    answer = await loaded.go_on()
    assert answer.text == "Done."
    assert case.called == []
    assert not case.has_key()


async def test_an_answer_with_the_key_is_never_taken_from_a_row(case: Case, tmp_path: Path) -> None:
    """The process that was told it goes on with it; after its death the call fails, by name."""
    if not case.url.startswith("sqlite"):
        pytest.skip("a copy of a file is what a process that dies leaves behind")
    left = tmp_path / "left.db"

    @tool
    def log_in(context: Context, user: str) -> str:
        said = context.ask("Which token?", TOKEN)
        with closing(sqlite3.connect(case.url.removeprefix("sqlite:///"))) as now:
            if not left.exists():
                with closing(sqlite3.connect(left)) as copy:
                    now.backup(copy)
        case.called.append(said["token"] if said else "")
        return "logged in"

    agent = case.agent(log_in)
    case.bench.emulator.play(
        [Reply([CallTool("log_in", {"user": "ada"})]), "Done.", "I could not."]
    )
    chat = agent.conversation("ada", sessions=case.sessions)
    answer = await case.bench.ask(chat, "Log in")
    (asked,) = answer.pending
    await chat.resume(answer.run, answers={asked.id: {"token": KEY}})
    assert case.called == [KEY]
    assert not case.has_key()
    case.called.clear()
    loaded = agent.conversation("ada", sessions=case.restarted(f"sqlite:///{left}"))
    answer = await loaded.go_on()
    assert answer.text == "I could not."
    assert case.called == []
    ((failed, was_error),) = results(answer.run)
    assert was_error
    assert "an answer to what it asked, held a key" in failed


async def test_an_answer_without_the_key_is_taken(case: Case, tmp_path: Path) -> None:
    if not case.url.startswith("sqlite"):
        pytest.skip("a copy of a file is what a process that dies leaves behind")
    left = tmp_path / "left.db"

    @tool
    def log_in(context: Context) -> str:
        said = context.ask("Which token?", TOKEN)
        if not left.exists():
            with (
                closing(sqlite3.connect(case.url.removeprefix("sqlite:///"))) as now,
                closing(sqlite3.connect(left)) as copy,
            ):
                now.backup(copy)
        case.called.append(said["token"] if said else "")
        return "logged in"

    agent = case.agent(log_in)
    case.bench.emulator.play([Reply([CallTool("log_in", {})]), "Done.", "Done."])
    chat = agent.conversation("ada", sessions=case.sessions)
    answer = await case.bench.ask(chat, "Log in")
    (asked,) = answer.pending
    await chat.resume(answer.run, answers={asked.id: {"token": "abc"}})
    loaded = agent.conversation("ada", sessions=case.restarted(f"sqlite:///{left}"))
    await loaded.go_on()
    assert case.called == ["abc", "abc"]
