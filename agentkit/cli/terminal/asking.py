"""What a terminal answers about itself, asked once before a chat has it."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from dataclasses import dataclass

QUESTION = "\x1b[16t\x1b[c"
"""The pixels of a cell, which not every terminal tells, and the attributes of the device, which
each does: with the second answer all has come.
"""
PATIENCE = 1.0
"""Seconds to wait for the answer. It takes a round trip, over ssh too."""
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_SIXEL = b"4"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the terminal said, and what was typed meanwhile."""

    has_sixel: bool = False
    cell: tuple[int, int] | None = None
    """Width and height of a cell in pixels."""
    typed: bytes = b""
    """What else came: keys of the person, which belong to the line of input."""


def answered(data: bytes) -> Answered | None:
    """What the terminal said in these bytes; None if its last answer is not among them."""
    attributes = _ATTRIBUTES.search(data)
    if attributes is None:
        return None
    cell = _CELL.search(data)
    size = None if cell is None else (int(cell[2]), int(cell[1]))
    if size is not None and not (0 < size[0] < 1000 and 0 < size[1] < 1000):
        size = None
    typed = _CELL.sub(b"", _ATTRIBUTES.sub(b"", data))
    return Answered(_SIXEL in attributes[1].split(b";"), size, typed)


def ask_terminal(source: int, output: int, *, patience: float = PATIENCE) -> Answered:
    """Ask the terminal of these descriptors, and wait for its answer. Nothing is known of one that
    does not answer in time, and of the console of Windows.
    """
    if sys.platform == "win32":
        return Answered()
    import termios
    import tty

    try:
        before = termios.tcgetattr(source)
    except termios.error:
        return Answered()
    try:
        tty.setcbreak(source, termios.TCSANOW)
        os.write(output, QUESTION.encode("ascii"))
        return _answer(source, patience)
    except OSError:  # the terminal has gone
        return Answered()
    finally:
        termios.tcsetattr(source, termios.TCSANOW, before)


def _answer(source: int, patience: float) -> Answered:
    data, end = b"", time.monotonic() + patience
    while (left := end - time.monotonic()) > 0 and select.select([source], [], [], left)[0]:
        piece = os.read(source, 4096)
        if not piece:
            break
        data += piece
        if (found := answered(data)) is not None:
            return found
    return Answered(typed=data)


def cell_of(output: int) -> tuple[int, int] | None:
    """Width and height of a cell in pixels, if the system knows them: they change with the font."""
    if sys.platform == "win32":
        return None
    import fcntl
    import struct
    import termios

    try:
        size = fcntl.ioctl(output, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    rows, columns, width, height = struct.unpack("HHHH", size)
    if not (rows and columns and width and height):
        return None
    return width // columns, height // rows
