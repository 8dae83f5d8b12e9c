"""Turns what was seen of pictures on the wire into pictures in the store, while the stream goes on.

Each value is looked at once, wherever and however often it is seen: a reference that the spool
left, a URL, or a short piece of base64. Outcomes are given in the order in which the pictures were
first seen, so that names do not depend on which download was faster.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentkit.errors import ImageError, StoreError
from agentkit.events import ImagePreview
from agentkit.images.base64text import decode_base64
from agentkit.images.fetch import Fetcher
from agentkit.images.inspect import BrokenImage, Stored, store_bytes
from agentkit.images.spool import MAX_PICTURES, Spool, too_many_bytes
from agentkit.images.store import ImageStore
from agentkit.values import BlobRef, Image, ImageFailure, Place, Source
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.types import ImageRef, Preview

if TYPE_CHECKING:
    from agentkit.images.spool import Blob

_DATA_URL = re.compile(r"data:image/[\w.+-]+", re.IGNORECASE)
PREVIEW_KEY = "partial_image_b64"
_ECHOED_AS_BYTES = {"images", "content", "image_generation_call"}
"""Places in which a URL, which expires, is echoed as the picture."""
_PLACES = 4
"""A picture may stand in so many places of one reply: it is seen so often."""
_TOO_MANY = f"the reply has more than {MAX_PICTURES} pictures: those beyond are not kept"
_MOST_PREVIEWED = 64 << 20
"""Bytes of all previews of one reply: they are held in memory, with the events."""
MOST_AT_ONCE = 8
"""Pictures of one reply that are fetched at the same time."""


@dataclass(frozen=True, slots=True)
class Had:
    """A picture that is in the store."""

    sighting: ImageRef
    image: Image


Outcome = Had | ImageFailure


def is_url(value: str) -> bool:
    return value[:8].lower().startswith(("http://", "https://"))


class Collector:
    """The pictures of one reply. `tell` hears of each outcome, in order."""

    def __init__(
        self,
        spool: Spool,
        store: ImageStore,
        fetcher: Fetcher,
        model: str | None,
        tell: Callable[[ImageRef, Outcome], None],
    ) -> None:
        self._spool, self._store, self._fetcher, self._model, self._tell = (
            spool,
            store,
            fetcher,
            model,
            tell,
        )
        self._values: dict[str, asyncio.Task[Stored]] = {}
        self._seen: dict[str, ImageRef] = {}
        self._beyond: dict[str, ImageRef] = {}
        self._pictures = 0
        self._downloads = self._fetched = self._previewed = 0
        self._waiting: deque[ImageRef] = deque()
        self._turn: asyncio.Task[None] | None = None
        self.outcomes: dict[str, Outcome] = {}
        """By the key of the sighting."""
        self._gate = asyncio.Semaphore(MOST_AT_ONCE)

    def see(self, sighting: ImageRef) -> None:
        """Take a picture that was seen; one seen before, by its key, is passed over, and so is one
        beyond `MAX_PICTURES`.
        """
        if sighting.key in self._seen or sighting.key in self._beyond:
            return
        new = self._values.keys().isdisjoint(sighting.values)
        if len(self._seen) >= _PLACES * MAX_PICTURES or (new and self._pictures >= MAX_PICTURES):
            if sighting.error != "bare":  # which is but a link
                self._beyond[sighting.key] = sighting
            return
        self._pictures += new
        self._seen[sighting.key] = sighting
        for value in (
            sighting.values[:1]
            if is_url(sighting.values[0] if sighting.values else "")
            else sighting.values
        ):
            self._task(value)
        self._waiting.append(sighting)
        turn = self._turn
        if turn is None or (turn.done() and not turn.cancelled() and turn.exception() is None):
            self._turn = asyncio.create_task(self._settle())

    def fetching(self, url: str) -> asyncio.Task[Stored]:
        """The download of a picture that the words point to, begun before their message is
        whole.
        """
        return self._task(url)

    def preview(self, preview: Preview) -> ImagePreview | None:
        """The partial picture, in memory; None where it is no picture, or where too many were shown
        already.
        """
        blob = self._spool.blobs.get(preview.value)
        try:
            data = blob.take() if blob is not None else decode_base64(preview.value)
        except ImageError:
            return None
        self._previewed += len(data)
        media_type = sniff(data[:HEAD]) if self._previewed <= _MOST_PREVIEWED else None
        return ImagePreview(preview.key, preview.index, data, media_type) if media_type else None

    async def finish(self) -> None:
        """Wait until each picture that was seen has its outcome."""
        if self._turn is not None:
            await self._turn
        self._tell_beyond()

    async def close(self) -> None:
        """Stop what still goes on; nothing is left running, and no partial picture is left on the
        disk.
        """
        tasks: list[asyncio.Task[Any]] = [
            *self._values.values(),
            *([self._turn] if self._turn is not None else []),
        ]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:  # a second cancellation ends the wait
            self._spool.discard()

    def had(self, value: str) -> Stored | None:
        """The stored picture of a value that was looked at, if it was had."""
        task = self._values.get(value)
        return (
            task.result()
            if task is not None
            and task.done()
            and not task.cancelled()
            and task.exception() is None
            else None
        )

    def knows(self, value: str) -> bool:
        """Whether this value was looked at already."""
        return value in self._values

    def lost(self) -> frozenset[str]:
        """Values of pictures that were not had: they are not echoed, or each later turn would be
        refused for them.
        """
        failed = [
            seen
            for key, seen in self._seen.items()
            if isinstance(self.outcomes.get(key), ImageFailure)
        ]
        values = frozenset(
            value for sighting in (*failed, *self._beyond.values()) for value in sighting.values
        )
        return values - {value for value in values if self.had(value) is not None}

    def restored(self, text: str) -> str:
        """Words in which a picture became a reference (a tool call whose argument is one), as they
        were.
        """
        return self._spool.restore(text)

    def references(self, text: str) -> list[str]:
        """Pictures that came where words belong (a message whose content is one), by their
        reference.
        """
        return self._spool.references(text)

    def see_loose(self, place: Place) -> None:
        """After a break: the pictures that had arrived, whole or cut, before the event that they
        belong to was whole.
        """
        self._spool.close()
        claimed = {
            value
            for sighting in (*self._seen.values(), *self._beyond.values())
            for value in sighting.values
        }
        for reference, blob in self._spool.blobs.items():
            if reference not in claimed and blob.key != PREVIEW_KEY:
                self.see(ImageRef(f"loose:{reference}", place, (reference,)))

    def rescue(self) -> None:
        """At once, in a cancellation: keep what had arrived whole, and give its outcome. What is
        not there yet was paid for all the same: a failure names it, with its URL."""
        for sighting in list(self._seen.values()):
            if sighting.key not in self.outcomes:
                self._settled(sighting, self._outcome_now(sighting))
        self._tell_beyond()

    def _tell_beyond(self) -> None:
        """One failure for all the pictures that were too many."""
        first = next(iter(self._beyond.values()), None)
        if first is None or first.key in self.outcomes:
            return
        self._settled(first, replace(self._failed(first, ()), reason=_TOO_MANY))

    def _outcome_now(self, sighting: ImageRef) -> Outcome:
        troubles: list[tuple[str, ImageError | StoreError]] = []
        for value in sighting.values:
            try:
                return Had(sighting, self._image(self._stored_now(value), sighting))
            except (ImageError, StoreError) as error:
                troubles.append((value, error))
        return self._failed(sighting, troubles)

    def _stored_now(self, value: str) -> Stored:
        """The stored picture of a value, without waiting for anything."""
        task = self._values.get(value)
        if task is not None and task.done() and not task.cancelled():
            return task.result()
        if (blob := self._spool.blobs.get(value)) is not None:
            return blob.keep()
        if is_url(value):
            raise ImageError("not fetched: the run ended before its download did")
        return store_bytes(self._store, decode_base64(value))

    async def echoes(self, raw: tuple[bytes, ...]) -> dict[bytes, BlobRef]:
        """What stands in the raw items for a picture → the stored picture to send in its place.

        References that belong to no place known here (a new kind of item) are kept as well: no
        image is lost.
        """
        refs: dict[bytes, BlobRef] = {}
        for reference in dict.fromkeys(
            each for item in raw for each in self._spool.references(item.decode())
        ):
            blob = self._spool.blobs[reference]
            if sha256 := await self._kept(reference, blob):
                form = "data_url" if blob.media_type else "base64"
                refs[reference.encode()] = BlobRef(sha256, self._media_type(reference, blob), form)
        for sighting in self._seen.values():
            for value in sighting.values:
                stored = self.had(value)
                if stored is None or value.encode() in refs:
                    continue
                if _DATA_URL.match(value) or (is_url(value) and sighting.place in _ECHOED_AS_BYTES):
                    refs[value.encode()] = BlobRef(stored.sha256, stored.media_type)
                elif not is_url(value):
                    refs[value.encode()] = BlobRef(stored.sha256, stored.media_type, "base64")
        return refs

    async def _kept(self, reference: str, blob: Blob) -> str | None:
        try:
            return (await self._task(reference)).sha256
        except ImageError:
            return blob.kept

    def _media_type(self, reference: str, blob: Blob) -> str:
        stored = self.had(reference)
        return stored.media_type if stored is not None else blob.media_type or "image/png"

    def _task(self, value: str) -> asyncio.Task[Stored]:
        if value not in self._values:
            self._values[value] = asyncio.create_task(self._get(value))
        return self._values[value]

    async def _get(self, value: str) -> Stored:
        if (blob := self._spool.blobs.get(value)) is not None:
            return await asyncio.to_thread(blob.keep)
        if is_url(value):
            async with self._gate:
                if self._fetched > self._spool.max_total_bytes:
                    raise ImageError(too_many_bytes(self._spool.max_total_bytes))
                if self._downloads >= MAX_PICTURES:
                    raise ImageError(_TOO_MANY)
                self._downloads += 1
                stored = await self._fetcher.fetch(value)
                self._fetched += stored.size
                return stored
        return await asyncio.to_thread(lambda: store_bytes(self._store, decode_base64(value)))

    async def _settle(self) -> None:
        """One task for all, in order: a chain of tasks, each waiting for the one before, is
        cancelled recursively.
        """
        while self._waiting:
            sighting = self._waiting.popleft()
            self._settled(sighting, await self._outcome(sighting))

    def _settled(self, sighting: ImageRef, outcome: Outcome) -> None:
        self.outcomes[sighting.key] = outcome
        self._tell(sighting, outcome)

    async def _outcome(self, sighting: ImageRef) -> Outcome:
        troubles: list[tuple[str, ImageError | StoreError]] = []
        for value in sighting.values:
            try:
                return Had(sighting, self._image(await self._task(value), sighting))
            except (ImageError, StoreError) as error:
                troubles.append((value, error))
        return self._failed(sighting, troubles)

    def _failed(
        self, sighting: ImageRef, troubles: Sequence[tuple[str, ImageError | StoreError]]
    ) -> ImageFailure:
        """Why none of its values gave the picture, and what is left of it."""
        told = [sighting.error] if sighting.error and sighting.place != "text" else []
        reason = (
            "; ".join(dict.fromkeys((*told, *(str(error) for _, error in troubles))))
            or "no picture came"
        )
        kept: str | None = None
        data: bytes | None = None
        for value, error in troubles:
            kept = kept or (error.kept if isinstance(error, BrokenImage) else None)
            data = data or (self._held(value, error) if kept is None else None)
        url = next((value for value in sighting.values if is_url(value)), None)
        return ImageFailure(
            Source(sighting.place, url), url, reason, sighting.invocation_id, kept, data
        )

    def _held(self, value: str, error: ImageError | StoreError) -> bytes | None:
        """Bytes that the store would not take (the disk is full): they stay in memory, with the
        failure.
        """
        blob = self._spool.blobs.get(value)
        try:
            if blob is not None:
                return blob.take()
            if isinstance(error, StoreError) and not is_url(value):
                return decode_base64(value)
        except ImageError:
            return None
        return error.data if isinstance(error, BrokenImage) else None

    def _image(self, stored: Stored, sighting: ImageRef) -> Image:
        sources = tuple(
            dict.fromkeys(
                Source(sighting.place, value if is_url(value) else None)
                for value in sighting.values
            )
        )
        return Image(
            stored.sha256,
            stored.media_type,
            stored.size,
            stored.width,
            stored.height,
            alt=sighting.alt,
            prompt=sighting.prompt,
            revised_prompt=sighting.revised_prompt,
            model=self._model,
            invocation_id=sighting.invocation_id,
            sources=sources,
            cost_usd=sighting.cost_usd,
            blobs=self._store,
        )
