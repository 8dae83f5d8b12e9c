"""Databases that cannot be used: what is said, and that nothing is changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from agentkit.errors import SessionError, UsageError
from agentkit.sessions.database import Database
from agentkit.sessions.tables import VERSION, about, budgets
from tests.disks import fill, remount, small_disk
from tests.postgres import Postgres, is_root
from tests.processes import forked

SECRET = "sw0rdfish"


def use(url: str) -> None:
    database = Database(url)
    try:
        with database.reading() as connection:
            connection.execute(about.select()).all()
    finally:
        database.close()


def write(database: Database, size: int = 1) -> None:
    with database.writing() as connection:
        connection.execute(
            budgets.insert().values(name=os.urandom(8).hex(), period="", changed_at=0,
                                    highest_cost="x" * size)
        )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (5, "Sessions(url=5): accepted is sqlite:///FILE"),
        (None, "Sessions(url=None): accepted is sqlite:///FILE"),
        ("", "Sessions(url=''): accepted is sqlite:///FILE"),
        ("chats.db", "this is no URL"),
        (f"a b {SECRET}", "this is no URL"),
        (f"mysql://u:{SECRET}@host/chats", "this begins with mysql://"),
        (f"postgresql+asyncpg://u:{SECRET}@host/chats", "this begins with postgresql+asyncpg://"),
        ("sqlite+aiosqlite:///chats.db", "this begins with sqlite+aiosqlite://"),
        ("sqlite://chats.db", "with three slashes"),
        ("sqlite:///chats.db?timeout=5", "without parameters"),
        ("sqlite:///file:chats.db", "the path of a file"),
        ("sqlite:///a\0b.db", "the path of a file"),
        (f"postgresql://u:p@{SECRET}@host/chats", "with @ written as %40"),
        (f"postgresql://u:p@{SECRET}/{SECRET}@host/chats", "with @ written as %40"),
    ],
)
def test_an_address_is_refused_at_once(url: object, told: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Database(url)  # type: ignore[arg-type]
    assert told in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@127.0.0.1:1/chats",
        f"postgres://ada:{SECRET}@127.0.0.1:1/chats",
        f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/chats?sslmode=disable",
        f"postgresql://ada@127.0.0.1:1/chats?password={SECRET}",
        f"postgresql://ada@127.0.0.1:1/chats?{SECRET}=1&password={SECRET}",
    ],
)
def test_a_server_that_is_not_there(url: str) -> None:
    pytest.importorskip("psycopg")
    database = Database(url)
    for call in (lambda: use(url), lambda: database.locks.take("ada")):
        with pytest.raises(SessionError) as told:
            call()
        if "=1&" not in url:
            assert "the database postgresql://" in str(told.value)
            assert "refused" in str(told.value)
            assert SECRET not in str(told.value) + repr(database)


def test_postgres_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'agentkit-openrouter\[sessions\]'"):
        Database(f"postgresql://ada:{SECRET}@host/chats")


def test_a_database_of_a_newer_agentkit(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(about.update().values(value="9"))
    database.close()
    with pytest.raises(SessionError, match=f"its schema is 9, and this agentkit knows {VERSION}"):
        use(database_url)


@pytest.mark.parametrize("version", ["", "one", "-1"])
def test_a_database_that_does_not_say_its_version(database_url: str, version: str) -> None:
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(about.update().values(value=version) if version else about.delete())
    database.close()
    with pytest.raises(SessionError, match="does not say its version"):
        use(database_url)


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["CREATE TABLE users (x)"], "another program's: it holds the table users"),
        (
            [f"CREATE TABLE t{each} (x)" for each in range(5)],
            "holds the tables t0, t1, t2 and 2 more",
        ),
        (["PRAGMA application_id = 252006674"], "has the application id 0xf055112"),
        (["CREATE TABLE agentkit_about (name, value)"], "holds the table agentkit_about"),
    ],
)
def test_the_file_of_another_program_is_left_alone(
    tmp_path: Path, statements: list[str], told: str
) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    for statement in statements:
        other.execute(statement)
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(SessionError) as refusal:
        use(f"sqlite:///{tmp_path}/other.db")
    assert told in str(refusal.value)
    assert (tmp_path / "other.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "chats.db").touch()
    use(f"sqlite:///{tmp_path}/chats.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada, " * 500)
    with pytest.raises(SessionError, match="the file is no SQLite database"):
        use(f"sqlite:///{tmp_path}/letter.txt")
    assert (tmp_path / "letter.txt").read_text() == "Dear Ada, " * 500


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot be opened"):
        use(f"sqlite:///{tmp_path}")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="cannot be made: (Not a directory|File exists)"):
        use(f"sqlite:///{tmp_path}/file/chats.db")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot be made: File name too long"):
        use(f"sqlite:///{tmp_path}/{'a' * 300}.db")


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = forked(_use_as_nobody, f"sqlite:///{tmp_path}/chats.db")
    tmp_path.chmod(0o700)
    assert "chats.db cannot be made: Permission denied" in done.stdout, done.stderr


def _use_as_nobody(url: str) -> None:
    if is_root():  # who may write everywhere
        os.seteuid(65534)
    try:
        use(url)
    except SessionError as error:
        print(error)


def test_a_damaged_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    for _ in range(50):
        write(database, 4000)
    database.close()
    size = (tmp_path / "chats.db").stat().st_size
    with (tmp_path / "chats.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(SessionError, match="the file is damaged"):
        use(f"sqlite:///{tmp_path}/chats.db")


def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4000) as disk:
        url = f"sqlite:///{disk}/chats.db"
        use(url)
        database = Database(url)
        remount(disk, writable=False)
        with pytest.raises(SessionError, match="read-only"):
            write(database)
        with pytest.raises(SessionError, match="read-only|Read-only"):
            use(f"sqlite:///{disk}/new.db")
        remount(disk, writable=True)
        write(database)
        database.close()


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4000) as disk:
        database = Database(f"sqlite:///{disk}/chats.db")
        write(database)
        ballast = fill(disk)
        with pytest.raises(SessionError, match="the disk is full"):
            for _ in range(10):
                write(database, 100_000)
        with pytest.raises(SessionError, match="full|No space"):
            use(f"sqlite:///{disk}/new.db")
        ballast.unlink()
        write(database, 100_000)
        with database.reading() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        database.close()
        use(f"sqlite:///{disk}/new.db")


def test_a_file_that_another_program_holds_locked_is_waited_for(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    write(database)
    other = sqlite3.connect(tmp_path / "chats.db", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with database.reading() as connection:  # which waits for nobody
        connection.execute(about.select()).all()
    threading.Timer(0.1, other.rollback).start()
    write(database)
    other.close()
    database.close()


def test_a_database_that_was_copied_works(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    write(database)
    database.close()
    shutil.copy(tmp_path / "chats.db", tmp_path / "copy.db")
    changed = sqlite3.connect(tmp_path / "copy.db")
    changed.execute("PRAGMA journal_mode = DELETE")
    changed.close()
    copy = Database(f"sqlite:///{tmp_path}/copy.db")
    with copy.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    copy.close()


# -- Postgres --------------------------------------------------------------------------------------


def name_in(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_tables_of_another_program_beside_ours(
    postgres_server: Postgres, postgres_url: str
) -> None:
    postgres_server.execute("CREATE TABLE users (x int)", name_in(postgres_url))
    use(postgres_url)


def test_tables_with_our_names_that_are_not_ours(
    postgres_server: Postgres, postgres_url: str
) -> None:
    postgres_server.execute("CREATE TABLE agentkit_runs (x int)", name_in(postgres_url))
    with pytest.raises(SessionError, match="agentkit_runs but no agentkit_about"):
        use(postgres_url)


def test_a_database_that_does_not_exist(postgres_server: Postgres) -> None:
    with pytest.raises(SessionError, match='database "nowhere" does not exist'):
        use(postgres_server.url("nowhere"))


def test_a_database_of_another_encoding(postgres_server: Postgres) -> None:
    postgres_server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(SessionError, match="holds text as LATIN1"):
        use(postgres_server.url("latin"))
    postgres_server.execute("DROP DATABASE latin WITH (FORCE)")


def test_a_user_who_may_make_no_tables(postgres_server: Postgres, postgres_url: str) -> None:
    name = name_in(postgres_url)
    postgres_server.execute(f"CREATE ROLE {name}_reader LOGIN")
    url = postgres_url.replace("//postgres:@", f"//{name}_reader:{SECRET}@")
    with pytest.raises(SessionError, match="permission denied") as told:
        use(url)
    assert SECRET not in str(told.value)
    postgres_server.execute(f"DROP ROLE {name}_reader")
