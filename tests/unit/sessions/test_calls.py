"""The storage of a call ledger: in a folder and in a database, what is claimed, written and read is
the same.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import update

from agentkit.errors import LedgerError, RunBusy
from agentkit.openrouter.ledger_folder import FolderLocks, FolderStorage
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Damaged,
    Entry,
    LedgerStorage,
    RunLocks,
)
from agentkit.sessions.calls import DatabaseCalls, DatabaseLocks
from agentkit.sessions.database import Database
from agentkit.sessions.tables import entries
from tests.processes import forked
from tests.unit.loop.dying import ends

KEY = CallKey("run_1", "0", 1)
REQUEST = Entry("request", {"version": 1, "run": "run_1", "call": "0"}, b'{"model":"m"}\n')
WRITTEN = [
    REQUEST,
    Entry("head", {"status": 200}),
    Entry("body", {}, b"data: one\n\n"),
    Entry("body", {}, b"12 {}\n\x00"),
    Entry("received", {"size": 17, "sha256": "ab"}),
]
MIB = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a ledger is kept: a folder, or the URL of a database."""

    address: str | Path
    opened: list[Database] = field(default_factory=list[Database])

    def storage(self) -> LedgerStorage:
        """The storage, as one more process has it."""
        if isinstance(self.address, Path):
            return FolderStorage(self.address)
        return DatabaseCalls(self.database())

    def locks(self) -> RunLocks:
        if isinstance(self.address, Path):
            return FolderLocks(FolderStorage(self.address))
        return DatabaseLocks(self.database())

    def database(self) -> Database:
        self.opened.append(Database(str(self.address)))
        return self.opened[-1]

    def damage(self, number: int) -> None:
        """Change the entry of KEY with this number."""
        if isinstance(self.address, Path):
            damage_file(next(self.address.rglob("*.1.call")), number)
        else:
            damage_row(self.database(), number)


@pytest.fixture(params=["folder", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        address: str | Path = tmp_path / "calls"
    elif request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'chats.db'}"
    else:
        address = request.getfixturevalue("postgres_url")
    found = Place(address)
    yield found
    for database in found.opened:
        database.close()


@pytest.fixture
def storage(place: Place) -> LedgerStorage:
    return place.storage()


def damage_file(path: Path, number: int) -> None:
    """Change a letter of what this entry is called."""
    starts = [0, *(end for end, _ in ends(path))]
    data = bytearray(path.read_bytes())
    data[data.index(b'["', starts[number]) + 2] ^= 1
    path.write_bytes(data)


def damage_row(database: Database, number: int) -> None:
    with database.writing() as connection:
        done = connection.execute(
            update(entries).where(entries.c.number == number).values(checksum=0)
        )
        assert done.rowcount == 1


def write(storage: LedgerStorage, *added: Entry, key: CallKey = KEY) -> None:
    storage.append(key, added[:1], sync=True)
    for entry in added[1:]:
        storage.append(key, [entry], sync=False)


def test_entries_are_read_as_they_were_written(place: Place, storage: LedgerStorage) -> None:
    write(storage, *WRITTEN)
    other = place.storage()
    assert list(other.read("run_1")) == [(KEY, entry) for entry in WRITTEN]
    assert list(other.read("run_1", "0")) == list(storage.read("run_1"))
    assert list(other.read("run_1", "1")) == list(other.read("run_2")) == []
    without = [
        entry.data for _, entry in other.read("run_1", bodies=False) if isinstance(entry, Entry)
    ]
    assert without == [REQUEST.data, b"", b"", b"", b""]
    (run,) = other.runs()
    assert run.run == "run_1"
    assert run.size > sum(len(each.data) for each in WRITTEN)


def test_several_entries_are_added_at_once(storage: LedgerStorage) -> None:
    storage.append(KEY, WRITTEN[:2], sync=True)
    storage.append(KEY, WRITTEN[2:], sync=True)
    assert [entry for _, entry in storage.read("run_1")] == WRITTEN


def test_an_attempt_is_claimed_once(place: Place, storage: LedgerStorage) -> None:
    write(storage, *WRITTEN)
    for each in (storage, place.storage()):
        with pytest.raises(FileExistsError):
            each.append(KEY, [REQUEST], sync=True)
    assert [entry for _, entry in storage.read("run_1")] == WRITTEN
    storage.append(CallKey("run_1", "0", 2), [REQUEST], sync=True)
    assert [key.attempt for key, _ in storage.read("run_1")] == [1] * len(WRITTEN) + [2]


def test_of_many_that_claim_an_attempt_one_has_it(place: Place) -> None:
    storages = [place.storage() for _ in range(4)]
    ready = threading.Barrier(len(storages))

    def claims(storage: LedgerStorage) -> int:
        won = 0
        for attempt in range(1, 21):
            ready.wait()
            try:
                storage.append(CallKey("run_1", "0", attempt), [REQUEST], sync=True)
                won += 1
            except FileExistsError:
                continue
        return won

    with ThreadPoolExecutor(len(storages)) as threads:
        assert sum(threads.map(claims, storages)) == 20


def test_threads_that_add_to_one_attempt(storage: LedgerStorage) -> None:
    storage.append(KEY, [REQUEST], sync=True)

    def add(name: int) -> None:
        for count in range(10):
            storage.append(KEY, [Entry("body", {"of": name}, b"%d" % count)], sync=False)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))
    found = [entry for _, entry in storage.read("run_1") if isinstance(entry, Entry)]
    assert len(found) == 41
    for name in range(4):
        own = [entry.data for entry in found if entry.facts.get("of") == name]
        assert own == [b"%d" % count for count in range(10)]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 7])
