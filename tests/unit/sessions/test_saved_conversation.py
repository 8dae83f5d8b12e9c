"""A conversation in a database: what a turn leaves there, and what another one finds."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from agentkit import Image, ImageGeneration, ImageReady, Limits, Run, tool
from agentkit.conversation_record import Shown
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import AgentkitError, ConversationBusy, UsageError
from agentkit.images import MemoryImageStore
from agentkit.sessions import SavedConversation, Sessions
from agentkit.values import Message, Text
from tests.conftest import Bench, picture
from tests.unit.images.slow_host import LONG, slow_host
from tests.unit.loop.test_grace import drawn

DRAWN = Reply([Say("Here: "), Draw("a fox", size=(64, 64)), Say("a fox.")])


@pytest.fixture
def sessions(database_url: str, bench: Bench) -> Any:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


def equal(first: SavedConversation[Any], second: SavedConversation[Any]) -> None:
    """The same conversation, whoever has it."""
    assert first.messages == second.messages
    assert dict(first.images) == dict(second.images)
    assert first.usage == second.usage
    assert first.failures == second.failures
    assert (first.session_id, first.model, first.api) == (
        second.session_id,
        second.model,
        second.api,
    )


async def test_a_conversation_goes_on_where_it_was(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    bench.emulator.play([DRAWN, "Done."])
    chat = agent.conversation("ada/1", sessions=sessions, user="ada")
    drawn = await bench.ask(chat, ["Draw a fox like this", Image.from_bytes(picture("blue"))])
    loaded = agent.conversation("ada/1", sessions=sessions)
    equal(chat, loaded)
    assert loaded.title == "Draw a fox like this"
    assert [image.name for image in loaded.images.values()] == ["img_1", "img_2"]
    assert loaded.images["img_2"].bytes() == drawn.images[0].bytes()
    answer = await bench.ask(loaded, "Thanks")
    assert answer.text == "Done."
    assert len(loaded.messages) == 4
    sent = bench.emulator.requests[-1].body
    assert "Draw a fox like this" in str(sent)


async def test_what_another_one_has_added_is_read_first(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    first = agent.conversation("ada", sessions=sessions)
    second = agent.conversation("ada", sessions=sessions)
    bench.emulator.play([DRAWN, "Two.", DRAWN])
    await bench.ask(first, "One")
    await bench.ask(second, "Two")
    assert [each.text for each in second.messages][-2:] == ["Two", "Two."]
    answer = await bench.ask(first, "Three")
    assert len(first.messages) == 6
    assert answer.images[0].name in {"img_1", "img_2"}  # the same bytes are one picture
    equal(first, agent.conversation("ada", sessions=sessions))


async def test_a_turn_that_fails_leaves_its_pictures_and_its_cost(
    bench: Bench, sessions: Sessions
) -> None:
    agent = bench.agent(tools=[ImageGeneration(), forecast])
    chat = agent.conversation("ada", sessions=sessions)
    bench.emulator.play(
        [
            Reply([Draw("a fox", size=(64, 64)), CallTool("forecast", {"city": "Oslo"})]),
            Failure("no credits", 402),
        ]
    )
    with pytest.raises(AgentkitError):
        await bench.ask(chat, "Draw")
    assert chat.messages == ()
    loaded = agent.conversation("ada", sessions=sessions)
    equal(chat, loaded)
    assert list(loaded.images) == ["img_1"]
    assert loaded.usage.cost_usd == chat.usage.cost_usd
    assert loaded.interrupted is None
    bench.emulator.play([DRAWN])
    answer = await bench.ask(loaded, "Again")
    assert answer.images[0].sha256 == chat.images["img_1"].sha256 or list(loaded.images) == [
        "img_1",
        "img_2",
    ]


@tool
def forecast(city: str) -> str:
    """The weather.

    Args:
        city: Where.
    """
    return f"{city}: snow"


async def test_one_turn_at_a_time(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[forecast])
    first = agent.conversation("ada", sessions=sessions)
    second = agent.conversation("ada", sessions=sessions)
    patient = agent.conversation("ada", sessions=sessions, wait=60)
    bench.emulator.play(["One.", "Two."])
    async with first.held():
        with pytest.raises(ConversationBusy, match="another task of this process"):
            await bench.ask(second, "Two")
        waiting = asyncio.create_task(bench.ask(patient, "Two"))
        await bench.ask(first, "One")
    answer = await waiting
    assert answer.text == "Two."
    assert [each.text for each in patient.messages] == ["One", "One.", "Two", "Two."]


async def test_a_block_has_the_conversation_for_itself(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    bench.emulator.play([DRAWN, "Done."])
    async with sessions.conversation("ada", agent, user="ada") as chat:
        async with chat.stream("Draw") as stream:
            async for event in stream:
                if isinstance(event, ImageReady):
                    assert event.image.name in chat.images
        with pytest.raises(ConversationBusy):
            async with sessions.conversation("ada", agent):
                pass
        await chat.send("Thanks")
    async with sessions.conversation("ada", agent) as again:
        equal(chat, again)


@tool(approve=True)
def publish(text: str) -> str:
    """Publish it.

    Args:
        text: What.
    """
    published.append(text)
    return "published"


published: list[str] = []


async def test_a_turn_waits_for_a_person_in_another_process(
    bench: Bench, sessions: Sessions
) -> None:
    published.clear()
    agent = bench.agent(tools=[publish])
    chat = agent.conversation("ada", sessions=sessions)
    bench.emulator.play([Reply([CallTool("publish", {"text": "x"}, id="c1")]), "Done."])
    paused = await bench.ask(chat, "Publish x")
    assert paused.status == "paused"
    second = agent.conversation("ada", sessions=sessions)
    third = agent.conversation("ada", sessions=sessions)
    assert second.waiting is not None
    assert second.interrupted is None
    with pytest.raises(UsageError, match="waits for a person"):
        await bench.ask(second, "Something else")
    answer = await second.resume(second.waiting, approve={"c1": True})
    assert answer.text == "Done."
    assert published == ["x"]
    stale = third.waiting
    assert stale is not None
    with pytest.raises(UsageError, match="decided on before"):
        await third.resume(stale, approve={"c1": True})
    with pytest.raises(UsageError):
        await chat.resume(paused.run, approve={"c1": True})
    assert published == ["x"]
    equal(second, agent.conversation("ada", sessions=sessions))


async def test_a_turn_that_waits_is_given_up_or_kept(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[publish])
    call = Reply([CallTool("publish", {"text": "x"}, id="c1")])
    bench.emulator.play([call, call, "Ok."])
    chat = agent.conversation("ada", sessions=sessions)
    await bench.ask(chat, "Publish")
    agent.conversation("ada", sessions=sessions).drop()
    paused = await bench.ask(chat, "Publish again")
    loaded = agent.conversation("ada", sessions=sessions)
    loaded.adopt(paused.run)
    assert len(loaded.messages) == 3
    equal(loaded, agent.conversation("ada", sessions=sessions))
    answer = await bench.ask(chat, "And now?")
    assert answer.text == "Ok."


def test_a_wrong_argument_is_refused(bench: Bench, sessions: Sessions) -> None:
    agent: Any = bench.agent()
    for name in ("", "x" * 301, "a\0b", "a\nb", "\ud800", 3):
        with pytest.raises(UsageError, match="1 to 200 characters"):
            agent.conversation(name, sessions=sessions)
    with pytest.raises(UsageError, match="sessions="):
        agent.conversation("ada")
    with pytest.raises(UsageError, match="name of the conversation"):
        agent.conversation(sessions=sessions)
    with pytest.raises(UsageError, match="Sessions\\("):
        agent.conversation("ada", sessions="sqlite://")
    with pytest.raises(UsageError, match="give both the same"):
        bench.agent(store=MemoryImageStore()).conversation("ada", sessions=sessions)
    with pytest.raises(UsageError, match="wait"):
        Sessions(wait=-1)
    for wait in (-1, "soon", float("nan")):
        with pytest.raises(UsageError, match=r"wait=.*seconds"):
            agent.conversation("ada", sessions=sessions, wait=wait)


async def test_a_limit_of_a_saved_run_holds_when_it_goes_on(
    bench: Bench, sessions: Sessions
) -> None:
    agent = bench.agent(tools=[publish], limits=Limits(turns=1))
    chat = agent.conversation("ada", sessions=sessions)
    bench.emulator.play([Reply([CallTool("publish", {"text": "x"}, id="c1")]), "Over."])
    await bench.ask(chat, "Publish")
    loaded = agent.conversation("ada", sessions=sessions)
    assert loaded.waiting is not None
    answer = await loaded.resume(loaded.waiting, approve={"c1": True})
    assert answer.status == "limited"


async def test_a_fork_in_memory_leaves_the_saved_one_alone(
    bench: Bench, sessions: Sessions
) -> None:
    agent = bench.agent()
    chat = agent.conversation("ada", sessions=sessions)
    bench.emulator.play(["One.", "Two."])
    await bench.ask(chat, "One")
    fork = chat.fork()
    await bench.ask(fork, "Two")
    assert len(fork.messages) == 4
    assert len(agent.conversation("ada", sessions=sessions).messages) == 2


async def test_a_damaged_turn_is_set_aside(
    bench: Bench, sessions: Sessions, database_url: str
) -> None:
    agent = bench.agent()
    chat = agent.conversation("ada", sessions=sessions)
    bench.emulator.play(["One.", "Two.", "Three.", "Four."])
    for prompt in ("One", "Two", "Three"):
        await bench.ask(chat, prompt)
    spoil(database_url, "Two.")
    loaded = agent.conversation("ada", sessions=sessions)
    assert [each.text for each in loaded.messages] == ["One", "One."]
    assert [each[:6] for each in loaded.damaged] == ["turn 1", "turn 2"]
    await bench.ask(loaded, "Four")
    again = agent.conversation("ada", sessions=sessions)
    assert [each.text for each in again.messages] == ["One", "One.", "Four", "Four."]
    assert again.damaged == ()
    assert again.usage.requests == 4


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE agentkit_messages SET checksum = 0 WHERE run = 'run_left'",
        "UPDATE agentkit_runs SET state = '{' WHERE id = 'run_left'",
    ],
    ids=["message", "run"],
)
async def test_a_damaged_turn_that_was_interrupted_is_set_aside(
    bench: Bench, sessions: Sessions, database_url: str, damage: str
) -> None:
    agent = bench.agent()
    bench.emulator.play(["1", "3"])
    await bench.ask(agent.conversation("ada", sessions=sessions), "One")
    leave_a_turn(sessions, agent, "Two")
    assert agent.conversation("ada", sessions=sessions).interrupted is not None
    behind(database_url, damage)
    loaded = agent.conversation("ada", sessions=sessions)
    assert loaded.interrupted is None
    [damaged] = loaded.damaged
    assert "run_left" in damaged
    await bench.ask(loaded, "Three")
    assert [each.text for each in loaded.messages] == ["One", "1", "Three", "3"]
    again = agent.conversation("ada", sessions=sessions)
    assert again.messages == loaded.messages
    assert again.damaged == ()


def behind(url: str, statement: str) -> None:
    """Change a row behind agentkit's back."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1
    engine.dispose()


