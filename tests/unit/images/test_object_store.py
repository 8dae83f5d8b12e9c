"""Pictures in object stores: what only they do, and what goes wrong with them. The rules of every
store are in `test_store.py`.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentkit.errors import StoreError, UsageError
from agentkit.images import FileImageStore, ImageStore, ObjectImageStore
from agentkit.images.drafts import check_room
from agentkit.images.stores import default_store, place_of, store_at
from tests.buckets import SECRET, Faults, Service, faulty
from tests.processes import forked

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def put(store: ImageStore, data: bytes) -> str:
    draft = store.create()
    try:
        draft.write(data)
        return draft.keep()
    finally:
        draft.discard()


def read(store: ImageStore, sha256: str) -> bytes:
    with store.open(sha256) as file:
        return file.read()


@pytest.fixture
def bucket(service: Service) -> str:
    return service.bucket(f"pictures-{uuid.uuid4().hex}")


def test_a_picture_is_one_object_with_its_type_and_leaves_nothing_in_the_spool(
    service: Service, bucket: str, tmp_path: Path
) -> None:
    store = service.store(f"s3://{bucket}/team/", tmp_path / "spool")
    assert repr(store) == f"ObjectImageStore('s3://{bucket}/team')"
    data = PNG_HEAD + bytes(100_000)
    sha256 = put(store, data)
    assert service.call("GET", f"/{bucket}/team/{sha256[:2]}/{sha256}") == (200, data)
    assert store.url_of(sha256) == f"s3://{bucket}/team/{sha256[:2]}/{sha256}"
    assert list((tmp_path / "spool").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_another_machine_reads_it_and_what_it_deletes_is_gone_within_a_minute(
    service: Service, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = (service.store(f"s3://{bucket}", tmp_path / each) for each in "ab")
    sha256 = put(store, bytes(200_000))
    assert read(other, sha256) == bytes(200_000)
    assert other.delete(sha256) is True
    with pytest.raises(FileNotFoundError):
        other.open(sha256)
    assert read(store, sha256) == bytes(200_000), "it had that a moment ago"
    later = store._copies._clock() + 61
    monkeypatch.setattr(store._copies, "_clock", lambda: later)
    with pytest.raises(FileNotFoundError):
        store.open(sha256)


@pytest.mark.parametrize("damage", [b"", b"x" * 70_000, bytes(69_999)])
def test_what_was_damaged_is_not_there_until_it_arrives_again(
    service: Service, bucket: str, tmp_path: Path, damage: bytes
) -> None:
    sha256 = put(service.store(f"s3://{bucket}", tmp_path), bytes(70_000))
    assert service.call("PUT", f"/{bucket}/{sha256[:2]}/{sha256}", damage)[0] == 200
    with pytest.raises(FileNotFoundError, match="is damaged: its bytes are not those of its name"):
        service.store(f"s3://{bucket}", tmp_path).open(sha256)
    put(service.store(f"s3://{bucket}", tmp_path), bytes(70_000))
    assert read(service.store(f"s3://{bucket}", tmp_path), sha256) == bytes(70_000)


def test_files_of_a_folder_are_the_owners_alone(tmp_path: Path) -> None:
    store = ObjectImageStore(f"file://{tmp_path}/with%20blank/é", spool=tmp_path / "spool")
    sha256 = put(store, PNG_HEAD + bytes(100_000))
    folder = tmp_path / "with blank" / "é"
    file = folder / sha256[:2] / sha256
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, file.parent, file)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert store.size() == 100_008
    store.check()
    assert store.size() == 100_008, "what it looks with is no picture"


def test_pictures_are_streamed_and_memory_does_not_grow_with_them(
    service: Service, bucket: str, tmp_path: Path
) -> None:
    assert forked(_large, f"file://{tmp_path}/store", str(tmp_path)).returncode == 0


def _large(url: str, spool: str) -> None:
    size = 96 << 20
    store, other = ObjectImageStore(url, spool=spool), ObjectImageStore(url, spool=spool)
    put(store, b"warm")
    before, chunk = _peak(), os.urandom(1 << 20)
    draft = store.create()
    for _ in range(size >> 20):
        draft.write(chunk)
    sha256 = draft.keep()
    total = 0
    with other.open(sha256) as file:
        while some := file.read(1 << 20):
            total += len(some)
    assert total == size
    grown = _peak() - before
    assert grown < 24 << 20, f"{grown >> 20} MiB"


def _peak() -> int:
    """The most memory that is not that of files, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+)", text)[0]) * 1024


