"""A chat: messages and commands come in, turns are taken, everything is shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.budget import Budget
from agentkit.cli.terminal.approvals import Decisions
from agentkit.cli.terminal.attachments import promised
from agentkit.cli.terminal.branches import Branches
from agentkit.cli.terminal.face import Face
from agentkit.cli.terminal.files import path_of
from agentkit.cli.terminal.markdown import Hanging
from agentkit.cli.terminal.pictures import Protocol, drawn
from agentkit.cli.terminal.transcript import (
    Moving,
    Shown,
    ShownImage,
    Transcript,
    file_row,
    image_row,
    signed,
)
from agentkit.cli.terminal.typed import Message as Typed
from agentkit.conversation import Conversation
from agentkit.conversation_record import Interrupted
from agentkit.demo.descriptions import cost, early_end, usage_line
from agentkit.errors import AgentkitError
from agentkit.events import TextDelta
from agentkit.run import Run
from agentkit.saved_conversation import SavedConversation
from agentkit.show import plain
from agentkit.stream import AnswerStream
from agentkit.values import File, Image, Message, Usage

_MOMENT = 0.3
"""Seconds after which it is told what is waited for."""


class Chat:
    """The state of a chat, and its turns. The commands are in `commands.py`."""

    def __init__(
        self,
        agent: Agent[Any],
        face: Face,
        branches: Branches,
        conversation: Conversation[Any],
        *,
        budget: Budget | None = None,
        protocol: Protocol = "blocks",
    ) -> None:
        self.agent = agent
        self.face = face
        self.branches = branches
        self.conversation = conversation
        self.budget = budget
        self.protocol: Protocol = protocol
        self.decisions = Decisions(face)
        self.attached: list[Image | File] = []
        """Pictures and files that go with the next message."""
        self.last_prompt: tuple[str, tuple[Image | File, ...]] | None = None
        self.has_kept_last = False
        """Whether the last message became a turn of this conversation."""
        self.has_left = False
        self._usage_before = Usage()
        """Usage of the conversation when this chat went over to it."""
        self._elsewhere: list[Usage] = []
        """What this chat used in conversations that it has left."""
        self._known = {*conversation.images, *conversation.files}
        """Handles of the pictures and files that were shown, or sent."""

    # Conversations

    def go_to(self, conversation: Conversation[Any]) -> None:
        """Go on with another conversation. What this one cost still counts, and what was attached
        goes with the next message there, perhaps under another handle.
        """
        before = self.promised()
        self._elsewhere.append(difference(self.conversation.usage, self._usage_before))
        self.conversation = conversation
        self._usage_before = conversation.usage
        self._known = {*conversation.images, *conversation.files}
        for old, new in zip(before, self.promised(), strict=True):
            if old != new:
                self.say(f"the attached {old} is {new} here", "dim")

    @property
    def usage(self) -> Usage:
        """What this chat has used, in all its conversations."""
        here = difference(self.conversation.usage, self._usage_before)
        return Usage.total([*self._elsewhere, here])

    # What is shown

    def say(self, text: str, style: str = "") -> None:
        """Rows of words, which are escaped here."""
        self.face.print(*(Text(each, style=style) for each in plain.terminal(text).split("\n")))

    def complain(self, text: str) -> None:
        """One row that says what went wrong."""
        self.face.print(signed("✗", "red", plain.line(text, width=600)))

    async def show(self, items: Sequence[Shown]) -> None:
        """Print what is final, in order."""
        for item in items:
            if isinstance(item, ShownImage):
                await self.show_picture(item.image)
            else:
                self.face.print(item)

    async def show_picture(self, image: Image) -> None:
        """Print a picture, and its row."""
        self._known.add(image.name)
        room = self.face.room()
        picture = await asyncio.to_thread(drawn, image, self.protocol, room)
        if picture is not None:
            self.face.print_picture(picture)
        store = self.agent.store
        path = await asyncio.to_thread(path_of, image, store) if self.face.is_terminal else None
        self.face.print(image_row(image, path, columns=self.face.columns()))

    # Turns

    async def send(self, message: Typed) -> None:
        """One turn, with what was attached. An error is shown; what was typed is then in the line
        of input again, and what was attached goes with the next message.
        """
        attached = [*self.attached]
        if self.face.is_terminal:
            shown = plain.terminal(message.words) or f"({len(attached)} {self._kinds()})"
            self.face.print(Text(""), *prompt_rows(shown))
        try:
            if await self.take_turn(message.words, attached):
                self.attached.clear()
        except AgentkitError as error:
            self.complain(str(error))
            self.face.suggest(message.words)
            if self.attached:
                self.say(f"the attached {self._kinds()} go with the next message", "dim")

    async def take_turn(self, words: str, attached: Sequence[Image | File]) -> bool:
        """Run one turn to its end, and ask for the decisions that it waits for. Returns whether it
        was kept. Raises the error of the turn, once the pictures that are paid for are shown.
        """
        self.last_prompt = (words, tuple(attached))
        self.has_kept_last = False
        if self.conversation.waiting is not None:  # its `resume` failed: what came is kept
            self.conversation.adopt(self.conversation.waiting)
        self.branches.before_turn(self.conversation)
        prompt = [*([words] if words else []), *attached]
        await self._to_its_end(self.conversation.stream(prompt, budget=self.budget))
        return True

    async def go_on(self) -> bool:
        """Go on with the turn that waits for a person, or that was under way when its process
        died. Returns whether there was one. Raises its error.
        """
        chat = self.conversation
        if chat.waiting is not None:
            await self._to_its_end(None, Answer.of(chat.waiting))
        elif isinstance(chat, SavedConversation) and chat.interrupted is not None:
            await self._to_its_end(chat.go_on_stream(budget=self.budget))
        else:
            return False
        return True

    async def _to_its_end(
        self, stream: AnswerStream[Any] | None, paused: Answer[Any] | None = None
    ) -> None:
        """Read a turn to its end, and ask for the decisions that it waits for."""
        try:
            answer = paused if stream is None else await self._watch(stream)
            while answer is not None and answer.status == "paused":
                answer = await self._decide(answer)
            self.has_kept_last = True
        except AgentkitError:
            await self.show_late()
            raise
        await self.show_late()
        if answer is not None:
            self.show_end(answer)

    async def _decide(self, paused: Answer[Any]) -> Answer[Any]:
        """Ask about the calls that wait, and go on with the run."""
        decided = await self.decisions.decide(paused, self.agent)
        if decided is None:
            return self.conversation.adopt(paused.run)
        stream = self.conversation.resume_stream(
            paused.run,
            approve=decided.approve,
            results=decided.results,
            outcomes=decided.outcomes,
            answers=decided.answers,
            budget=self.budget,
        )
        return await self._watch(stream)

    async def _watch(self, stream: AnswerStream[Any]) -> Answer[Any]:
        """The stream, shown as it comes."""
        transcript = Transcript(formatted=self.face.is_terminal, columns=self.face.columns)
        began = time.monotonic()

        def status() -> str:
            run = stream.run
            spent = None if run is None else run.usage.cost_usd
            money = f" · {plain.dollars(spent)} so far" if spent else ""
            return f"{time.monotonic() - began:.0f} s{money} · Ctrl-C stops"

        try:
            async with stream:
                self.face.on_stop(stream.stop)
                self.face.watch(lambda: (transcript.moving(), status()))
                has_shown_sent = False
                async for event in stream:
                    has_shown_sent = has_shown_sent or self._show_sent(stream.run)
                    await self.show(transcript.show(event, time.monotonic()))
                    self.face.refresh()
        finally:
            self.face.watch(None)
            self.face.on_stop(None)
            self._show_sent(stream.run)
            await self.show(transcript.end())
        return stream.answer

    def show_end(self, answer: Answer[Any]) -> None:
        """The row below a turn: why it ended early, its tokens and its cost."""
        if answer.status == "interrupted":
            facts = f"stopped · {cost(answer.usage)}"
        else:
            if why := early_end(answer):
                self.face.print(signed("■", "yellow", why))
            facts = usage_line(answer.usage)
        self.say(facts + self.cost_so_far(), "dim")

    async def show_late(self) -> None:
        """Wait for the pictures that are paid for and still on their way, and show those that no
        event told of.
        """
        waiting = asyncio.ensure_future(self.conversation.settled())
        began = time.monotonic()

        def status() -> str:
            seconds = f"{time.monotonic() - began:.0f} s"
            return f"{seconds} · pictures that are paid for still come · Ctrl-C does not wait"

        self.face.on_stop(lambda: _cancel(waiting))
        try:
            await asyncio.wait([waiting], timeout=_MOMENT)
            self.face.watch(lambda: (Moving(), status()))
            await asyncio.wait([waiting])
        finally:
            self.face.watch(None)
            self.face.on_stop(None)
            waiting.cancel()
        for name, image in list(self.conversation.images.items()):
            if name not in self._known:
                await self.show_picture(image)

    def _show_sent(self, run: Run | None) -> bool:
        """Show the rows of the user's own pictures and files, once they have their handles.
        Returns whether they do.
        """
        if run is None or len(run.messages) <= run.start:
            return False
        message = run.messages[run.start]
        images = {each.name: each for each in message.images if each.name not in self._known}
        files = {each.name: each for each in message.files if each.name not in self._known}
        if self.face.is_terminal:
            self.face.print(*map(image_row, images.values()), *map(file_row, files.values()))
        self._known.update(images, files)
        return True

    def cost_so_far(self) -> str:
        """` · $0.0421 so far, of $0.50`, and what may have been spent besides."""
        usage, budget = self.usage, self.budget
        limit = None if budget is None else budget.cost_usd
        spent, uncertain = usage.cost_usd or 0.0, usage.uncertain_usd
        if budget is not None and limit is not None:
            spent, uncertain = budget.spent_usd, budget.uncertain_usd
        text = f" · {plain.dollars(spent)} so far"
        if uncertain:
            text += f", perhaps {plain.dollars(uncertain)} more"
        return text if limit is None else f"{text}, of {plain.dollars(limit)}"

    def promised(self) -> tuple[str, ...]:
        """The handles that what is attached will have."""
        return promised(self.attached, self.conversation)

    def _kinds(self) -> str:
        """What is attached: `pictures`, `files`, or `pictures and files`."""
        kinds = {each.kind for each in self.attached}
        words = {"image": "pictures", "file": "files"}
        return " and ".join(word for kind, word in words.items() if kind in kinds)

    def attach(self, value: Image | File) -> str:
        """Send a picture or a file with the next message. Returns the handle that it will have."""
        self.attached.append(value)
        return self.promised()[-1]


def _cancel(task: asyncio.Future[None]) -> None:
    task.cancel()


def prompt_rows(text: str, style: str = "bold") -> list[Hanging]:
    """What the user said, as rows of their own."""
    first, *rest = text.split("\n")
    rows = [Hanging("› ", "  ", Text(first, style=style), f"{style} cyan")]
    return [*rows, *(Hanging("  ", "  ", Text(line, style=style)) for line in rest)]


def difference(now: Usage, before: Usage) -> Usage:
    """What was used since. Costs that were not told stay so."""
    names = [name for name in Usage.__dataclass_fields__ if name != "uncertain_usd"]
    changed: dict[str, Any] = {"uncertain_usd": max(now.uncertain_usd - before.uncertain_usd, 0.0)}
    for name in names:
        value, earlier = getattr(now, name), getattr(before, name)
        changed[name] = value if value is None or earlier is None else value - earlier
    return Usage(**changed)


async def print_last_turn(chat: Chat) -> None:
    """Show the end of a conversation that is taken up again, and whether a turn of it is not over:
    one that waits for a person is asked about at once.
    """
    conversation = chat.conversation
    messages = messages_so_far(conversation)
    starts = [at for at, each in enumerate(messages) if each.role == "user"]
    for message in messages[starts[-1] :] if starts else ():
        if message.role == "user":
            chat.face.print(*prompt_rows(plain.terminal(message.text)))
        elif message.role == "assistant":
            transcript = Transcript(formatted=chat.face.is_terminal, columns=chat.face.columns)
            items = [*transcript.show(TextDelta(message.text)), *transcript.end()]
            chat.face.print(*(item for item in items if not isinstance(item, ShownImage)))
        chat.face.print(*map(image_row, message.images), *map(file_row, message.files))
    if not isinstance(conversation, SavedConversation):
        return
    for why in conversation.damaged:
        chat.complain(f"a part of this conversation cannot be read: {why}")
    if conversation.interrupted is not None:
        chat.face.print(signed("■", "yellow", interrupted_words(conversation.interrupted)))
    if conversation.waiting is not None:
        try:
            await chat.go_on()
        except AgentkitError as error:
            chat.complain(str(error))


def messages_so_far(conversation: Conversation[Any]) -> Sequence[Message]:
    """Its messages, with those of a turn that is not over."""
    run = conversation.waiting
    if run is None and isinstance(conversation, SavedConversation) and conversation.interrupted:
        run = conversation.interrupted.run
    return conversation.messages if run is None else run.messages


def interrupted_words(found: Interrupted) -> str:
    """What became of a turn whose process died, on one line."""
    facts = [f"{plain.counted(len(found.images), 'picture')} came"] if found.images else []
    if found.cost_usd:
        facts.append(plain.dollars(found.cost_usd))
    if found.in_flight:
        facts.append(f"{plain.counted(len(found.in_flight), 'request')} may have been paid for")
    told = f" ({', '.join(facts)})" if facts else ""
    return (
        f"the last turn was interrupted{told}: /continue goes on with it, "
        "a new message keeps it as it is"
    )