def spoil(url: str, words: str) -> None:
    """Change a message behind agentkit's back, as a damaged disk does."""
    if url.startswith("sqlite"):
        engine = create_engine(url)
    else:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        found = connection.execute(text("SELECT run, number, data FROM agentkit_messages")).all()
        spoiled = 0
        for run, number, data in found:
            if words.encode() in bytes(data):
                other = bytes(data).replace(words.encode(), words.upper().encode())
                where = "WHERE run = :run AND number = :number"
                connection.execute(
                    text(f"UPDATE agentkit_messages SET data = :data {where}"),
                    {"data": other, "run": run, "number": number},
                )
                spoiled += 1
    engine.dispose()
    assert spoiled


async def test_pictures_that_come_after_their_turn_are_saved(
    bench: Bench, sessions: Sessions
) -> None:
    async with slow_host() as host:
        agent = bench.agent(fetch=LONG)
        chat = agent.conversation("ada", sessions=sessions)
        bench.emulator.play([drawn(host)])
        async with chat.stream("Draw") as stream:
            await host.both_asked()
            stream.stop()
        host.released.set()
        await chat.settled()
        assert list(chat.images) == ["img_1", "img_2"]
        equal(chat, agent.conversation("ada", sessions=sessions))


def leave_a_turn(sessions: Sessions, agent: Any, words: str) -> None:
    """Leave what a process leaves that dies before it has sent anything."""
    record = sessions.record("ada", agent)
    release = record.lock(0)
    messages = (*record.load().messages, Message("user", (Text(words),)))
    start = len(messages) - 1
    run = Run(id="run_left", model=agent.model, api=agent.api, messages=messages, start=start)
    record.save(run, Shown((), 0, agent.api, agent.model))
    release()


