"""Pictures as cassettes hold them: one flat colour, of the same size and format, in a few hundred
bytes.

The colour comes from the picture's digest, so that one picture is always the same placeholder and
two are two. A picture of one colour is its own placeholder: what was replayed and is sent again
stays as it is.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Any

import PIL.Image

_SAVED_AS: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "JPEG": {"quality": 75, "optimize": True, "progressive": True},
    "WEBP": {"lossless": True},
    "GIF": {},
    "AVIF": {"quality": 75},
}
_BASE64 = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")


@lru_cache(maxsize=256)
def placeholder(data: bytes) -> bytes:
    """The flat picture that stands for this one; what is no raster picture comes back unchanged."""
    opened = _opened(data)
    if opened is None or opened.format not in _SAVED_AS or opened.getcolors(1) is not None:
        return data
    flat = PIL.Image.new("RGB", opened.size, tuple(hashlib.sha256(data).digest()[:3]))
    file = BytesIO()
    drawn = flat.quantize(1) if opened.format in {"PNG", "GIF"} else flat
    drawn.save(file, opened.format, **_SAVED_AS[opened.format])
    return file.getvalue()


def summary(data: bytes) -> bytes:
    """What identifies a placeholder, whichever version of a compressor made it: format, size and
    colour.
    """
    opened = _opened(placeholder(data))
    if opened is None:
        return data
    return f"{opened.format} {opened.width}x{opened.height} {opened.convert('RGB').getpixel((0, 0))}".encode()


def in_text(text: str, change: Callable[[bytes], bytes]) -> str:
    """The text with each picture in it changed: those in `data:` URLs, and those in bare base64."""

    def changed(match: re.Match[str]) -> str:
        try:
            data = b64decode(match[0], validate=True)
        except ValueError:
            return match[0]
        return b64encode(change(data)).decode() if _opened(data) is not None else match[0]

    return _BASE64.sub(changed, text)


def _opened(data: bytes) -> PIL.Image.Image | None:
    try:
        with PIL.Image.open(BytesIO(data)) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError):
        return None