def test_an_entry_of_any_size(storage: LedgerStorage, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    large = [Entry("request", REQUEST.facts, data), Entry("body", {}, data), WRITTEN[-1]]
    storage.append(KEY, large[:1], sync=True)
    storage.append(KEY, large[1:], sync=True)
    assert [entry for _, entry in storage.read("run_1")] == large
    (run,) = storage.runs()
    assert run.size >= 2 * size


def test_a_reply_of_many_pieces(storage: LedgerStorage) -> None:
    pieces = [Entry("body", {}, b"%d\n" % number) for number in range(300)]
    storage.append(KEY, [REQUEST, *pieces], sync=True)
    assert [entry for _, entry in storage.read("run_1")] == [REQUEST, *pieces]


@pytest.mark.parametrize("number", range(5))
def test_what_is_before_the_damage_is_read(
    place: Place, storage: LedgerStorage, number: int
) -> None:
    write(storage, *WRITTEN)
    place.damage(number)
    *found, last = [entry for _, entry in storage.read("run_1")]
    assert found == WRITTEN[:number]
    assert isinstance(last, Damaged)
    assert (last.is_begun, last.is_cut) == (number > 0, False)
    assert last.where


def test_a_damaged_entry_is_set_aside_before_the_next_one(
    place: Place, storage: LedgerStorage
) -> None:
    write(storage, *WRITTEN)
    for again in range(3):
        place.damage(3)
        assert isinstance(list(storage.read("run_1"))[-1][1], Damaged)
        decided = Entry("decided", {"what": "again", "times": again})
        storage.append(KEY, [decided], sync=True)
        assert [entry for _, entry in place.storage().read("run_1")] == [*WRITTEN[:3], decided]
        storage.append(KEY, [WRITTEN[-1]], sync=True)
        assert len(list(storage.read("run_1"))) == 5


@pytest.mark.parametrize(
    "name",
    ["../../up", "a/b", "", ".", "Aa", "ä" * 200, "con:", "\ud800", "\0", "50%", "x" * 9_000],
)
def test_any_name(storage: LedgerStorage, name: str) -> None:
    key = CallKey(f"x{name}", f"y{name}", 1)
    storage.append(key, [Entry("request", {"run": key.run, "call": key.call})], sync=True)
    assert [each for each, _ in storage.read(key.run, key.call)] == [key]
    assert [each for each, _ in storage.read(key.run)] == [key]
    assert [each.run for each in storage.runs()] == [key.run]
    assert CallKey.of(str(key)) == key
    storage.delete(key.run)
    assert list(storage.runs()) == []


def test_names_that_look_alike_are_two(storage: LedgerStorage) -> None:
    names = {"run", "Run", "run%20", "run ", "r\0n", "r%00n"}
    for name in names:
        storage.append(CallKey(name, "0", 1), [Entry("request", {"run": name})], sync=True)
    assert {each.run for each in storage.runs()} == names


def test_bodies_are_deleted_and_requests_stay(storage: LedgerStorage) -> None:
    write(storage, *WRITTEN)
    second = CallKey("run_1", "1", 1)
    write(storage, *WRITTEN, key=second)
    before = next(iter(storage.runs())).size
    storage.delete("run_1", bodies_of=[KEY, CallKey("run_1", "7", 1)])
    assert [entry for _, entry in storage.read("run_1", "0")] == [REQUEST]
    assert [entry for _, entry in storage.read("run_1", "1")] == WRITTEN
    assert next(iter(storage.runs())).size < before
    storage.append(KEY, [Entry("saved", {"turns": 1, "ended": True})], sync=False)
    assert [entry.kind for _, entry in storage.read("run_1", "0") if isinstance(entry, Entry)] == [
        "request",
        "saved",
    ]
    storage.delete("run_1")
    storage.delete("run_1")
    assert list(storage.runs()) == list(storage.read("run_1")) == []


def test_a_request_that_cannot_be_written_is_not_claimed(storage: LedgerStorage) -> None:
    with pytest.raises(TypeError):
        storage.append(KEY, [Entry("request", {"not": "JSON", "is": b"bytes"})], sync=True)
    write(storage, REQUEST)


def test_an_attempt_that_was_deleted_is_not_begun_by_its_reply(storage: LedgerStorage) -> None:
    with pytest.raises((LedgerError, FileNotFoundError)):
        storage.append(KEY, [Entry("head", {"status": 200})], sync=False)
    assert list(storage.read("run_1")) == []


def test_a_reader_may_take_its_time(place: Place, storage: LedgerStorage) -> None:
    """It holds nothing that a writer, or a thread of its own, waits for."""
    pieces = [Entry("body", {}, b"%d\n" % number) for number in range(200)]
    storage.append(KEY, [REQUEST, *pieces], sync=True)
    reading = iter(storage.read("run_1"))
    assert next(reading) == (KEY, REQUEST)
    place.storage().append(KEY, [WRITTEN[-1]], sync=True)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for thread, piece in zip((one, other) * 100, pieces, strict=True):
            assert thread.submit(next, reading).result() == (KEY, piece)


def write_and_die(address: str | Path) -> None:
    storage = Place(address).storage()
    storage.append(KEY, [REQUEST], sync=True)
    for entry in WRITTEN[1:]:
        storage.append(KEY, [entry], sync=False)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_written_outlives_its_process(place: Place, storage: LedgerStorage) -> None:
    assert forked(write_and_die, place.address).returncode == -signal.SIGKILL
    assert [entry for _, entry in storage.read("run_1")] == WRITTEN


def take(address: str | Path, die: bool) -> None:
    try:
        Place(address).locks().lock("run_1")
    except RunBusy as error:
        print(error)
    else:
        print("taken")
    if die:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_leaves_the_run_free(place: Place) -> None:
    release = place.locks().lock("run_1")
    assert "another process" in forked(take, place.address, False).stdout
    release()
    assert forked(take, place.address, True).stdout == "taken\n"
    release = place.locks().lock("run_1")
    release()


def test_one_task_goes_on_with_a_run(place: Place) -> None:
    locks = place.locks()
    release = locks.lock("run_1")
    with pytest.raises(RunBusy, match="another task of this process goes on with run run_1"):
        locks.lock("run_1")
    locks.lock("run_2")()
    release()
    release()
    locks.lock("run_1")()
