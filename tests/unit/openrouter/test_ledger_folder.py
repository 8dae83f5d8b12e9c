"""A ledger in a folder, whatever became of its files. What holds for every storage of a ledger is in
`tests/unit/sessions/test_calls.py`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import LedgerError, RunBusy
from agentkit.openrouter.ledger_folder import FolderLocks, FolderStorage, framed
from agentkit.openrouter.ledger_storage import CallKey, Damaged, Entry
from tests.processes import forked

KEY = CallKey("run_1", "0", 1)
REQUEST = Entry("request", {"version": 1, "run": "run_1", "call": "0"}, b'{"model":"m"}\n')
WRITTEN = [
    REQUEST,
    Entry("head", {"status": 200}),
    Entry("body", {}, b"data: one\n\n"),
    Entry("body", {}, b"12 {}\n\x00"),
    Entry("received", {"size": 17, "sha256": "ab"}),
]


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "calls")


def write(storage: FolderStorage, *entries: Entry, key: CallKey = KEY) -> Path:
    storage.append(key, entries[:1], sync=True)
    for entry in entries[1:]:
        storage.append(key, [entry], sync=False)
    return next(storage.folder.rglob(f"*.{key.attempt}.call"))


def test_only_the_owner_can_read_its_files(storage: FolderStorage) -> None:
    path = write(storage, *WRITTEN)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (run,) = storage.runs()
    assert (run.run, run.size) == ("run_1", path.stat().st_size)


@given(st.integers(0, len(b"".join(map(framed, WRITTEN)))), st.integers(0, 255), st.booleans())
def test_what_is_before_the_damage_is_read(at: int, byte: int, cut: bool) -> None:
    with TemporaryDirectory() as name:
        storage = FolderStorage(Path(name))
        path = write(storage, *WRITTEN)
        data = path.read_bytes()
        path.write_bytes(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :])
        *found, last = [entry for _, entry in storage.read("run_1")]
        if not isinstance(last, Damaged):
            found.append(last)
        assert found == WRITTEN[: len(found)]
        if isinstance(last, Damaged):
            assert str(path) in last.where
            assert last.is_begun == bool(found)


def test_a_damaged_entry_is_set_aside_before_the_next_one(storage: FolderStorage) -> None:
    path = write(storage, *WRITTEN)
    path.write_bytes(path.read_bytes()[:-5])
    assert isinstance(list(storage.read("run_1"))[-1][1], Damaged)
    storage.append(KEY, [Entry("decided", {"what": "again"})], sync=True)
    kinds = [entry.kind for _, entry in storage.read("run_1") if isinstance(entry, Entry)]
    assert kinds == ["request", "head", "body", "body", "decided"]
    assert b"received" in path.with_name(f"{path.name}.damaged").read_bytes()


@pytest.mark.parametrize("name", ["../../up", "a/b", "", ".", "Aa", "ä" * 200, "con:", "\ud800"])
def test_no_id_becomes_a_path(storage: FolderStorage, name: str) -> None:
    key = CallKey(f"x{name}", f"y{name}", 1)
    storage.append(key, [Entry("request", {"run": key.run, "call": key.call})], sync=True)
    found = [each for each in storage.folder.rglob("*") if each.is_file()]
    assert [each.parent.parent for each in found] == [storage.folder]
    assert [each for each, _ in storage.read(key.run, key.call)] == [key]
    assert [each.run for each in storage.runs()] == [key.run]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away"
)
def test_a_folder_of_another_user(storage: FolderStorage) -> None:
    storage.folder.mkdir()
    os.chown(storage.folder, 12345, 12345)
    with pytest.raises(LedgerError, match="uid 12345"):
        FolderLocks(storage).lock("run_1")
    with pytest.raises(LedgerError, match="another user"):
        storage.append(KEY, [REQUEST], sync=True)


def test_a_link_is_not_followed(storage: FolderStorage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    storage.folder.mkdir()
    (storage.folder / "run_1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match="link"):
        FolderLocks(storage).lock("run_1")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_the_place_of_the_folder(storage: FolderStorage) -> None:
    storage.folder.write_text("mine")
    with pytest.raises(LedgerError, match="call ledger"):
        FolderLocks(storage).lock("run_1")


def _take(folder: Path, *, die: bool) -> None:
    FolderLocks(FolderStorage(folder)).lock("run_1")
    if die:
        os.kill(os.getpid(), signal.SIGKILL)


def test_one_process_goes_on_with_a_run(storage: FolderStorage) -> None:
    locks = FolderLocks(storage)
    release = locks.lock("run_1")
    with pytest.raises(RunBusy, match="another task"):
        locks.lock("run_1")
    done = forked(_take_quietly, storage.folder)
    assert "another process goes on with run run_1" in done.stdout
    release()
    release()
    assert forked(_take_quietly, storage.folder).stdout == "taken\n"


def _take_quietly(folder: Path) -> None:
    try:
        _take(folder, die=False)
    except RunBusy as error:
        print(error)
    else:
        print("taken")


def test_a_process_that_dies_leaves_the_run_free(storage: FolderStorage) -> None:
    assert forked(_take_and_die, storage.folder).returncode == -signal.SIGKILL
    FolderLocks(storage).lock("run_1")()


def _take_and_die(folder: Path) -> None:
    _take(folder, die=True)


def test_a_run_that_is_deleted_while_it_is_locked(storage: FolderStorage) -> None:
    locks = FolderLocks(storage)
    release = locks.lock("run_1")
    storage.delete("run_1")
    again = FolderLocks(storage)
    with pytest.raises(RunBusy):
        again.lock("run_1")
    release()
    again.lock("run_1")()
