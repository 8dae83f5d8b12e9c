"""Turns that belong to the server. A request begins one and reads it; when the browser goes away,
the turn goes on, and whoever comes back reads it from its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentkit._log import logger
from agentkit.errors import RunError
from agentkit.events import Event, ImageReady, InvocationProgress
from agentkit.run import Run
from agentkit.sessions import SavedConversation
from agentkit.stream import Gather
from agentkit.web.chats import busy, unknown_chat
from agentkit.web.chunks import Chunk
from agentkit.web.failures import words_of
from agentkit.web.handed import Answered, HandedTurn, WasStopped
from agentkit.web.message_facts import Ending
from agentkit.web.refusal import Refused
from agentkit.web.retelling import answered_chunks, take_up
from agentkit.web.stream_log import StreamLog
from agentkit.web.telling import Teller
from agentkit.web.told_calls import Verdict

_TOLD_A_SECOND = 2_000
"""How often turns tell what came, all of them together."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2
"""Seconds. Less costs more than it saves; more can be seen."""


class Shelf(Protocol):
    """Has the pictures of turns that go on, for those who may see them."""

    def begin(self, user: str | None, run: Run) -> None:
        """A turn has begun."""
        ...

    def show(self, user: str | None, run: Run, event: Event) -> None:
        """Keep what an event brings."""
        ...

    def clear(self, run: Run) -> None:
        """The turn is over, and written down."""
        ...


