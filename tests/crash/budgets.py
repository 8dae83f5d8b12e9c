"""Processes that share one budget in a database, and are killed while they spend it.

python -m tests.crash.budgets --kills 200 [--postgres]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agentkit import Agent, OpenRouter
from agentkit.budget import BudgetState
from agentkit.emulator import Emulator, Fault, Reply, Say, Socket
from agentkit.images import MemoryImageStore
from agentkit.sessions import Sessions
from tests.clock import GUARD
from tests.postgres import running_server
from tests.processes import started

LIMIT_USD = 1.0
_READY = "ready"
_DONE = "limited"


def spend(url: str, base_url: str, name: str) -> None:
    """One process: its conversation goes on, a killed turn first, until nothing is left."""

    async def work() -> None:
        store = MemoryImageStore()
        async with (
            Sessions(url, store=store, wait=GUARD) as sessions,
            OpenRouter(api_key="sk-or-test-key", base_url=base_url) as client,
        ):
            team = sessions.budget("team", cost_usd=LIMIT_USD)
            agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, budget=team)
            chat = await asyncio.to_thread(agent.conversation, name, sessions=sessions)
            print(_READY)
            if chat.interrupted is not None:
                await chat.go_on()
            while (await chat.send("Go on")).status != "limited":
                pass
            print(_DONE)

    asyncio.run(work())


@dataclass(frozen=True, slots=True)
class Spent:
    """What came of it."""

    kills: int
    in_flight: int
    """How many processes there were at once."""
    requests: int
    """That the service has carried out, or begun to."""
    cost_usd: float
    """Of each, which is its known price."""
    state: BudgetState
    errors: tuple[str, ...]
    """What processes printed that were not killed, or before they were."""

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        billed, state = self.requests * self.cost_usd, self.state
        counted = state.spent_usd + state.uncertain_usd
        found = [f"a process: {each}" for each in self.errors]
        if billed > LIMIT_USD + self.in_flight * self.cost_usd + 1e-9:
            found.append(f"${billed:.4f} billed, of ${LIMIT_USD:g}")
        if counted < billed - 1e-9:
            found.append(f"${billed:.4f} billed, and ${counted:.4f} counted")
        if counted > billed + self.kills * self.cost_usd + 1e-9:
            found.append(f"${counted:.4f} counted for ${billed:.4f} and {self.kills} kills")
        if state.reserved_usd:
            found.append(f"${state.reserved_usd:.4f} still held")
        if (state.remaining_usd or 0.0) > self.cost_usd:
            found.append(f"${state.remaining_usd:.4f} not spent")
        return found

    def __str__(self) -> str:
        state = self.state
        return (
            f"{self.kills} kills of {self.in_flight} processes: {self.requests} requests, "
            f"${self.requests * self.cost_usd:.4f} billed; spent ${state.spent_usd:.4f}, "
            f"uncertain ${state.uncertain_usd:.4f} ({state.uncertain_requests} requests), "
            f"held ${state.reserved_usd:.4f}, of ${LIMIT_USD:g}"
        )


class _Place:
    """One process after another, for one conversation."""

    def __init__(self, number: int, url: str, base_url: str, folder: Path) -> None:
        self._arguments = (url, base_url, f"user {number}")
        self._folder = folder / str(number)
        self._folder.mkdir()
        self._count = 0
        self.errors: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin a process."""
        self._count += 1
        self._now = self._folder / str(self._count)
        self._now.mkdir()
        self._process = started(spend, *self._arguments, folder=self._now)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self.join()

    def join(self, seconds: float = GUARD) -> None:
        """Wait for its end."""
        self._process.join(seconds)
        if self._process.is_alive():
            self.errors.append("it hangs")
            self._process.kill()
            self._process.join()
        code, told = self._process.exitcode, self._text("stderr").strip()
        if told or code not in (0, -signal.SIGKILL):
            self.errors.append(told or f"its exit code is {code}")
        self._process.close()

    def has_begun(self) -> bool:
        """Whether it spends, or has ended."""
        return _READY in self._text("stdout") or not self._process.is_alive()

    def is_done(self) -> bool:
        """Whether it has spent all that was left."""
        return _DONE in self._text("stdout")

    def _text(self, name: str) -> str:
        file = self._now / name
        return file.read_text("utf-8") if file.exists() else ""


def spent(url: str, kills: int, seed: int, *, processes: int = 8) -> Spent:
    """What comes of a budget that so many processes spend, killed so many times in all."""
    rng, cost = random.Random(seed), LIMIT_USD / max(8 * kills, 8 * processes)
    with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
        emulator.play([Reply([Say("On and on.")], usage={"cost": cost})] * (20 * kills + 400))
        # Slow enough that a kill hits a reply now and then.
        emulator.faults.add(Fault(socket=Socket("slice", size=400, pause=0.01)))
        asyncio.run(_first(url, emulator.base_url))
        places = [
            _Place(number, url, emulator.base_url, Path(folder)) for number in range(processes)
        ]
        done = 0
        while done < kills:
            place = rng.choice(places)
            until = time.monotonic() + GUARD
            while not place.has_begun() and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.3))
            if all(each.is_done() for each in places):
                break  # a slow machine: nothing is left to kill for
            place.kill()
            done += 1
            place.start()
        for place in places:  # what is left is spent, which takes its time
            place.join(GUARD + 10.0 * kills)
        errors = [each for place in places for each in place.errors]
        state = asyncio.run(_state(url))
        return Spent(done, processes, len(emulator.posts), cost, state, tuple(errors))


async def _first(url: str, base_url: str) -> None:
    """One request, after which its price is known to all."""
    store = MemoryImageStore()
    async with (
        Sessions(url, store=store) as sessions,
        OpenRouter(api_key="sk-or-test-key", base_url=base_url) as client,
    ):
        team = sessions.budget("team", cost_usd=LIMIT_USD)
        agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, budget=team)
        await agent.run("Begin")


async def _state(url: str) -> BudgetState:
    async with Sessions(url) as sessions:
        return await sessions.budget("team", cost_usd=LIMIT_USD).state()


def main() -> int:
    """Print what was found. The exit code says whether it is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.budgets", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    parser.add_argument("--processes", type=int, default=8, help="at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--postgres", action="store_true", help="not SQLite, but a server")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/chats.db"
        if given.postgres:
            server, name = running_server(), f"kills_{secrets.token_hex(6)}"
            server.execute(f"CREATE DATABASE {name}")
            url = server.url(name)
        began = time.monotonic()
        found = spent(url, given.kills, given.seed, processes=given.processes)
    print(f"{found}, in {time.monotonic() - began:.0f} s")
    for each in found.faults:
        print(f"FAULT {each}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
