"""`Sessions`: the list of conversations, forks, and what is deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentkit import FileImageStore, ImageGeneration
from agentkit.emulator import Draw, Failure, Reply
from agentkit.errors import ConversationBusy, InsufficientCredits, SessionError, UsageError
from agentkit.sessions import Sessions
from tests.conftest import Bench

DRAWN = Reply([Draw("a fox", size=(64, 64))])


@pytest.fixture
def sessions(database_url: str, bench: Bench) -> Iterator[Sessions]:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


async def test_conversations_are_listed_and_renamed(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(name="painter")
    bench.emulator.play(["One.", "Two."])
    await bench.ask(agent.conversation("a", sessions=sessions, user="ada"), "A fox,\nplease")
    await bench.ask(agent.conversation("b", sessions=sessions, user="bob"), "A hen")
    listed = await sessions.list()
    assert [(each.id, each.title, each.user) for each in listed] == [
        ("b", "A hen", "bob"),
        ("a", "A fox, please", "ada"),
    ]
    assert (listed[0].agent, listed[0].turns, listed[0].status) == ("painter", 1, "idle")
    await sessions.rename("a", "Foxes")
    assert [each.title for each in await sessions.list(user="ada")] == ["Foxes"]
    assert [each.id for each in await sessions.list(search="two.")] == ["b"]
    assert [each.id for each in await sessions.list(after=listed[0])] == ["a"]
    assert agent.conversation("a", sessions=sessions).title == "Foxes"
    with pytest.raises(UsageError, match="saved conversation"):
        await sessions.rename("c", "x")


async def test_a_conversation_is_busy_while_a_turn_goes_on(
    bench: Bench, sessions: Sessions
) -> None:
    chat = bench.agent().conversation("a", sessions=sessions)
    bench.emulator.play(["One."])
    async with chat.held():
        assert await sessions.busy(["a", "b"]) == {"a"}
        await bench.ask(chat, "Count")
    assert await sessions.busy(["a", "b"]) == frozenset()
    assert await sessions.busy([]) == frozenset()
    with pytest.raises(UsageError, match="busy"):
        await sessions.busy([""])


async def test_a_failed_first_turn_gives_its_title(bench: Bench, sessions: Sessions) -> None:
    chat = bench.agent().conversation("a", sessions=sessions)
    bench.emulator.play([Reply(error=Failure(code=402)), "Two."])
    with pytest.raises(InsufficientCredits):
        await bench.ask(chat, "A fox")
    await bench.ask(chat, "A hen")
    assert [each.title for each in await sessions.list()] == ["A fox"]


async def test_a_fork_goes_its_own_way(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    bench.emulator.play([DRAWN, "Two.", Reply([Draw("a hen", size=(64, 64))]), "Mine."])
    chat = agent.conversation("a", sessions=sessions)
    await bench.ask(chat, "One")
    await bench.ask(chat, "Two")
    assert await sessions.fork("a", "b", turns=1) == "b"
    fork = agent.conversation("b", sessions=sessions)
    assert fork.messages == chat.messages[:2]
    assert list(fork.images) == ["img_1"]
    answer = await bench.ask(fork, "Another")
    assert [image.name for image in answer.images] == ["img_2"]
    await bench.ask(chat, "Three")
    assert len(chat.messages) == 6
    assert list(chat.images) == ["img_1"]
    await sessions.delete("a", purge=True)
    assert fork.images["img_1"].bytes()
    assert agent.conversation("b", sessions=sessions).messages == fork.messages


async def test_what_is_deleted_is_gone(bench: Bench, sessions: Sessions) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    bench.emulator.play([DRAWN, "New."])
    chat = agent.conversation("a", sessions=sessions)
    answer = await bench.ask(chat, "Draw")
    async with chat.held():
        with pytest.raises(ConversationBusy):
            await sessions.delete("a")
    await sessions.delete("a", purge=True)
    with pytest.raises(FileNotFoundError):
        bench.store.open(answer.images[0].sha256)
    with pytest.raises(SessionError, match="was deleted meanwhile"):
        await bench.ask(chat, "Again")
    with pytest.raises(UsageError):
        await sessions.delete("a")
    fresh = agent.conversation("a", sessions=sessions)
    assert fresh.messages == ()
    await bench.ask(fresh, "New")
    assert await sessions.sweep() == 0


def test_the_file_of_all_who_give_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "chats.db" in repr(Sessions(store=FileImageStore(tmp_path_factory.mktemp("store"))))
