"""The core of the chat on a pseudo-terminal, which needs no other program."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clock import GUARD

ROOT = Path(__file__).parents[4]
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[78=>])")


class Pty:
    """A chat on a pseudo-terminal of 80 columns and 24 rows."""

    def __init__(self, folder: Path, scenario: str) -> None:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        variables = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.cli.terminal.program", scenario, str(folder)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=kept | variables,
            start_new_session=True,
        )
        os.close(theirs)
        self._terminal, self._seen = ours, b""
        self.until("A test.")

    @property
    def text(self) -> str:
        """All that was written, without its escape codes."""
        return ESCAPES.sub("", self._seen.decode("utf-8", "replace"))

    def keys(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, text: str) -> str:
        """Read until this was written."""
        end = time.monotonic() + GUARD
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    self._seen += os.read(self._terminal, 65536)
                except OSError:  # the other end is closed
                    assert text in self.text, self.text
        return self.text

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        end = time.monotonic() + GUARD
        while self._process.poll() is None:
            assert time.monotonic() < end
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    self._seen += os.read(self._terminal, 65536)
                except OSError:
                    self._process.wait(GUARD)
        return self._process.returncode

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Pty]]:
    chats: list[Pty] = []

    def open_chat(scenario: str) -> Pty:
        chats.append(Pty(tmp_path, scenario))
        return chats[-1]

    yield open_chat
    for chat in chats:
        chat.close()


def test_an_answer_is_streamed_and_the_chat_left(opened: Callable[[str], Pty]) -> None:
    chat = opened("lines")
    chat.keys("go\r")
    text = chat.until("tokens · ")
    assert re.findall(r"line (\d{3}) of the answer, which is rather long as lines go\r", text) == [
        f"{number:03}" for number in range(60)
    ]
    chat.keys("\x04")
    assert chat.wait() == 0


def test_an_approval_is_given_at_the_terminal(opened: Callable[[str], Pty]) -> None:
    chat = opened("pay")
    chat.keys("go\r")
    chat.until("why not:")
    chat.keys("y\r")
    chat.until("paid 300 to Ada")
    chat.until("tokens · ")


def test_ctrl_c_keeps_the_picture_and_twice_leaves(opened: Callable[[str], Pty]) -> None:
    chat = opened("picture")
    chat.keys("go\r")
    chat.until("wait()")
    chat.keys("\x03")
    assert "▣ img_1" in chat.until("stopped · $0.0")
    chat.keys("\x03\x03")
    assert chat.wait() == 0


def test_a_bracketed_paste_is_one_message(opened: Callable[[str], Pty]) -> None:
    chat = opened("turns")
    chat.keys("\x1b[200~one\rtwo\rthree\x1b[201~")
    chat.until("three")
    chat.keys("\r")
    text = chat.until("answer 00 ends")
    assert "answer 01" not in text
    assert re.search(r"› one\r+\n  two\r+\n  three", text)
