"""Pictures in a terminal: as half-blocks in any, natively in kitty and iTerm2.

Everything here makes text; nothing here writes it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Literal, assert_never, cast, get_args

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from agentkit._check import check_choice
from agentkit.errors import AgentkitError, ImageError
from agentkit.values import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Protocol = Literal["blocks", "kitty", "iterm", "none"]
"""How pictures are shown."""
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

VARIABLE = "AGENTKIT_PICTURES"
"""The environment variable that names a protocol."""
COLUMNS, ROWS = 56, 20
"""The most room that a picture takes, in cells of the terminal."""
_CHUNK = 4096
_PREVIEW_PIXELS = 4_000_000
_PREVIEW_ROWS = 8
_LARGEST = 1024
"""Pixels of the longer side of a picture that is sent to a terminal."""


def chosen_protocol(environ: Mapping[str, str] = os.environ) -> Protocol:
    """How this terminal shows pictures, by its environment. Raises `UsageError` for a name in
    `AGENTKIT_PICTURES` that is none.

    Within tmux and screen it is half-blocks, since those pass nothing else on.
    """
    if named := environ.get(VARIABLE, "").strip():
        return check_choice(f"{VARIABLE}={{!r}}", named, PROTOCOLS)
    if environ.get("TMUX") or environ.get("STY"):
        return "blocks"
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("KITTY_WINDOW_ID") or "kitty" in term or program == "ghostty":
        return "kitty"
    if program in {"iTerm.app", "WezTerm"} or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return "blocks"


def cells(width: int, height: int, *, columns: int, rows: int) -> tuple[int, int]:
    """Columns and rows of a picture of so many pixels within so many cells, its shape kept. A cell
    is about twice as high as it is wide.
    """
    scale = min(columns / max(width, 1), 2 * rows / max(height, 1))
    wide = max(1, min(columns, round(width * scale)))
    high = max(1, min(rows, round(height * scale / 2)))
    return wide, high


def half_blocks(picture: PillowImage, *, columns: int, rows: int) -> Segments:
    """The picture as rows of `▀`: the upper half of a cell in the colour of the letter, the lower
    half in that of its ground. Transparent is whatever the ground of the terminal is.
    """
    wide, high = cells(*picture.size, columns=columns, rows=rows)
    small = picture.convert("RGBA")
    resized = cast("Callable[[tuple[int, int]], PillowImage]", small.resize)  # typed by halves
    small = resized((wide, 2 * high))
    flat = list(_pixels(small))
    segments: list[Segment] = []
    for row in range(high):
        upper = flat[2 * row * wide : (2 * row + 1) * wide]
        lower = flat[(2 * row + 1) * wide : (2 * row + 2) * wide]
        segments += [_cell(above, below) for above, below in zip(upper, lower, strict=True)]
        segments.append(Segment.line())
    return Segments(Segment.simplify(segments))


def _pixels(picture: PillowImage) -> Iterator[tuple[int, int, int, int]]:
    data = picture.tobytes()
    for at in range(0, len(data), 4):
        red, green, blue, alpha = data[at : at + 4]
        yield red, green, blue, alpha


def _cell(above: tuple[int, int, int, int], below: tuple[int, int, int, int]) -> Segment:
    seen_above, seen_below = above[3] >= 128, below[3] >= 128
    if seen_above and seen_below:
        return Segment("▀", Style(color=_colour(above), bgcolor=_colour(below)))
    if seen_above:
        return Segment("▀", Style(color=_colour(above)))
    if seen_below:
        return Segment("▄", Style(color=_colour(below)))
    return Segment(" ")


def _colour(pixel: tuple[int, int, int, int]) -> Color:
    return Color.from_rgb(*pixel[:3])


def kitty(picture: PillowImage, *, columns: int, rows: int) -> str:
    """The escape codes that draw the picture in kitty, from the cursor on, which ends below it:
    https://sw.kovidgoyal.net/kitty/graphics-protocol/
    """
    wide, high = cells(*picture.size, columns=columns, rows=rows)
    data = base64.standard_b64encode(_png(picture)).decode("ascii")
    pieces = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    codes: list[str] = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        first = "" if number else f"a=T,f=100,q=2,C=1,c={wide},r={high},"
        codes.append(f"\x1b_G{first}m={more};{piece}\x1b\\")
    return _in_place("".join(codes), high)


def iterm(picture: PillowImage, *, columns: int, rows: int) -> str:
    """The escape codes that draw the picture in iTerm2, from the cursor on, which ends below it:
    https://iterm2.com/documentation-images.html
    """
    wide, high = cells(*picture.size, columns=columns, rows=rows)
    png = _png(picture)
    data = base64.standard_b64encode(png).decode("ascii")
    settings = f"inline=1;size={len(png)};width={wide};height={high};preserveAspectRatio=1"
    return _in_place(f"\x1b]1337;File={settings}:{data}\x07", high)


def _in_place(codes: str, rows: int) -> str:
    """The room is made first: a picture that makes the terminal scroll would move under the
    cursor.
    """
    return "\r\n" * rows + f"\x1b[{rows}A\x1b7{codes}\x1b8\x1b[{rows}B"


def _png(picture: PillowImage) -> bytes:
    small = picture.convert("RGBA")
    small.thumbnail((_LARGEST, _LARGEST))
    out = BytesIO()
    small.save(out, "PNG")
    return out.getvalue()


class PreviewPainter:
    """Half-blocks of the latest preview, made once for each."""

    def __init__(self) -> None:
        self._made: tuple[bytes, tuple[int, int]] | None = None
        self._segments: Segments | None = None

    def of(self, data: bytes | None, room: tuple[int, int]) -> Segments | None:
        """The preview within so many columns and rows; None for bytes that are no picture."""
        if data is None:
            return None
        if self._made != (data, room):
            self._made = (data, room)
            self._segments = _preview(data, *room)
        return self._segments


def _preview(data: bytes, columns: int, rows: int) -> Segments | None:
    try:
        picture = Image.from_bytes(data).to_pillow(max_pixels=_PREVIEW_PIXELS)
    except ImageError:
        return None
    return half_blocks(picture, columns=columns, rows=min(rows, _PREVIEW_ROWS))


def drawn(image: Image, protocol: Protocol, *, columns: int, rows: int) -> Segments | str | None:
    """A picture for a terminal: rows of cells, or escape codes; None for one that cannot be shown,
    as SVG. Reads its bytes, so it blocks.
    """
    if protocol == "none" or columns < 2 or rows < 1:
        return None
    try:
        picture = image.to_pillow()
    except (AgentkitError, OSError):
        return None
    match protocol:
        case "kitty":
            return kitty(picture, columns=columns, rows=rows)
        case "iterm":
            return iterm(picture, columns=columns, rows=rows)
        case "blocks":
            return half_blocks(picture, columns=columns, rows=rows)
        case _:
            assert_never(protocol)
