"""The server that tests get, and what agentkit does when a server or a machine goes away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from agentkit.errors import SessionError
from agentkit.sessions.address import read_address
from agentkit.sessions.database import Database
from agentkit.sessions.postgres import lock_connection
from agentkit.sessions.tables import about
from tests.clock import GUARD
from tests.postgres import (
    await_server,
    is_root,
    make_data,
    programs,
    start,
    stop,
    watch,
)

pytestmark = pytest.mark.usefixtures("postgres_server")  # which skips where there is none


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a server, whose path is short enough for a socket and open to its user."""
    with tempfile.TemporaryDirectory(prefix="agentkit-pg-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def await_true(holds) -> None:
    until = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def modes() -> dict[str, str]:
    """The modes of all folders that stand above the programs of the server, and above its data."""
    found = programs()
    assert found is not None
    starts = [found / "postgres", Path(tempfile.gettempdir()) / "x", Path.home() / "x"]
    folders = {parent for each in starts for parent in each.parents}
    return {str(each): stat.filemode(each.stat().st_mode) for each in sorted(folders)}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_server_ends_with_its_owner_and_changes_no_folder(folder: Path) -> None:
    before = modes()
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    watchdog = watch(folder, owner.pid)
    server = await_server(folder)
    assert server.execute("SELECT 1") == [(1,)]
    assert is_running(server.pid)
    after = modes()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    print("folders whose mode has changed:", json.dumps(changed))
    assert changed == {}
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    watchdog.wait(GUARD)
    assert not is_running(server.pid)
    assert not folder.exists()


def test_a_server_that_is_started_again(folder: Path) -> None:
    make_data(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start(folder, "127.0.0.1", port)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    database = Database(url)
    try:
        _use(database)
        release = database.locks.take("ada")
        stop(server)
        with pytest.raises(SessionError, match="Connection refused"):
            _use(database)
        with pytest.raises(SessionError, match="lost"):
            database.locks.check("ada")
        with pytest.raises(SessionError, match="Connection refused"):
            database.locks.take("ben")
        server = start(folder, "127.0.0.1", port)
        _use(database)
        with pytest.raises(SessionError, match="lost"):
            database.locks.check("ada")
        release()
        database.locks.take("ada")()
        _check_keep_alive(url)
    finally:
        database.close()
        stop(server)


def _check_keep_alive(url: str) -> None:
    """Both ends of the connection of the locks ask whether the other one is there."""
    connection = lock_connection(read_address(url))
    asked = "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp%' OR name LIKE 'idle_ses%'"
    found = {row.name: row.setting for row in connection.execute(text(asked))}
    idle, interval, count = (
        int(found[f"tcp_keepalives_{each}"]) for each in ("idle", "interval", "count")
    )
    assert idle + interval * count <= 25
    assert found["tcp_user_timeout"] == "25000"
    assert found["idle_session_timeout"] == "0"
    ours = connection.connection.driver_connection.info.get_parameters()
    assert {name: ours[name] for name in ours if name.startswith("keepalives")} == {
        "keepalives": "1",
        "keepalives_idle": str(idle),
        "keepalives_interval": str(interval),
        "keepalives_count": str(count),
    }
    connection.close()


def _use(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(about.select()).all()


@contextlib.contextmanager
def machine() -> Iterator[tuple[str, str]]:
    """Another machine on a cable: the name of a network namespace, and of our end of the cable."""
    name = f"ak{os.getpid()}"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name}a type veth peer name {name}b netns {name}",
        f"ip addr add 198.18.77.1/30 dev {name}a",
        f"ip link set {name}a up",
        f"ip -n {name} addr add 198.18.77.2/30 dev {name}b",
        f"ip -n {name} link set {name}b up",
    ]
    try:
        for command in commands:
            try:
                done = subprocess.run(command.split(), capture_output=True, check=False)
            except FileNotFoundError:
                pytest.skip("no command ip")
            if done.returncode:
                pytest.skip(f"this user may not make a network: {done.stderr.decode()}")
        yield name, f"{name}a"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", f"{name}a"], capture_output=True, check=False)


HOLDER = """
import sys, time
from agentkit.sessions.database import Database
database = Database(sys.argv[1])
release = database.locks.take("ada")
print("taken", flush=True)
time.sleep(3600)
"""


@pytest.mark.slow
@pytest.mark.skipif(not is_root(), reason="a network is made by root")
def test_a_machine_that_vanished_leaves_its_names_free(folder: Path) -> None:
    """Nothing says goodbye: the cable is cut. Within 30 seconds the name is free."""
    make_data(folder)
    with machine() as (name, cable):
        (folder / "data/pg_hba.conf").write_text("local all all trust\nhost all all all trust\n")
        server = start(folder, "198.18.77.1", 54321)
        try:
            _vanish(folder, name, cable)
        finally:
            stop(server)


def _vanish(folder: Path, name: str, cable: str) -> None:
    url = "postgresql://postgres@198.18.77.1:54321/postgres"
    command = ["ip", "netns", "exec", name, sys.executable, "-c", HOLDER, url]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    here = Database(f"postgresql://postgres@/postgres?host={folder / 'socket'}&port=54321")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        assert not here.locks.is_free("ada")
        subprocess.run(["ip", "link", "set", cable, "down"], check=True)
        cut = time.monotonic()
        holder.kill()
        await_true(lambda: here.locks.is_free("ada"))
        seconds = time.monotonic() - cut
        print(f"free {seconds:.1f} s after the machine vanished")
        assert seconds < 60  # 30 is promised; a busy machine may look late
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
        here.close()
