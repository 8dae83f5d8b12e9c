"""The events of a run as they happen, for any number of readers, each from the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self

from typing_extensions import TypeVar

from agentkit._log import logger
from agentkit._sync import check_asyncio, end_when_collected, finish
from agentkit.answer import Answer
from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.run import Run

OutputT = TypeVar("OutputT", default=Any)
ResultT = TypeVar("ResultT")


Gather = Callable[[], float]
"""How many seconds a reader of events waits for more when one has come."""
Later = Callable[[Coroutine[Any, Any, None], int], None]
"""Takes the rest of a turn's downloads, and how many pictures these may give."""
Save = Callable[[Run, bool], Awaitable[None]]
"""Writes a run down, as far as it has come; with False, a paid request that is written next waits
for the disk for both.
"""


def _check_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Raises `UsageError` in another event loop than the one of the work, where the wait would have
    no end.
    """
    if loop is not None and loop is not asyncio.get_running_loop():
        raise UsageError(
            "this stream goes on in another event loop: read it, and wait for it, in the loop that "
            "it was begun in; stop() may be called everywhere"
        )


class EventLog:
    """What has happened so far, and a way to wait for more."""

    def __init__(
        self,
        on_run: Callable[[Run], None] | None = None,
        later: Later | None = None,
        save: Save | None = None,
        *,
        is_heard: bool = True,
    ) -> None:
        """`on_run` is called with the run whenever it has grown. `later` goes on with the downloads
        of a turn that has ended; without it, the turn waits for them. `save` writes the run down,
        before each step that acts. `is_heard`: somebody may read the events; none is kept else.
        """
        self.is_heard = is_heard
        self.later = later
        self._save = save
        self.events: list[Event] = []
        self.forgotten = 0
        """Events that were there before those in `events`."""
        self._run: Run | None = None
        self._on_run = on_run
        self.is_stopping = False
        """Whether the turn is to end now, and to be kept as far as it came."""
        self.generation_id: str | None = None
        """Of the request that is under way, or was the last: the key for a look-up where its
        outcome is unknown.
        """
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop of the work: nothing in another one would wake up a reader."""
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def run(self) -> Run | None:
        """The run as far as it has come; None before it has begun."""
        return self._run

    @run.setter
    def run(self, run: Run) -> None:
        if run is self._run:
            return
        is_first, self._run = self._run is None, run
        if is_first and self._waiting:
            self._wake()
        if self._on_run is not None:
            self._on_run(run)

    async def save(self, *, is_asking: bool = False) -> None:
        """Write the run down as far as it has come, where it outlives the process. `is_asking`:
        what comes next is a request to the model that was not sent before.
        """
        if self._save is not None and self._run is not None:
            await self._save(self._run, not is_asking)

    async def stepped(self) -> None:
        """A step of the run is over, and another one follows: where runs are taken step by step,
        this waits until the next one may begin.
        """

    def tell(self, event: Event) -> None:
        if self.is_heard:
            self.events.append(event)
            if self._waiting:
                self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiting.clear()

    async def begun(self) -> None:
        """Wait until there is a run, or the turn has ended without one."""
        while self._run is None and not self._closed:
            await self._more()

    async def event(self, at: int) -> Event | None:
        """The event at this position, once it is there; None if the run ends before."""
        while at - self.forgotten >= len(self.events):
            if self._closed:
                return None
            await self._more()
        return self.events[at - self.forgotten]

    async def waited(self, at: int) -> bool:
        """Wait for the event at this position. Whether it came now, and was not there before."""
        had_to = False
        while at - self.forgotten >= len(self.events) and not self._closed:
            await self._more()
            had_to = True
        return had_to and not self._closed

    def forget(self) -> None:
        """Let go of the first event that is there."""
        del self.events[0]
        self.forgotten += 1

    async def _more(self) -> None:
        _check_loop(self.loop)
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)


class WatchedTask(Generic[ResultT]):
    """Work that begins when its block is entered, and whose events are read while it goes on."""

    def __init__(self, log: EventLog, begin: Callable[[], asyncio.Task[ResultT]]) -> None:
        self._log = log
        self._begin = begin
        self._task: asyncio.Task[ResultT] | None = None
        self._raised = False

    async def __aenter__(self) -> Self:
        end_when_collected(self, self.begin())
        return self

    def begin(self) -> asyncio.Task[ResultT]:
        """Begin the work, as entering the block does. Returns its task."""
        if self._task is not None:
            raise UsageError("a stream is entered once; for another, call stream() again")
        check_asyncio()
        self._task = task = self._begin()
        log = self._log
        log.loop = task.get_loop()
        task.add_done_callback(lambda _: log.close())  # which must not hold the stream
        return task

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = self._started()
        if kind is None and task.done() and not task.cancelled() and task.exception() is None:
            return
        left_early = not task.done() and not self._log.is_stopping
        if left_early:
            task.cancel()
        # To its end, however often this task is cancelled: the work keeps what had arrived.
        result = (await finish(asyncio.gather(task, return_exceptions=True), None))[0]
        is_new = kind is None and not left_early and not self._raised
        if is_new and isinstance(result, BaseException):
            raise result

    def __aiter__(self) -> AsyncIterator[Event]:
        self._started()
        return _Reader(self._log, self._end)

    def drained(self, gather: Gather | None = None) -> AsyncIterator[Event]:
        """The events for the only reader there is: each is forgotten once it was read. `gather`:
        how many seconds to wait for more when one has come, so that several are read at once.
        """
        self._started()
        return _OnlyReader(self._log, self._end, gather)

    def _end(self) -> None:
        """Raise the error of the work, which has ended, for one who has read all events."""
        task = self._started()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._raised = True
            raise error

    async def finish(self) -> ResultT:
        """Wait for the end of the work and return its result. Raises the error of the work."""
        task = self._started()
        if not task.done():
            _check_loop(self._log.loop)
        try:
            return await asyncio.shield(task)
        finally:  # one who gave up waiting has not heard of an error that comes later
            self._raised = self._raised or task.done()

    def _ended(self, goes_on: str, was_stopped: str) -> ResultT:
        """The result. Raises the error of the work, or `UsageError` with one of these texts."""
        task = self._started()
        if not task.done():
            raise UsageError(goes_on)
        if task.cancelled():
            raise UsageError(was_stopped)
        return task.result()

    def _started(self) -> asyncio.Future[ResultT]:
        if self._task is None:
            raise UsageError("enter the stream first: async with … as stream")
        return self._task