class _WatchedRecord:
    """A record that tells which of its methods were called on the thread of the event loop."""

    def __init__(self, record: Any, here: list[str]) -> None:
        self._record, self._here, self._loop = record, here, threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._record, name)
        return self._watched(name, found) if callable(found) else found

    def _watched(self, name: str, method: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if threading.get_ident() == self._loop:
                self._here.append(name)
            result = method(*args, **options)
            return self._watched("release", result) if name == "lock" else result

        return call


class _WatchedSessions:
    wait = 0.0

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.here: list[str] = []

    def record(self, chat: str, agent: Any, *, user: str | None = None) -> Any:
        return _WatchedRecord(self._sessions.record(chat, agent, user=user), self.here)


async def test_a_turn_waits_for_the_database_off_the_event_loop(
    bench: Bench, sessions: Sessions
) -> None:
    """Its locks and its ledger too, whatever it finds there."""
    agent, watched = bench.agent(), _WatchedSessions(sessions)
    chat = agent.conversation("ada", sessions=watched)
    leave_a_turn(sessions, agent, "Hi")
    watched.here.clear()
    bench.emulator.play(["Two."])
    await bench.ask(chat, "Two")
    assert [each.text for each in chat.messages if each.role == "user"] == ["Hi", "Two"]
    async with chat.held():
        pass
    assert watched.here == []