WRONG = [
    "pictures",
    "s3:/pictures",
    "s3://",
    "s3:///prefix",
    "http://127.0.0.1/x",
    "memory:///",
    "s3://a/../b",
    "s3://pictures:9000/x",
    "s3://pictures/a\nb",
    "file://host/folder",
    "file:///",
    "",
    7,
    None,
]


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_names_no_store_is_refused(url: object) -> None:
    with pytest.raises(UsageError, match=r"ObjectImageStore\(.*accepted is s3://BUCKET"):
        ObjectImageStore(url)


@pytest.mark.parametrize(
    "url", ["s3://key:hidden1@pictures/x", "s3://pictures/x?secret=hidden1", "s3://p/x#hidden1"]
)
def test_a_password_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="keys, passwords and options are not in the URL") as told:
        ObjectImageStore(url)
    assert "hidden1" not in str(told.value)


def test_what_is_no_option_of_obstore_is_named(tmp_path: Path) -> None:
    store = ObjectImageStore("s3://pictures", config={"regoin": "x"}, spool=tmp_path)
    with pytest.raises(UsageError, match=r"no option 'regoin'"):
        store.check()
    with pytest.raises(UsageError, match="a mapping of obstore's options"):
        ObjectImageStore("s3://pictures", config="x")


def test_where_the_pictures_are_decides_whether_two_stores_are_one(tmp_path: Path) -> None:
    one = ObjectImageStore("s3://pictures/a", config={"endpoint": "http://127.0.0.1:1"})
    same = ObjectImageStore("s3://pictures/a/", config={"endpoint": "http://127.0.0.1:1"})
    assert (one, hash(one)) == (same, hash(same))
    assert one != ObjectImageStore("s3://pictures/a")
    assert one != ObjectImageStore("s3://pictures/b", config={"endpoint": "http://127.0.0.1:1"})
    assert one != FileImageStore(tmp_path)


REPLIES = {
    (403, "AccessDenied"): "this key may not do that: it needs the rights to get, put, list",
    (403, "InvalidAccessKeyId"): "the credentials are wrong or have expired",
    (403, "SignatureDoesNotMatch"): "the credentials are wrong or have expired",
    (400, "ExpiredToken"): "the credentials are wrong or have expired",
    (404, "NoSuchBucket"): "there is no such bucket: make it, or name another one",
    (301, "PermanentRedirect"): "the bucket is in another region: set AWS_REGION",
    (501, "NotImplemented"): "the service cannot write an object only where there is none",
    (429, "SlowDown"): "the service is busy or broken",
    (400, "KeyTooLongError"): r"the service or obstore refused \(GenericError\)",
}


