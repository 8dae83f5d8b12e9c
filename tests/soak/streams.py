"""What a user does all day: turns of conversations, some of them cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from agentkit import Agent
from agentkit.errors import AgentkitError
from agentkit.events import ImageReady
from agentkit.sessions import Sessions

CANCELLED = 0.1
"""The share of turns that are cancelled."""
TURNS = 4
"""Turns of a conversation, at most; then it is deleted and another one begins."""
PROMPTS = (
    "Draw fox {} in the snow.",
    "Say something kind about the number {}.",
    "Draw house {} by the sea.",
    "Tell me about Oslo, in three sentences.",
)
_LONGEST = 8
"""Events after which a turn that is to be cancelled is, at most."""


@dataclass
class Tally:
    """What came of all turns."""

    counts: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])

    def err(self, error: BaseException) -> None:
        self.errors[f"{type(error).__name__}: {error}"[:300]] += 1


class User:
    """One user, who takes one turn after the other until the time is over."""

    def __init__(
        self, name: str, seed: int, agent: Agent[Any], sessions: Sessions, tally: Tally
    ) -> None:
        self._name, self._random = name, Random(f"{seed}-{name}")
        self._agent, self._sessions, self._tally = agent, sessions, tally
        self._kept = self._unsure = 0
        """Turns of the conversation that were kept, and that may have been."""

    async def live(self, until: float) -> None:
        """Take turns until the loop's clock says `until`."""
        clock = asyncio.get_running_loop().time
        for chat in count():
            if clock() >= until:
                return
            name = f"{self._name}, chat {chat}"
            self._kept = self._unsure = 0
            for _ in range(self._random.randint(1, TURNS)):
                if clock() < until:
                    await self._turn(name)
            await self._delete(name)

    async def _turn(self, name: str) -> None:
        """One turn, in a conversation that is taken up anew: as a bot does."""
        task = asyncio.create_task(self._streamed(name))
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            self._unsure += 1  # it may have ended before it was cancelled
            self._tally.counts["turns cancelled"] += 1
        except AgentkitError as error:
            self._unsure += 1
            self._tally.err(error)
        else:
            self._kept += 1
            self._tally.counts["turns"] += 1

    async def _streamed(self, name: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        prompt = self._random.choice(PROMPTS).format(self._random.randrange(1000))
        after = self._random.randrange(_LONGEST) if self._random.random() < CANCELLED else None
        async with self._sessions.conversation(name, self._agent, wait=60) as chat:
            self._check(sum(message.role == "user" for message in chat.messages))
            async with chat.stream(prompt) as stream:
                seen = 0
                async for event in stream:
                    if isinstance(event, ImageReady):
                        self._tally.counts["pictures"] += 1
                    if seen == after:
                        task.cancel()
                    seen += 1

    def _check(self, turns: int) -> None:
        """No turn is lost, and none is there twice."""
        if not self._kept <= turns <= self._kept + self._unsure:
            self._tally.errors[f"{turns} turns of {self._kept} and {self._unsure} cancelled"] += 1
        self._kept, self._unsure = turns, 0

    async def _delete(self, name: str) -> None:
        self._tally.counts["conversations"] += 1
        try:
            await self._sessions.delete(name, purge=True)
        except AgentkitError as error:
            self._tally.err(error)
