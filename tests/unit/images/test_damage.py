"""What lies in a store is what was put there, or it is not there."""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from agentkit.images import FileImageStore

DATA = random.Random(4).randbytes(300_000)
FLIPPED = DATA[:-1] + bytes([DATA[-1] ^ 1])


def put(store: FileImageStore, data: bytes) -> Path:
    draft = store.create()
    draft.write(data)
    sha256 = draft.keep()
    (path,) = store.path.rglob(f"{sha256}.*")
    return path


def read(store: FileImageStore) -> bytes:
    with store.open(hashlib.sha256(DATA).hexdigest()) as file:
        return file.read()


@pytest.mark.parametrize("damage", [FLIPPED, DATA[:-1], DATA + b"!", b""])
@pytest.mark.parametrize("seen", [False, True])
def test_what_was_damaged_is_not_there_until_it_arrives_again(
    tmp_path: Path, damage: bytes, seen: bool
) -> None:
    store = FileImageStore(tmp_path)
    path = put(store, DATA)
    if seen:
        os.utime(path, (1, 1))  # long ago: it is hashed, and remembered
        assert read(store) == DATA
    path.write_bytes(damage)
    for each in (store, FileImageStore(tmp_path)):
        with pytest.raises(FileNotFoundError, match="damaged"):
            read(each)
    assert put(store, DATA) == path
    assert read(store) == read(FileImageStore(tmp_path)) == DATA


def test_a_whole_copy_of_another_name_is_found_beside_a_damaged_one(tmp_path: Path) -> None:
    store = FileImageStore(tmp_path)
    path = put(store, DATA)
    path.with_suffix(".png").write_bytes(FLIPPED)
    assert read(store) == DATA


class Counting:
    """Counts the bytes that are hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashed = 0
        plain = hashlib.sha256
        outer = self

        class Digest:
            def __init__(self, data: bytes = b"") -> None:
                self._digest = plain(data)

            def update(self, data: bytes) -> None:
                outer.hashed += len(data)
                self._digest.update(data)

            def hexdigest(self) -> str:
                return self._digest.hexdigest()

        monkeypatch.setattr(hashlib, "sha256", Digest)


def test_a_picture_is_hashed_once_while_its_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileImageStore(tmp_path)
    path = put(store, DATA)
    an_hour_ago = path.stat().st_mtime - 3_600
    os.utime(path, (an_hour_ago, an_hour_ago))
    # Its times are of this moment still: whether that is so is decided by the first reading.
    counting = Counting(monkeypatch)
    deadline = 200
    while deadline and (before := counting.hashed) is not None:
        read(store)
        if counting.hashed == before:
            break
        deadline -= 1
    assert deadline, "it is hashed at each reading"
    for _ in range(20):
        read(store)
    assert counting.hashed == before


def test_a_picture_is_known_to_be_there_without_being_opened(tmp_path: Path) -> None:
    store, sha256 = FileImageStore(tmp_path), hashlib.sha256(DATA).hexdigest()
    path = put(store, DATA)
    assert not store.is_unchanged(sha256)
    time.sleep(0.05)  # a file that has just changed is not remembered
    assert read(store) == DATA
    assert store.is_unchanged(sha256)
    path.write_bytes(FLIPPED)
    assert not store.is_unchanged(sha256)
    path.write_bytes(DATA)
    time.sleep(0.05)
    assert read(store) == DATA
    assert store.is_unchanged(sha256)
    store.delete(sha256)
    assert not store.is_unchanged(sha256)
