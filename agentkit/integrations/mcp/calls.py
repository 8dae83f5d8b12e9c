"""Calls of an agent's tool over MCP: a turn, its progress, and the questions of one that waits."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, InputRequest, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agentkit._redact import redacted
from agentkit.answer import Answer
from agentkit.errors import AgentkitError, RunError, UsageError
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    TextDelta,
)
from agentkit.integrations.chats import Tell, watched
from agentkit.integrations.mcp.previews import preview_of
from agentkit.integrations.mcp.questions import Decided, Question, decided, questions_of
from agentkit.integrations.mcp.results import failed, result_of, shown_images
from agentkit.integrations.portable import Portable, PortableReply, checked_arguments
from agentkit.run import Run
from agentkit.show.plain import line

Request = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Held:
    """A turn that waits until the client comes back with its user's answers."""

    conversation: str
    run: Run
    questions: tuple[Question, ...]


class Calls:
    """The calls of one server."""

    def __init__(self, tool: Portable, preview: int, patience: float) -> None:
        self._tool = tool
        self._preview = preview
        self._patience = patience
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """By the key that the client gives back, once."""

    async def call(
        self, context: Request, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """The result of a call. Errors of the agent are results that say so."""
        tell = _progress(context)
        try:
            reply = await self._begun(params, tell)
            while questions := questions_of(reply.answer):
                if not _can_ask(context):
                    break
                if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
                    return self._hold(reply, questions)
                said = await self._asked(context, questions)
                if said is None:
                    break
                reply = await self._gone_on(reply.conversation, reply.answer.run, said, tell)
            return await self._result(reply)
        except _Broken as broken:
            return await self._result(broken.reply, str(broken))
        except AgentkitError as error:
            return failed(str(error))

    async def _begun(self, params: CallToolRequestParams, tell: Tell) -> PortableReply:
        """The turn that these parameters begin, or go on with."""
        if params.request_state is None:
            prompt, images, conversation = checked_arguments(params.arguments or {})
            name, chat, parts = await self._tool.prepared(prompt, images, conversation)
            return await self._kept(name, self._replied(name, chat.stream(parts), tell))
        held = self._held.pop(params.request_state, None)
        if held is None:
            raise UsageError(
                "this question was answered before, or is too old; call the tool again"
            )
        given = params.input_responses or {}
        keyed = _keyed(held.questions)
        said = decided((question, given.get(key)) for key, question in keyed.items())
        return await self._gone_on(held.conversation, held.run, said, tell)

    async def _gone_on(
        self, conversation: str, run: Run, said: Decided, tell: Tell
    ) -> PortableReply:
        chat = self._tool.chats.waiting(conversation, run)
        stream = chat.resume_stream(run, approve=said.approve, answers=said.answers)
        return await self._kept(conversation, self._replied(conversation, stream, tell))

    async def _replied(self, conversation: str, stream: Any, tell: Tell) -> PortableReply:
        answer = await watched(stream, tell, self._tool.chats, conversation)
        return PortableReply(answer.shown, answer, conversation)

    async def _kept(self, conversation: str, coming: Awaitable[PortableReply]) -> PortableReply:
        """The reply. One of a run that broke off has what had arrived."""
        try:
            return await coming
        except RunError as error:
            if not isinstance(error.run, Run):
                raise
            answer: Answer[Any] = Answer.of(error.run)
            reply = PortableReply(answer.shown, answer, conversation)
            raise _Broken(redacted(str(error)), reply) from error

    def _hold(self, reply: PortableReply, questions: list[Question]) -> InputRequiredResult:
        """Ask the client to come back with its user's answers."""
        key = secrets.token_urlsafe(24)
        self._held[key] = _Held(reply.conversation, reply.answer.run, tuple(questions))
        while len(self._held) > 1000:
            self._held.popitem(last=False)
        requests: dict[str, InputRequest] = {
            name: each.request for name, each in _keyed(questions).items()
        }
        return InputRequiredResult(input_requests=requests, request_state=key)

    async def _asked(self, context: Request, questions: list[Question]) -> Decided | None:
        """What the client's user says to each call; None where nobody answers in time."""
        said: list[tuple[Question, object]] = []
        try:
            async with asyncio.timeout(self._patience):
                for question in questions:
                    answer = await context.session.elicit_form(
                        question.words, question.form, related_request_id=context.request_id
                    )
                    said.append((question, answer))
        except (TimeoutError, MCPError, ValueError):
            # Nobody answered, or the client cannot ask after all, or what it sent is no answer.
            return None
        return decided(said)

    async def _result(self, reply: PortableReply, error: str = "") -> CallToolResult:
        previews = {
            image.sha256: await asyncio.to_thread(preview_of, image, self._preview)
            for image in shown_images(reply.answer)
        }
        return result_of(reply, previews, error=error)


class _Broken(Exception):
    """A run broke off; what had arrived is its reply."""

    def __init__(self, words: str, reply: PortableReply) -> None:
        super().__init__(words)
        self.reply = reply


def _keyed(questions: list[Question] | tuple[Question, ...]) -> dict[str, Question]:
    """The questions under plain names: the ids of calls are a provider's."""
    return {f"call_{number}": each for number, each in enumerate(questions, 1)}


def _can_ask(context: Request) -> bool:
    """Whether the client says that it asks its user questions with a form."""
    found = context.session.client_capabilities
    if found is None or found.elicitation is None:
        return False
    return found.elicitation.form is not None or found.elicitation.url is None


def _progress(context: Request) -> Callable[[Event], Awaitable[None]]:
    """Tells the client what a turn does. One that did not ask for progress hears nothing."""
    told = 0

    async def tell(event: Event) -> None:
        nonlocal told
        words = _told(event)
        if words:
            told += 1
            await context.session.report_progress(told, None, words[:500])

    return tell


def _told(event: Event) -> str:
    """An event in a few words; nothing for one that is not told."""
    match event:
        case InvocationStarted(invocation=call):
            return f"calls {line(call.name)}"
        case InvocationProgress(event=TextDelta() | ReasoningDelta()):
            return ""
        case InvocationProgress(invocation=call, message=message):
            return f"{line(call.name)}: {line(message)}"
        case ImagePreview():
            return "a first look at a picture"
        case ImageReady(image=image):
            return f"{image.name} is drawn"
        case ImageFailed(failure=failure):
            return f"a picture could not be had: {line(failure.reason)}"
        case _:
            return ""
