"""A chat on a pseudo-terminal, which needs no other program."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.clock import GUARD
from tests.processes import on_terminal
from tests.unit.cli.terminal import program

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[78=>])")


class Pty:
    """A chat on a pseudo-terminal of 80 columns and 24 rows.

    `typed` is typed before the chat has the terminal. `answers` is what the terminal says when it
    is asked about itself; one without answers is not asked.
    """

    def __init__(
        self,
        folder: Path,
        scenario: str,
        *,
        typed: str = "",
        answers: str | None = None,
        until: str = "A test.",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        ours, theirs = os.openpty()
        self._answers = answers
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        variables = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "TERM": "xterm-256color"}
        variables["AGENTKIT_PICTURES"] = "" if answers is not None else "blocks"
        variables["TMUX"] = ""
        os.write(ours, typed.encode())
        variables = kept | variables | dict(environ or {})
        self._process = on_terminal(
            program.main, scenario, str(folder), terminal=theirs, environment=variables
        )
        os.close(theirs)
        self._terminal, self.seen = ours, b""
        """All that was written."""
        self.until(until)

    @property
    def text(self) -> str:
        """All that was written, without its escape codes."""
        return ESCAPES.sub("", self.seen.decode("utf-8", "replace"))

    def keys(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, text: str) -> str:
        """Read until this was written."""
        end = time.monotonic() + GUARD
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if not self._read():
                assert text in self.text, self.text
        return self.text

    def until_true(self, has_come: Callable[[], bool]) -> None:
        """Read until this is so."""
        end = time.monotonic() + GUARD
        while not has_come():
            assert time.monotonic() < end, self.text
            self._read()

    def _read(self) -> bool:
        """Read what is there, and answer what is asked. False where the other end is closed."""
        if select.select([self._terminal], [], [], 0.2)[0]:
            try:
                self.seen += os.read(self._terminal, 65536)
            except OSError:
                return False
        if self._answers is not None and b"\x1b[c" in self.seen:
            self.keys(self._answers)
            self._answers = None
        return True

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        end = time.monotonic() + GUARD
        while (code := self._process.exitcode) is None:
            assert time.monotonic() < end
            if not self._read():
                self._process.join(GUARD)
        return code

    def close(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
        os.close(self._terminal)
