"""Plays a script: one conversation for each API, each turn streamed, watched and checked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentkit.agent import Agent
from agentkit.answer import Answer, run_of
from agentkit.conversation import Conversation
from agentkit.demo.expect import problems
from agentkit.demo.script import Script, Turn
from agentkit.demo.tools import Toolbox
from agentkit.errors import AgentkitError
from agentkit.events import Event, TextDelta
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.values import Api, Image, Usage


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """One turn that was played."""

    number: int
    """From 1."""
    say: str
    answer: Answer | None
    """After an error: what had arrived until then. None: nothing."""
    problems: tuple[str, ...]
    """Expectations that were not met."""
    error: str | None
    seconds: float
    first_word: float | None
    """Seconds until the first words came. None: no words came."""
    model: str = ""
    """The model that answered."""

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was not as expected, and the error, in words."""
        return self.problems if self.error is None else (*self.problems, self.error)

    @property
    def is_good(self) -> bool:
        return not self.complaints


@dataclass(frozen=True, slots=True)
class Played:
    """One conversation that was played."""

    api: Api
    turns: tuple[PlayedTurn, ...]
    planned: int
    """How many turns the script has. After an error fewer were played."""
    images: Mapping[str, Image]
    started_at: float
    """Unix time in seconds."""
    seconds: float

    @property
    def usage(self) -> Usage:
        return Usage.total(turn.answer.usage for turn in self.turns if turn.answer is not None)

    @property
    def is_good(self) -> bool:
        return len(self.turns) == self.planned and all(turn.is_good for turn in self.turns)

    @property
    def failed(self) -> tuple[str, ...]:
        """What was not as expected, a line each: `chat, turn 3: expected 2 images, came 1`."""
        lines: list[str] = []
        for turn in self.turns:
            lines += [f"{self.api}, turn {turn.number}: {why}" for why in turn.complaints]
        missing = self.planned - len(self.turns)
        if missing:
            lines.append(f"{self.api}: {missing} turns were not played")
        return tuple(lines)


class Watcher(Protocol):
    """Is told what happens while a script is played."""

    def conversation_started(self, script: Script, api: Api) -> None: ...
    def turn_started(self, number: int, turn: Turn) -> None: ...
    def event(self, event: Event) -> None: ...
    def turn_finished(self, turn: PlayedTurn) -> None: ...
    def conversation_finished(self, played: Played) -> None: ...


async def play(
    script: Script,
    api: Api,
    tools: Toolbox,
    watcher: Watcher,
    *,
    client: OpenRouter,
    store: ImageStore,
) -> Played:
    """Play a script through one API.

    An error of a run ends the conversation; the result holds it. Raises `UsageError` where no
    agent can be made from the script.
    """
    agents = [
        _agent(script, number, api, tools, client, store)
        for number in range(1, len(script.turns) + 1)
    ]
    chat = agents[0].conversation()
    watcher.conversation_started(script, api)
    started_at, started = time.time(), time.perf_counter()
    turns: list[PlayedTurn] = []
    for number, (turn, agent) in enumerate(zip(script.turns, agents, strict=True), 1):
        chat.agent, chat.model = agent, agent.model
        watcher.turn_started(number, turn)
        turns.append(await _play_turn(chat, number, turn, watcher))
        watcher.turn_finished(turns[-1])
        if turns[-1].error is not None:
            break
    seconds = time.perf_counter() - started
    played = Played(api, tuple(turns), len(script.turns), _images(chat, turns), started_at, seconds)
    watcher.conversation_finished(played)
    return played


def _agent(
    script: Script, number: int, api: Api, tools: Toolbox, client: OpenRouter, store: ImageStore
) -> Agent[Any]:
    """The agent that answers this turn."""
    turn = script.turns[number - 1]
    return Agent(
        script.model_of(turn),
        instructions=script.instructions,
        tools=tools.tools(number, client, store),
        api=api,
        settings=script.settings_of(turn),
        limits=script.limits,
        client=client,
        store=store,
    )


async def _play_turn(chat: Conversation, number: int, turn: Turn, watcher: Watcher) -> PlayedTurn:
    started = time.perf_counter()
    first_word: float | None = None
    answer: Answer | None = None
    error: str | None = None
    unmet: tuple[str, ...] = ()
    chat.drop()  # calls of an earlier turn that wait for a decision: a script makes none
    stream = chat.stream(turn.say)
    try:
        async with stream:
            async for event in stream:
                if first_word is None and isinstance(event, TextDelta):
                    first_word = time.perf_counter() - started
                watcher.event(event)
        answer = stream.answer
        unmet = problems(turn.expect, answer)
    except AgentkitError as failure:
        error = f"{type(failure).__name__}: {failure}"
        stopped = run_of(failure)
        answer = None if stopped is None else Answer.of(stopped)
    seconds = time.perf_counter() - started
    return PlayedTurn(number, turn.say, answer, unmet, error, seconds, first_word, model=chat.model)


def _images(chat: Conversation, turns: Sequence[PlayedTurn]) -> Mapping[str, Image]:
    """The conversation's pictures, and those of a turn that an error ended."""
    images = dict(chat.images)
    for turn in turns:
        if turn.answer is not None:
            images |= {image.name: image for image in turn.answer.images}
    return images