@pytest.mark.parametrize(("status", "code"), REPLIES)
def test_what_a_service_answers_is_told_before_anything_is_paid_for(
    service: Service, tmp_path: Path, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = f"<Error><Code>{code}</Code><AWSAccessKeyId>{SECRET}</AWSAccessKeyId></Error>"
    with faulty(Faults(service.port, answer=(status, body.encode()))) as faults:
        config = faults.service.config()
        store = ObjectImageStore("s3://pictures", config=config, spool=tmp_path)
        store._bucket._retries = {"max_retries": 0}
        why = rf"cannot write to the image store s3://pictures: {REPLIES[status, code]}"
        with pytest.raises(StoreError, match=why) as told:
            check_room(store)
        draft = store.create()
        draft.write(bytes(70_000))
        with pytest.raises(StoreError, match=why):
            draft.keep()
        with draft.read_back() as file:
            assert file.read() == bytes(70_000), "what was paid for is not lost"
    assert status == 301 or f"({status} {code})" in str(told.value)
    assert SECRET not in f"{told.value!r} {told.value.__cause__} {store!r} {caplog.text}"


def test_a_bucket_that_is_missing_is_told_by_every_method(service: Service, tmp_path: Path) -> None:
    store = service.store("s3://nowhere", tmp_path)
    sha256 = "0" * 64
    for call in (store.check, store.size, lambda: store.open(sha256), lambda: store.delete(sha256)):
        with pytest.raises(StoreError, match="there is no such bucket"):
            call()


def test_a_service_that_is_away_or_without_tls_is_told(tmp_path: Path) -> None:
    config = {"access_key_id": "key", "secret_access_key": SECRET, "region": "us-east-1"}
    store = ObjectImageStore(
        "s3://pictures", config={**config, "endpoint": "http://127.0.0.1:1"}, spool=tmp_path
    )
    store._bucket._retries = {"max_retries": 1}
    with pytest.raises(StoreError, match="the service cannot be reached"):
        store.check()
    plain = ObjectImageStore(
        "s3://pictures", config={**config, "endpoint": "http://192.0.2.1"}, spool=tmp_path
    )
    with pytest.raises(StoreError, match="not on this machine, where anybody on the way"):
        plain.check()


def test_a_child_of_a_fork_is_told_why_it_cannot_use_the_store(tmp_path: Path) -> None:
    """obstore's threads are not there after a fork: it would wait for ever."""
    assert forked(_forks, str(tmp_path)).returncode == 0


def _forks(folder: str) -> int:
    store = ObjectImageStore(f"file://{folder}/store", spool=f"{folder}/spool")
    store.check()
    child = os.fork()
    if child == 0:
        try:
            store.check()
        except StoreError as error:
            os._exit(0 if "was forked from one that had used an object store" in str(error) else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_store_is_named_by_a_folder_or_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store_at(str(tmp_path)) == FileImageStore(tmp_path)
    assert store_at("s3://pictures/a") == ObjectImageStore("s3://pictures/a")
    monkeypatch.setenv("AGENTKIT_STORE", f"file://{tmp_path}/kept")
    assert default_store() == ObjectImageStore(f"file://{tmp_path}/kept")
    assert place_of(default_store()) == f"file://{tmp_path}/kept"
    with pytest.raises(UsageError, match="for a URL: ObjectImageStore"):
        FileImageStore("s3://pictures")
    for other in ("ftp://pictures", "S4://pictures"):  # no folder of that name is made
        with pytest.raises(UsageError, match="accepted is s3://BUCKET"):
            store_at(other)


def test_what_a_dead_process_had_spooled_is_kept(service: Service, bucket: str, tmp_path: Path):
    store = service.store(f"s3://{bucket}", tmp_path)
    (tmp_path / ".dead.part").write_bytes(bytes(70_000))
    sha256 = hashlib.sha256(bytes(70_000)).hexdigest()
    assert store.recover("1" * 64) is False
    assert store.recover(sha256) is True
    assert read(service.store(f"s3://{bucket}", tmp_path / "b"), sha256) == bytes(70_000)


SHARES = {"refused": 0.08, "lost": 0.08, "half": 0.08, "503": 0.06, "slow": 0.1}


@pytest.mark.parametrize("pictures", [pytest.param(24), pytest.param(200, marks=pytest.mark.slow)])
def test_through_faults_every_picture_is_there_once_and_whole(
    service: Service, bucket: str, tmp_path: Path, pictures: int
) -> None:
    rng = random.Random(pictures)
    each = [rng.randbytes(rng.choice((300, 70_000, 1_000_000))) for _ in range(pictures)]
    shas = [hashlib.sha256(data).hexdigest() for data in each]
    with faulty(Faults(service.port, SHARES)) as faults:
        stores = [faults.service.store(f"s3://{bucket}/x", tmp_path / str(n)) for n in range(8)]

        def keep(turn: tuple[int, int]) -> None:
            """Each picture by two of the writers."""
            writer, n = turn
            assert put(stores[(writer * 3 + n) % 8], each[n]) == shas[n]

        turns = [(writer, n) for n in range(pictures) for writer in range(2)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(keep, turns))
        reader = faults.service.store(f"s3://{bucket}/x", tmp_path / "reader")
        assert [read(reader, sha256) for sha256 in shas] == each
        told = faults.told
    assert all(told[fault] for fault in SHARES), told
    direct = service.store(f"s3://{bucket}/x", tmp_path / "direct")
    assert sorted(key for key, _ in direct._bucket.sizes()) == sorted(
        f"{sha256[:2]}/{sha256}" for sha256 in shas
    )
    assert direct.size() == sum(map(len, each))
