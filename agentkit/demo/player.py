"""Plays a script: one conversation for each API, each turn streamed, watched and checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentkit.agent import Agent
from agentkit.answer import Answer, run_of
from agentkit.budget import Budget
from agentkit.conversation import Conversation
from agentkit.demo.checks import Check
from agentkit.demo.expect import Circumstances, checks
from agentkit.demo.form import LAST_IMAGE
from agentkit.demo.going_turn import GoingTurn
from agentkit.demo.played import INTERRUPTED, Played, PlayedTurn, Watcher
from agentkit.demo.replies import ScriptedReply, emulated
from agentkit.demo.script import Script, Turn
from agentkit.demo.tools import Toolbox
from agentkit.errors import AgentkitError, UsageError
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.settings import Limits
from agentkit.values import Api, Image

if TYPE_CHECKING:
    from agentkit.emulator import Emulator


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What a play may be given beside the script."""

    model: str = ""
    """In place of the script's model; turns that name one keep it."""
    number: int = 1
    """Which of the repeated plays this is."""
    emulator: Emulator | None = None
    """Answers what the script's `replies` say. None: `replies` are not used."""
    is_replayed: bool = False
    """Whether a cassette answers, whose pictures are flat."""
    on_stop: Callable[[Played], None] | None = None
    """Is given what came where the play is cancelled."""


async def play(
    script: Script,
    api: Api,
    tools: Toolbox,
    watcher: Watcher,
    *,
    client: OpenRouter,
    store: ImageStore,
    options: PlayOptions | None = None,
) -> Played:
    """Play a script through one API.

    An error of a run ends the conversation; the result holds it. Raises `UsageError` where no
    agent can be made from the script.
    """
    options = options or PlayOptions()
    agents = [
        _agent(script, number, api, tools, client, store, options)
        for number in range(1, len(script.turns) + 1)
    ]
    chat = agents[0].conversation()
    budget = script.budget
    shared = Budget(budget.cost_usd, budget.images)
    playing = _Playing(script, tools, watcher, options, chat, shared)
    watcher.conversation_started(script, api)
    started_at, started = time.time(), time.perf_counter()
    _queue(options.emulator, script.replies, script)

    def played() -> Played:
        seconds = time.perf_counter() - started
        return playing.played(api, options.model or agents[0].model, started_at, seconds)

    try:
        for number, agent in enumerate(agents, 1):
            chat.agent, chat.model = agent, agent.model
            chat.api = script.turns[number - 1].api or api
            await playing.turn(number)
            if playing.turns[-1].error is not None:
                break
    except asyncio.CancelledError:
        if options.on_stop is not None:
            options.on_stop(played())
        raise
    whole = played()
    watcher.conversation_finished(whole)
    return whole


def _agent(
    script: Script,
    number: int,
    api: Api,
    tools: Toolbox,
    client: OpenRouter,
    store: ImageStore,
    options: PlayOptions,
) -> Agent[Any]:
    """The agent that answers this turn."""
    turn, base = script.turns[number - 1], tools.agent
    settings, limits = script.settings_of(turn), script.limits
    if base is None:
        return Agent(
            turn.model or options.model or script.model,
            instructions=script.instructions,
            tools=tools.tools(number, client, store),
            api=api,
            settings=settings,
            limits=limits,
            client=client,
            store=store,
        )
    return Agent(
        turn.model or options.model or script.model or base.model,
        instructions=script.instructions or base.instructions,
        tools=tools.tools(number, client, store),
        api=api,
        settings=base.settings.merged(settings),
        limits=base.limits if limits == Limits() else limits,
        budget=base.budget,
        history=base.history,
        output=None if base.output is None else base.output.kind,
        client=client,
        store=store,
        fetch=base.fetch,
        hooks=base.hooks,
        scale=base.scale,
        name=base.name,
    )


def _queue(emulator: Emulator | None, replies: Sequence[ScriptedReply], script: Script) -> None:
    """Let the emulator's model answer these next."""
    if emulator is not None and replies:
        emulator.play(*(emulated(each, script.folder) for each in replies))


