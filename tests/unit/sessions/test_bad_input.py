"""What a conversation in a database survives: odd text, a full disk, a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from agentkit import OpenRouter, Run, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say, Think
from agentkit.errors import AgentkitError, SessionError, UsageError
from agentkit.hooks import Asking, Hooks
from agentkit.sessions import Sessions
from agentkit.values import Message
from tests.conftest import Bench
from tests.disks import fill, small_disk

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
ODD = "NUL \0, half a pair \ud83d, the end of a line\r\n, \u202eright to left, and 1 MB: "


@pytest.fixture
def sessions(database_url: str, bench: Bench) -> Iterator[Sessions]:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


@pytest.mark.parametrize("odd", [None, 5, "", "\ud800", ["x"], {"a": 1}, b"x", 10**30, object()])
async def test_wrong_arguments_are_told_by_name(sessions: Sessions, odd: Any) -> None:
    """A text where several are wanted is none of them: its letters would be."""
    for ask in (sessions.fork, sessions.runs, sessions.note_picture):
        with pytest.raises(UsageError, match=rf"Sessions\.{ask.__name__}\("):
            await ask(odd)
    if not isinstance(odd, str):
        with pytest.raises(UsageError, match=r"Sessions\.notes\("):
            await sessions.notes([odd])
    if not isinstance(odd, list | dict):
        with pytest.raises(UsageError, match=r"Sessions\.notes\("):
            await sessions.notes(odd)
        with pytest.raises(UsageError, match=r"Sessions\.budget\(within="):
            sessions.budget("team", within=odd)
        with pytest.raises(UsageError, match=r"Sessions\.busy\("):
            await sessions.busy(odd)
    with pytest.raises(UsageError, match=r"Sessions\.busy\("):
        await sessions.busy("ada")


async def test_odd_text_is_saved_and_loaded(bench: Bench, sessions: Sessions) -> None:
    @tool
    def note(what: Any) -> str:
        return f"{ODD}{len(str(what))}"

    deep = '{"what": ' + "[" * 10_000 + "]" * 10_000 + "}"
    bench.emulator.play(
        [
            Reply([CallTool("note", deep, id="c\0 1"), CallTool("note", {"what": "\0"})]),
            Reply([Say("Half \0 of it, " + "x" * 100_000)]),
            "Two.",
        ]
    )
    agent = bench.agent(tools=[note])
    chat = agent.conversation("ada", sessions=sessions)
    answer = await bench.ask(chat, ODD + "y" * 1_000_000)
    loaded = agent.conversation("ada", sessions=sessions)
    assert loaded.messages == Run.from_json(answer.run.to_json()).messages
    assert loaded.interrupted is None
    assert loaded.damaged == ()
    await bench.ask(loaded, "Two")
    (found,) = await sessions.list()
    assert found.turns == 2
    assert (await sessions.list(search="\0 half \ud83d")) is not None


def everything(url: str) -> str:
    """All rows of all tables."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    found: list[str] = []
    with engine.connect() as connection:
        kind = "sqlite_master" if url.startswith("sqlite") else "information_schema.tables"
        name = "name" if url.startswith("sqlite") else "table_name"
        query = text(f"SELECT {name} FROM {kind} WHERE {name} LIKE 'agentkit_%'")
        for table in set(connection.scalars(query)):
            if not table.startswith("agentkit_holds_of") and "ix_" not in table:
                found += map(str, connection.execute(text(f"SELECT * FROM {table}")).all())
    engine.dispose()
    return "\n".join(found)


