"""Pictures as text: half-blocks, and the codes of kitty and iTerm2."""

from __future__ import annotations

import base64
import io
import re

import PIL.Image
import pytest
from rich.console import Console

from agentkit import Image
from agentkit.cli.terminal.pictures import (
    PreviewPainter,
    Room,
    cells,
    chosen_protocol,
    drawn,
    half_blocks,
    iterm,
    kitty,
)
from agentkit.cli.terminal.screen import Painter
from agentkit.errors import UsageError

RED, BLUE, CLEAR = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
TRUE_COLOURS = Painter(Console(file=io.StringIO(), force_terminal=True, color_system="truecolor"))


def picture(*rows: list[tuple[int, int, int, int]]) -> PIL.Image.Image:
    made = PIL.Image.new("RGBA", (len(rows[0]), len(rows)))
    made.putdata([pixel for row in rows for pixel in row])
    return made


def png(size: tuple[int, int] = (8, 6)) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", size, (10, 200, 30)).save(out, "PNG")
    return out.getvalue()


def test_a_cell_shows_two_pixels() -> None:
    painted = TRUE_COLOURS.paint(
        half_blocks(picture([RED, RED], [BLUE, BLUE]), columns=2, rows=5), width=20
    )
    assert painted == "\x1b[38;2;255;0;0;48;2;0;0;255m▀▀\x1b[0m\n"


def test_what_is_transparent_stays_so() -> None:
    painted = TRUE_COLOURS.paint(
        half_blocks(picture([CLEAR, RED, CLEAR], [CLEAR, CLEAR, BLUE]), columns=3, rows=1), width=9
    )
    assert painted == " \x1b[38;2;255;0;0m▀\x1b[0m\x1b[38;2;0;0;255m▄\x1b[0m\n"


@pytest.mark.parametrize(
    ("size", "room", "expected"),
    [
        ((1024, 1024), (56, 20), (40, 20)),
        ((1024, 576), (56, 20), (56, 16)),
        ((576, 1024), (56, 20), (22, 20)),
        ((10_000, 1), (56, 20), (56, 1)),
        ((1, 10_000), (56, 20), (1, 20)),
        ((1024, 1024), (19, 20), (19, 10)),
    ],
)
def test_a_picture_keeps_its_shape(
    size: tuple[int, int], room: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert cells(*size, columns=room[0], rows=room[1]) == expected


def test_kitty_gets_the_picture_in_pieces() -> None:
    noisy = PIL.Image.effect_noise((300, 300), 90).convert("RGB")
    codes = kitty(noisy, columns=30, rows=10)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", codes)
    assert len(pieces) > 2
    assert "c=20,r=10" in pieces[0][0]
    assert [settings[-3:] for settings, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"]
    assert max(len(data) for _, data in pieces) <= 4096
    sent = base64.b64decode("".join(data for _, data in pieces))
    assert PIL.Image.open(io.BytesIO(sent)).size == (300, 300)
    assert codes.count("\r\n") == 10


def test_iterm_gets_the_picture_in_one() -> None:
    codes = iterm(PIL.Image.new("RGB", (400, 200)), columns=20, rows=10)
    found = re.search(
        r"\x1b\]1337;File=inline=1;size=(\d+);width=20;height=5;[^:]*:([^\x07]*)\x07", codes
    )
    assert found
    assert len(base64.b64decode(found[2])) == int(found[1])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
        ({"TMUX": "/tmp/tmux", "AGENTKIT_PICTURES": "kitty"}, "kitty"),
        ({"TERM": "xterm-kitty", "AGENTKIT_PICTURES": "none"}, "none"),
    ],
)
def test_the_environment_tells_how_pictures_are_shown(
    environ: dict[str, str], expected: str
) -> None:
    assert chosen_protocol(environ) == expected


def test_a_protocol_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"AGENTKIT_PICTURES='ascii': accepted are 'blocks' and"):
        chosen_protocol({"AGENTKIT_PICTURES": "ascii"})


def test_a_picture_that_cannot_be_shown_is_none() -> None:
    svg = Image.from_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    broken = Image.from_bytes(png()[:60])
    whole = Image.from_bytes(png())
    assert drawn(svg, "blocks", Room(20, 5)) is None
    assert drawn(broken, "blocks", Room(20, 5)) is None
    assert drawn(whole, "none", Room(20, 5)) is None
    assert drawn(whole, "blocks", Room(1, 5)) is None
    assert drawn(whole, "blocks", Room(20, 5)) is not None


def test_a_preview_is_drawn_once_for_each_size() -> None:
    painter, data = PreviewPainter(), png()
    first = painter.of(data, Room(20, 5))
    assert first is not None
    assert painter.of(data, Room(20, 5)) is first
    assert painter.of(data, Room(10, 5)) is not first
    assert painter.of(b"no picture", Room(10, 5)) is None
    assert painter.of(None, Room(10, 5)) is None
