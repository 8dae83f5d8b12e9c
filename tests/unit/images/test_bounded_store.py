"""A bounded store keeps count of its bytes: what a picture costs does not grow with the pictures
that lie there.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from pathlib import Path

import pytest

from agentkit.errors import StoreError
from agentkit.images import FileImageStore
from agentkit.images.folder_size import FolderSize


def put(store: FileImageStore, data: bytes) -> str:
    draft = store.create()
    draft.write(data)
    return draft.keep()


def filled(folder: Path, pictures: int) -> int:
    """A store of so many pictures of 10 bytes, all of an hour ago."""
    folders = {folder / f"{number % 256:02x}" for number in range(pictures)}
    for each in folders:
        each.mkdir(parents=True)
    for number in range(pictures):
        (folder / f"{number % 256:02x}" / f"{number:064x}.png").write_bytes(bytes(10))
    for each in folders:
        before = each.stat().st_mtime - 3_600
        os.utime(each, (before, before))
    return 10 * pictures


class Watched(FileImageStore):
    """Counts what is looked at to know its size, and on which thread."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, max_bytes=max_bytes)
        self.listed: list[tuple[int, bool]] = []

    def _scan(self, folder: Path) -> list[os.DirEntry[str]]:
        found = super()._scan(folder)
        on_loop = threading.current_thread() is threading.main_thread()
        self.listed.append((len(found), on_loop))
        return found


def entries(store: Watched) -> int:
    return sum(number for number, _ in store.listed)


@pytest.mark.parametrize("pictures", [500, 2_000])
def test_a_drawing_looks_at_no_other_picture(tmp_path: Path, pictures: int) -> None:
    held = filled(tmp_path, pictures)
    store = Watched(tmp_path, 10_000_000)
    put(store, b"the first counts")
    assert entries(store) >= pictures
    store.listed.clear()
    for number in range(20):
        store.check_room(100)
        put(store, b"picture %3d" % number)
    assert entries(store) == 0
    assert store.size() == held + 16 + 20 * 11
    assert entries(store) <= 256 + 21 * (pictures // 256 + 2), "only what changed is read again"


async def test_an_event_loop_counts_nothing(tmp_path: Path) -> None:
    filled(tmp_path, 500)
    store = Watched(tmp_path, 5_100)
    store.create().discard()
    store.listed.clear()  # leftovers of other processes are looked for, once
    draft = store.create()
    draft.write(bytes(200))
    assert store.listed == []
    with pytest.raises(StoreError, match="is full: it holds 5000 of max_bytes=5100"):
        await asyncio.to_thread(draft.keep)
    assert store.listed
    assert not any(on_loop for _, on_loop in store.listed)
    draft.write(b"")
    with draft.read_back() as file:
        assert file.read() == bytes(200)
    with pytest.raises(StoreError, match="is full"):
        await asyncio.to_thread(store.check_room, 101)


def test_deleting_makes_room(tmp_path: Path) -> None:
    store = FileImageStore(tmp_path, max_bytes=100)
    first = put(store, bytes(90))
    with pytest.raises(StoreError, match="is full"):
        put(store, bytes(91))
    store.delete(first)
    put(store, bytes(91))
    assert store.size() == 91


def test_threads_together_pass_no_bound(tmp_path: Path) -> None:
    store = FileImageStore(tmp_path, max_bytes=10_000)
    kept: list[str] = []
    refused: list[StoreError] = []

    def work(number: int) -> None:
        try:
            draft = store.create()
            draft.write(random.Random(number).randbytes(1_000))
            kept.append(draft.keep())
        except StoreError as error:
            refused.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert store.size() == 10_000
    assert (len(kept), len(refused)) == (10, 20)


def test_a_count_in_the_middle_of_an_addition_forgets_nothing(tmp_path: Path) -> None:
    size = FolderSize(tmp_path, lambda folder: list(os.scandir(folder)))
    with size.adding(400, lambda _total, _size: None):
        assert size.count() == 0, "nothing is there yet"
        assert size.known == 400
        (tmp_path / "ab").mkdir()
        (tmp_path / "ab" / "picture").write_bytes(bytes(400))
    assert size.count() == size.known == 400


def test_what_another_process_keeps_is_counted(tmp_path: Path) -> None:
    one, other = (FileImageStore(tmp_path, max_bytes=1_000) for _ in range(2))
    put(one, bytes(400))
    put(other, bytes(401))
    assert one.size() == other.size() == 801
    with pytest.raises(StoreError, match="is full: it holds 801"):
        put(one, bytes(402))
