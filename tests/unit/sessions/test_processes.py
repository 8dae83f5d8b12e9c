"""Several processes with one database: one writer of a conversation at a time, and no turn lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.run import Run
from agentkit.sessions import SavedConversation, Sessions
from tests.processes import PATIENCE, started

PROCESSES, TURNS = 8, 5


@dataclass(frozen=True)
class Place:
    """What all processes have in common."""

    url: str
    base_url: str
    folder: Path

    def agent(self, client: OpenRouter, *tools: Any) -> Agent[Any]:
        store = FileImageStore(self.folder / "store")
        return Agent("openai/gpt-5.2", tools=tools, client=client, store=store, checks=False)

    def sessions(self) -> Sessions:
        return Sessions(self.url, store=FileImageStore(self.folder / "store"), wait=PATIENCE)


def client_of(place: Place) -> OpenRouter:
    return OpenRouter(base_url=place.base_url, api_key="sk-or-any")


def together(calls: Sequence[Callable[..., None]], place: Place) -> None:
    """Run these in processes of their own, at once. Each is given its number."""
    children = []
    for number, call in enumerate(calls):
        own = place.folder / str(number)
        own.mkdir()
        children.append((started(call, place, number, folder=own), own))
    for child, _ in children:
        child.join(PATIENCE)
    for child, own in children:
        assert child.exitcode == 0, (own / "stderr").read_text()


def takes_turns(place: Place, number: int) -> None:
    """Five turns of the one conversation, the middle one with a picture."""

    async def take() -> None:
        async with client_of(place) as client, place.sessions() as sessions:
            agent = place.agent(client, ImageGeneration(size="256x256"))
            chat = await asyncio.to_thread(agent.conversation, "ada", sessions=sessions)
            for turn in range(TURNS):
                prompt = f"Say {number}.{turn}"
                if turn == TURNS // 2:
                    prompt = f"Draw a fox number {number}"
                await chat.send(prompt)

    asyncio.run(take())


async def test_one_conversation(database_url: str, emulator: Emulator, tmp_path: Path) -> None:
    place = Place(database_url, emulator.base_url, tmp_path)
    await asyncio.to_thread(together, [takes_turns] * PROCESSES, place)
    sent = [len(each.body["messages"]) for each in emulator.requests if each.method == "POST"]
    assert sent == sorted(set(sent)), "a turn began before the one before it had ended"
    async with client_of(place) as client, place.sessions() as sessions:
        chat = place.agent(client).conversation("ada", sessions=sessions)
        prompts = [each.text for each in chat.messages if each.role == "user"]
        assert len(prompts) == len(set(prompts)) == PROCESSES * TURNS
        assert [each.role for each in chat.messages] == ["user", "assistant"] * len(prompts)
        for number in range(PROCESSES):
            own = [each for each in prompts if each.startswith(f"Say {number}.")]
            assert own == sorted(own)
        assert list(chat.images) == [f"img_{number + 1}" for number in range(len(chat.images))]
        drawn = {sha256 for post in emulator.posts for sha256 in post.images}
        assert {image.sha256 for image in chat.images.values()} == drawn
        assert all(image.bytes() for image in chat.images.values())
        assert chat.usage.requests == len(emulator.posts)
        (saved,) = await sessions.list()
        assert saved.turns == PROCESSES * TURNS


def has_its_own(place: Place, number: int) -> None:
    """Turns of two conversations at once, that no other process has."""

    async def take(name: str, client: OpenRouter, sessions: Sessions) -> None:
        chat = await asyncio.to_thread(
            place.agent(client).conversation, name, sessions=sessions, user=f"user {number}"
        )
        for turn in range(TURNS):
            await chat.send(f"Say {turn}")

    async def both() -> None:
        async with client_of(place) as client, place.sessions() as sessions:
            names = [f"{number}/{each}" for each in range(2)]
            await asyncio.gather(*[take(name, client, sessions) for name in names])

    asyncio.run(both())


async def test_many_conversations(database_url: str, emulator: Emulator, tmp_path: Path) -> None:
    place = Place(database_url, emulator.base_url, tmp_path)
    await asyncio.to_thread(together, [has_its_own] * PROCESSES, place)
    async with client_of(place) as client, place.sessions() as sessions:
        found = await sessions.list()
        assert len(found) == 2 * PROCESSES
        for each in found:
            chat = place.agent(client).conversation(each.id, sessions=sessions)
            prompts = [message.text for message in chat.messages if message.role == "user"]
            assert prompts == [f"Say {turn}" for turn in range(TURNS)]
            assert len(chat.messages) == 2 * TURNS
            assert chat.usage.requests == TURNS


def sender(place: Place) -> Any:
    @tool(approve=True)
    def send(to: str) -> str:
        """Send the letter.

        Args:
            to: To whom.
        """
        with (place.folder / "sent").open("a") as file:
            file.write(f"{to}\n")
        return "sent"

    return send


def decides(place: Place, number: int) -> None:
    """Approve the call that waits, of a run that was read before anybody had decided."""
    run = Run.from_json((place.folder / "run.json").read_text())

    async def decide() -> None:
        async with client_of(place) as client, place.sessions() as sessions:
            agent = place.agent(client, sender(place))
            chat: SavedConversation[Any] = agent.conversation("ada", sessions=sessions)
            try:
                await chat.resume(run, approve={"c1": True})
            except UsageError as error:
                (place.folder / f"refused-{number}").write_text(str(error))

    asyncio.run(decide())


async def test_one_of_two_that_decide_wins(
    database_url: str, emulator: Emulator, tmp_path: Path
) -> None:
    place = Place(database_url, emulator.base_url, tmp_path)
    emulator.play([Reply([CallTool("send", {"to": "Bo"}, id="c1")]), Reply([Say("Done.")])])
    async with client_of(place) as client, place.sessions() as sessions:
        agent = place.agent(client, sender(place))
        chat = agent.conversation("ada", sessions=sessions)
        paused = await chat.send("Write to Bo")
        assert paused.status == "paused"
        (tmp_path / "run.json").write_text(paused.run.to_json())
        await asyncio.to_thread(together, [decides] * 4, place)
        assert (tmp_path / "sent").read_text() == "Bo\n"
        found = [tmp_path / f"refused-{number}" for number in range(4)]
        refused = [each.read_text() for each in found if each.exists()]
        assert len(refused) == 3
        assert all("was decided on before" in each for each in refused), refused
        again = agent.conversation("ada", sessions=sessions)
        assert again.messages[-1].text == "Done."
        assert again.waiting is None
        assert len(emulator.posts) == 2