class Taken(Protocol):
    """A turn, as its events are read here: a `Turn` of this process, or one that a worker takes."""

    @property
    def run(self) -> Run | None: ...
    @property
    def done(self) -> bool: ...
    async def begun(self) -> None:
        """Wait until it has begun."""
        ...

    def stop(self) -> None:
        """End it now, and keep what came."""
        ...

    def drained(self, gather: Gather | None = None) -> AsyncIterator[Event | Answered]:
        """What happens, for the one reader. Raises the error of the turn."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A turn that has been begun in a conversation."""

    chat: SavedConversation[Any]
    turn: Taken
    before: Run | None = None
    """The run that goes on, as it waited, or was interrupted."""
    notes: str = ""
    """What was noted of it."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    """What was decided about the calls that it waited for."""


Note = Callable[[str, str], Awaitable[None]]
"""Keeps the notes of a run, by its id."""
Open = Callable[[], Awaitable[Opened]]
"""Opens a conversation and begins a turn of it. Raises `Refused`, and what a turn raises."""


class LiveTurn:
    """A turn, from the moment a request asks for it until all of it is told."""

    def __init__(
        self, chat: str, user: str | None, note: Note, gather: Gather, *, emulator: bool
    ) -> None:
        self.chat, self.user, self._note, self._emulator = chat, user, note, emulator
        self._gather = gather
        self.log = StreamLog()
        self.greeting: list[Chunk] = []
        """What the one who made the turn go on is told first; others read the log from its start.
        """
        self.mark = 0
        """Where that one reads the log from."""
        self.is_left = False
        """Whether this process tells no more of it, and the turn goes on."""
        self._turn: Taken | None = None
        self._is_stopped = False
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, open_turn: Open, shelf: Shelf) -> asyncio.Task[None]:
        """Take the turn in a task of its own."""
        return asyncio.create_task(self._take(open_turn, shelf))

    @property
    def run(self) -> Run | None:
        """The run as far as it has come; None before it has begun."""
        return None if self._turn is None else self._turn.run

    @property
    def is_settling(self) -> bool:
        """Whether the turn is over, and only pictures of it are still downloaded."""
        return self._turn is not None and self._turn.done

    async def begun(self) -> None:
        """Wait until the turn has begun. Raises what keeps it from beginning."""
        await asyncio.shield(self._begun)

    async def rest(self) -> AsyncGenerator[Chunk | None]:
        """The stream for the one who began the turn, or made it go on."""
        for chunk in self.greeting:
            yield chunk
        async for chunk in self.log.read(self.mark):
            yield chunk

    def leave(self) -> bool:
        """Tell no more of a turn that goes on elsewhere; the caller ends the task. False for one
        that is taken here.
        """
        self.is_left = isinstance(self._turn, HandedTurn)
        return self.is_left

    def stop(self) -> bool:
        """End the turn now, and keep what came. False where it is at its end already."""
        if self._turn is not None:
            if self._turn.done:
                return False
            self._turn.stop()
        self._is_stopped = True
        return True

    async def _take(self, open_turn: Open, shelf: Shelf) -> None:
        try:
            opened = await open_turn()
            self._turn = opened.turn
            if self._is_stopped:
                opened.turn.stop()
            await opened.turn.begun()
            run = opened.turn.run
            if run is None:
                raise RuntimeError("a turn has begun, and has no run")
            shelf.begin(self.user, run)
            teller = self._greet(opened, run)
            if opened.verdicts and isinstance(opened.turn, HandedTurn):  # for other processes
                await self._note(run.id, teller.notes.to_json())
        except Exception as error:  # noqa: BLE001 - raised where somebody waits for the beginning
            if self._turn is not None:
                self._turn.stop()  # nobody would read it, and it costs money
            is_early = self._is_stopped and isinstance(error, RunError)
            self._begun.set_exception(stopped_early() if is_early else error)
            self._begun.exception()  # nobody may wait any more: that is no error of its own
            self.log.close()
            return
        except asyncio.CancelledError:
            self._begun.cancel()
            self.log.close()
            raise
        self._begun.set_result(None)
        try:
            await self._tell(opened, run, teller, shelf)
        finally:
            self.log.close()
            shelf.clear(run)

    def _greet(self, opened: Opened, run: Run) -> Teller:
        """Tell the beginning of the message, or of the rest of one that goes on."""
        tools = opened.chat.agent.tools.functions
        drawing = [name for name, tool in tools.items() if tool.returns_image]
        if opened.before is None:
            teller = Teller(run, emulator=self._emulator, drawing=drawing)
            self.log.add(teller.begin())
            return teller
        message = take_up(
            opened.before,
            opened.notes,
            opened.verdicts,
            emulator=self._emulator,
            drawing=drawing,
        )
        self.log.add(message.whole)
        self.greeting, self.mark = message.rest, self.log.mark()
        return message.teller

    async def _tell(self, opened: Opened, run: Run, teller: Teller, shelf: Shelf) -> None:
        chat, turn = opened.chat, opened.turn
        known = {image.sha256 for image in chat.images.values()}
        error: Exception | None = None
        try:
            async for event in turn.drained(self._gather):
                if isinstance(event, Answered):
                    self.log.add(answered_chunks(teller, event.paused, event.decided))
                    continue
                known.update(_pictures_of(event))
                shelf.show(self.user, run, event)
                self.log.add(teller.tell(event))
        except WasStopped:
            self._is_stopped = True
        except Exception as raised:  # noqa: BLE001 - told to whoever reads, and logged by the turn
            error = raised
        await chat.settled()
        for image in tuple(chat.images.values()):
            if image.sha256 not in known:  # its download went on when the turn had ended
                late = ImageReady(image)
                shelf.show(self.user, run, late)
                self.log.add(teller.tell(late))
        ending = teller.end(turn.run or run, self._ending(error))
        await self._note(run.id, teller.notes.to_json())
        self.log.add(ending)

    def _ending(self, error: Exception | None) -> Ending | None:
        """How the turn ended, where its run does not say it."""
        if error is not None:
            return Ending("failed", words_of(error))
        return Ending("stopped") if self._is_stopped else None


def stopped_early() -> Refused:
    """What the one is told who began a turn that was stopped before it could begin."""
    words = "It was stopped before anything was sent to the model."
    return Refused(409, words, "the same message once more")


def settling() -> Refused:
    """The next turn waits for the pictures of the last one: each has its place in the order."""
    words = "Pictures of the last answer are still on their way."
    return Refused(409, words, "a message when they have come, or are given up")


def _pictures_of(event: Event) -> list[str]:
    """The digest of the picture that an event brings, also of a sub-agent."""
    inner: Event | None = event
    while isinstance(inner, InvocationProgress):
        inner = inner.event
    return [inner.image.sha256] if isinstance(inner, ImageReady) else []


class Turns:
    """The turns that go on in this server: one for a conversation."""

    def __init__(self, shelf: Shelf, note: Note, *, emulator: bool) -> None:
        self._shelf, self._note, self._emulator = shelf, note, emulator
        self._live: dict[str, LiveTurn] = {}
        self._tasks: dict[asyncio.Task[None], LiveTurn] = {}
        self._is_closing = False

    def of(self, chat: str) -> LiveTurn | None:
        """The turn that goes on in a conversation."""
        return self._live.get(chat)

    def __len__(self) -> int:
        return len(self._live)

    def _pause(self) -> float:
        """How long each turn waits for more before it tells what came: the more turns, the longer,
        so that the readers of all of them are told so many times a second at most.
        """
        pause = len(self._live) / _TOLD_A_SECOND
        return 0.0 if pause < _SHORTEST_PAUSE else min(pause, _LONGEST_PAUSE)

    async def take(self, chat: str, user: str | None, open_turn: Open) -> LiveTurn:
        """Begin a turn, and return when it has begun. Raises `Refused` while another one goes on
        in the conversation, and what keeps it from beginning.
        """
        if self._is_closing:
            raise Refused(503, "This server is being stopped: send it again in a moment.")
        live = self._live.get(chat)
        if live is not None:
            if live.user != user:
                raise unknown_chat()
            raise settling() if live.is_settling else busy()
        self._live[chat] = live = LiveTurn(
            chat, user, self._note, self._pause, emulator=self._emulator
        )
        task = live.start(open_turn, self._shelf)
        self._tasks[task] = live
        task.add_done_callback(self._ended)
        await live.begun()
        return live

    async def close(self, grace: float) -> None:
        """End every turn, and wait until what came is kept, for so many seconds at most; those that
        workers take go on. No turn begins any more.
        """
        self._is_closing = True
        for task, live in self._tasks.items():
            if live.leave():
                task.cancel()
            else:
                live.stop()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)

    def _ended(self, task: asyncio.Task[None]) -> None:
        live = self._tasks.pop(task)
        del self._live[live.chat]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger().warning("web_stream_failed", conversation=live.chat, reason=repr(error))
