"""The stores: content-addressed, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from agentkit.errors import StoreError, UsageError
from agentkit.images import (
    Draft,
    Fetcher,
    FetchPolicy,
    FileImageStore,
    ImageStore,
    MemoryImageStore,
    ObjectImageStore,
    store_bytes,
)
from agentkit.images.ingest import ingest
from agentkit.values import Image
from tests.buckets import Service
from tests.conftest import picture

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(params=["file", "memory", "object-file", "object-s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    """The rules hold for every store."""
    match request.param:
        case "file":
            return FileImageStore(tmp_path / "store")
        case "memory":
            return MemoryImageStore()
        case "object-file":
            return ObjectImageStore(f"file://{tmp_path}/store", spool=tmp_path / "spool")
        case _:
            service: Service = request.getfixturevalue("service")
            name = service.bucket(f"pictures-{uuid.uuid4().hex}")
            return service.store(f"s3://{name}/a/b", tmp_path / "spool")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read(store: ImageStore, sha256: str) -> bytes:
    with store.open(sha256) as file:
        return file.read()


def put(store: ImageStore, data: bytes) -> str:
    draft = store.create()
    draft.write(data)
    return draft.keep()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 300_000])
def test_what_is_kept_is_what_was_written(store: ImageStore, size: int):
    data = random.Random(size).randbytes(size)
    draft = store.create()
    for start in range(0, size, 7_777):
        draft.write(memoryview(data)[start : start + 7_777])
        with draft.read_back() as file:
            assert file.read() == data[: start + 7_777]
    assert (draft.size, draft.sha256) == (size, hashlib.sha256(data).hexdigest())
    sha256 = draft.keep()
    assert sha256 == hashlib.sha256(data).hexdigest()
    draft.discard()
    assert read(store, sha256) == data
    assert store.size() == size
    assert store.delete(sha256) is True
    assert store.delete(sha256) is False
    with pytest.raises(FileNotFoundError):
        store.open(sha256)


def test_a_discarded_draft_is_gone(store: ImageStore):
    draft = store.create()
    draft.write(bytes(200_000))
    draft.discard()
    draft.discard()
    with pytest.raises(StoreError):
        draft.keep()
    with pytest.raises(StoreError):
        draft.write(b"more")
    assert store.size() == 0


def test_many_writers_of_the_same_pictures_keep_each_once(store: ImageStore):
    pictures = [random.Random(n).randbytes(n * 40_000) for n in range(5)]

    def keep_all(seed: int) -> list[str]:
        mixed = random.Random(seed).sample(range(5), 5)
        kept = {n: put(store, pictures[n]) for n in mixed}
        return [kept[n] for n in range(5)]

    with ThreadPoolExecutor(4) as threads:
        kept = list(threads.map(keep_all, range(4)))
    assert kept == [[hashlib.sha256(each).hexdigest() for each in pictures]] * 4
    assert [read(store, sha256) for sha256 in kept[0]] == pictures
    assert store.size() == sum(map(len, pictures))


def test_a_picture_that_nobody_kept_is_not_there(store: ImageStore):
    with pytest.raises(FileNotFoundError, match="no picture 0123456789ab…"):
        store.open("0123456789ab" + "0" * 52)
    assert store.delete("0123456789ab" + "0" * 52) is False
    assert store.size() == 0


def test_what_was_read_can_be_read_from_any_place(store: ImageStore):
    data = random.Random(5).randbytes(150_000)
    sha256 = put(store, data)
    with store.open(sha256) as file, store.open(sha256) as other:
        assert (file.seek(0, os.SEEK_END), file.seek(100_000)) == (150_000, 100_000)
        assert (file.read(10), other.read(10)) == (data[100_000:100_010], data[:10])
        assert (file.read(), other.read()) == (data[100_010:], data[10:])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        "a" * 63,
        "A" * 64,
        "a" * 65,
        "a" * 64 + "\n",
        "g" * 64,
        "/" + "a" * 63,
    ],
)
def test_a_digest_is_never_a_path(store: ImageStore, name: str):
    for method in (store.open, store.delete):
        with pytest.raises(UsageError, match="64 lowercase hex digits"):
            method(name)


def test_files_are_named_by_content_and_are_the_owners_alone(tmp_path: Path):
    folder = tmp_path / "a" / "store"
    store = FileImageStore(folder)
    assert not folder.exists()
    store.create().discard()
    assert not folder.exists()
    picture = put(store, PNG_HEAD + bytes(50))
    other = put(store, b"no picture")
    assert files(folder) == sorted([f"{picture[:2]}/{picture}.png", f"{other[:2]}/{other}.bin"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / picture[:2]).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / picture[:2] / f"{picture}.png").stat().st_mode) == 0o600


def test_the_same_picture_is_one_file(tmp_path: Path):
    store, again = FileImageStore(tmp_path), FileImageStore(tmp_path)
    drafts = [each.create() for each in (store, again, store, again)]
    for draft in drafts:
        draft.write(PNG_HEAD + bytes(100_000))
    threads = [threading.Thread(target=draft.keep) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == 1
    assert store.size() == 100_008


def test_links_are_not_followed(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    folder = tmp_path / "store"
    sha256 = hashlib.sha256(b"x").hexdigest()
    (folder / sha256[:2]).mkdir(parents=True)
    (folder / sha256[:2] / f"{sha256}.png").symlink_to(secret)
    store = FileImageStore(folder)
    with pytest.raises(FileNotFoundError):
        store.open(sha256)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = hashlib.sha256(b"y").hexdigest()
    (folder / other[:2]).symlink_to(elsewhere)
    (elsewhere / f"{other}.png").write_bytes(b"secret")
    with pytest.raises(FileNotFoundError):
        store.open(other)
    assert store.delete(other) is False
    with pytest.raises(StoreError, match="link"):
        put(store, b"y")
    assert files(elsewhere) == [f"{other}.png"]


def test_a_forgotten_draft_leaves_no_file(tmp_path: Path):
    store = FileImageStore(tmp_path)
    draft = store.create()
    draft.write(bytes(200_000))
    assert len(files(tmp_path)) == 1
    del draft
    assert files(tmp_path) == []


def test_a_child_that_ends_takes_nothing_of_its_parents_along(tmp_path: Path):
    code = (
        "import os, sys; from agentkit.images.store import FileImageStore\n"
        f"store = FileImageStore({str(tmp_path)!r}); whole, begun = store.create(), store.create()\n"
        "whole.write(bytes(200_000)); begun.write(bytes(200_001))\n"
        "if (child := os.fork()) == 0: begun.discard(); sys.exit(0)\n"
        "os.waitpid(child, 0); whole.write(b'rest'); print(whole.keep(), begun.read_back().read() == bytes(200_001))\n"
        "store.create().write(bytes(200_002))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    digest = hashlib.sha256(bytes(200_000) + b"rest").hexdigest()
    assert (done.stdout, done.stderr) == (f"{digest} True\n", "")
    assert files(tmp_path) == [f"{digest[:2]}/{digest}.bin"], (
        "and its own drafts the parent takes along"
    )


@pytest.mark.parametrize("size", [200_000, 3_000_001])
def test_a_store_that_vanishes_while_a_picture_arrives_costs_nothing(
    tmp_path: Path, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    store = FileImageStore(tmp_path / "store")
    draft = store.create()
    draft.write(data[: size // 2])
    shutil.rmtree(tmp_path / "store")
    with draft.read_back() as file:
        assert file.read(10) == data[:10]
        assert (file.seek(0, os.SEEK_END), file.seek(5)) == (size // 2, 5)
        assert file.read() == data[5 : size // 2]
    draft.write(data[size // 2 :])
    with draft.read_back() as file:
        assert file.read() == data
    sha256 = draft.keep()
    assert read(store, sha256) == data
    assert files(tmp_path / "store") == [f"{sha256[:2]}/{sha256}.bin"]
    del draft
    assert len(files(tmp_path / "store")) == 1


def test_a_store_that_cannot_be_made_again_leaves_the_bytes_with_the_draft(tmp_path: Path) -> None:
    draft = FileImageStore(tmp_path / "store").create()
    draft.write(bytes(200_000))
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"cannot write to the image store {tmp_path}"):
        draft.keep()
    with draft.read_back() as file:
        assert file.read() == bytes(200_000)


def test_the_same_picture_again_needs_no_room(tmp_path: Path):
    store = FileImageStore(tmp_path, max_bytes=1_000)
    sha256 = put(store, bytes(900))
    assert put(store, bytes(900)) == sha256
    (path,) = tmp_path.rglob("*.bin")
    before = path.stat().st_ino
    assert put(store, bytes(900)) == sha256
    assert path.stat().st_ino == before, "it was not written again"
    path.write_bytes(b"cut")
    put(FileImageStore(tmp_path), bytes(900))
    assert read(store, sha256) == bytes(900), "what was damaged is mended"
    big = put(FileImageStore(tmp_path), bytes(200_000))
    assert put(FileImageStore(tmp_path), bytes(200_000)) == big
    assert len(files(tmp_path)) == 2


class Watched(FileImageStore):
    """Tells what is asked of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def create(self) -> Draft:
        self.asked.append("create")
        return super().create()

    def open(self, sha256: str) -> BinaryIO:
        self.asked.append("open")
        return super().open(sha256)


