"""Pictures that users bring: taken into the store as they arrive, and judged by their bytes."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterable, AsyncIterator
from typing import BinaryIO

from agentkit.errors import ImageError, StoreError
from agentkit.images.convert import SVG_REFUSED
from agentkit.images.drafts import SafeDraft
from agentkit.images.ingest import InputLimits, scaled_to_fit
from agentkit.images.inspect import Stored, store_bytes
from agentkit.images.store import ImageStore
from agentkit.values import Image, Source
from agentkit.values.image_header import EXTENSIONS, HEAD, describe, inspect, name_of, sniff
from agentkit.values.image_pixels import check_decoder
from agentkit.web.refusal import Refused

MOST_BYTES = 20 << 20
"""Bytes of one picture."""
_AT_ONCE = 1 << 19
"""Bytes that are written at once, in a thread."""
_DATA = re.compile(r"data:[\w.+*/-]*(?:;[\w.=-]+)*;base64,", re.IGNORECASE)
_ONE_AT_A_TIME = threading.Lock()
_SLICE = 4 << 18
"""Characters of base64 that are decoded at once: whole groups of four."""
ACCEPTED = (
    ", ".join(sorted({name_of(each) for each in EXTENSIONS if each != "image/svg+xml"}))
    + f" of at most {MOST_BYTES >> 20} MiB"
)


async def take_in(store: ImageStore, body: AsyncIterable[bytes], length: int | None) -> Image:
    """The picture that these bytes are, in the store; `length` is what was said of them.

    Raises `Refused` for what is no picture, is too large, or cannot be stored: then there is no
    trace of it. The connection's errors pass through, to the same end.
    """
    if length is not None and length > MOST_BYTES:
        raise _too_large()
    draft = await asyncio.to_thread(SafeDraft, store)
    try:
        waiting = bytearray()
        async for chunk in body:
            if draft.size + len(waiting) + len(chunk) > MOST_BYTES:
                raise _too_large()
            waiting += chunk
            if draft.size == 0 and len(waiting) >= HEAD:
                _check_beginning(bytes(waiting[:HEAD]))
            if len(waiting) >= _AT_ONCE:
                await asyncio.to_thread(draft.write, bytes(waiting))
                waiting.clear()
        return await asyncio.to_thread(_kept, store, draft, bytes(waiting))
    finally:
        await asyncio.to_thread(draft.discard)


async def take_in_data_url(store: ImageStore, url: str) -> Image:
    """The picture of a `data:` URL, in the store. Raises `Refused`."""
    start = _DATA.match(url)
    if start is None:
        raise Refused(400, "This data: URL is not base64.", "data:image/png;base64,…")
    if (len(url) - start.end()) // 4 * 3 > MOST_BYTES + 2:
        raise _too_large()
    return await take_in(store, _decoded(url, start.end()), None)


async def _decoded(url: str, start: int) -> AsyncIterator[bytes]:
    import pybase64

    for at in range(start, len(url), _SLICE):
        try:
            yield pybase64.b64decode(url[at : at + _SLICE], validate=True)
        except ValueError:
            raise Refused(400, "This data: URL is not base64.", "data:image/png;base64,…") from None


def _check_beginning(head: bytes) -> None:
    """Whether a picture may begin so: what does not is refused before the rest of it comes."""
    media_type = sniff(head)
    if media_type is None:
        words = f"not a picture ({describe(head)})" if head else "not a picture (no bytes at all)"
        raise _no_picture(words)
    if media_type == "image/svg+xml":
        raise _no_picture(SVG_REFUSED)
    try:
        check_decoder(media_type)
    except ImageError as error:
        raise _no_picture(str(error)) from None


def _kept(store: ImageStore, draft: SafeDraft, rest: bytes) -> Image:
    """The whole picture, once it is known to be one. One with longer sides than models take is kept
    as a smaller copy.
    """
    draft.write(rest)
    try:
        with draft.read_back() as file:
            _check_beginning(file.read(HEAD))
            info = inspect(file)
            if max(info.width or 0, info.height or 0) > InputLimits().max_side:
                return _smaller(store, file)
        sha256 = draft.keep()
    except ImageError as error:
        raise _no_picture(str(error)) from None
    except StoreError:
        raise Refused(507, "The server cannot keep pictures at the moment.") from None
    return _brought(store, Stored(sha256, info.media_type, info.size, info.width, info.height))


def _smaller(store: ImageStore, file: BinaryIO) -> Image:
    file.seek(0)
    with _ONE_AT_A_TIME:  # the pixels of one may fill 200 MB
        made = scaled_to_fit(Image.from_bytes(file.read()), InputLimits(), scale=True)
    return _brought(store, store_bytes(store, made.bytes()))


def _brought(store: ImageStore, stored: Stored) -> Image:
    return Image(
        stored.sha256,
        stored.media_type,
        stored.size,
        stored.width,
        stored.height,
        sources=(Source("user"),),
        blobs=store,
    )


def _no_picture(why: str) -> Refused:
    return Refused(415, f"This cannot be used: {why}.", ACCEPTED)


def _too_large() -> Refused:
    return Refused(413, f"The picture has more than {MOST_BYTES >> 20} MiB.", ACCEPTED)
