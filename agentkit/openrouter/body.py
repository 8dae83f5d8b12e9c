"""A request body on its way out: bytes as they are, pictures read from the store while they are
sent, in base64 or as a file of a form.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

import pybase64

from agentkit.errors import ImageError
from agentkit.images.store import FileImageStore, ImageStore, MemoryImageStore
from agentkit.values import BlobRef, Pieces
from agentkit.values.blobs import opened, read_some, storing
from agentkit.wire.form import file_head

_CHUNK = 3 * 64 * 1024  # a multiple of 3, so that chunks of base64 join without padding


async def content_of(body: Pieces, store: ImageStore) -> tuple[bytes | AsyncIterator[bytes], int]:
    """The body to send and its length in bytes. Raises `ImageError` where a picture is gone from
    the store, `StoreError` where that cannot be read, then or while it is sent."""
    if all(isinstance(piece, bytes) for piece in body):
        data = b"".join(piece for piece in body if isinstance(piece, bytes))
        return data, len(data)
    if _is_near(store):
        return _stream(body, store), _length(body, store)
    return _stream(body, store), await asyncio.to_thread(_length, body, store)


def _is_near(store: ImageStore) -> bool:
    """Whether it gives a picture at once. Any other may block until all of it is here."""
    return isinstance(store, FileImageStore | MemoryImageStore)


async def _opened(ref: BlobRef, store: ImageStore) -> BinaryIO:
    if _is_near(store):
        return _open(ref, store)
    opening = asyncio.ensure_future(asyncio.to_thread(_open, ref, store))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)  # the thread goes on
        raise


def _close(opening: asyncio.Future[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _length(body: Pieces, store: ImageStore) -> int:
    return sum(len(piece) if isinstance(piece, bytes) else _size_of(piece, store) for piece in body)


def _prefix(ref: BlobRef) -> bytes:
    match ref.form:
        case "data_url":
            return f"data:{ref.media_type};base64,".encode()
        case "base64":
            return b""
        case "file":
            return file_head(ref.media_type)
        case "text":
            raise AssertionError(f"the words of {ref.sha256[:12]}… were not put into the body")


def _open(ref: BlobRef, store: ImageStore) -> BinaryIO:
    try:
        return opened(store, ref.sha256)
    except FileNotFoundError:
        raise ImageError(
            f"the picture or file {ref.sha256[:12]}… that the conversation "
            "refers to is no longer in the store"
        ) from None


def _size_of(ref: BlobRef, store: ImageStore) -> int:
    with storing("read from"), _open(ref, store) as file:
        size = file.seek(0, 2)
    return len(_prefix(ref)) + (size if ref.form == "file" else (size + 2) // 3 * 4)


async def _stream(body: Pieces, store: ImageStore) -> AsyncIterator[bytes]:
    for piece in body:
        if isinstance(piece, bytes):
            yield piece
            continue
        yield _prefix(piece)
        with await _opened(piece, store) as file:
            while chunk := read_some(file, _CHUNK):
                yield chunk if piece.form == "file" else pybase64.b64encode(chunk)
