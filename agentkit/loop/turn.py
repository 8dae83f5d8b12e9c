"""One turn of the model: the request is sent, its reply decoded as it arrives, its pictures
collected, the run grown.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from agentkit import wire
from agentkit._log import logger
from agentkit.budget import Hold
from agentkit.errors import (
    ImageError,
    OutcomeUnknown,
    ProtocolError,
    RunError,
    StoreError,
    StreamInterrupted,
)
from agentkit.events import (
    ImageFailed,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
)
from agentkit.images.collector import Collector, Had, Outcome
from agentkit.loop.context import RunContext
from agentkit.loop.reply_parts import Assembly
from agentkit.loop.request import body_of
from agentkit.openrouter.client import Exchange
from agentkit.openrouter.retry import retrying
from agentkit.run import Run
from agentkit.run.history import parents
from agentkit.stream import EventLog
from agentkit.values import Image, Invocation, Message, Pieces, Text, ToolCall, replace
from agentkit.wire import echo, faults, markdown
from agentkit.wire.body import cut
from agentkit.wire.common import without
from agentkit.wire.generation import Generation
from agentkit.wire.markdown_stream import TextFilter
from agentkit.wire.types import ImageRef, JsonObject, Preview, Reply, ServerCall, Signal, Words

_MARGIN = 0.2
"""Seconds of the run's time that a look-up leaves, so that the error it is about comes before the
deadline.
"""


async def ask(
    run: Run,
    context: RunContext,
    log: EventLog,
    *,
    closing: str | None,
    seconds_left: float,
    hold: Hold | None = None,
) -> Run:
    """The run with one more reply. Raises a `RunError` whose `run` has what had arrived."""
    turn, began = Turn(run, context, log), time.monotonic()
    try:
        return await turn.take(closing, seconds_left, hold)
    except asyncio.CancelledError:
        turn.rescue_now()
        log.run = turn.snapshot()
        raise
    except (RunError, ImageError, StoreError) as problem:
        error = problem if isinstance(problem, RunError) else RunError(str(problem))
        error.generation_id = error.generation_id or turn.generation_id or turn.id_in_the_body()
        try:
            await turn.rescue()
            await turn.look_up(error, seconds_left - (time.monotonic() - began))
        except asyncio.CancelledError:
            turn.rescue_now()
            log.run = turn.snapshot()
            raise
        error.run = log.run = turn.snapshot()
        # The frames below hold the reply, in which a server may have repeated the key: no traceback
        # goes into them.
        error.__context__ = None
        raise error.with_traceback(None) from (
            None if error is problem else problem.with_traceback(None)
        )
    finally:
        await turn.close()


class Turn:
    """The state of one turn while it goes on."""

    def __init__(self, run: Run, context: RunContext, log: EventLog) -> None:
        self.run, self._context, self._log = run, context, log
        self._tools = [tool.name for tool in context.tools.server]
        self._decoder = wire.decoder(run.api, self._tools)
        self._collector: Collector | None = None
        self._named: dict[str, Image] = {}
        self._started: dict[str, float] = {}
        self.generation_id: str | None = None
        self._known: Generation | None = None
        said = any(
            message.role == "assistant" and message.text for message in run.messages[run.start :]
        )
        self._filter = TextFilter(self._had, "\n\n" if said else "")
        self._waited: set[str] = set()
        self._split = 0

    async def take(self, closing: str | None, seconds_left: float, hold: Hold | None) -> Run:
        path, body = await body_of(self.run, self._context, closing, hold)
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            exchange = await self._open(stack, path, body, seconds_left)
            self.generation_id = self._log.generation_id = exchange.generation_id
            self._collector = Collector(
                exchange.spool,
                self._context.store,
                self._context.fetcher,
                self.run.model,
                self._outcome,
            )
            await self._read(exchange)
        reply = self._decoder.reply()
        self.generation_id = self.generation_id or reply.id
        if reply.error is not None:
            raise reply.error
        if not self._decoder.finished and not exchange.is_stream:
            raise ProtocolError("the reply holds no answer", generation_id=self.generation_id)
        if not self._decoder.finished:
            raise StreamInterrupted(
                "the stream ended before the reply was whole", generation_id=self.generation_id
            )
        if exchange.is_stream and not exchange.done:
            logger().warning("stream_without_done", run=self.run.id, generation=self.generation_id)
        run = await self._finish(reply, closing)
        logger().info(
            "request",
            run=run.id,
            agent=self._context.name,
            api=run.api,
            model=reply.model,
            generation=self.generation_id,
            finish=reply.finish,
            seconds=round(time.monotonic() - began, 3),
            cost_usd=reply.usage.cost_usd,
        )
        return run

    def id_in_the_body(self) -> str | None:
        """The generation id where no header told it: half of the recorded replies have none."""
        found = self._decoder.reply().id
        return found if found is not None and found.startswith("gen-") else None

    async def _open(
        self, stack: AsyncExitStack, path: str, body: Pieces, seconds_left: float
    ) -> Exchange:
        began = time.monotonic()

        def left() -> float:
            return seconds_left - (time.monotonic() - began)

        async def look_up(generation_id: str) -> Generation | None:
            return await self._context.client.generation(generation_id, seconds=left() - _MARGIN)

        attempts = retrying(server_tools=bool(self._tools), seconds_left=left, look_up=look_up)
        async for attempt in attempts:
            with attempt:
                return await stack.enter_async_context(
                    self._context.client.exchange(path, body, self._context.store)
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _read(self, exchange: Exchange) -> None:
        decode, hear = (
            self._decoder.feed if exchange.is_stream else self._decoder.whole,
            self._signal,
        )

        def take(event: JsonObject) -> None:
            for signal in decode(event):
                hear(signal)

        try:
            await exchange.read(take)
        except OutcomeUnknown as error:
            if not self._decoder.finished:
                if exchange.is_stream and self._decoder.reply().parts:
                    raise StreamInterrupted(
                        str(error), generation_id=exchange.generation_id
                    ) from None
                raise
            logger().warning("connection_broke_after_finish", run=self.run.id, reason=str(error))

    def _signal(self, signal: Signal) -> None:
        collector = self._collector
        if collector is None:
            return
        match signal:
            case Words():
                self._words(signal, collector)
            case ImageRef():
                collector.see(signal)
            case Preview():
                if (preview := collector.preview(signal)) is not None:
                    self._log.tell(preview)
            case ServerCall(invocation=invocation, phase=phase):
                self._server_call(invocation, phase)

    def _words(self, words: Words, collector: Collector) -> None:
        text = words.text
        if words.what == "reasoning":
            self._log.tell(ReasoningDelta(text))
            return
        pieces = [text]
        for reference in collector.references(text):
            pieces = [each for piece in pieces for each in piece.split(reference)]
        for index, piece in enumerate(pieces):  # what a picture stands between are two texts
            self._split += index > 0
            self._say(self._filter.more(piece, (words.part, self._split)))

    def _say(self, text: str) -> None:
        if text:
            self._log.tell(TextDelta(text))

    def _had(self, url: str, bare: bool) -> bool | None:
        """True: stored. False: not an image. None: still downloading; the text held back is
        released when it ends.
        """
        collector = self._collector
        if collector is None or not (
            self._context.fetcher.in_prose(url, bare=bare) or collector.knows(url)
        ):
            return False
        task = collector.fetching(url)
        if task.done():
            return collector.had(url) is not None
        if url not in self._waited:
            self._waited.add(url)
            task.add_done_callback(
                lambda task: None if task.cancelled() else self._say(self._filter.more())
            )
        return None

    def _server_call(self, invocation: Invocation, phase: str | None) -> None:
        if invocation.id not in self._started:
            self._started[invocation.id] = time.time()
            self._log.tell(
                InvocationStarted(
                    replace(invocation, status="running", started_at=self._started[invocation.id])
                )
            )
        if phase is not None:
            self._log.tell(InvocationProgress(self._timed(invocation), phase))

    def _timed(self, invocation: Invocation) -> Invocation:
        began = self._started.get(invocation.id)
        seconds = (
            time.time() - began
            if began is not None and invocation.status not in {"pending", "running"}
            else None
        )
        return replace(invocation, started_at=began, seconds=seconds)

    def _outcome(self, sighting: ImageRef, outcome: Outcome) -> None:
        """One picture more, or one failure; told in the order in which they were first seen."""
        if isinstance(outcome, Had):
            before = len(self.run.arrived)
            self.run, named = self.run.with_image(self._painted(outcome.image, sighting))
            self._named[sighting.key] = named
            if len(self.run.arrived) > before:
                self._log.tell(ImageReady(named))
                logger().info(
                    "image",
                    run=self.run.id,
                    name=named.name,
                    sha256=named.sha256,
                    media_type=named.media_type,
                    size=named.size,
                )
            return
        if sighting.place == "text" and (
            sighting.error == "bare"
            or outcome.url in {failure.url for failure in self.run.failures}
        ):
            return
        self.run = replace(self.run, failures=(*self.run.failures, outcome))
        self._log.tell(ImageFailed(outcome))
        logger().warning(
            "image_failed", run=self.run.id, place=sighting.place, reason=outcome.reason
        )

    def _painted(self, image: Image, sighting: ImageRef) -> Image:
        """The picture with the model that painted it: a server tool's is another than the one that
        answers, and sees none.
        """
        tool = self._context.image_tool
        if not sighting.invocation_id and sighting.place != "text" and self._context.sees:
            image = replace(
                image, parents=parents(self.run.messages, self.run.start, self.run.images, image)
            )
        if tool is None or not (sighting.invocation_id or sighting.place == "text"):
            return image
        model = tool.parameters.get("model")
        return replace(image, model=model if isinstance(model, str) else None)

    async def _finish(self, reply: Reply, closing: str | None) -> Run:
        """The whole reply as a message, once each of its pictures has its outcome."""
        assert self._collector is not None  # noqa: S101 - `take` has made it
        self._see_all(reply)
        await self._collector.finish()
        self._say(self._filter.rest())
        items = without(reply.raw, self._collector.lost())
        refs = await self._collector.echoes(items)
        raw = tuple(echo.as_kept(cut(item, refs)) for item in items)
        message = Message("assistant", self._assembly.parts(reply), raw, self.run.api, reply.model)
        taken = {each.id for each in self.run.invocations}
        server = self._assembly.invocations(reply, taken, self._timed, self.run.turns)
        images = len(self.run.arrived) - sum(each.images for each in self.run.spent)
        usage = replace(reply.usage, images=images) if images else reply.usage
        if reply.finish == "length" and not message.calls and closing is None:
            closing = "max_tokens"
        repeatable = {tool.name for tool in self._context.tools.functions.values() if tool.repeats}
        run = self.run.with_reply(
            message, usage, server_calls=server, closing=closing, repeatable=repeatable
        )
        if (refusal := _refusal(reply, run)) != run.refusal:
            run = run.replace(refusal=refusal)
        self._log.run = run
        for invocation in server:
            if invocation.id not in self._started:
                self._log.tell(InvocationStarted(replace(invocation, status="running")))
            self._log.tell(InvocationFinished(invocation))
        self._log.tell(TurnFinished(message, usage))
        for invocation in run.invocations[len(self.run.invocations) + len(server) :]:
            if invocation.status == "cancelled":
                self._log.tell(InvocationFinished(invocation))
        return run

    def _see_all(self, reply: Reply) -> None:
        """Every picture of the whole reply, those that its words point to at last."""
        assert self._collector is not None  # noqa: S101
        for part in reply.parts:
            if isinstance(part, ImageRef):
                self._collector.see(part)
        texts = [
            (part.text, markdown.find(part.text)) for part in reply.parts if isinstance(part, Text)
        ]
        shown = {
            each.url: each
            for _, links in reversed(texts)
            for each in reversed(links)
            if not each.bare
        }
        for text, links in texts:
            for reference in self._collector.references(text):
                self._collector.see(ImageRef(f"text:{reference}", "content", (reference,)))
            # A Markdown image says more than a bare link.
            for link in (shown.get(each.url, each) for each in links):
                if self._context.fetcher.in_prose(
                    link.url, bare=link.bare
                ) or self._collector.knows(link.url):
                    error = "bare" if link.bare else None
                    self._collector.see(
                        ImageRef(f"text:{link.url}", "text", (link.url,), alt=link.alt, error=error)
                    )

    @property
    def _assembly(self) -> Assembly:
        return Assembly(self._named, self._collector)

    async def rescue(self) -> None:
        """After an error: wait for the pictures that had arrived already, so that none of them is
        lost.
        """
        if self._collector is not None:
            self._see_all(self._decoder.reply())
            self._collector.see_loose(
                "images" if self.run.api == "chat" else "image_generation_call"
            )
            await self._collector.finish()
            self._say(self._filter.rest())

    async def look_up(self, error: RunError, seconds_left: float) -> None:
        """Where the connection broke and the outcome is open: ask what became of the request, and
        tell it with the error.
        """
        if not isinstance(error, OutcomeUnknown | StreamInterrupted) or not error.generation_id:
            return
        found = await self._context.client.generation(
            error.generation_id, seconds=seconds_left - _MARGIN
        )
        if found is not None:
            error.generation = self._known = found
            error.args = (f"{error}; {found}",)

    def rescue_now(self) -> None:
        """In a cancellation, which must not wait: what had arrived whole is kept."""
        if self._collector is not None:
            self._see_all(self._decoder.reply())
            self._collector.see_loose(
                "images" if self.run.api == "chat" else "image_generation_call"
            )
            self._collector.rescue()
            self._say(self._filter.rest())

    def snapshot(self) -> Run:
        """The run with what has come of this reply; no call of it can be run."""
        reply = self._decoder.reply()
        parts = tuple(
            part for part in self._assembly.parts(reply) if not isinstance(part, ToolCall)
        )
        partial = Message("assistant", parts, (), self.run.api, reply.model) if parts else None
        usage = reply.usage
        if self._known is not None and usage.cost_usd is None:
            usage = replace(usage, cost_usd=self._known.cost_usd, priced_requests=usage.requests)
        spent = (
            (*self.run.spent, usage)
            if self._collector is not None or self._known is not None
            else self.run.spent
        )
        return replace(self.run, partial=partial, spent=spent)

    async def close(self) -> None:
        if self._collector is not None:
            await self._collector.close()


def _refusal(reply: Reply, run: Run) -> str | None:
    """Why there is no answer, or not the picture that was asked for: the model's words, or those of
    the provider that turned the drawing down. A reply with calls goes on, and where a picture came
    there is an answer."""
    if run.messages[-1].role != "assistant" or run.pending:
        return None
    if reply.refusal is not None or run.arrived:
        return reply.refusal
    refused = [
        each.reason
        for each in run.failures
        if each.url is None and faults.says_refused(each.reason)
    ]
    return refused[-1] if refused else None
