"""Pictures: painted, remembered by what they show, and lent out under URLs that expire."""

import asyncio
import base64
import hashlib
import io
import json
import secrets
import time
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, get_args

from PIL import Image, ImageFilter

from agentkit.emulator.script import Draw

Flaw = Literal[
    "base64.spaced",
    "base64.urlsafe",
    "base64.unpadded",
    "base64.cut",
    "base64.broken",
    "base64.wrong_type",
]
FLAWS: tuple[Flaw, ...] = get_args(Flaw)
_URLSAFE = str.maketrans("+/", "-_")
ENDING = 64
MAX_SIDE = 2048
PREVIEW_SIDE = 192
REMEMBERED = 16
"""Pictures that are not painted again when the same is asked for: a large one takes a quarter of a
second, and in tests most are the same few.
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture and the temporary URL where it lies."""

    data: bytes = field(repr=False)
    media_type: str
    url: str
    flaw: Flaw | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def base64(self) -> str:
        text = base64.b64encode(self.data).decode("ascii")
        match self.flaw:
            case "base64.spaced":
                return (
                    "\n".join(text[start : start + 76] for start in range(0, len(text), 76)) + " \t"
                )
            case "base64.urlsafe":
                return text.translate(_URLSAFE)
            case "base64.unpadded":
                return text.rstrip("=")
            case "base64.cut":
                return text[: len(text) // 2 | 1]
            case "base64.broken":
                middle = len(text) // 2
                return f"{text[:middle]}%!{text[middle + 2 :]}"
            case _:
                return text

    @property
    def ending(self) -> bytes:
        """The last characters of the base64 as JSON writes it: enough to know the picture by."""
        if self.flaw is not None:
            return json.dumps(self.base64)[1:-1].encode("ascii")[-ENDING:]
        start = max(0, len(self.data) - ENDING * 3 // 4) // 3 * 3
        return base64.b64encode(self.data[start:])

    @property
    def claimed(self) -> str:
        """The media type that the wire tells."""
        return "text/plain" if self.flaw == "base64.wrong_type" else self.media_type

    @property
    def data_url(self) -> str:
        return f"data:{self.claimed};base64,{self.base64}"


@dataclass(slots=True)
class Loan:
    data: bytes
    media_type: str
    token: str
    until: float
    reads: int | None = None
    """How often it can still be read; None: as often as one likes."""


class Studio:
    """`origin` is known once the server listens. `ttl` are the seconds that a temporary URL
    lives, `reads` how often it can be read.
    """

    def __init__(self, *, ttl: float, seed: int, reads: int | None = None) -> None:
        self.origin = ""
        self.ttl, self.reads = ttl, reads
        self._seed = seed
        self._loans: dict[str, Loan] = {}
        self._prompts: dict[str, str] = {}

    async def picture(self, draw: Draw) -> Picture:
        data = draw.data
        if data is None:
            data = await asyncio.to_thread(self._paint, draw)
        self._prompts[hashlib.sha256(data).hexdigest()] = draw.prompt
        return Picture(data, draw.media_type, self.lend(data, draw.media_type, draw.format))

    async def previews(self, draw: Draw, picture: Picture, count: int) -> list[bytes]:
        """Small, rough forms of the picture, each a little finer than the one before."""
        return await asyncio.to_thread(
            lambda: [self._preview(draw, picture.data, step, count) for step in range(count)]
        )

    def lend(self, data: bytes, media_type: str, extension: str) -> str:
        name = f"{secrets.token_hex(8)}.{'jpg' if extension == 'jpeg' else extension}"
        # Real signatures may end in an underscore, which is no punctuation of the text around.
        token = f"{secrets.token_urlsafe(12)}_"
        loan = Loan(data, media_type, token, time.monotonic() + self.ttl, self.reads)
        self._loans[name] = loan
        return f"{self.origin}/i/{name}?token={loan.token}"

    def loan(self, name: str) -> Loan | None:
        return self._loans.get(name)

    def expire(self) -> None:
        """Every temporary URL that was given out so far is dead from now on."""
        for loan in self._loans.values():
            loan.until = 0.0

    def prompt_of(self, data: bytes) -> str | None:
        """What a picture shows, if it was painted here."""
        return self._prompts.get(hashlib.sha256(data).hexdigest())

    def look_up(self, where: str | None) -> bytes | None:
        """The bytes behind a data URL, bare base64, or a URL of this origin; nothing is fetched
        from elsewhere.
        """
        if not where:
            return None
        if self.origin and where.startswith(f"{self.origin}/i/"):
            loan = self._loans.get(where.removeprefix(f"{self.origin}/i/").partition("?")[0])
            return loan.data if loan else None
        if where.startswith(("http://", "https://")):
            return None
        text = where.partition(",")[2] if where.startswith("data:") else where
        try:
            return base64.b64decode(text, validate=True) or None
        except ValueError:
            return None

    def _paint(self, draw: Draw) -> bytes:
        seed = (
            draw.seed
            if draw.seed is not None
            else zlib.crc32(draw.prompt.encode("utf-8", "replace"))
        )
        seed = (seed ^ self._seed * 2_654_435_761) & 0x7FFF_FFFF
        width, height = draw.size or (1024, 1024)
        size = (max(16, min(width, MAX_SIDE)), max(16, min(height, MAX_SIDE)))
        quality = 90 if draw.compression is None else draw.compression
        if not draw.source:
            return _new(draw.prompt, size, seed, draw.format, draw.transparent, quality)
        source = draw.source if _opens(draw.source) else None
        return _painted(
            draw.prompt, size, seed, draw.format, draw.transparent, quality, source=source
        )

    def _preview(self, draw: Draw, data: bytes, step: int, count: int) -> bytes:
        if not _opens(data):
            data = self._paint(Draw(draw.prompt, size=(PREVIEW_SIDE, PREVIEW_SIDE), seed=draw.seed))
        with Image.open(io.BytesIO(data)) as full:
            small = full.convert("RGB")
        small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        blurred = small.filter(ImageFilter.BoxBlur(radius=2 * (count - step)))
        rough = Image.blend(
            Image.new("RGB", small.size, (188, 188, 188)), blurred, (step + 1) / (count + 1)
        )
        return _encoded(rough, "PNG")


def _painted(
    prompt: str,
    size: tuple[int, int],
    seed: int,
    form: str,
    transparent: bool,
    quality: int,
    *,
    source: bytes | None = None,
) -> bytes:
    """The picture, in its format. The same arguments give the same bytes."""
    from agentkit.emulator.painter import painter

    if form == "svg":
        return painter.paint_svg(prompt, size, seed)
    data = painter.paint(
        prompt,
        size=size,
        seed=seed,
        format="png" if form == "gif" else form,
        transparent=transparent,
        quality=quality,
        source=source,
    )
    return _as_gif(data) if form == "gif" else data


@lru_cache(maxsize=REMEMBERED)
def _new(
    prompt: str,
    size: tuple[int, int],
    seed: int,
    form: str,
    transparent: bool,
    quality: int,
) -> bytes:
    """A picture of these words alone. An edit is not remembered: its source would be, too."""
    return _painted(prompt, size, seed, form, transparent, quality)


def _opens(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture, if it is one and no larger than what is painted here."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size if max(image.size) <= MAX_SIDE else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _as_gif(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return _encoded(image.convert("P"), "GIF")


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
