"""A chat in tmux: a real terminal with a scrollback, driven by keys."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.clock import GUARD

TMUX = shutil.which("tmux")
ROOT = Path(__file__).parents[4]


class Tmux:
    """One window with `program.py` in it. `folder` has its store and its conversations."""

    def __init__(
        self, folder: Path, scenario: str, *, size: tuple[int, int] = (80, 24), delay: float = 0.0
    ) -> None:
        self._socket = f"agentkit-{secrets.token_hex(6)}"
        self._folder, self._home = folder, folder / "home"
        self._home.mkdir(exist_ok=True)
        config = folder / "tmux.conf"
        config.write_text(
            "set -g history-limit 100000\nset -g remain-on-exit on\nset -s escape-time 0\n"
        )
        self._run(
            "-f",
            str(config),
            "new-session",
            "-d",
            "-x",
            str(size[0]),
            "-y",
            str(size[1]),
            self._command(scenario, delay),
        )
        self.until("A test.")

    def _command(self, scenario: str, delay: float) -> str:
        words = [
            sys.executable,
            "-m",
            "tests.unit.cli.terminal.program",
            scenario,
            str(self._folder),
            str(delay),
        ]
        variables = {
            "HOME": self._home,
            "XDG_DATA_HOME": self._home,
            "PYTHONPATH": ROOT,
            "COLORTERM": "truecolor",
        }
        given = [f"{name}={value}" for name, value in variables.items()]
        return f"cd {shlex.quote(str(ROOT))} && exec env {shlex.join([*given, *words])}"

    def _run(self, *words: str, stdin: str | None = None) -> str:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TMUX", "NO_COLOR"))
        }
        assert TMUX is not None
        done = subprocess.run(
            [TMUX, "-L", self._socket, *words],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=GUARD,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a line, and Enter."""
        self._run("send-keys", "-l", text)
        self.keys("Enter")

    def paste(self, text: str) -> None:
        """Paste as a terminal does, bracketed."""
        self._run("load-buffer", "-", stdin=text)
        self._run("paste-buffer", "-p", "-r")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def lines(self) -> list[str]:
        """Every row, from the start of the scrollback; rows that the terminal broke are joined."""
        shown = self._run("capture-pane", "-p", "-J", "-S", "-").split("\n")
        return [line.rstrip() for line in shown]

    def screen(self) -> list[str]:
        """The rows that are seen now."""
        return [line.rstrip() for line in self._run("capture-pane", "-p").split("\n")]

    def until(self, text: str, *, count: int = 1) -> list[str]:
        """Wait until this stands on so many lines, and return all lines."""
        end = time.monotonic() + GUARD
        while True:
            lines = self.lines()
            if sum(text in line for line in lines) >= count:
                return lines
            assert time.monotonic() < end, "\n".join(lines)
            time.sleep(0.05)

    def pid(self) -> int:
        """The process of the chat."""
        return int(self._run("display-message", "-p", "#{pane_pid}"))

    def is_over(self) -> bool:
        """Whether the chat has ended."""
        return self._run("display-message", "-p", "#{pane_dead}").strip() == "1"

    def until_over(self) -> None:
        end = time.monotonic() + GUARD
        while not self.is_over():
            assert time.monotonic() < end, "\n".join(self.lines())
            time.sleep(0.05)

    def restart(self, scenario: str) -> None:
        """Open the chat again in the same window, whose scrollback is cleared."""
        self._run("respawn-pane", "-k", self._command(scenario, 0.0))
        self._run("clear-history")
        self.until("A test.")

    def close(self) -> None:
        self._run("kill-server")
