"""Files that users bring: taken into the store as they arrive, and judged by their bytes, whatever
their name and their sender say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from agentkit.errors import FileError, StoreError
from agentkit.images.drafts import SafeDraft
from agentkit.images.store import ImageStore
from agentkit.values import File
from agentkit.values.file_kind import MOST_BYTES, clean_name, file_info
from agentkit.values.image_header import HEAD, RASTER_TYPES, sniff
from agentkit.web.refusal import Refused
from agentkit.web.uploads import decoded_from, has_more, in_draft, start_of_bytes

ACCEPTED = f"a PDF, text, or another file, of 1 byte to {MOST_BYTES >> 20} MiB"


async def take_file_in(
    store: ImageStore, body: AsyncIterable[bytes], length: int | None, name: str
) -> File:
    """The file that these bytes are, in the store; `length` is what was said of them, and `name`
    what the user calls it.

    Raises `Refused` for what no model can use, is too large, or cannot be stored: then there is no
    trace of it. The connection's errors pass through, to the same end.
    """
    async with in_draft(store, body, length, MOST_BYTES, _check_beginning, _too_large) as taken:
        return await asyncio.to_thread(_kept, store, taken.draft, taken.rest, name)


async def take_file_in_data_url(store: ImageStore, url: str, name: str) -> File:
    """The file of a `data:` URL, in the store. Raises `Refused`."""
    start = start_of_bytes(url)
    if has_more(url, start, MOST_BYTES):
        raise _too_large()
    return await take_file_in(store, decoded_from(url, start), None, name)


def _check_beginning(head: bytes) -> None:
    """Refuse a picture before the rest of it comes. An SVG is text to a model."""
    if sniff(head) in RASTER_TYPES:
        raise Refused(415, "This is a picture, and no file.", "pictures at api/images")


def _kept(store: ImageStore, draft: SafeDraft, rest: bytes, name: str) -> File:
    draft.write(rest)
    try:
        with draft.read_back() as file:
            _check_beginning(file.read(HEAD))
            info = file_info(file, name)
        sha256 = draft.keep()
    except FileError as error:
        raise Refused(415, f"This cannot be used: {error}.", ACCEPTED) from None
    except StoreError:
        raise Refused(507, "The server cannot keep files at the moment.") from None
    return File(
        sha256,
        info.media_type,
        info.size,
        clean_name(name, info.media_type),
        pages=info.pages,
        encoding=info.encoding,
        blobs=store,
    )


def _too_large() -> Refused:
    return Refused(413, f"The file has more than {MOST_BYTES >> 20} MiB.", ACCEPTED)
