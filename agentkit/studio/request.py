"""One request to the Image API: sent under the money law, its pictures stored while they arrive,
none of them lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agentkit._log import logger
from agentkit.budget import Hold
from agentkit.errors import (
    DeadlineExceeded,
    ImageError,
    ProtocolError,
    RunError,
    StoreError,
    StreamInterrupted,
)
from agentkit.events import ImageFailed, ImageReady, ReasoningDelta, TextDelta
from agentkit.images.blob import Blob
from agentkit.images.collector import Collector
from agentkit.images.fetch import Fetcher
from agentkit.images.outcome import Outcome
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.openrouter.billing import Told
from agentkit.openrouter.client import Exchange, OpenRouter
from agentkit.openrouter.paid import PaidRequest
from agentkit.openrouter.paid_call import PaidCall
from agentkit.openrouter.price_list import with_price
from agentkit.openrouter.retry import Stakes
from agentkit.openrouter.stored_call import StoredCall, Undecided
from agentkit.studio.services import encoded
from agentkit.studio.stream import DrawingLog
from agentkit.studio.values import Drawing
from agentkit.values import Image, ImageFailure, Source, Usage
from agentkit.wire.generation import Generation, completed
from agentkit.wire.images import ImageRequest, ImagesReply
from agentkit.wire.types import ImageKey, ImageRef, Preview, ServerCall, Signal, Words


@dataclass(frozen=True, slots=True)
class StudioContext:
    """What a request needs beside itself."""

    client: OpenRouter
    store: ImageStore
    fetcher: Fetcher
    outgoing: Outgoing
    seconds: float


class DrawingRequest:
    """The state of one request while it goes on. `parents` are what its pictures are made from."""

    def __init__(
        self,
        request: ImageRequest,
        parents: tuple[str, ...],
        context: StudioContext,
        log: DrawingLog,
        call: PaidCall | None = None,
    ) -> None:
        self.request, self._parents, self._context, self._log = request, parents, context, log
        self._call = call
        self.decoder = ImagesReply(request.prompt, request.n or 1)
        self.looked_up: Generation | None = None
        self._exchange: Exchange | None = None
        self._collector: Collector | None = None
        self._previewed: set[str] = set()
        self._images: list[Image] = []
        self._failures: list[ImageFailure] = []
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    @property
    def drawing(self) -> Drawing:
        """What has come so far. A cost that is the whole request's is a picture's only where there
        is no other.
        """
        usage = self._usage()
        alone = len(self._images) + len(self._failures) == 1
        cost = usage.cost_usd if alone and usage.cost_is_whole else None
        images = tuple(replace(each, cost_usd=cost) for each in self._images)
        return Drawing(
            images,
            tuple(self._failures),
            usage,
            self.request.model,
            self.request.prompt,
            self._log.generation_id,
            self._now() - self._began,
        )

    def _usage(self) -> Usage:
        usage, client = self.decoder.reply().usage, self._context.client
        usage = replace(usage, images=len(self._images), requests=int(self._exchange is not None))
        usage = completed(usage, self.looked_up)
        if client.service.tells_cost:
            return usage
        # What such a service calls output here is pictures, whether it says so or not.
        usage = replace(usage, image_tokens=usage.image_tokens or usage.output_tokens)
        price = client.prices.of(self.request.model)
        return with_price(usage, price, tells_cost=False)

    async def take(self, hold: Hold) -> Drawing:
        """Send the request and read its reply. Raises a `RunError` whose `drawing` holds what had
        arrived.
        """
        context = self._context
        deadline = asyncio.get_running_loop().time() + context.seconds
        # Where a picture is gone from the store, sending says so.
        path, body = encoded(self.request, context.client.service)
        pieces, _ = await context.outgoing.prepared(body.pieces, context.store)
        request = PaidRequest(
            context.client,
            context.store,
            self,
            hold,
            deadline=deadline,
            grace=context.fetcher.policy.grace,
            stakes=Stakes(_draws, all_or_nothing=context.client.service.failed_images_are_free),
            call=self._call,
        )
        try:
            async with asyncio.timeout(context.seconds), request:
                exchange = await request.send(path, pieces, body.content_type, {"draws": True})
                return await self._finish(exchange)
        except RunError as error:
            if self._call is None or request.replayed is None or request.replayed.is_known:
                raise
            raise self._unknown(error, self._call, request.replayed) from None
        except TimeoutError:
            words = f"the studio's limit of {context.seconds:g} seconds is reached"
            error = DeadlineExceeded(words, generation_id=self._log.generation_id)
            error.drawing = self.drawing
            raise error from None

    def _unknown(self, error: RunError, call: PaidCall, stored: StoredCall) -> RunError:
        """The error of a request that a process before has sent, and of whose reply only a part is
        there. `Undecided`, if a person is to be asked.
        """
        if error.billed is False or stored.closed == "give_up" or call.unknown == "fail":
            return error
        words = f"{error}; say what becomes of it: Ledger.decide({error.call!r}, 'again')"
        asks = Undecided(words, generation_id=error.generation_id)
        asks.drawing, asks.generation, asks.billed = error.drawing, error.generation, error.billed
        asks.call = error.call
        return asks

    @property
    def told(self) -> Told:
        """What is known of the cost by now."""
        return Told.of(self.drawing.usage, len(self._images))

    @property
    def begun(self) -> bool:
        """Whether anything of a picture has come."""
        return self.decoder.begun

    @property
    def id_in_body(self) -> str | None:
        """None: the Image API tells the id in a header only."""
        return None

    @property
    def labels(self) -> Mapping[str, object]:
        """What log lines say of the request."""
        return {"generation": self._log.generation_id}

    def begin(self, exchange: Exchange) -> None:
        """Make ready for the pictures of the reply, whose headers are there."""
        self._exchange, context = exchange, self._context
        self._log.generation_id = exchange.generation_id
        self._collector = Collector(
            exchange.spool,
            context.store,
            context.fetcher,
            self.request.model,
            self._outcome,
            downloads=exchange.downloads,
        )

    async def _finish(self, exchange: Exchange) -> Drawing:
        """The drawing, once each picture has its outcome. Raises the error that the reply holds,
        and another `RunError` where it is not whole.
        """
        assert self._collector is not None  # noqa: S101 - `begin` has made it
        await self._collector.finish()
        reply = self.decoder.reply()
        if reply.error is not None:
            raise reply.error
        if exchange.torn and not self.decoder.finished:
            raise StreamInterrupted(
                "the stream ended inside an event", generation_id=exchange.generation_id
            )
        if exchange.is_stream and not exchange.done and not self.decoder.finished:
            count = f"after {len(reply.pictures)} of {self.request.n or 1} pictures"
            raise StreamInterrupted(
                f"the stream ended {count if reply.pictures else 'before a picture was whole'}"
            )
        if not reply.pictures:
            raise ProtocolError("the reply holds no picture")
        has_done = self._context.client.service.ends_responses_with_done
        if exchange.is_stream and not exchange.done and has_done:
            logger().info("stream_without_done", generation=exchange.generation_id)
        self._log.drawing = drawing = self.drawing
        logger().info(
            "image_request",
            model=drawing.model,
            generation=drawing.generation_id,
            images=len(drawing.images),
            seconds=round(drawing.seconds, 3),
            cost_usd=drawing.usage.cost_usd,
        )
        return drawing

    def hear(self, signal: Signal) -> None:
        """Take what one event told."""
        assert self._collector is not None  # noqa: S101 - `begin` has made it
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

    def _outcome(self, ref: ImageRef, outcome: Outcome) -> None:
        """One picture more, or one failure, in the order in which they were seen; the same bytes
        are one picture.
        """
        if isinstance(outcome, ImageFailure):
            self._failures.append(outcome)
            self._log.tell(ImageFailed(outcome, str(ref.key)))
            logger().warning("image_failed", place=ref.place, reason=outcome.reason)
            return
        image = replace(outcome, parents=self._parents)
        if any(each.sha256 == image.sha256 for each in self._images):
            return
        self._images.append(image)
        self._log.tell(ImageReady(image, str(ref.key)))
        logger().info("image", sha256=image.sha256, media_type=image.media_type, size=image.size)

    async def rescue(self, grace: float | None = None) -> None:
        """Store what had arrived. Downloads have `grace` seconds, if given."""
        if self._collector is None:
            return
        for blob in self._loose(self._collector):
            failure = await asyncio.to_thread(_set_aside, blob)
            self._previewed.add(blob.reference)  # once only
            self._outcome(ImageRef(_unclaimed(blob), "data", ()), failure)
        await self._collector.finish(grace)

    def _loose(self, collector: Collector) -> list[Blob]:
        """See the pictures whose event never ended. Those of a stream are returned: nothing tells
        them from previews.
        """
        assert self._exchange is not None  # noqa: S101 - there is a collector
        spool = self._exchange.spool
        spool.close()
        if (written := self.decoder.unfinished()) is not None:
            collector.see(written)
        claimed = {value for ref in self.decoder.reply().pictures for value in ref.values}
        loose = [
            blob
            for reference, blob in spool.blobs.items()
            if reference not in claimed | self._previewed
        ]
        if self._exchange.is_stream:
            return loose
        for blob in loose:
            reference, prompt = blob.reference, self.request.prompt
            collector.see(ImageRef(_unclaimed(blob), "data", (reference,), prompt=prompt))
        return []

    def hand_on(self, error: RunError | None, hold: Hold) -> None:
        """What had come, as a drawing."""
        drawing = self.drawing
        drawing = replace(drawing, usage=replace(drawing.usage, uncertain_usd=hold.uncertain_usd))
        if self._exchange is not None:
            self._log.drawing = drawing
        if error is not None:
            error.drawing = drawing

    def leave(self, grace: float) -> bool:
        """Nobody goes on with the downloads: whoever left has the drawing's error alone."""
        del grace
        return False

    async def close(self) -> None:
        """Stop the downloads that still go on."""
        if self._collector is not None:
            await self._collector.close()


async def _draws() -> bool:
    return True


def _unclaimed(blob: Blob) -> ImageKey:
    return ImageKey("unclaimed", blob.reference)


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