@dataclass(slots=True)
class _Playing:
    """A conversation that is being played."""

    script: Script
    tools: Toolbox
    watcher: Watcher
    options: PlayOptions
    chat: Conversation
    budget: Budget
    turns: list[PlayedTurn] = field(default_factory=list[PlayedTurn])

    def played(self, api: Api, model: str, started_at: float, seconds: float) -> Played:
        """What has come so far."""
        planned, images = len(self.script.turns), _images(self.chat, self.turns)
        number = self.options.number
        return Played(api, tuple(self.turns), planned, images, started_at, seconds, model, number)

    async def turn(self, number: int) -> None:
        """Play one turn, and add it to the turns; also where it fails or is cancelled."""
        turn = self.script.turns[number - 1]
        self.watcher.turn_started(number, turn)
        going = GoingTurn(turn, self.chat, self.budget, self.watcher)
        before = dict(self.chat.images)
        try:
            if turn.wait:
                await asyncio.sleep(turn.wait)
            _queue(self.options.emulator, turn.replies, self.script)
            attached = self._attached(number, turn, before)
            answer = await going.take([turn.say, *attached])
            self._add(number, going, self._checks(number, turn, going, answer, before), answer)
        except (AgentkitError, OSError) as failure:
            stopped = run_of(failure)
            answer = None if stopped is None else Answer.of(stopped)
            self._add(number, going, (), answer, f"{type(failure).__name__}: {failure}")
        except asyncio.CancelledError:
            self._add(number, going, (), going.so_far(), INTERRUPTED)
            raise

    def _attached(self, number: int, turn: Turn, before: Mapping[str, Image]) -> list[Image]:
        """The pictures that the user sends. Raises `UsageError` for a handle that is not there."""
        found = list(self.tools.attached.get(number, ()))
        for name in turn.refs:
            image = _named(name, before)
            if image is None:
                raise UsageError(
                    f"turns[{number - 1}].refs: there is no picture {name}, "
                    f"there are: {', '.join(before) or 'none'}"
                )
            found.append(image)
        return found

    def _checks(
        self,
        number: int,
        turn: Turn,
        going: GoingTurn,
        answer: Answer,
        before: Mapping[str, Image],
    ) -> tuple[Check, ...]:
        others = {**before, **self.tools.compared}
        if (last := _named(LAST_IMAGE, before)) is not None:
            others[LAST_IMAGE] = last
        is_last = number == len(self.script.turns)
        known = Circumstances(
            going.seconds,
            tuple(going.order),
            others,
            [each.call.name for each in going.decided],
            self._replies_left(turn, is_last=is_last),
            self.options.is_replayed,
        )
        expect = turn.expect
        if LAST_IMAGE in expect.parents and LAST_IMAGE in others:
            names = [others[name].name if name == LAST_IMAGE else name for name in expect.parents]
            expect = expect.model_copy(update={"parents": names})
        return checks(expect, answer, known, turn.approve)

    def _replies_left(self, turn: Turn, *, is_last: bool) -> int:
        """The replies that were to be asked for until now, and were not."""
        emulator = self.options.emulator
        if emulator is None or not (turn.replies or (is_last and self.script.replies)):
            return 0
        return len(emulator.unplayed)

    def _add(
        self,
        number: int,
        going: GoingTurn,
        made: tuple[Check, ...],
        answer: Answer | None,
        error: str | None = None,
    ) -> None:
        turn = self.script.turns[number - 1]
        sent = () if answer is None else _prompt_images(answer)
        played = PlayedTurn(
            number,
            turn.say,
            answer,
            tuple(check.line for check in made if check.is_unmet),
            error,
            going.seconds,
            going.first_word,
            self.chat.model,
            made,
            sent,
            tuple(going.decided),
        )
        self.turns.append(played)
        self.watcher.turn_finished(played)


def _prompt_images(answer: Answer) -> tuple[Image, ...]:
    """The pictures of the prompt, under the handles that they have now."""
    known = {image.sha256: image for image in answer.run.images}
    sent = answer.messages[0].images if answer.messages else ()
    return tuple(known.get(image.sha256, image) for image in sent)


def _named(name: str, images: Mapping[str, Image]) -> Image | None:
    """A picture by its handle, or the newest one."""
    if name == LAST_IMAGE:
        return list(images.values())[-1] if images else None
    return images.get(name)


def _images(chat: Conversation, turns: Sequence[PlayedTurn]) -> Mapping[str, Image]:
    """The conversation's pictures, and those of a turn that an error ended."""
    images = dict(chat.images)
    for turn in turns:
        if turn.answer is not None:
            images |= {image.name: image for image in turn.answer.images}
    return images
