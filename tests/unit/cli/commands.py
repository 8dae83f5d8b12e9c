"""Commands as a user runs them, in processes of their own, and what no terminal may be sent."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from pathlib import Path

from agentkit.emulator import Emulator
from tests import processes
from tests.processes import PATIENCE, command, forked

CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u206f]"
)
"""What a terminal would obey, but for the end of a line and a tab."""

HOSTILE: dict[str, str] = {
    "colour": "\x1b[31mred\x1b[0m",
    "clears the screen": "\x1b[2J\x1b[H",
    "moves the cursor": "\x1b[1A\x1b[1000D",
    "title of the window": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x1b\\",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "asks the terminal to type": "\x1b[6n\x1b[c\x05",
    "device control": '\x1bP$q"p\x1b\\',
    "eight-bit escapes": "\x9b31m\x9d0;owned\x9c",
    "carriage return": "safe\rowned",
    "backspace": "rm\b\bls",
    "bell and vertical tab": "\x07\x0b\x0c",
    "null and delete": "a\x00b\x7fc",
    "bidi override": "\u202egnp.exe\u202c",
    "bidi isolates": "\u2066a\u2069\u2067b\u2069\u200f\u061c",
    "line separators": "one\u2028two\u2029three\x85four",
    "alternate screen": "\x1b[?1049h\x1b[?25l",
    "bracketed paste": "\x1b[200~echo owned\n\x1b[201~",
    "a very long line": "x" * 20_000,
    "many combining marks": "a" + "\u0301" * 500,
}
"""Hostile texts, by kind."""


def environment(**changes: str) -> dict[str, str]:
    """An environment without keys, models, addresses and folders of whoever runs the tests. What a
    program keeps is in the folder of the run, or below the `HOME` that a test gives.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENROUTER_", "AGENTKIT_", "LIVE", "NO_COLOR", "XDG_"))
    }
    home = os.environ["XDG_DATA_HOME"]  # of this run: tests/conftest.py
    return kept | {"AGENTKIT_KEY_FILE": "/nowhere/key", "HOME": home} | changes


def run(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **changes: str
) -> subprocess.CompletedProcess[str]:
    return forked(command, arguments, stdin=stdin, cwd=cwd, environment=environment(**changes))


def asks(emulator: Emulator, home: Path) -> dict[str, str]:
    """The environment in which commands ask this emulator, and keep what they keep in a folder."""
    return {
        "OPENROUTER_BASE_URL": emulator.base_url,
        "OPENROUTER_API_KEY": emulator.api_key,
        "HOME": str(home),
        "AGENTKIT_STORE": str(home / "store"),
        "NO_PROXY": "*",
    }


def on_terminal(
    *arguments: str, columns: int = 80, typed: str = "", **changes: str
) -> tuple[int, str]:
    """A command whose input and outputs are one terminal: its exit code, and what was shown."""
    primary, secondary = os.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = environment(TERM="xterm-256color", **changes)
    process = processes.on_terminal(command, arguments, terminal=secondary, environment=variables)
    os.close(secondary)
    os.write(primary, typed.encode())
    shown = bytearray()
    while True:
        try:
            piece = os.read(primary, 1 << 16)
        except OSError:  # Linux: the other side is closed
            break
        if not piece:
            break
        shown += piece
    process.join(PATIENCE)
    code = process.exitcode
    assert code is not None
    process.close()
    os.close(primary)
    return code, shown.decode("utf-8", "replace").replace("\r\n", "\n")
