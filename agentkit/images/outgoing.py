"""What is sent of the pictures of a store: each as it is, or as a copy that models take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from agentkit._log import logger
from agentkit.errors import ImageError
from agentkit.images.convert import MOST_PIXELS, converted, is_taken
from agentkit.images.file_words import words_of_files
from agentkit.images.inspect import store_bytes
from agentkit.images.store import FileImageStore, ImageStore
from agentkit.values import BlobRef, Image, Pieces, replace
from agentkit.values.blobs import opened, storing
from agentkit.values.image_header import inspect

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_KNOWN = 4096
"""Pictures whose form is remembered."""
_AT_ONCE = 16
"""Pictures that an event loop looks at without a thread: it asks the system once for each."""
_SMALL = 8 * 1024
"""Bytes of a picture that is held in memory when it was read once."""
_HELD = 256
"""Small pictures that are held."""


@dataclass(frozen=True, slots=True)
class ReadyRef(BlobRef):
    """A reference to a stored picture that was there a moment ago, with what is known of it."""

    size: int | None = None
    """Bytes of the file."""
    data: bytes | None = None
    """All of them, of a small picture."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent of a picture: the stored bytes with this digest, or nothing, for a reason."""

    sha256: str
    media_type: str
    size: int
    """Bytes."""
    refusal: str | None = None