async def test_a_key_is_in_no_row(
    bench: Bench, sessions: Sessions, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.emulator.play([Failure(f"the key {KEY} is wrong", 400), Reply([Say("Fine.")])])
    chat = bench.agent().conversation("ada", sessions=sessions)
    with pytest.raises(AgentkitError) as caught:
        await bench.ask(chat, "One")
    assert KEY not in str(caught.value)
    await bench.ask(chat, "Two")
    rows = await asyncio.to_thread(everything, database_url)
    assert "Fine." in rows
    assert KEY not in rows
    assert KEY not in caplog.text


async def test_the_own_key_is_in_no_row_whoever_tells_it(
    bench: Bench, sessions: Sessions, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In words, a tool's arguments, results and errors, pictures and those that failed: of turns
    that end, fail, wait, and are given up.
    """
    key = "sk-or-v1-" + "fedcba9876543210" * 4

    @tool
    def show(what: str) -> str:
        return f"the environment: OPENROUTER_API_KEY={key}"

    @tool
    def fail(what: str) -> str:
        raise ValueError(f"cannot log in with {key}")

    @tool(approve=True)
    def send(what: str) -> str:
        return "sent"

    told = {"what": f"with {key}"}
    bench.emulator.play(
        [
            Reply([Think(f"The key is {key}."), CallTool("show", told), CallTool("fail", told)]),
            Reply([Draw(f"a fox with {key}", revised_prompt=f"a fox, {key}", size=(8, 8))]),
            Reply([Draw("a cat", status="error", error=f"no such key: {key}"), Say(f"So: {key}")]),
            Reply([Draw("a dog", size=(8, 8)), CallTool("show", told)]),
            Failure(f"the key {key} is wrong", 400),
            Reply([CallTool("send", told)]),
        ]
    )
    async with OpenRouter(api_key=key, base_url=bench.emulator.base_url) as client:
        agent = bench.agent(client=client, tools=[show, fail, send])
        chat = agent.conversation("ada", sessions=sessions)
        await bench.ask(chat, f"My key is {key}: draw a fox")
        await bench.ask(chat, "And a cat")
        with pytest.raises(AgentkitError) as caught:
            await bench.ask(chat, "And a dog")
        assert key not in f"{caught.value!r} {caught.value}"
        assert (await bench.ask(chat, "Send it")).status == "paused"
        rows = await asyncio.to_thread(everything, database_url)
        assert "My key is **" in rows
        assert "OPENROUTER_API_KEY=" in rows
        for number in range(len(key) - 20):
            assert key[number : number + 20] not in rows
        assert key not in caplog.text
        loaded = agent.conversation("ada", sessions=sessions)
        assert len(loaded.messages) == len(chat.messages) == 6
        assert list(loaded.images) == list(chat.images)


class Disk:
    """A disk that can be full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast: Path | None = None

    def fill(self) -> None:
        self.ballast = fill(self.folder)

    def free(self) -> None:
        assert self.ballast is not None
        self.ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 2000) as folder:
        yield Disk(folder)


async def test_a_disk_that_is_full_at_the_end_of_a_turn(bench: Bench, disk: Disk) -> None:
    def after_reply(asking: Asking, reply: Message) -> None:
        if len(asking.run.messages) < 3:
            disk.fill()

    url = f"sqlite:///{disk.folder}/chats.db"
    async with Sessions(url, store=bench.store) as sessions:
        agent = bench.agent(hooks=Hooks(after_reply=after_reply))
        chat = agent.conversation("ada", sessions=sessions)
        bench.emulator.play(["One.", "Two."])
        with pytest.raises(SessionError, match="full") as caught:
            await bench.ask(chat, "One" + " and more" * 10_000)
        assert caught.value.run is not None
        assert caught.value.run.messages[-1].text == "One."
        assert [each.text for each in chat.messages][1:] == ["One."]
        disk.free()
        await bench.ask(chat, "Two")
        loaded = agent.conversation("ada", sessions=sessions)
        assert loaded.messages == chat.messages
        assert [each.text for each in loaded.messages][1:] == ["One.", "Two", "Two."]
        assert loaded.usage == chat.usage
        assert len(bench.emulator.posts) == 2


async def test_another_one_has_gone_on_before_the_turn_is_written(bench: Bench, disk: Disk) -> None:
    def after_reply(asking: Asking, reply: Message) -> None:
        if disk.ballast is None:
            disk.fill()

    url = f"sqlite:///{disk.folder}/chats.db"
    async with Sessions(url, store=bench.store) as sessions:
        agent = bench.agent(hooks=Hooks(after_reply=after_reply))
        chat = agent.conversation("ada", sessions=sessions)
        bench.emulator.play(["1", "2", "3"])
        with pytest.raises(SessionError, match="full"):
            await bench.ask(chat, "One" + " and more" * 10_000)
        disk.free()
        await bench.ask(agent.conversation("ada", sessions=sessions), "Two")
        await bench.ask(chat, "Three")
        said = [each.text for each in chat.messages if each.role == "assistant"]
        assert said == ["2", "1", "3"]  # in the order in which they were written
        assert agent.conversation("ada", sessions=sessions).messages == chat.messages


async def test_a_disk_that_is_full_in_a_turn(bench: Bench, disk: Disk) -> None:
    @tool
    def fills() -> str:
        disk.fill()
        return "full " * 20_000

    url = f"sqlite:///{disk.folder}/chats.db"
    async with Sessions(url, store=bench.store) as sessions:
        agent = bench.agent(tools=[fills])
        chat = agent.conversation("ada", sessions=sessions)
        bench.emulator.play([Reply([CallTool("fills", {}, id="c1")]), "Two."])
        with pytest.raises(AgentkitError, match="full") as caught:
            await bench.ask(chat, "One")
        assert caught.value.run is not None
        assert chat.messages == ()
        assert chat.usage.requests == 1
        disk.free()
        await bench.ask(chat, "Two")
        loaded = agent.conversation("ada", sessions=sessions)
        assert [each.text for each in loaded.messages] == ["Two", "Two."]
        assert loaded.usage == chat.usage
        assert loaded.usage.requests == 2
        assert loaded.interrupted is None


async def test_a_server_that_ends_all_connections_in_a_turn(
    bench: Bench, postgres_url: str, postgres_server: Any, emulator: Emulator
) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]

    calls: list[str] = []

    @tool
    def lose() -> str:
        calls.append("lose")
        if len(calls) > 1:
            return "found again"
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        return "lost"

    async with Sessions(postgres_url, store=bench.store) as sessions:
        agent = bench.agent(tools=[lose])
        chat = agent.conversation("ada", sessions=sessions)
        emulator.play([Reply([CallTool("lose", {}, id="c1")]), "One.", "Two."])
        with pytest.raises(SessionError) as caught:  # another process may have gone on
            await bench.ask(chat, "One")
        assert caught.value.run is not None
        assert len(emulator.posts) == 1
        chat = agent.conversation("ada", sessions=sessions)
        assert chat.interrupted is not None
        answer = await chat.go_on()
        assert answer.text == "One."
        assert len(calls) == 2  # its result could not be written
        await bench.ask(chat, "Two")
        loaded = agent.conversation("ada", sessions=sessions)
        assert loaded.messages == chat.messages
        assert loaded.usage == chat.usage
        assert len(emulator.posts) == 3
