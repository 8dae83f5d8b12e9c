"""The bot of `examples/` is killed, at the worst moments, and started again: each message has its
answer, each picture comes once, and is paid for once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentkit import Agent, FileImageStore
from agentkit.emulator import Draw, Emulator, Fault, Reply, Say, Socket, When
from agentkit.sessions import Sessions
from tests.clock import until
from tests.embedding.discord_stub import TOKEN, Discord, Posted
from tests.embedding.programs import ROOT, environment

pytest.importorskip("discord")
ADA, BEA = 7, 8
FOX = Reply([Say("Here is your fox: "), Draw("a fox", size=(256, 256))])


@dataclass
class Machine:
    """Where the bot runs: what it leaves there outlives it."""

    emulator: Emulator
    network: Discord
    folder: Path
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "log"

    @contextmanager
    def bot(self) -> Iterator[subprocess.Popen[bytes]]:
        """The bot as a person starts it. It is killed at the end of the block."""
        variables = environment(self.emulator, self.folder)
        variables |= {"DISCORD_API": self.network.api, "DISCORD_TOKEN": TOKEN}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "examples" / "bot.py")],
                env=variables,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def kept(self, user: int) -> bool:
        """Whether the conversation of a user has a turn."""
        store = FileImageStore(self.folder / "store")
        sessions = Sessions(f"sqlite:///{self.folder}/bot.db", store=store)
        agent = Agent("openai/gpt-5.2", store=store)
        try:
            chat = agent.conversation(f"discord-{10 * user}-{user}", sessions=sessions)
            return len(chat.messages) > 0
        finally:
            sessions.close()

    @property
    def waiting(self) -> int:
        """How many messages are not answered yet."""
        return len([*(self.folder / "inbox").iterdir()])

    @property
    def pictures(self) -> list[Posted]:
        return [each for each in self.network.said if each.files]

    @property
    def drawn(self) -> int:
        """How many pictures were paid for."""
        return sum(len(each.images) for each in self.emulator.posts if each.billed)


@pytest.fixture
async def machine(emulator: Emulator, tmp_path: Path) -> AsyncIterator[Machine]:
    async with Discord() as network:
        machine = Machine(emulator, network, tmp_path)
        yield machine
        print(machine.log.read_text()[-4000:])


@pytest.mark.slow
async def test_killed_while_a_picture_is_downloaded(machine: Machine) -> None:
    stalled = Socket("stall", at="body", byte=1_000)
    machine.emulator.faults.add(Fault(socket=stalled, when=When(api="pictures", nth=1)))
    machine.emulator.play(FOX)
    with machine.bot():
        await until(lambda: machine.network.connected)
        await machine.network.say(ADA, "Draw a fox")
        await until(lambda: machine.emulator.faults.strikes)
        await machine.network.say(ADA, "Thanks!")
        await until(lambda: machine.waiting == 2)
    assert machine.pictures == []
    machine.emulator.play("You are welcome.")
    with machine.bot():
        await until(lambda: machine.network.said and "welcome" in machine.network.said[-1].content)
        await until(lambda: machine.waiting == 0)
    assert len(machine.pictures) == 1
    assert machine.drawn == 1
    assert [each.content for each in machine.network.said if each.content] == [
        "Here is your fox:",
        "You are welcome.",
    ]


@pytest.mark.slow
async def test_killed_while_the_answer_is_posted(machine: Machine) -> None:
    machine.emulator.play(FOX)
    machine.network.gate.clear()
    with machine.bot():
        await until(lambda: machine.network.connected)
        await machine.network.say(ADA, "Draw a fox")
        await until(lambda: machine.waiting == 1)
        await until(lambda: machine.kept(ADA))
    machine.network.gate.set()
    with machine.bot():
        await until(lambda: machine.pictures)
        await until(lambda: machine.waiting == 0)
    assert len(machine.pictures) == 1
    assert machine.drawn == 1
    assert len(machine.emulator.posts) == 1


@pytest.mark.slow
async def test_killed_while_the_model_draws(machine: Machine) -> None:
    """Nobody can tell what the request has bought, so a person says what to do."""
    stalled = Socket("stall", at="event", event=1)
    machine.emulator.faults.add(Fault(socket=stalled, when=When(nth=1)))
    machine.emulator.play(FOX)
    with machine.bot():
        await until(lambda: machine.network.connected)
        await machine.network.say(ADA, "Draw a fox")
        await until(lambda: machine.emulator.faults.strikes)
    machine.emulator.play(FOX)
    with machine.bot():
        await until(lambda: machine.network.said and "again" in machine.network.said[-1].content)
        await until(lambda: machine.waiting == 0)
        assert machine.pictures == []
        assert len(machine.emulator.posts) == 1, "nothing is sent before the user says so"
        await machine.network.say(ADA, "again")
        await until(lambda: machine.pictures)
        await until(lambda: machine.waiting == 0)
    assert len(machine.pictures) == 1
    assert len(machine.emulator.posts) == 2


@pytest.mark.slow
async def test_a_message_that_was_deleted_meanwhile(machine: Machine) -> None:
    machine.emulator.faults.add(Fault(socket=Socket("stall", at="finish"), when=When(nth=1)))
    with machine.bot():
        await until(lambda: machine.network.connected)
        question = await machine.network.say(ADA, "Hello")
        await until(lambda: machine.emulator.faults.strikes)
    del machine.network.messages[question.id]
    with machine.bot():
        await until(lambda: machine.waiting == 0)
        await until(lambda: machine.network.connected)
        machine.emulator.play("Hello, Bea")
        await machine.network.say(BEA, "Hello")
        await until(lambda: "Hello, Bea" in [each.content for each in machine.network.said])
