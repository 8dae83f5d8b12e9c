"""Turns what was seen of pictures on the wire into pictures in the store, while the stream goes on.

A picture is seen as an `ImageRef`, which becomes an `Image` or an `ImageFailure`. Outcomes are told
in the order in which the pictures were first seen, so that names do not depend on which download
was faster.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

from agentkit._sync import in_background
from agentkit.errors import ImageError, StoreError
from agentkit.events import ImagePreview
from agentkit.images.echo import blob_refs
from agentkit.images.fetch import Fetcher
from agentkit.images.inspect import Stored
from agentkit.images.outcome import Outcome, Trouble, failure_of, image_of
from agentkit.images.retriever import Downloads, Files, Retriever, is_remote, too_many
from agentkit.images.spool import Spool
from agentkit.images.store import ImageStore
from agentkit.values import BlobRef, Image, ImageFailure, Place
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.base64text import decode_base64
from agentkit.wire.types import ImageKey, ImageRef, Preview

PREVIEW_KEY = "partial_image_b64"
_PLACES = 4
"""In so many places of one reply the same picture may stand."""
_MOST_TOLD = 1000
"""Pictures beyond those that are kept of which each is a failure."""
_MOST_PREVIEWED = 64 << 20
"""Bytes of all previews of one reply: they are held in memory, with the events."""


class Collector:
    """The pictures of one reply. `tell` hears of each outcome, in order."""

    def __init__(
        self,
        spool: Spool,
        store: ImageStore,
        fetcher: Fetcher,
        model: str | None,
        tell: Callable[[ImageRef, Outcome], None],
        files: Files | None = None,
        downloads: Downloads | None = None,
    ) -> None:
        self.spool = spool
        """Where the bytes of the reply passed through."""
        self.outcomes: dict[ImageKey, Outcome] = {}
        self._store = store
        self._model = model
        self._tell = tell
        self._new_retriever = partial(Retriever, spool, store, fetcher, files, downloads)
        self._made: Retriever | None = None
        self._seen: dict[ImageKey, ImageRef] = {}
        self._beyond: dict[ImageKey, ImageRef] = {}  # more than are kept
        self._most = fetcher.policy.most_pictures
        self._pictures = 0
        self._previewed = 0
        self._waiting: deque[ImageRef] = deque()
        self._settling: asyncio.Task[None] | None = None

    @property
    def _retriever(self) -> Retriever:
        """What stores the pictures; made for the first, since most replies have none."""
        if self._made is None:
            self._made = self._new_retriever()
        return self._made

    @property
    def has_pictures(self) -> bool:
        """Whether any was seen by now, or taken off the wire."""
        return bool(self._seen or self._beyond or self.spool.blobs)

    def see(self, ref: ImageRef) -> None:
        """Take a picture that was seen. One that was seen before, by its key, is passed over, and
        so is one beyond `FetchPolicy.most_pictures`.
        """
        if ref.key in self._seen or ref.key in self._beyond:
            return
        is_new = not any(value in self._retriever for value in ref.values)
        is_full = len(self._seen) >= _PLACES * self._most
        if is_full or (is_new and self._pictures >= self._most):
            if not ref.optional:
                self._beyond[ref.key] = ref
            return
        self._pictures += is_new
        self._seen[ref.key] = ref
        # Of several URLs, the later ones are fetched only if the first one fails.
        one_url = bool(ref.values) and is_remote(ref.values[0])
        for value in ref.values[:1] if one_url else ref.values:
            self._retriever.start(value)
        self._waiting.append(ref)
        if self._settling is None or _has_succeeded(self._settling):
            self._settling = in_background(self._settle())

    def see_unclaimed(self, place: Place, given: frozenset[str] = frozenset()) -> None:
        """See the pictures that arrived, whole or cut, and that no place of the reply has claimed:
        after a break, or because they stood in a place that is not known. Those that were claimed
        are seen once more only if they are other bytes. `given` are values that are no pictures of
        the reply: arguments of calls.
        """
        self.spool.close()
        blobs = self.spool.blobs
        if not blobs:
            return
        seen = (*self._seen.values(), *self._beyond.values())
        claimed = {value for ref in seen for value in ref.values} | given
        # What is no base64 as a whole may begin with some: it has its outcome already.
        claimed |= {each for value in claimed for each in self.spool.references(value)}
        stored = {each.sha256 for value in claimed if (each := self.stored(value)) is not None}
        stored |= {blobs[value].sha256 for value in claimed if value in blobs}
        for reference, blob in blobs.items():
            if reference in claimed or blob.key == PREVIEW_KEY or blob.sha256 in stored:
                continue
            self.see(ImageRef(ImageKey("unclaimed", reference), place, (reference,)))

    def names(self, named: Mapping[ImageKey, Image], lost: str) -> dict[str, str]:
        """What stood for each picture that was seen → its handle, or `lost` where the bytes were no
        picture. A URL that gave nothing is left out.
        """
        names: dict[str, str] = {}
        for key, ref in (*self._seen.items(), *self._beyond.items()):
            image = named.get(key)
            for value in ref.values:
                if image is not None or not is_remote(value):
                    names[value] = image.name if image is not None else lost
        return names

    def download(self, url: str) -> asyncio.Task[Stored]:
        """The download of a picture that the words point to, begun before they are whole."""
        return self._retriever.start(url)

    def knows(self, value: str) -> bool:
        """Whether this URL, base64 or reference was started to be stored."""
        return value in self._retriever

    def stored(self, value: str) -> Stored | None:
        """The picture of a value; None if it failed, or is not stored yet."""
        return self._retriever.stored(value)

    def preview(self, preview: Preview) -> ImagePreview | None:
        """The partial picture, in memory; None if it is no picture, or if too many were shown
        already.
        """
        blob = self.spool.blobs.get(preview.value)
        try:
            data = blob.take() if blob is not None else decode_base64(preview.value)
        except ImageError:
            return None
        self._previewed += len(data)
        if self._previewed > _MOST_PREVIEWED:
            return None
        media_type = sniff(data[:HEAD])
        return ImagePreview(preview.key, preview.index, data, media_type) if media_type else None

    @property
    def pending(self) -> int:
        """How many pictures that were seen have no outcome yet."""
        return len(self._seen.keys() - self.outcomes.keys())

    @property
    def is_downloading(self) -> bool:
        """Whether one of these is still to come from elsewhere."""
        return any(
            self._retriever.is_downloading(value)
            for key, ref in self._seen.items()
            if key not in self.outcomes
            for value in ref.values
        )

    def restart(self) -> None:
        """Begin anew with what was cancelled, as an event loop that shuts down does with each
        task.
        """
        if self._settling is None or not self._settling.cancelled():
            return
        self._retriever.forget_cancelled()
        pending = [ref for key, ref in self._seen.items() if key not in self.outcomes]
        self._waiting = deque(pending)
        self._settling = asyncio.create_task(self._settle())

    async def finish(self, grace: float | None = None) -> None:
        """Wait until each picture that was seen has its outcome. Downloads that have not ended
        after `grace` seconds, if given, are stopped: a failure names each, with its URL, since it
        was paid for all the same. What had arrived is stored.
        """
        if self._settling is not None:
            # Not awaited itself: a cancellation of the caller would end it.
            _, late = await asyncio.wait([self._settling], timeout=grace)
            if late:
                self._retriever.abandon()
                await asyncio.wait([self._settling])
            self._settling.result()
        reason = too_many(self._most)
        for ref in self._told_beyond():
            if ref.key not in self.outcomes:
                self._settled(ref, failure_of(ref, (), self._retriever, reason))

    def _told_beyond(self) -> list[ImageRef]:
        """Of the pictures that were too many, those that are told: each that has a URL, and one
        for all the others.
        """
        beyond = self._beyond.values()
        linked = [ref for ref in beyond if any(is_remote(value) for value in ref.values)]
        others = (ref for ref in beyond if not any(is_remote(value) for value in ref.values))
        return [*linked[:_MOST_TOLD], *islice(others, 1)]

    async def close(self) -> None:
        """Stop what still goes on; nothing is left running, and no partial picture is left on the
        disk.
        """
        settling = self._settling
        if settling is not None and settling.get_loop().is_closed():
            self.spool.discard()  # collected behind its loop: no task of that can be told any more
            return
        if settling is not None:
            settling.cancel()
        try:
            if self._made is not None:
                await self._made.close()
            if settling is not None:
                await asyncio.gather(settling, return_exceptions=True)
        finally:  # a second cancellation ends the wait
            self.spool.discard()

    def failed_values(self) -> frozenset[str]:
        """Values of pictures that failed: they are not sent again, or each later turn would be
        refused for them.
        """
        failed = [
            ref
            for key, ref in self._seen.items()
            if isinstance(self.outcomes.get(key), ImageFailure)
        ]
        values = {value for ref in (*failed, *self._beyond.values()) for value in ref.values}
        return frozenset(value for value in values if self.stored(value) is None)

    async def blob_refs(self, raw: tuple[bytes, ...]) -> dict[bytes, BlobRef]:
        """What stands in the raw items for a picture → the stored picture to send in its place."""
        return await blob_refs(raw, self._seen.values(), self.spool, self._retriever)

    async def _settle(self) -> None:
        """One task for all, in order: a chain of tasks, each waiting for the one before, is
        cancelled recursively.
        """
        while self._waiting:
            ref = self._waiting.popleft()
            self._settled(ref, await self._outcome(ref))

    async def _outcome(self, ref: ImageRef) -> Outcome:
        """The picture of the first value that gives one."""
        troubles: list[Trouble] = []
        for value in ref.values:
            try:
                stored = await self._retriever.get(value)
            except (ImageError, StoreError) as error:
                troubles.append((value, error))
            else:
                return image_of(ref, stored, self._store, self._model)
        return failure_of(ref, troubles, self._retriever)

    def _settled(self, ref: ImageRef, outcome: Outcome) -> None:
        self.outcomes[ref.key] = outcome
        self._tell(ref, outcome)


async def go_on(collector: Collector, grace: float) -> None:
    """Wait for the outcomes of a reply whose turn has ended, for at most `grace` seconds, and close
    the collector. A cancellation does not end it: it is what an event loop that shuts down does
    with each task, and these pictures are paid for.
    """
    now = asyncio.get_running_loop().time
    until = now() + grace
    try:
        while True:
            try:
                await collector.finish(max(until - now(), 0.0))
            except asyncio.CancelledError:
                collector.restart()
            else:
                return
    finally:
        await collector.close()


def _has_succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