async def test_two_stores_of_one_folder_are_one(tmp_path: Path):
    one, other = FileImageStore(tmp_path), FileImageStore(str(tmp_path))
    assert one == other
    assert hash(one) == hash(other)
    assert one != FileImageStore(tmp_path / "x")
    assert one != MemoryImageStore()
    stored = store_bytes(one, picture())
    image = replace(
        Image.from_bytes(picture()), width=stored.width, height=stored.height, blobs=one
    )
    here, there = Watched(tmp_path), Watched(tmp_path / "x")
    assert (await ingest(image, here, Fetcher(FetchPolicy(), here))).sha256 == stored.sha256
    assert here.asked == [], "it is neither read nor written again"
    assert (await ingest(image, there, Fetcher(FetchPolicy(), there))).blobs is there
    assert there.asked == ["create"]


def test_stale_temporaries_are_swept(tmp_path: Path):
    old, new, picture = tmp_path / ".old.part", tmp_path / ".new.part", tmp_path / "note.txt"
    for path in (old, new, picture):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
    os.utime(new)
    FileImageStore(tmp_path).create()
    assert files(tmp_path) == [".new.part", "note.txt"]


def test_a_full_store_says_so(tmp_path: Path):
    store = FileImageStore(tmp_path, max_bytes=1_000)
    put(store, bytes(900))
    draft = store.create()
    draft.write(bytes(200))
    with pytest.raises(StoreError, match=r"is full: it holds 900 of max_bytes=1000"):
        draft.keep()
    with draft.read_back() as file:
        assert len(file.read()) == 200
    draft.discard()
    put(store, bytes(range(100)))
    with pytest.raises(StoreError, match="is full"):
        store.create()
    with pytest.raises(UsageError, match="max_bytes"):
        FileImageStore(tmp_path, max_bytes=0)


