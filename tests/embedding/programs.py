"""Programs that agentkit is embedded in, each in a process of its own, against an emulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from agentkit.emulator import Emulator
from tests.clock import GUARD
from tests.processes import PATIENCE

ROOT = Path(__file__).parents[2]
WATCHED = ["-W", "default::ResourceWarning", "-W", "default::RuntimeWarning"]
"""What is left open or never awaited is told on stderr."""
FAULTS = ("Traceback", "Warning:", "was destroyed", "never retrieved")


def environment(emulator: Emulator, folder: Path) -> dict[str, str]:
    """What a program knows: the emulator, and a folder for pictures and for its own modules."""
    return {
        **os.environ,
        "OPENROUTER_API_KEY": "sk-or-any",
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(folder / "store"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
    }


def printed(code: str, emulator: Emulator, folder: Path, *options: str) -> list[str]:
    """The lines that a program prints. It prints nothing else."""
    done = subprocess.run(
        [sys.executable, *(options or WATCHED), "-c", code],
        capture_output=True,
        text=True,
        env=environment(emulator, folder),
        cwd=folder,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()


@dataclass
class Server:
    """A web server that runs, and what it wrote to stderr once it has ended."""

    port: int
    stderr: str = ""

    def get(self, path: str, text: str) -> str:
        """The body of the reply to `path?text=…`."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=GUARD)
        try:
            connection.request("GET", f"{path}?text={quote(text)}")
            reply = connection.getresponse()
            body = reply.read().decode()
            assert reply.status == 200, body
            return body
        finally:
            connection.close()


@contextmanager
def serving(
    command: list[str], emulator: Emulator, folder: Path, **modules: str
) -> Generator[Server]:
    """A web server of these modules on a socket that listens already; `{fd}` in the command is
    its number. It is told to end, and must do so by itself, without a complaint.
    """
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "err").open("w+") as err:
        listener.set_inheritable(True)
        process = subprocess.Popen(
            [each.replace("{fd}", str(listener.fileno())) for each in command],
            stdout=err,
            stderr=err,
            env=environment(emulator, folder),
            cwd=folder,
            pass_fds=[listener.fileno()],
        )
        server = Server(listener.getsockname()[1])
        try:
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(PATIENCE)
            finally:
                process.kill()
            err.seek(0)
            server.stderr = err.read()
    assert code in {0, -signal.SIGTERM}, server.stderr
    assert not any(word in server.stderr for word in FAULTS), server.stderr
