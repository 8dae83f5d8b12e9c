"""A request body on its way out: bytes as they are, pictures read from the store while they are
sent, in base64 or as a file of a form.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import BinaryIO

import pybase64

from agentkit.errors import ImageError
from agentkit.images.outgoing import ReadyRef
from agentkit.images.store import FileImageStore, ImageStore, MemoryImageStore
from agentkit.values import BlobRef, Pieces
from agentkit.values.blobs import opened, read_some, storing
from agentkit.wire.form import file_head

_GATHERED = 64 * 1024
"""Bytes of small pieces that are sent together, and of a body that is sent at once."""
_CHUNK = 3 * 64 * 1024  # a multiple of 3, so that chunks of base64 join without padding


async def content_of(body: Pieces, store: ImageStore) -> tuple[bytes | AsyncIterator[bytes], int]:
    """The body to send and its length in bytes. Raises `ImageError` where a picture is gone from
    the store, `StoreError` where that cannot be read, then or while it is sent."""
    if all(isinstance(piece, bytes) for piece in body):
        data = b"".join(piece for piece in body if isinstance(piece, bytes))
        return data, len(data)
    length = _known_length(body)
    if length is not None:
        if length <= _GATHERED and not any(map(_is_read, body)):
            return b"".join([piece async for piece in _stream(body, store)]), length
        return _stream(body, store), length
    if _is_near(store):
        return _stream(body, store), _length(body, store)
    return _stream(body, store), await asyncio.to_thread(_length, body, store)


def _known_length(body: Pieces) -> int | None:
    """The length of a body whose pictures were looked at a moment ago."""
    length = 0
    for piece in body:
        if isinstance(piece, bytes):
            length += len(piece)
        elif isinstance(piece, ReadyRef) and piece.size is not None:
            length += _length_of(piece, piece.size)
        else:
            return None
    return length


def _is_read(piece: bytes | BlobRef) -> bool:
    """Whether this piece has to be read from the store."""
    return not isinstance(piece, bytes) and (not isinstance(piece, ReadyRef) or piece.data is None)


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
    return _length_of(ref, size)


def _length_of(ref: BlobRef, size: int) -> int:
    """How long a picture of so many bytes is in the body."""
    return len(_prefix(ref)) + (size if ref.form == "file" else (size + 2) // 3 * 4)


async def _stream(body: Pieces, store: ImageStore) -> AsyncIterator[bytes]:
    """The body in pieces, small ones together: each of them is a call of the system."""
    waiting: list[bytes] = []
    size = 0
    async with contextlib.aclosing(_pieces(body, store)) as pieces:
        async for piece in pieces:
            if waiting and size + len(piece) > _GATHERED:
                yield b"".join(waiting)
                waiting, size = [], 0
            waiting.append(piece)
            size += len(piece)
    if waiting:
        yield b"".join(waiting)


async def _pieces(body: Pieces, store: ImageStore) -> AsyncGenerator[bytes]:
    for piece in body:
        if isinstance(piece, bytes):
            yield piece
            continue
        yield _prefix(piece)
        if isinstance(piece, ReadyRef) and piece.data is not None:
            yield _written(piece, piece.data)
            continue
        with await _opened(piece, store) as file:
            while chunk := read_some(file, _CHUNK):
                yield _written(piece, chunk)


def _written(ref: BlobRef, data: bytes) -> bytes:
    return data if ref.form == "file" else pybase64.b64encode(data)
