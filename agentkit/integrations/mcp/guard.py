"""Runs a server of MCP and ends it, with all that it started, when whoever wanted it is gone: also
where that one was killed and could not say goodbye. A program of its own, of the standard library
alone:

    python -I -S guard.py LIFELINE COMMAND ARGUMENT…

`LIFELINE` is the number of a pipe's reading end. Nobody ever writes to it: it ends when the last
process that holds the other end does.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

GRACE = 2.0
"""Seconds that the server has to end by itself once its input has ended, and again once it is asked
to by a signal.
"""


def main(lifeline: int, command: list[str]) -> int:
    """Run the command, and return its exit code."""
    try:
        server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the user's command
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror or error}\n")
        return 127
    for descriptor in (0, 1):
        os.close(descriptor)  # they are the server's alone: who reads it sees its end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while server.poll() is None and not _is_over(lifeline, 0.2):
        continue
    _end(server)
    return server.returncode if server.returncode is not None and server.returncode >= 0 else 1


def _is_over(lifeline: int, seconds: float) -> bool:
    return bool(select.select([lifeline], [], [], seconds)[0])


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children: by itself, by a signal, by force."""
    if server.poll() is None:
        _wait(server, GRACE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except (ProcessLookupError, PermissionError):
            break  # the group is empty
        _wait(server, GRACE)
    _wait(server, GRACE)


def _wait(server: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
