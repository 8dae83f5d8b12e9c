"""A picture in a store: what it is, told once, and kept aside where it is no usable picture."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from agentkit.errors import ImageError
from agentkit.images.drafts import SafeDraft
from agentkit.images.store import ImageStore
from agentkit.values.blobs import opened, storing
from agentkit.values.image_header import MAX_PIXELS, inspect


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in the store. `size` is in bytes; width and height are in pixels, None for SVG."""

    sha256: str
    media_type: str
    size: int
    width: int | None
    height: int | None


class BrokenImage(ImageError):
    """Bytes that arrived and are no usable picture. `kept` is their sha256 in the store, where they
    were kept aside.
    """

    def __init__(self, message: str, *, kept: str | None = None, data: bytes | None = None) -> None:
        super().__init__(message)
        self.kept = kept
        self.data = data
        """The bytes, where the store would not take them."""


def store_bytes(store: ImageStore, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Stored:
    """Keep a picture. Raises `ImageError` for bytes that are none (kept aside, `kept` says where),
    and `StoreError`.
    """
    draft = SafeDraft(store)
    try:
        draft.write(data)
        sha256 = draft.keep()
    finally:
        draft.discard()
    try:
        info = inspect(BytesIO(data), max_pixels=max_pixels)
    except ImageError as error:
        raise BrokenImage(str(error), kept=sha256) from None
    return Stored(sha256, info.media_type, info.size, info.width, info.height)


def inspect_stored(store: ImageStore, sha256: str, *, max_pixels: int = MAX_PIXELS) -> Stored:
    """`inspect` for what is in a store already. Raises `ImageError`, with `kept`, and
    `StoreError`.
    """
    try:
        with storing("read from"), opened(store, sha256) as file:
            info = inspect(file, max_pixels=max_pixels)
    except ImageError as error:
        raise BrokenImage(str(error), kept=sha256) from None
    return Stored(sha256, info.media_type, info.size, info.width, info.height)
