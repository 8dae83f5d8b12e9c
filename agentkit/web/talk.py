"""How a turn begins: with a new message, with one that is sent again, with what was decided about
calls that wait, or where an interrupted one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.budget import Budget
from agentkit.errors import ConversationBusy, UsageError
from agentkit.run import Run
from agentkit.sessions import SavedConversation, SavedRun
from agentkit.stream import Turn
from agentkit.tools import BadArguments, Denied, Edited
from agentkit.tools.asking import answer_to
from agentkit.values import File, Image, Text
from agentkit.web import handed
from agentkit.web.addresses import file_digest_of
from agentkit.web.asked import (
    AlreadyAnswered,
    Answers,
    Asked,
    FilePart,
    NewMessage,
    Resumption,
    Retry,
    resumption,
)
from agentkit.web.chats import Chats, busy, run_of_message, unknown_message
from agentkit.web.files import Files
from agentkit.web.handed import HandedTurn
from agentkit.web.options import WebOptions
from agentkit.web.pictures import Pictures
from agentkit.web.refusal import Refused
from agentkit.web.turns import Open, Opened

if TYPE_CHECKING:
    from agentkit.integrations.dbos import Durable

_NOBODY = "everybody"
"""For whom a queue with limits for each key counts the turns of a server without users."""
Prompt = Sequence[str | Image | File]
Means = tuple[Budget | None, Any]
"""What the turns of a user count against, and what their tools get."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Begins turns in the conversations of users. What it returns opens a conversation and begins
    a turn when it is called; it raises `Refused` then, and what a turn raises.
    """

    chats: Chats
    pictures: Pictures
    files: Files
    options: WebOptions

    def answering(self, chat: str, user: str | None, asked: Asked) -> Open:
        """What `POST api/chat` asks for."""

        async def open_turn() -> Opened:
            match asked.what:
                case NewMessage() as message:
                    return await self._said(chat, user, asked, message)
                case Retry(message_id=message_id):
                    return await self._again(chat, user, asked, message_id)
                case Answers() as answers:
                    return await self._decided(chat, user, answers)

        return open_turn

    def going_on(self, chat: str, user: str | None) -> Open:
        """What is left of the turn that was interrupted."""

        async def open_turn() -> Opened:
            opened = await self._known(chat, user)
            interrupted = opened.interrupted
            if interrupted is None:
                raise Refused(409, "No turn of this conversation was interrupted.")
            notes = await self._notes(interrupted.run)
            budget, deps = self._means(user)
            stream = opened.go_on_stream(deps=deps, budget=budget)
            return Opened(opened, Turn(stream), interrupted.run, notes)

        return open_turn

    async def elsewhere(self, chat: str, user: str | None) -> Open | None:
        """The turn that a worker takes, or will, in a conversation of this user's."""
        durable = self.options.durable
        found = None if durable is None else await handed.going_on(durable, chat)
        if durable is None or found is None or user not in {None, found.user}:
            return None
        run = found.id

        async def open_turn() -> Opened:
            return await _watched(durable, await self.chats.open(chat, user), run)

        return open_turn

    async def drop(self, chat: str, user: str | None) -> bool:
        """Give up the turn that was interrupted, or waits. False where there is none."""
        opened = await self._known(chat, user)
        if await self.give_up(chat):
            return True
        return await asyncio.to_thread(opened.drop) is not None

    async def give_up(self, chat: str) -> bool:
        """Cancel the run of a worker's that waits for a person in this conversation. False where
        there is none.
        """
        durable = self.options.durable
        found = None if durable is None else await handed.waiting(durable, chat)
        if durable is None or found is None:
            return False
        await durable.cancel(found.id)
        return True

    async def interrupted(self, chat: str, user: str | None) -> dict[str, Any]:
        """What is known of the turn that was interrupted, if it is one: another process may be at
        work on it.
        """
        found = (await self._known(chat, user)).interrupted
        if found is None:
            return {"status": "running", "interrupted": None}
        told = {
            "costUsd": found.cost_usd,
            "mayCostUsd": found.may_cost_usd,
            "inFlight": len(found.in_flight),
            "received": len(found.calls) - len(found.in_flight),
            "images": len(found.images),
            "payingTools": list(found.paying_tools),
        }
        return {"interrupted": told}

    async def _said(self, chat: str, user: str | None, asked: Asked, message: NewMessage) -> Opened:
        """A new message."""
        model, api = self.options.model(asked.model), asked.api
        prompt = [
            each if isinstance(each, str) else await self._brought(user, each)
            for each in message.parts
        ]
        await self._check_free(chat)
        opened = await self.chats.open(chat, user, model=model, api=api)
        _check_ready(opened)
        return await self._begun(opened, prompt, asked, user)

    async def _brought(self, user: str | None, part: FilePart) -> Image | File:
        """A picture or file of a message. What a `data:` URL has is a picture where it says so."""
        if part.url[:5].lower() == "data:":
            kind = (part.media_type or part.url[5:30]).lower()
            is_file = not kind.startswith("image/") or kind.startswith("image/svg")
        else:
            is_file = file_digest_of(part.url) is not None
        if is_file:
            return await self.files.file(user, part)
        return await self.pictures.image(user, part.url)

    async def _again(
        self, chat: str, user: str | None, asked: Asked, message_id: str | None
    ) -> Opened:
        """The prompt of a turn once more, in the place of that turn."""
        await self.chats.known(chat, user)
        model, api = self.options.model(asked.model), asked.api
        past = await self.chats.runs(chat)
        wanted = _to_retry(past, message_id)
        parts = wanted.run.messages[0].parts
        prompt = [each.text if isinstance(each, Text) else each for each in parts]
        self._means(user)  # what may fail comes before the turn is taken out
        await self._check_free(chat)
        await self.give_up(chat)
        await self.chats.rewind(chat, wanted.run.id)
        opened = await self.chats.open(chat, user, model=model, api=api)
        said = [each for each in prompt if isinstance(each, str | Image | File)]
        return await self._begun(opened, said, asked, user)

    async def _decided(self, chat: str, user: str | None, answers: Answers) -> Opened:
        """What a person decided about calls that wait."""
        opened = await self._known(chat, user)
        run = opened.waiting
        if run is None:
            raise Refused(409, "No call of this conversation waits: it was answered already.")
        try:
            decided = resumption(run, answers)
        except AlreadyAnswered as error:
            raise Refused(409, str(error)) from None
        _check_edits(opened, run, decided.approve)
        _check_answers(run, decided.answers)
        notes, (budget, deps) = await self._notes(run), self._means(user)
        durable = self.options.durable
        if durable is not None and await handed.is_known(durable, run.id):
            told = await _approved(durable, run, decided)
            turn = HandedTurn(durable, run, opened, after=told)
            return Opened(opened, turn, run, notes, decided.verdicts)
        stream = opened.resume_stream(
            run,
            approve=decided.approve,
            results=decided.results,
            outcomes=decided.outcomes,
            answers=decided.answers,
            deps=deps,
            budget=budget,
        )
        return Opened(opened, Turn(stream), run, notes, decided.verdicts)

    async def _begun(
        self, chat: SavedConversation[Any], prompt: Prompt, asked: Asked, user: str | None
    ) -> Opened:
        """A new turn, taken here or by a worker."""
        durable = self.options.durable
        if durable is None:
            budget, deps = self._means(user)
            return Opened(chat, chat.start(prompt, deps=deps, budget=budget))
        model, api = self.options.model(asked.model), asked.api
        try:
            run = await durable.start(
                prompt,
                agent=self.options.agent.name,
                conversation=chat.id,
                user=user,
                key=(user or _NOBODY) if durable.queue.has_keys else None,
                model=model,
                api=api,
                alone=True,
            )
        except ConversationBusy:
            raise busy() from None
        return await _watched(durable, chat, run.id)

    async def _check_free(self, chat: str) -> None:
        """Raise `Refused` while a worker takes a turn of the conversation."""
        durable = self.options.durable
        if durable is not None and await handed.going_on(durable, chat) is not None:
            raise busy()

    async def _notes(self, run: Run) -> str:
        return (await self.chats.notes([run])).get(run.id, "")

    def _means(self, user: str | None) -> Means:
        return self.options.budget(user), self.options.deps(user)

    async def _known(self, chat: str, user: str | None) -> SavedConversation[Any]:
        await self.chats.known(chat, user)
        return await self.chats.open(chat, user)