@contextmanager
def full_disk(limit: int):
    """Writing beyond `limit` bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def write_slowly(draft: Draft, data: bytes) -> None:
    for start in range(0, len(data), 1000):
        draft.write(data[start : start + 1000])


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path):
    store = FileImageStore(tmp_path)
    data = random.Random(1).randbytes(300_000)
    draft = store.create()
    with full_disk(100_000):
        with pytest.raises(
            StoreError, match=f"cannot write to the image store {tmp_path}: File too large"
        ):
            write_slowly(draft, data)
        written = draft.size
        with draft.read_back() as file:
            assert file.read() == data[:written]
        with pytest.raises(StoreError, match="File too large"):
            draft.keep()
    draft.write(data[written:])
    assert read(store, draft.keep()) == data


def test_a_folder_that_cannot_be_is_told_before_anything_is_written(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot write to the image store .*not a folder"):
        FileImageStore(tmp_path / "file" / "store").create()


def test_where_the_default_store_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENTKIT_STORE", str(tmp_path / "here"))
    assert FileImageStore().path == tmp_path / "here"
    monkeypatch.delenv("AGENTKIT_STORE")
    assert FileImageStore().path.parts[-2:] == ("agentkit", "images")
    assert str(tmp_path) in repr(FileImageStore(tmp_path))
    assert store_bytes  # exported beside the stores


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_pictures_in_the_cache_folder_of_earlier_versions_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AGENTKIT_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    former, now = tmp_path / "cache/agentkit/images", tmp_path / "data/agentkit/images"
    sha256, other = (put(FileImageStore(former), data) for data in (b"old", b"older"))
    before = files(former)
    store = FileImageStore()
    assert store.path == now
    assert read(store, sha256) == b"old"
    assert not now.exists(), "nothing is copied"
    assert store.size() == 0
    put(store, b"new")
    assert put(store, b"old") == sha256
    assert files(former) == before
    assert len(files(now)) == 2
    assert store.size() == 6
    with pytest.raises(FileNotFoundError):
        FileImageStore(now).open(other)
    assert store.delete(sha256) is True
    with pytest.raises(FileNotFoundError):
        store.open(sha256)


def test_the_package_imports_nothing_heavy():
    heavy = "PIL httpx2 tenacity openai platformdirs"
    code = (
        "import sys, importlib.util, types; p = types.ModuleType('agentkit'); "
        "p.__path__ = list(importlib.util.find_spec('agentkit').submodule_search_locations); sys.modules['agentkit'] = p; "
        f"import agentkit.images; print([m for m in {heavy.split()} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
