"""A turn of a script while it is played."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from agentkit.answer import Answer
from agentkit.budget import Budget
from agentkit.conversation import Conversation
from agentkit.demo.form import Came, Turn
from agentkit.demo.played import Decided, Watcher
from agentkit.events import Event, ImageReady, InvocationStarted, TextDelta
from agentkit.stream import AnswerStream
from agentkit.tools import Denied, Edited
from agentkit.values import Image


class GoingTurn:
    """A turn on its way: the stream of its events, again after each approval."""

    def __init__(self, turn: Turn, chat: Conversation, budget: Budget, watcher: Watcher) -> None:
        self._turn = turn
        self._chat = chat
        self._budget = budget
        self._watcher = watcher
        self._started = time.perf_counter()
        self._stream: AnswerStream[Any] | None = None
        self.first_word: float | None = None
        self.order: list[Came] = []
        """What came, neighbours of one kind as one."""
        self.decided: list[Decided] = []

    @property
    def seconds(self) -> float:
        """Since the turn began."""
        return time.perf_counter() - self._started

    async def take(self, prompt: Sequence[str | Image]) -> Answer:
        """The answer, once nothing waits for which the script has a verdict."""
        self._started = time.perf_counter()
        self._chat.drop()  # calls of an earlier turn for which the script had no verdict
        answer = await self._watch(self._chat.stream(prompt, budget=self._budget))
        while verdicts := self._verdicts(answer):
            stream = self._chat.resume_stream(answer.run, approve=verdicts, budget=self._budget)
            answer = await self._watch(stream)
        return answer

    def so_far(self) -> Answer | None:
        """What had come of a turn that was cancelled."""
        run = None if self._stream is None else self._stream.run
        return None if run is None else Answer.of(run)

    async def _watch(self, stream: AnswerStream[Any]) -> Answer:
        self._stream = stream
        async with stream:
            async for event in stream:
                self._note(event)
                self._watcher.event(event)
        return stream.answer

    def _note(self, event: Event) -> None:
        kind: Came
        match event:
            case TextDelta():
                kind = "text"
                if self.first_word is None:
                    self.first_word = self.seconds
            case ImageReady():
                kind = "image"
            case InvocationStarted():
                kind = "tool"
            case _:
                return
        if self.order[-1:] != [kind]:
            self.order.append(kind)

    def _verdicts(self, answer: Answer) -> dict[str, bool | Denied | Edited]:
        """What the script says to the calls that wait, by id."""
        found: dict[str, bool | Denied | Edited] = {}
        for call in answer.pending:
            verdict = self._turn.approve.get(call.name)
            if verdict is None or call.executor != "client" or call.question is not None:
                continue
            self.decided.append(Decided(call, verdict))
            if verdict.edit is not None:
                found[call.id] = Edited(verdict.edit)
            elif verdict.approved:
                found[call.id] = True
            else:
                found[call.id] = Denied(verdict.reason) if verdict.reason else False
        return found
