"""Processes of their own, started quickly: forked from one that has imported agentkit already.

A fresh interpreter spends a second on imports before it does anything. Where a test needs a process
(its own environment, its own output, its own exit code) and not a fresh import, it is forked.
"""

from __future__ import annotations

import atexit
import gc
import io
import multiprocessing
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from multiprocessing import reduction
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

PATIENCE = 300.0
"""Seconds until a process that should have ended is said to hang; far more than one needs on a busy
machine, for no test measures with it.
"""
_PRELOADED = [
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "agentkit.agent",
    "agentkit.cli.app",
    "agentkit.cli.terminal.chat",
    "agentkit.cli.watching",
    "agentkit.conversation",
    "agentkit.demo.player",
    "agentkit.emulator.server",
    "agentkit.openrouter",
    "agentkit.openrouter.aiohttp_transport",
    "agentkit.sessions",
    "agentkit.sessions.database",
    "agentkit.studio",
    "agentkit.tools",
    "anyio._backends._asyncio",
    "h2.connection",
    "httpcore2",
    "openai",
    "platformdirs.unix",
    "rich.syntax",
    "structlog.dev",
    "tenacity",
    "tests.processes",
    "truststore",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
    "yaml",
    "tests.frozen",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_PRELOADED)
_guard = threading.Lock()


class Child:
    """A process that was started, for any thread.

    Whenever `multiprocessing` starts a process, it asks for the exit codes of all others. Each code
    can be read once: of two threads that ask at once, one would be told 255. So they ask in turn.
    """

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        with _guard:
            process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it is running."""
        with _guard:
            return self._process.exitcode

    def is_alive(self) -> bool:
        return self.exitcode is None

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, at most so many seconds."""
        wait([self._process.sentinel], timeout)
        with _guard:
            self._process.join(0)

    def kill(self) -> None:
        with _guard:
            self._process.kill()

    def close(self) -> None:
        """Give up what is held for a process that has ended."""
        with _guard:
            self._process.close()


def forked(
    call: Callable[..., int | None],
    *arguments: object,
    stdin: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """`call(*arguments)` in a process of its own, and what came of it.

    `call` and its arguments are pickled. What it returns is the exit code, None being 0. Warnings
    are errors there, as with `python -W error`.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_text(stdin, encoding="utf-8")
        child = _begun(call, arguments, folder, cwd or Path.cwd(), environment or os.environ)
        child.join(PATIENCE)
        code = child.exitcode
        if code is None:
            child.kill()
            child.join()
        out, err = (_text(folder / each) for each in ("stdout", "stderr"))
        child.close()
        if code is None:
            raise TimeoutExpired(call.__name__, PATIENCE, out, err)
        return CompletedProcess([call.__name__], code, out, err)


def started(call: Callable[..., int | None], *arguments: object, folder: Path) -> Child:
    """`call(*arguments)` in a process of its own, which the caller may kill. What it prints is in
    the files `stdout` and `stderr` of the folder.
    """
    (folder / "stdin").touch()
    return _begun(call, arguments, folder, Path.cwd(), os.environ)


def on_terminal(
    call: Callable[..., int | None],
    *arguments: object,
    terminal: int,
    environment: Mapping[str, str],
) -> Child:
    """`call(*arguments)` in a process of its own, in a session of its own whose terminal this is.
    The caller may close its descriptor.
    """
    given = (call, arguments, _Inherited(terminal), dict(environment))
    return Child(_CONTEXT.Process(target=_child_on_terminal, args=given))


class _Inherited:
    """A descriptor, which becomes one of the process that is started with it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[object]]:
        return _detached, (reduction.DupFd(self._descriptor),)


def _detached(descriptor: Any) -> int:
    return descriptor.detach()


def _begun(
    call: Callable[..., int | None],
    arguments: tuple[object, ...],
    folder: Path,
    cwd: Path,
    environment: Mapping[str, str],
) -> Child:
    given = (call, arguments, folder, cwd, dict(environment))
    return Child(_CONTEXT.Process(target=_child, args=given))


def execute(code: str, arguments: tuple[str, ...] = ()) -> None:
    """Run a program, as `python -c` does."""
    names: dict[str, object] = {"__name__": "__main__", "__builtins__": __builtins__}
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<string>", "exec"), names)
    names.clear()


def command(arguments: tuple[str, ...]) -> int:
    """Run the command `agentkit`."""
    from agentkit.cli import main

    sys.argv = ["agentkit", *arguments]
    return main(list(arguments))


def pytest_run(arguments: tuple[str, ...]) -> int:
    """Run pytest, as `python -W error -m pytest` does."""
    import pytest

    return int(pytest.main(["-W", "error", *arguments]))


def _child(
    call: Callable[..., int | None],
    arguments: tuple[object, ...],
    folder: Path,
    cwd: Path,
    environment: dict[str, str],
) -> None:
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if name == "stdin" else os.O_WRONLY | os.O_CREAT
        opened = os.open(folder / name, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    warnings.simplefilter("error")
    _execute(call, arguments, environment)


def _child_on_terminal(
    call: Callable[..., int | None],
    arguments: tuple[object, ...],
    terminal: int,
    environment: dict[str, str],
) -> None:
    os.login_tty(terminal)
    _execute(call, arguments, environment)


def _execute(
    call: Callable[..., int | None], arguments: tuple[object, ...], environment: dict[str, str]
) -> None:
    """Call it with what the process has been given as its input and outputs, and exit."""
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", write_through=True)
    os.environ.clear()
    os.environ.update(environment)
    try:
        code = call(*arguments) or 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter does: shown, and exit code 1
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    gc.collect()
    sys.exit(code)


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""
