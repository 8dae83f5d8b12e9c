"""Pictures as sixels: what is written is read back, and it is never larger than its room."""

from __future__ import annotations

import io
import re
import sys

import PIL.Image
import pytest

from agentkit import Image
from agentkit.cli.terminal.asking import Answered, answered
from agentkit.cli.terminal.pictures import Room, chosen_protocol, drawn, may_be_sixel
from agentkit.cli.terminal.sixel import sixel_size
from agentkit.errors import UsageError

TOKEN = re.compile(r'#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|"1;1;(\d+);(\d+)|([?-~])|([$-])')


def read(codes: str) -> PIL.Image.Image:
    """The picture of these codes, as a terminal reads them: https://vt100.net/docs/vt3xx-gp/"""
    body = re.fullmatch(r"\x1bP[\d;]*q([^\x1b]*)\x1b\\", codes)
    assert body
    end, left, top, colour = 0, 0, 0, (0, 0, 0)
    colours: dict[str, tuple[int, ...]] = {}
    made = PIL.Image.new("RGB", (1, 1))
    for found in TOKEN.finditer(body[1]):
        assert found.start() == end, "something that is no sixel"
        end = found.end()
        register, *rgb, times, repeated, width, height, single, move = found.groups()
        if register is not None:
            if rgb[0] is not None:
                colours[register] = tuple(round(int(each) * 2.55) for each in rgb)
            colour = colours[register]
        elif width is not None:
            made = PIL.Image.new("RGB", (int(width), int(height)))
        elif move is not None:
            left, top = 0, top + (6 if move == "-" else 0)
        else:
            bits = ord(repeated or single) - 63
            right = left + int(times or 1)
            for column in range(left, right):
                for row in range(6):
                    if bits >> row & 1:
                        made.putpixel((column, top + row), colour)
            left = right
    assert end == len(body[1])
    return made


def shown(picture: PIL.Image.Image, room: Room) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG")
    codes = drawn(Image.from_bytes(out.getvalue()), "sixel", room)
    assert isinstance(codes, str)
    return codes


def test_a_picture_is_read_back_as_it_was() -> None:
    picture = PIL.Image.new("RGB", (40, 24), (200, 30, 40))
    picture.paste((10, 60, 220), (10, 5, 33, 19))
    codes = shown(picture, Room(4, 2, (10, 12)))
    begin, sixels, end = re.fullmatch(r"(.*)(\x1bP.*\x1b\\)(.*)", codes, re.DOTALL).groups()
    assert (begin, end) == ("\r\n\r\n\x1b[2A\x1b7", "\x1b8\x1b[2B")
    read_back = read(sixels)
    assert read_back.size == picture.size
    pairs = zip(read_back.tobytes(), picture.tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) <= 3


@pytest.mark.parametrize("size", [(1024, 1024), (3000, 40), (40, 3000), (1, 1)])
@pytest.mark.parametrize("room", [Room(56, 20, (10, 20)), Room(56, 20, (40, 80)), Room(19, 1)])
def test_a_picture_stays_within_its_room(size: tuple[int, int], room: Room) -> None:
    wide, high = sixel_size(*size, columns=room.columns, rows=room.rows, cell=room.cell)
    assert 1 <= wide <= min(room.columns * room.cell[0], 1024)
    assert 6 <= high <= min(room.rows * room.cell[1], 1024)
    assert high % 6 == 0


def test_the_rows_that_are_made_are_those_that_it_takes() -> None:
    codes = shown(PIL.Image.effect_noise((300, 300), 90), Room(30, 10, (9, 18)))
    made = codes.count("\r\n")
    height = int(re.search(r'"1;1;\d+;(\d+)', codes)[1])
    assert made * 18 >= height > (made - 1) * 18
    assert len(codes) < 1_000_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1b[?62;4;22c", Answered(has_sixel=True)),
        (b"\x1b[?64;1;14;42c", Answered()),
        (b"\x1b[6;20;9t\x1b[?4c", Answered(has_sixel=True, cell=(9, 20))),
        (b"\x1b[6;0;9t\x1b[?6c", Answered()),
        ("grüße\n".encode() + b"\x1b[?6c", Answered(typed="grüße\n".encode())),
        (b"a\x1b[6;20;9tb\x1b[?6cc", Answered(cell=(9, 20), typed=b"abc")),
        (b"\x1b[?62;4", None),
        (b"", None),
    ],
)
def test_what_a_terminal_answers(data: bytes, expected: Answered | None) -> None:
    assert answered(data) == expected


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-kitty"}, False),
        ({"TERM_PROGRAM": "WezTerm"}, False),
        ({"TMUX": "/tmp/tmux"}, False),
        ({"AGENTKIT_PICTURES": "blocks"}, False),
    ],
)
def test_a_terminal_is_asked_only_where_nothing_better_is_known(
    environ: dict[str, str], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert may_be_sixel(environ) is asked
    monkeypatch.setitem(sys.modules, "textual_image", None)  # as if it were not installed
    assert may_be_sixel(environ) is False


def test_the_setting_needs_the_extra_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = {"AGENTKIT_PICTURES": "sixel", "TMUX": "/tmp/tmux"}
    assert chosen_protocol(setting) == "sixel"
    monkeypatch.setitem(sys.modules, "textual_image", None)
    told = (
        r"AGENTKIT_PICTURES=sixel needs textual-image: pip install 'agentkit-openrouter\[sixel\]'"
    )
    with pytest.raises(UsageError, match=told):
        chosen_protocol(setting)
