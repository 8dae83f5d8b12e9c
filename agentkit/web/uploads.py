"""Pictures that users bring: taken into the store as they arrive, and judged by their bytes."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from agentkit._sync import finish
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
_PAUSE = 0.05
"""Seconds between two looks whether it is free."""
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
    async with in_draft(store, body, length, MOST_BYTES, _check_beginning, _too_large) as taken:
        kept = await asyncio.to_thread(_kept, store, taken.draft, taken.rest)
        return await _smaller(store, taken.draft) if kept is None else kept


async def take_in_data_url(store: ImageStore, url: str) -> Image:
    """The picture of a `data:` URL, in the store. Raises `Refused`."""
    start = start_of_bytes(url)
    if has_more(url, start, MOST_BYTES):
        raise _too_large()
    return await take_in(store, decoded_from(url, start), None)


@asynccontextmanager
async def in_draft(
    store: ImageStore,
    body: AsyncIterable[bytes],
    length: int | None,
    most: int,
    check: Callable[[bytes], None],
    too_large: Callable[[], Refused],
) -> AsyncGenerator[Taken]:
    """A block that has these bytes in a draft, of which there is no trace behind it unless it was
    kept. Raises what `too_large` gives for more than `most`, and what `check` raises.
    """
    if length is not None and length > most:
        raise too_large()
    draft = await asyncio.to_thread(SafeDraft, store)
    try:
        taken = Taken(draft, check)
        async for chunk in body:
            if taken.size + len(chunk) > most:
                raise too_large()
            await taken.take(chunk)
        yield taken
    finally:
        await asyncio.to_thread(draft.discard)


class Taken:
    """Bytes on their way into a draft. `check` is given the beginning once it is there, and raises
    where nothing good can come of it.
    """

    def __init__(self, draft: SafeDraft, check: Callable[[bytes], None]) -> None:
        self.draft, self._check = draft, check
        self._waiting = bytearray()

    @property
    def size(self) -> int:
        """Bytes that came so far."""
        return self.draft.size + len(self._waiting)

    @property
    def rest(self) -> bytes:
        """The last bytes, which are not in the draft yet."""
        return bytes(self._waiting)

    async def take(self, chunk: bytes) -> None:
        """Take more, and write it in a thread once it is enough."""
        self._waiting += chunk
        if self.draft.size == 0 and len(self._waiting) >= HEAD:
            self._check(bytes(self._waiting[:HEAD]))
        if len(self._waiting) >= _AT_ONCE:
            await asyncio.to_thread(self.draft.write, bytes(self._waiting))
            self._waiting.clear()


def start_of_bytes(url: str) -> int:
    """Where the base64 of a `data:` URL begins. Raises `Refused` for one without."""
    start = _DATA.match(url)
    if start is None:
        raise Refused(400, "This data: URL is not base64.", "data:image/png;base64,…")
    return start.end()


def has_more(url: str, start: int, most: int) -> bool:
    """Whether the base64 from there on has more bytes."""
    return (len(url) - start) // 4 * 3 > most + 2


async def decoded_from(url: str, start: int) -> AsyncIterator[bytes]:
    """The bytes of the base64 from there on. Raises `Refused` for what is none."""
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


def _kept(store: ImageStore, draft: SafeDraft, rest: bytes) -> Image | None:
    """The whole picture, once it is known to be one. None where its sides are longer than models
    take: that is kept as a smaller copy.
    """
    draft.write(rest)
    with _in_words():
        with draft.read_back() as file:
            _check_beginning(file.read(HEAD))
            info = inspect(file)
        if max(info.width or 0, info.height or 0) > InputLimits().max_side:
            return None
        sha256 = draft.keep()
    return _brought(store, Stored(sha256, info.media_type, info.size, info.width, info.height))


async def _smaller(store: ImageStore, draft: SafeDraft) -> Image:
    """A smaller copy of the picture. One is made at a time: the pixels of one may fill 200 MB. No
    thread waits for that, since the conversations are read and written by the same threads.
    """
    # An event belongs to one event loop; there may be several.
    while not _ONE_AT_A_TIME.acquire(blocking=False):  # noqa: ASYNC110
        await asyncio.sleep(_PAUSE)
    try:
        return await finish(asyncio.to_thread(_made_smaller, store, draft), None)
    finally:
        _ONE_AT_A_TIME.release()


def _made_smaller(store: ImageStore, draft: SafeDraft) -> Image:
    with _in_words():
        with draft.read_back() as file:
            data = file.read()
        made = scaled_to_fit(Image.from_bytes(data), InputLimits(), scale=True)
        return _brought(store, store_bytes(store, made.bytes()))


@contextmanager
def _in_words() -> Generator[None]:
    """A block whose errors are told to whoever brings the picture."""
    try:
        yield
    except ImageError as error:
        raise _no_picture(str(error)) from None
    except StoreError:
        raise Refused(507, "The server cannot keep pictures at the moment.") from None


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
