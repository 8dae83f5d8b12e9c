"""Pictures in a terminal: as half-blocks in any, natively in kitty and iTerm2, as sixels in others.

Everything here makes text; nothing here writes it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Literal, NamedTuple, assert_never, cast, get_args

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from agentkit._check import check_choice
from agentkit.cli.terminal.sixel import CELL, check_installed, is_installed, sixel_size, sixels
from agentkit.errors import AgentkitError, ImageError
from agentkit.values import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Protocol = Literal["blocks", "kitty", "iterm", "sixel", "none"]
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


class Room(NamedTuple):
    """The cells that a picture may take."""

    columns: int
    rows: int
    cell: tuple[int, int] = CELL
    """Width and height of one in pixels."""


def chosen_protocol(environ: Mapping[str, str] = os.environ) -> Protocol:
    """How this terminal shows pictures, by its environment. Raises `UsageError` for a name in
    `AGENTKIT_PICTURES` that is none, and for `sixel` where its extra is not installed.

    Within tmux and screen it is half-blocks, since those pass nothing else on.
    """
    if named := environ.get(VARIABLE, "").strip():
        protocol = check_choice(f"{VARIABLE}={{!r}}", named, PROTOCOLS)
        if protocol == "sixel":
            check_installed(f"{VARIABLE}={protocol}")
        return protocol
    if environ.get("TMUX") or environ.get("STY"):
        return "blocks"
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("KITTY_WINDOW_ID") or "kitty" in term or program == "ghostty":
        return "kitty"
    if program in {"iTerm.app", "WezTerm"} or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return "blocks"


def may_be_sixel(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether it is worth asking the terminal if it knows sixels: the extra is there, and the
    environment names nothing better. tmux says that it does, whatever terminal it runs in.
    """
    named, in_tmux = environ.get(VARIABLE, "").strip(), environ.get("TMUX")
    return not named and not in_tmux and chosen_protocol(environ) == "blocks" and is_installed()


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


def sixel(picture: PillowImage, *, columns: int, rows: int, cell: tuple[int, int]) -> str:
    """The escape codes that draw the picture in a terminal that knows sixels, from the cursor on,
    which ends below it.
    """
    size = sixel_size(*picture.size, columns=columns, rows=rows, cell=cell)
    resized = cast("Callable[[tuple[int, int]], PillowImage]", picture.convert("RGBA").resize)
    return _in_place(sixels(resized(size)), -(-size[1] // cell[1]))


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
        self._made: tuple[bytes, Room] | None = None
        self._segments: Segments | None = None

    def of(self, data: bytes | None, room: Room) -> Segments | None:
        """The preview within this room; None for bytes that are no picture."""
        if data is None:
            return None
        if self._made != (data, room):
            self._made = (data, room)
            self._segments = _preview(data, room)
        return self._segments


def _preview(data: bytes, room: Room) -> Segments | None:
    try:
        picture = Image.from_bytes(data).to_pillow(max_pixels=_PREVIEW_PIXELS)
    except ImageError:
        return None
    return half_blocks(picture, columns=room.columns, rows=min(room.rows, _PREVIEW_ROWS))


def drawn(image: Image, protocol: Protocol, room: Room) -> Segments | str | None:
    """A picture for a terminal: rows of cells, or escape codes; None for one that cannot be shown,
    as SVG. Reads its bytes, so it blocks.
    """
    columns, rows, cell = room
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
        case "sixel":
            return sixel(picture, columns=columns, rows=rows, cell=cell)
        case "blocks":
            return half_blocks(picture, columns=columns, rows=rows)
        case _:
            assert_never(protocol)
