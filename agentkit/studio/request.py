"""One request to the Image API: sent under the money law, its pictures stored while they arrive,
none of them lost.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from agentkit._log import logger
from agentkit.errors import (
    DeadlineExceeded,
    ImageError,
    OutcomeUnknown,
    ProtocolError,
    RunError,
    StoreError,
    StreamInterrupted,
)
from agentkit.events import ImageFailed, ImageReady, ReasoningDelta, TextDelta
from agentkit.images.blob import Blob
from agentkit.images.collector import Collector, Outcome
from agentkit.images.fetch import Fetcher
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import Exchange, OpenRouter
from agentkit.openrouter.retry import retrying
from agentkit.stream import EventLog
from agentkit.studio.values import Drawing
from agentkit.values import Image, ImageFailure, Source
from agentkit.wire.generation import Generation
from agentkit.wire.images import PATH, ImageRequest, ImagesReply, encode
from agentkit.wire.types import ImageRef, JsonObject, Preview, ServerCall, Signal, Words

_MARGIN = 0.2
"""Seconds that a look-up leaves, so that the error it is about comes before the deadline."""


@dataclass(frozen=True, slots=True)
class StudioContext:
    """What a request needs beside itself."""

    client: OpenRouter
    store: ImageStore
    fetcher: Fetcher
    seconds: float


class DrawingRequest:
    """The state of one request while it goes on. `parents` are what its pictures are made from."""

    def __init__(
        self, request: ImageRequest, parents: tuple[str, ...], desk: StudioContext, log: EventLog
    ) -> None:
        self.request, self._parents, self._desk, self._log = request, parents, desk, log
        self._decoder = ImagesReply(request.prompt, request.n or 1)
        self._exchange: Exchange | None = None
        self._collector: Collector | None = None
        self._previewed: set[str] = set()
        self._images: list[Image] = []
        self._failures: list[ImageFailure] = []
        self._began = time.monotonic()
        self._known: Generation | None = None

    @property
    def drawing(self) -> Drawing:
        """What has come so far. A cost that is the whole request's is a picture's only where there
        is no other.
        """
        usage = self._decoder.reply().usage
        usage = replace(usage, images=len(self._images), requests=int(self._exchange is not None))
        if self._known is not None and usage.cost_usd is None and self._known.cost_usd is not None:
            usage = replace(usage, cost_usd=self._known.cost_usd, priced_requests=usage.requests)
        alone = len(self._images) + len(self._failures) == 1
        images = tuple(
            replace(each, cost_usd=usage.cost_usd if alone else None) for each in self._images
        )
        return Drawing(
            images,
            tuple(self._failures),
            usage,
            self.request.model,
            self.request.prompt,
            self._log.generation_id,
            time.monotonic() - self._began,
        )

    async def take(self) -> Drawing:
        """Send the request and read its reply. Raises a `RunError` whose `drawing` holds what had
        arrived.
        """
        try:
            async with asyncio.timeout(self._desk.seconds):
                return await self._guarded()
        except TimeoutError:
            words = f"the studio's limit of {self._desk.seconds:g} seconds is reached"
            error = DeadlineExceeded(words, generation_id=self._log.generation_id)
            error.drawing = self.drawing
            raise error from None

    async def _guarded(self) -> Drawing:
        try:
            return await self._drawn()
        except asyncio.CancelledError:
            self._rescue_now()
            raise
        except (RunError, ImageError, StoreError) as problem:
            error = problem if isinstance(problem, RunError) else RunError(str(problem))
            error.generation_id = error.generation_id or self._log.generation_id
            try:
                await self._rescue()
                await self._look_up(error)
            except asyncio.CancelledError:
                self._rescue_now()
                raise
            error.drawing = self.drawing
            raise error from (None if error is problem else problem)
        finally:
            if self._collector is not None:
                await self._collector.close()

    async def _drawn(self) -> Drawing:
        async with AsyncExitStack() as stack:
            exchange = self._exchange = await self._open(stack)
            self._log.generation_id = exchange.generation_id
            desk = self._desk
            self._collector = Collector(
                exchange.spool, desk.store, desk.fetcher, self.request.model, self._outcome
            )
            await self._read(exchange)
        await self._collector.finish()
        reply = self._decoder.reply()
        if reply.error is not None:
            raise reply.error
        if exchange.torn and not self._decoder.finished:
            raise StreamInterrupted(
                "the stream ended inside an event", generation_id=exchange.generation_id
            )
        if exchange.is_stream and not exchange.done and not self._decoder.finished:
            count = f"after {len(reply.pictures)} of {self.request.n or 1} pictures"
            raise StreamInterrupted(
                f"the stream ended {count if reply.pictures else 'before a picture was whole'}"
            )
        if not reply.pictures:
            raise ProtocolError("the reply holds no picture")
        if exchange.is_stream and not exchange.done:
            logger().warning("stream_without_done", generation=exchange.generation_id)
        drawing = self.drawing
        logger().info(
            "image_request",
            model=drawing.model,
            generation=drawing.generation_id,
            images=len(drawing.images),
            seconds=round(drawing.seconds, 3),
            cost_usd=drawing.usage.cost_usd,
        )
        return drawing

    def _left(self) -> float:
        return self._desk.seconds - (time.monotonic() - self._began)

    async def _open(self, stack: AsyncExitStack) -> Exchange:
        """All or nothing: a generation that failed is not billed, so no server tool stands in the
        way.
        """
        body = encode(self.request)
        async for attempt in retrying(server_tools=False, seconds_left=self._left):
            with attempt:
                return await stack.enter_async_context(
                    self._desk.client.exchange(PATH, body, self._desk.store)
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _read(self, exchange: Exchange) -> None:
        decoder = self._decoder
        decode = decoder.feed if exchange.is_stream else decoder.whole

        def take(event: JsonObject) -> None:
            for signal in decode(event):
                self._hear(signal)

        try:
            await exchange.read(take)
        except OutcomeUnknown as error:
            if decoder.finished:
                logger().warning(
                    "connection_broke_after_finish",
                    generation=exchange.generation_id,
                    reason=str(error),
                )
            elif exchange.is_stream and decoder.begun:
                raise StreamInterrupted(str(error), generation_id=exchange.generation_id) from None
            else:
                raise

    def _hear(self, signal: Signal) -> None:
        assert self._collector is not None  # noqa: S101 - `_drawn` has made it
        match signal:
            case ImageRef():
                self._collector.see(signal)
            case Preview():
                self._previewed.add(signal.value)
                if (preview := self._collector.preview(signal)) is not None:
                    self._log.tell(preview)
            case Words(text=text, what=what):
                self._log.tell(TextDelta(text) if what == "text" else ReasoningDelta(text))
            case ServerCall():
                return  # the Image API has none

    def _outcome(self, sighting: ImageRef, outcome: Outcome) -> None:
        """One picture more, or one failure, in the order in which they were seen; the same bytes
        are one picture.
        """
        if isinstance(outcome, ImageFailure):
            self._failures.append(outcome)
            self._log.tell(ImageFailed(outcome))
            logger().warning("image_failed", place=sighting.place, reason=outcome.reason)
            return
        image = replace(outcome.image, parents=self._parents)
        if any(each.sha256 == image.sha256 for each in self._images):
            return
        self._images.append(image)
        self._log.tell(ImageReady(image))
        logger().info("image", sha256=image.sha256, media_type=image.media_type, size=image.size)

    async def _rescue(self) -> None:
        """After an error: nothing that had arrived is lost."""
        if self._collector is None:
            return
        for blob in self._loose(self._collector):
            failure = await asyncio.to_thread(_set_aside, blob)
            self._outcome(ImageRef(blob.reference, "data", ()), failure)
        await self._collector.finish()

    def _rescue_now(self) -> None:
        """In a cancellation, which must not wait."""
        if self._collector is None:
            return
        for blob in self._loose(self._collector):
            self._outcome(ImageRef(blob.reference, "data", ()), _set_aside(blob))
        self._collector.rescue()

    def _loose(self, collector: Collector) -> list[Blob]:
        """See the pictures whose event never ended. Those of a stream are returned: nothing tells
        them from previews.
        """
        assert self._exchange is not None  # noqa: S101 - there is a collector
        spool = self._exchange.spool
        spool.close()
        if (written := self._decoder.unfinished()) is not None:
            collector.see(written)
        claimed = {
            value for sighting in self._decoder.reply().pictures for value in sighting.values
        }
        loose = [
            blob
            for reference, blob in spool.blobs.items()
            if reference not in claimed | self._previewed
        ]
        if self._exchange.is_stream:
            self._previewed.update(blob.reference for blob in loose)  # once only
            return loose
        for blob in loose:
            collector.see(
                ImageRef(
                    f"loose:{blob.reference}", "data", (blob.reference,), prompt=self.request.prompt
                )
            )
        return []

    async def _look_up(self, error: RunError) -> None:
        """Where the connection broke and the outcome is open: ask what became of the request, and
        tell it with the error.
        """
        if not isinstance(error, OutcomeUnknown | StreamInterrupted) or not error.generation_id:
            return
        found = await self._desk.client.generation(
            error.generation_id, seconds=self._left() - _MARGIN
        )
        if found is not None:
            error.generation = self._known = found
            error.args = (f"{error}; {found}",)


def _set_aside(blob: Blob) -> ImageFailure:
    """Keep the bytes of a picture of which nothing says that it is one: it may be a preview."""
    reason = "the stream broke inside the event that this picture, or preview, belongs to"
    data: bytes | None = None
    try:
        blob.keep()
    except ImageError as error:
        reason = f"{reason}: {error}"
    except StoreError as error:
        reason, data = f"{reason}: {error}", blob.take()
    return ImageFailure(Source("data"), None, reason, kept=blob.kept, data=data)
