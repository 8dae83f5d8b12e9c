"""Small copies of pictures: made in threads, of a few widths, kept in a bounded memory."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from agentkit._log import logger
from agentkit.errors import AgentkitError, ImageError
from agentkit.images.convert import encoded
from agentkit.values import Image
from agentkit.values.image_header import MAX_PIXELS
from agentkit.values.image_pixels import decoded, visible

WIDTHS = (160, 320, 768, 1536)
"""Pixels. Any other width is rounded up."""
MEDIA_TYPE = "image/webp"
_MEMORY = 64 << 20
_THREADS = 2
_LARGE = 12_000_000
"""Pixels beyond which one picture is decoded at a time: it may fill 200 MB."""
_QUALITY = 80
_METHOD = 2
"""Of WebP: twice as fast as its own default, and 3 % longer."""


def width_for(wanted: int) -> int:
    """The width that is made where this one is wanted."""
    return next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])


class Thumbnails:
    """Copies by digest and width, the latest `memory` bytes of them."""

    def __init__(self, memory: int = _MEMORY) -> None:
        self._memory = memory
        self._made: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, int], asyncio.Task[bytes | None]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._one_large = threading.Lock()

    async def get(self, image: Image, width: int) -> bytes | None:
        """A copy that is no wider than this; None where the picture cannot be decoded. However many
        ask at once, it is made once.
        """
        key = (image.sha256, width)
        if (found := self._made.get(key)) is not None:
            self._made.move_to_end(key)
            return found
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(image, width))
            making.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(making)

    def close(self) -> None:
        """Let the threads go. What is asked for later starts new ones."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _make(self, image: Image, width: int) -> bytes | None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "agentkit-thumbnails")
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._threads, self._scaled, image, width)
        except AgentkitError as error:
            logger().warning("thumbnail_failed", sha256=image.sha256[:12], reason=str(error))
            return None
        self._keep((image.sha256, width), made)
        return made

    def _keep(self, key: tuple[str, int], made: bytes) -> None:
        self._made[key] = made
        self._size += len(made)
        while self._size > self._memory:
            _, gone = self._made.popitem(last=False)
            self._size -= len(gone)

    def _scaled(self, image: Image, width: int) -> bytes:
        if (image.width or 0) * (image.height or 0) <= _LARGE:
            return _scaled(image, width)
        with self._one_large:
            return _scaled(image, width)


def _scaled(image: Image, width: int) -> bytes:
    data = image.bytes()
    try:
        picture = visible(decoded(data, max_pixels=MAX_PIXELS))
        if picture.mode in {"L", "LA"}:  # WebP has no grey
            picture = picture.convert("RGB" if picture.mode == "L" else "RGBA")
        # A strip that is much higher than wide is bounded by its height, too.
        picture.thumbnail((width, 4 * width))
        return encoded(picture, "WEBP", quality=_QUALITY, method=_METHOD)
    except ImageError:
        raise
    except Exception as error:  # decoders and encoders raise whatever they like
        raise ImageError(f"it cannot be made smaller: {type(error).__name__}: {error}") from error