class _Reader(AsyncIterator[Event]):
    """Each event from the start. No generator: an event loop has to close those that are left."""

    def __init__(self, log: EventLog, end: Callable[[], None]) -> None:
        self._log, self._end = log, end
        self._at = 0

    async def __anext__(self) -> Event:
        log, at = self._log, self._at - self._log.forgotten
        event = log.events[at] if at < len(log.events) else await log.event(self._at)
        if event is None:
            self._end()
            raise StopAsyncIteration
        self._at += 1
        return event


class _OnlyReader(AsyncIterator[Event]):
    """Each event from the start, which is forgotten when it is given."""

    def __init__(
        self, log: EventLog, end: Callable[[], None], gather: Gather | None = None
    ) -> None:
        self._log, self._end, self._gather = log, end, gather
        self._at = 0

    async def __anext__(self) -> Event:
        if self._gather is not None and await self._log.waited(self._at):
            seconds = self._gather()
            if seconds > 0:
                await asyncio.sleep(seconds)
        event = await self._log.event(self._at)
        if event is None:
            self._end()
            raise StopAsyncIteration
        self._at += 1
        self._log.forget()
        return event


class AnswerStream(WatchedTask[Answer[OutputT]], Generic[OutputT]):
    """A run with events while it goes on:

        async with chat.stream("Draw a fox") as stream:
            async for event in stream: ...
        stream.answer

    The turn begins when the block is entered. Entering raises `ConversationBusy` while another turn
    is running, and `UsageError` while one waits for a person. Each `async for` gives every event
    from the start.

    Leaving the block early stops the run, closes its connection and leaves the history as it was;
    `run` has what had arrived. A stream that was entered, never left, and collected does the same.
    `stop()` ends the run too, and keeps what came as the turn. An error of the run is raised in the
    `async for`, or at the end of the block.
    """

    def stop(self) -> None:
        """End the run now, as a stop button does, and keep what came as the turn: `answer.status`
        is `"interrupted"`, and calls without a result get one that says they were cancelled. The
        `async for` ends once what had arrived is stored. A run that has ended stays as it is. May
        be called in another thread, as by the button of a window.
        """
        task = self._started()
        if not task.done() and not self._log.is_stopping:
            self._log.is_stopping = True
            # Not before its first step: a task that never began could not say what became of it.
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def begun(self) -> None:
        """Wait until the run has begun, and can be seen in `run`. Raises the error of one that
        never did.
        """
        task = self._started()
        await self._log.begun()
        if self._log.run is None:
            await asyncio.shield(task)

    async def finish(self) -> Answer[OutputT]:
        """Wait for the end of the run and return its answer. Raises the error of the run."""
        return await super().finish()

    @property
    def answer(self) -> Answer[OutputT]:
        """The answer of a run that has ended. Raises the error of the run, or `UsageError` while it
        is running.
        """
        return self._ended(
            "the run goes on: read the stream to its end, or await stream.finish(), "
            "before you ask for its answer",
            "the run was stopped before its end: stream.run holds what had arrived",
        )

    @property
    def run(self) -> Run | None:
        """The run as far as it has come."""
        return self._log.run

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._started().done()


class Turn(Generic[OutputT]):
    """A turn that a task of its own takes: it goes on when nobody looks.

        turn = chat.start("Draw a fox")
        async for event in turn: ...
        answer = await turn.answer()

    Any number of readers may iterate over it, each of which sees every event from the start; one
    that leaves, or is cancelled, changes nothing for the others. An error of the turn is raised at
    the end of each `async for`, and by `answer()`.
    """

    def __init__(self, stream: AnswerStream[OutputT]) -> None:
        self._stream = stream
        stream.begin().add_done_callback(_tell_failure)

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in self._stream:
            yield event

    def drained(self, gather: Gather | None = None) -> AsyncIterator[Event]:
        """Its events for the only reader that there is and will be: each is forgotten once it was
        read, so that the previews of many pictures are not kept until the turn ends.

        `gather` is for a reader that has many turns to read: it returns how many seconds to wait
        for more when an event has come, so that several are read at once.
        """
        return self._stream.drained(gather)

    async def begun(self) -> None:
        """Wait until the turn has begun: its conversation is held for it, and `run` is there.
        Raises the error of one that cannot begin, such as `ConversationBusy`.
        """
        await self._stream.begun()

    async def answer(self) -> Answer[OutputT]:
        """Wait for the end of the turn and return its answer. Raises the error of the turn. To be
        cancelled while it waits does not stop the turn.
        """
        return await self._stream.finish()

    def stop(self) -> None:
        """End the turn now, and keep what came of it: see `AnswerStream.stop`."""
        self._stream.stop()

    @property
    def done(self) -> bool:
        """Whether the turn has ended."""
        return self._stream.done

    @property
    def run(self) -> Run | None:
        """The run as far as it has come."""
        return self._stream.run


def _tell_failure(task: asyncio.Future[Any]) -> None:
    """Log the error of a turn, which nobody may ever ask for."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger().warning("turn_failed", reason=str(error))