async def _watched(durable: Durable, chat: SavedConversation[Any], run: str) -> Opened:
    """A turn that a worker takes, from its start on."""
    found = await durable.read(run)
    if not found.model:  # it has not begun, and nobody here knows its agent
        found = found.replace(model=chat.model)
    return Opened(chat, HandedTurn(durable, found, chat))


async def _approved(durable: Durable, run: Run, decided: Resumption) -> int:
    """Let a worker go on with a run that waits. Returns how many of its events there were."""
    told = len([event async for event in durable.events(run.id)])
    try:
        await durable.approve(
            run.id,
            decided.approve,
            results=decided.results,
            outcomes=decided.outcomes,
            answers=decided.answers,
        )
    except UsageError as error:
        raise Refused(409, f"Nobody waits for this answer any more: {error}") from None
    return told


def _check_edits(
    chat: SavedConversation[Any], run: Run, approve: Mapping[str, bool | Denied | Edited]
) -> None:
    """Raise `Refused` for other arguments that the tool of a call does not take. Those of a
    sub-agent's call are checked where it goes on.
    """
    tools = chat.agent.tools.functions
    for call in run.pending:
        decision, tool = approve.get(call.id), tools.get(call.name)
        if tool is None or not isinstance(decision, Edited):
            continue
        try:
            tool.check(decision.arguments, images=run.image, files=run.file)
        except BadArguments as error:
            words = f"The changed arguments do not fit {call.name}: {error}"
            raise Refused(400, words, "arguments that the tool takes") from None


def _check_answers(run: Run, answers: Mapping[str, object]) -> None:
    """Raise `Refused` for an answer that does not fit its form. Its values are not told."""
    calls = {each.id: each for each in run.invocations}
    for call_id, answer in answers.items():
        try:
            answer_to(calls[call_id].question, answer, f"answers[{call_id!r:.80}]")
        except UsageError as error:
            raise Refused(400, f"The answer does not fit: {error}", "an answer") from None


def _check_ready(chat: SavedConversation[Any]) -> None:
    """Raise `Refused` where a turn has to be decided on before another one may begin."""
    if chat.waiting is not None:
        raise Refused(
            409,
            "A call of this conversation waits for a decision.",
            "a decision on it, or drop",
        )
    if chat.interrupted is not None and chat.interrupted.paying_tools:
        raise Refused(
            409,
            "A turn of this conversation was interrupted while it paid for a tool.",
            "go-on, which continues it, or drop, which gives it up",
        )


def _to_retry(past: Sequence[SavedRun], message: str | None) -> SavedRun:
    """The run that is to be done again: that of the message, or the last one."""
    if not past:
        raise Refused(409, "There is no message yet that could be sent again.")
    if message is None:
        return past[-1]
    found = run_of_message(past, message)
    if found is None:
        raise unknown_message()
    return found
