"""What a server asks a person in the middle of a call, where the run pauses for the answer.

On connections of 2026-07-28 a call that needs answers returns, and is made again with them: what
the server wants back (`request_state`) waits in the run. On older connections the call stays open
while its client is asked, which no pause can outlive. So the server is told that nobody answered
(`cancel`), its call ends, and with an answer the call is made once more from its beginning. Whoever
answers is told so, and how the first call ended; a no makes no second call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agentkit._log import logger
from agentkit.integrations.mcp.received import words_of
from agentkit.show.plain import terminal
from agentkit.tools.asking import Answers, NeedsAnswer
from agentkit.tools.form import NoForm, fields_of
from agentkit.values import Given, Question

END_SECONDS = 10.0
"""How long a call may take to end whose question was not answered."""
_LONGEST = 4000
"""Characters of a question."""
_LONGEST_END = 2000
"""Characters of what an ended call gave that a person and the model are told."""
_ANEW = (
    "If it has forgotten by then what it asked for, an answer makes its call once more, from its "
    "beginning."
)
_MOST_STATE = 1 << 20
"""Characters of what a server wants back."""


def is_modern(version: str) -> bool:
    """Whether a call that needs answers returns on connections of this version."""
    return version in MODERN_PROTOCOL_VERSIONS


def question_of(params: object, server: str) -> Question | None:
    """What a server asks; None for a page that it wants opened, and for what is no form."""
    if not isinstance(params, ElicitRequestFormParams):
        return None
    schema = cast("Mapping[str, Any]", params.requested_schema)
    try:
        fields_of(schema)
    except NoForm as error:
        logger().warning("mcp_question_declined", server=server, reason=str(error))
        return None
    note = f"The MCP server {server} asks this."
    return Question(terminal(params.message)[:_LONGEST], dict(schema), note)


def response_to(given: Given) -> ElicitResult:
    """A person's answer, as a server is told."""
    if given.answer is None:
        return ElicitResult(action="decline")
    return ElicitResult(action="accept", content=dict(given.answer))


class Returned:
    """A call that returned because it needs answers, and is made again with them."""

    def __init__(
        self, server: str, answers: Answers, state: str | None, asked: dict[str, Any], known: int
    ) -> None:
        self._server = server
        self._answers = answers
        self.state = state
        """What the server wants back."""
        self._asked = asked
        self._known = known
        """How many answers were to what it asked before this: the same may be asked twice."""

    @classmethod
    def by(cls, result: InputRequiredResult, server: str, answers: Answers) -> Returned:
        """The call that has just returned."""
        requests = result.input_requests or {}
        asked = {
            name: each.model_dump(mode="json", by_alias=True, exclude_none=True)
            for name, each in requests.items()
        }
        return cls(server, answers, result.request_state, asked, answers.taken)

    @classmethod
    def before(cls, server: str, answers: Answers) -> Returned | None:
        """The call that returned before the run paused."""
        found = _mapping(answers.state)
        if "asked" not in found:
            return None
        answers.forget(int(found["known"]))
        state, asked = found["state"], cast("dict[str, Any]", found["asked"])
        return cls(server, answers, state, asked, int(found["known"]))

    @property
    def is_empty(self) -> bool:
        """Whether the server asks nothing: it only wants to be asked again."""
        return not self._asked

    @property
    def is_too_long(self) -> bool:
        """Whether what it wants back is more than a run keeps."""
        return len(self.state or "") > _MOST_STATE

    def responses(self) -> InputResponses:
        """The answers to all that it asks. Raises `NeedsAnswer` for the first that is missing, and
        `ValueError` for what is no question.
        """
        found: InputResponses = {}
        for name, each in self._asked.items():
            if each.get("method") != "elicitation/create":
                raise ValueError(str(each.get("method")))
            request = ElicitRequest.model_validate(each)
            question = question_of(request.params, self._server)
            if question is None:
                found[name] = ElicitResult(action="decline")
                continue
            given = self._answers.take(question)
            if given is None:
                kept = {"state": self.state, "asked": self._asked, "known": self._known}
                asks = Question(question.message, question.schema, f"{question.note} {_ANEW}")
                raise NeedsAnswer(asks, kept)
            found[name] = response_to(given)
        return found