class Outgoing:
    """The forms in which pictures are sent. Each picture is looked at, and converted, once.

    A copy is a picture of the store like any other, so that it need not be made again for the next
    turn, and does not fill the memory. One `Outgoing` serves many runs, threads and event loops.
    """

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}
        self._refused: set[str] = set()
        """Those of the forms that are none."""
        self._small: dict[str, bytes] = {}
        """Small pictures."""
        self.refusals = 0
        """How often a picture was refused, or forgotten: what `refused` says may have changed."""
        # One conversion at a time, beside the threads of other work: a picture of 50 megapixels
        # takes 200 MB and seconds.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="agentkit-pictures")

    async def form(self, image: Image, store: ImageStore) -> Form | None:
        """The form in which a stored picture is sent; None where it is not in the store. Raises
        `StoreError`.
        """
        return (await self._all({image.sha256}, store))[image.sha256]

    async def prepared(self, body: Pieces, store: ImageStore) -> tuple[Pieces, frozenset[str]]:
        """The body with each picture in the form in which it is sent, and the words of text files
        in their places; and the pictures and files (sha256) that cannot be sent: they are no longer
        in the store, or no model takes them. Raises `StoreError`.
        """
        texts = {
            piece.sha256 for piece in body if isinstance(piece, BlobRef) and piece.form == "text"
        }
        if texts:
            words = await asyncio.to_thread(words_of_files, texts, store)
            lost_texts = frozenset(texts - words.keys())
            body = tuple([_in_words(piece, words) for piece in body])
            body, lost_others = await self.prepared(body, store)
            return body, lost_texts | lost_others
        wanted = {piece.sha256 for piece in body if isinstance(piece, BlobRef)}
        if not wanted:
            return body, frozenset()
        ready = self._unchanged(wanted, store)
        forms = await self._all(wanted, store) if ready is None else ready
        sent = tuple(
            [
                piece if isinstance(piece, bytes) else self._sent(piece, forms, ready is not None)
                for piece in body
            ]
        )
        lost = {
            sha256 for sha256, form in forms.items() if form is None or form.refusal is not None
        }
        return sent, frozenset(lost)

    def refused(self, images: Iterable[Image]) -> frozenset[str]:
        """Those of the pictures (sha256) that are known to have no form that models take."""
        known = self._refused
        return frozenset(
            [
                image.sha256
                for image in images
                if image.media_type == "image/svg+xml" or image.sha256 in known
            ]
        )

    def _unchanged(
        self, wanted: Collection[str], store: ImageStore
    ) -> dict[str, Form | None] | None:
        """The forms of these pictures, where all are known, and the store says without opening one
        that they are as they were.
        """
        if not isinstance(store, FileImageStore) or len(wanted) > _AT_ONCE:
            return None
        found: dict[str, Form | None] = {}
        for sha256 in wanted:
            form = self._forms.get(sha256)
            if form is None or not form.size or form.refusal is not None:
                return None
            if not all(map(store.is_unchanged, {sha256, form.sha256})):
                return None
            found[sha256] = form
        return found

    def _sent(self, ref: BlobRef, forms: Mapping[str, Form | None], is_ready: bool) -> BlobRef:
        """The reference to what is sent. Its type is what the bytes are: what a saved run says of
        them may have been written by anybody, and would stand in the JSON of the request.
        """
        form = forms.get(ref.sha256)
        if form is None:
            return ref
        media_type = form.media_type or ref.media_type
        if not _MEDIA_TYPE.fullmatch(media_type):
            media_type = "application/octet-stream"
        if not is_ready:
            return replace(ref, sha256=form.sha256, media_type=media_type)
        data = self._small.get(form.sha256)
        return ReadyRef(form.sha256, media_type, ref.form, size=form.size, data=data)

    async def _all(self, wanted: Iterable[str], store: ImageStore) -> dict[str, Form | None]:
        forms, unfit = await asyncio.to_thread(self._looked_at, wanted, store)
        for sha256 in unfit:
            loop = asyncio.get_running_loop()
            made = loop.run_in_executor(self._worker, self._converted, sha256, store)
            forms[sha256] = await made
        return forms

    def _looked_at(
        self, wanted: Iterable[str], store: ImageStore
    ) -> tuple[dict[str, Form | None], list[str]]:
        """The forms of those that are known or go as they are, and those that have to be
        converted.
        """
        forms: dict[str, Form | None] = {}
        unfit: list[str] = []
        for sha256 in wanted:
            try:
                form = self._known(sha256, store) or self._as_it_is(sha256, store)
            except FileNotFoundError:
                forms[sha256] = None
                continue
            if form is None:
                unfit.append(sha256)
            else:
                forms[sha256] = form
        return forms, unfit

    def _known(self, sha256: str, store: ImageStore) -> Form | None:
        form = self._forms.get(sha256)
        if form is None:
            return None
        _look(sha256, store)
        return form if form.sha256 == sha256 or _is_there(form.sha256, store) else None

    def _as_it_is(self, sha256: str, store: ImageStore) -> Form | None:
        with opened(store, sha256) as file, storing("read from"):
            try:
                info = inspect(file, max_pixels=MOST_PIXELS)
            except ImageError:  # of a reply, and broken: it goes back as it came
                return self._remember(sha256, Form(sha256, "", 0))
            if not is_taken(info):
                return None
            if info.size <= _SMALL:
                file.seek(0)
                self._hold(sha256, file.read())
        return self._remember(sha256, Form(sha256, info.media_type, info.size))

    def _hold(self, sha256: str, data: bytes) -> None:
        self._small[sha256] = data
        if len(self._small) > _HELD:
            self._small.pop(next(iter(self._small)), None)

    def _converted(self, sha256: str, store: ImageStore) -> Form | None:
        try:
            # Another run may have waited for the same.
            return self._known(sha256, store) or self._remember(sha256, _made(sha256, store))
        except FileNotFoundError:
            return None

    def _remember(self, sha256: str, form: Form) -> Form:
        self._forms[sha256] = form
        if form.refusal is not None:
            self._refused.add(sha256)
            self.refusals += 1
        if len(self._forms) > _KNOWN:
            oldest = next(iter(self._forms))
            self._forms.pop(oldest, None)
            self._refused.discard(oldest)
            self.refusals += 1
        return form


def _in_words(piece: bytes | BlobRef, words: Mapping[str, bytes]) -> bytes | BlobRef:
    """The words of a text file in the place of what stands for them."""
    if isinstance(piece, bytes) or piece.form != "text":
        return piece
    return words.get(piece.sha256, b"")


def _is_there(sha256: str, store: ImageStore) -> bool:
    try:
        _look(sha256, store)
    except FileNotFoundError:
        return False
    return True


def _look(sha256: str, store: ImageStore) -> None:
    """Raise `FileNotFoundError` where a picture is not there."""
    file = opened(store, sha256)
    with storing("read from"):
        file.close()


def _made(sha256: str, store: ImageStore) -> Form:
    with opened(store, sha256) as file, storing("read from"):
        data = file.read()
    info = inspect(BytesIO(data), max_pixels=MOST_PIXELS)
    try:
        data = converted(data, info)
    except ImageError as error:
        logger().warning("picture_not_sent", sha256=sha256, reason=str(error))
        return Form(sha256, info.media_type, info.size, str(error))
    stored = store_bytes(store, data, max_pixels=MOST_PIXELS)
    logger().info("picture_converted", sha256=sha256, sent=stored.sha256, size=stored.size)
    return Form(stored.sha256, stored.media_type, stored.size)
