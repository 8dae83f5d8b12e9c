"""What is sent of the pictures of a store: each as it is, or as a copy that models take."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from agentkit._log import logger
from agentkit.errors import ImageError
from agentkit.images.convert import MOST_PIXELS, converted, is_taken
from agentkit.images.inspect import store_bytes
from agentkit.images.store import ImageStore
from agentkit.values import BlobRef, Image, Pieces, replace
from agentkit.values.blobs import opened, storing
from agentkit.values.image_header import inspect

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_KNOWN = 4096
"""Pictures whose form is remembered."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent of a picture: the stored bytes with this digest, or nothing, for a reason."""

    sha256: str
    media_type: str
    refusal: str | None = None


class Outgoing:
    """The forms in which pictures are sent. Each picture is looked at, and converted, once.

    A copy is a picture of the store like any other, so that it need not be made again for the next
    turn, and does not fill the memory. One `Outgoing` serves many runs, threads and event loops.
    """

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}
        # One conversion at a time: a picture of 50 megapixels takes 200 MB while it is decoded.
        self._lock = threading.Lock()

    async def check(self, image: Image, store: ImageStore) -> None:
        """Make the form in which a stored picture is sent. Raises `ImageError` that says why there
        is none, and `StoreError`.
        """
        form = await asyncio.to_thread(self._form, image.sha256, store)
        if form is not None and form.refusal is not None:
            raise ImageError(form.refusal)

    async def prepared(self, body: Pieces, store: ImageStore) -> tuple[Pieces, frozenset[str]]:
        """The body with each picture in the form in which it is sent; and the pictures (sha256)
        that cannot be: they are no longer in the store, or no model takes them. Raises
        `StoreError`.
        """
        wanted = {piece.sha256 for piece in body if isinstance(piece, BlobRef)}
        if not wanted:
            return body, frozenset()
        forms = await asyncio.to_thread(self._all, wanted, store)
        sent = tuple([piece if isinstance(piece, bytes) else _sent(piece, forms) for piece in body])
        lost = {
            sha256 for sha256, form in forms.items() if form is None or form.refusal is not None
        }
        return sent, frozenset(lost)

    def refused(self, images: Iterable[Image]) -> frozenset[str]:
        """Those of the pictures (sha256) that are known to have no form that models take."""
        return frozenset(
            image.sha256
            for image in images
            if image.media_type == "image/svg+xml"
            or ((form := self._forms.get(image.sha256)) and form.refusal is not None)
        )

    def _all(self, wanted: Iterable[str], store: ImageStore) -> dict[str, Form | None]:
        return {sha256: self._form(sha256, store) for sha256 in wanted}

    def _form(self, sha256: str, store: ImageStore) -> Form | None:
        """What is sent of a picture of the store; None where it is not there."""
        try:
            return self._known(sha256, store) or self._new(sha256, store)
        except FileNotFoundError:
            return None

    def _known(self, sha256: str, store: ImageStore) -> Form | None:
        form = self._forms.get(sha256)
        if form is None:
            return None
        _look(sha256, store)
        return form if form.sha256 == sha256 or _is_there(form.sha256, store) else None

    def _new(self, sha256: str, store: ImageStore) -> Form:
        with self._lock:
            form = self._known(sha256, store)  # another thread may have made it meanwhile
            if form is None:
                form = _made(sha256, store)
                self._remember(sha256, form)
            return form

    def _remember(self, sha256: str, form: Form) -> None:
        self._forms[sha256] = form
        if len(self._forms) > _KNOWN:
            del self._forms[next(iter(self._forms))]


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
        try:
            info = inspect(file, max_pixels=MOST_PIXELS)
        except ImageError:  # of a reply, and broken: it goes back as it came
            return Form(sha256, "")
        if is_taken(info):
            return Form(sha256, info.media_type)
        file.seek(0)
        data = file.read()
    try:
        data = converted(data, info)
    except ImageError as error:
        logger().warning("picture_not_sent", sha256=sha256, reason=str(error))
        return Form(sha256, info.media_type, str(error))
    stored = store_bytes(store, data, max_pixels=MOST_PIXELS)
    logger().info("picture_converted", sha256=sha256, sent=stored.sha256, size=stored.size)
    return Form(stored.sha256, stored.media_type)


def _sent(ref: BlobRef, forms: dict[str, Form | None]) -> BlobRef:
    """The reference to what is sent. Its type is what the bytes are: what a saved run says of them
    may have been written by anybody, and would stand in the JSON of the request.
    """
    form = forms.get(ref.sha256)
    if form is None:
        return ref
    media_type = form.media_type or ref.media_type
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = "application/octet-stream"
    return replace(ref, sha256=form.sha256, media_type=media_type)