class OpenCall:
    """A call that stays open while its server asks."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.question: Question | None = None
        """What was asked and not answered."""
        self.was_asked = asyncio.Event()

    async def ended(self, coming: asyncio.Task[CallToolResult]) -> CallToolResult:
        """The result. Raises `NeedsAnswer` once the call has ended that asked in vain."""
        asked = asyncio.create_task(self.was_asked.wait())
        try:
            await asyncio.wait([coming, asked], return_when=asyncio.FIRST_COMPLETED)
            if self.question is None:
                return await coming
            await asyncio.wait([coming], timeout=END_SECONDS)
            words = _end_of(coming)
        finally:
            asked.cancel()
            coming.cancel()
            await asyncio.wait([coming, asked])
        note = (
            f"{self.question.note} It was told that nobody answered, and its call ended: {words}. "
            "An answer makes the call once more, from its beginning; a no leaves it so."
        )
        asks = Question(self.question.message, self.question.schema, note)
        raise NeedsAnswer(asks, {"ended": words})


def left_as_it_ended(answers: Answers) -> CallToolResult | None:
    """What a call gave that had asked in vain, once a person has declined: it is not made again."""
    state = _mapping(answers.state)
    is_declined = bool(answers.given) and answers.given[-1].answer is None
    if not is_declined or "ended" not in state:
        return None
    text = f"the user declined to answer; the call ended: {state['ended']}"
    return CallToolResult(content=[TextContent(type="text", text=text)])


def _end_of(coming: asyncio.Task[CallToolResult]) -> str:
    """How a call ended, in words."""
    if not coming.done() or coming.cancelled():
        return "it did not end by itself, and was stopped"
    error = coming.exception()
    if error is not None:
        return terminal(str(error))[:_LONGEST_END]
    return terminal(words_of(coming.result()))[:_LONGEST_END]


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


class OpenCalls:
    """The open calls of one connection. A question does not say which call it belongs to, so it
    waits until that is clear: each call that is open and has not asked has a question that waits.
    """

    def __init__(self) -> None:
        self._open: list[OpenCall] = []
        self._alone: OpenCall | None = None
        self._questions = 0
        self._lost = 0
        """How many calls were given up. Nobody knows whose the questions are that waited then."""
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def call(self, answers: Answers) -> AsyncGenerator[OpenCall]:
        """A call, for as long as it is open. One that has answers is open alone, so that no other
        call's question gets them.
        """
        one = OpenCall(answers)
        has_answers = bool(answers.given)
        await self._until(lambda: self._alone is None and not (has_answers and self._open))
        self._open.append(one)
        self._alone = one if has_answers else None
        try:
            yield one
        except NeedsAnswer:
            raise
        except BaseException:
            self._lost += 1
            raise
        finally:
            self._open.remove(one)
            self._alone = None if self._alone is one else self._alone
            self._tell()

    async def answer(self, question: Question | None) -> ElicitResult:
        """What the server is told that asks this."""
        if question is None:
            return ElicitResult(action="decline")
        lost = self._lost
        self._questions += 1
        try:
            await self._until(lambda: self._lost != lost or len(self._silent()) <= self._questions)
            silent = self._silent()
        finally:
            self._questions -= 1
        if self._lost != lost or not silent:
            return ElicitResult(action="cancel")
        given = silent[0].answers.take(question)
        if given is not None:
            return response_to(given)
        silent[0].question = question
        silent[0].was_asked.set()
        self._tell()
        return ElicitResult(action="cancel")

    def _silent(self) -> list[OpenCall]:
        return [each for each in self._open if each.question is None]

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self._changed.wait()

    def _tell(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()
