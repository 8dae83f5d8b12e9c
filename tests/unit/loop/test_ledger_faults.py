"""What can be wrong with a ledger, and what becomes of a run then: a clear error before anything is
sent, and nothing that had arrived is lost.
"""

from __future__ import annotations

import asyncio
import errno
import json
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Ledger, OpenRouter
from agentkit.emulator import Draw, Emulator, Reply, Say
from agentkit.errors import LedgerError, RunBusy, RunError, UsageError
from agentkit.openrouter.ledger import Keep
from agentkit.openrouter.ledger_folder import FolderLocks, FolderStorage
from agentkit.openrouter.ledger_storage import CallKey, Entry, Stored, StoredRun
from tests.clock import GUARD, turns, until
from tests.conftest import Bench, picture
from tests.unit.loop.dying import Dying, seen

FOX = picture(size=(160, 120), noise=1)
PAINTER = "google/gemini-2.5-flash-image"
DRAWS = Reply([Say("Here "), Draw("a fox", data=FOX)])


class FullDisk(FolderStorage):
    """A folder that takes no entries of these kinds."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        super().__init__(folder)
        self.kinds = kinds

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        if any(entry.kind in self.kinds for entry in entries):
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(key, entries, sync=sync)


class Memory:
    """A storage with four methods, as one would be written for a database."""

    def __init__(self) -> None:
        self.rows: list[tuple[CallKey, Entry]] = []

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:  # noqa: ARG002 - memory needs none
        if entries[0].kind == "request" and any(each == key for each, _ in self.rows):
            raise FileExistsError
        self.rows += [(key, entry) for entry in entries]

    def read(self, run: str, call: str | None = None, *, bodies: bool = True) -> Iterator[Stored]:
        found = [row for row in self.rows if row[0].run == run and call in {None, row[0].call}]
        found.sort(key=lambda row: (row[0].call, row[0].attempt))
        for key, entry in found:
            yield key, entry if bodies or entry.kind != "body" else Entry("body", entry.facts)

    def runs(self) -> list[StoredRun]:
        runs = dict.fromkeys(key.run for key, _ in self.rows)
        size = {
            run: sum(len(entry.data) for key, entry in self.rows if key.run == run) for run in runs
        }
        return [StoredRun(run, size[run], time.time()) for run in runs]

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        def stays(key: CallKey, entry: Entry) -> bool:
            if bodies_of is None:
                return key.run != run
            return key not in bodies_of or entry.kind == "request"

        self.rows = [row for row in self.rows if stays(*row)]


@pytest.fixture
def dying(bench: Bench, tmp_path: Path) -> Dying:
    return Dying(bench, tmp_path / "calls")


async def test_a_full_disk_before_the_request(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS])
    ledger = Ledger(FullDisk(dying.folder, "request"))
    with pytest.raises(RunError, match="call ledger: No space left") as caught:
        await dying.bench.ask(dying.bench.agent(model=PAINTER, ledger=ledger), "Draw")
    assert caught.value.billed is False
    assert dying.bench.emulator.posts == []


@pytest.mark.parametrize("kind", ["head", "body", "received", "pictures"])
async def test_a_full_disk_while_the_reply_arrives(dying: Dying, kind: str) -> None:
    dying.bench.emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX, shape="url")])])
    ledger = Ledger(FullDisk(dying.folder, kind))
    answer = await dying.bench.ask(dying.bench.agent(model=PAINTER, ledger=ledger), "Draw")
    assert [image.bytes() for image in answer.images] == [FOX]


async def test_a_ledger_of_a_newer_version(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS])
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    storage = FolderStorage(dying.folder)
    entries = [entry for _, entry in storage.read(dying.run().id) if isinstance(entry, Entry)]
    newer = Entry("request", {**entries[0].facts, "version": 2}, entries[0].data)
    file.unlink()
    storage.append(CallKey(dying.run().id, "0", 1), [newer], sync=False)
    with pytest.raises(LedgerError, match="version 2"):
        await dying.resume(model=PAINTER)
    assert len(dying.bench.emulator.posts) == 1


async def test_a_reply_that_was_edited_is_not_believed(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS])
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    data = file.read_bytes()
    ends = [0, *(end for end, _ in dying.cuts(file))]
    # The longest entry: the picture's bytes. How many the others are is a matter of the socket.
    start, end = max(pairwise(ends), key=lambda entry: entry[1] - entry[0])
    at = (start + end) // 2
    file.write_bytes(data[:at] + b"#" + data[at + 1 :])
    waits = await dying.resume(model=PAINTER)
    assert waits.status == "paused"
    assert len(dying.bench.emulator.posts) == 1


async def test_a_storage_of_ones_own(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS])
    memory = Memory()
    options: dict[str, Any] = {"model": PAINTER, "hooks": dying.agent().hooks}
    first = await dying.bench.ask(dying.bench.agent(ledger=Ledger(memory), **options), "Draw")
    ledger = Ledger(memory)
    again = await dying.bench.agent(ledger=ledger, **options).resume(dying.run())
    assert seen(again) == seen(first)
    await ledger.saved(again.run)
    assert await ledger.sweep() == 1
    assert memory.rows == []


def bytes_below(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


async def test_no_file_holds_the_key(emulator: Emulator, tmp_path: Path) -> None:
    key = "sk-or-v1-0123456789abcdef0123456789abcdef"
    emulator.play([Reply([Say(f"your key is {key} "), Draw("a fox", data=FOX)])])
    async with OpenRouter(api_key=key, base_url=emulator.base_url) as client:
        agent = Agent(PAINTER, client=client, ledger=Ledger(tmp_path / "calls"), checks=False)
        await agent.run("Draw")
    written = bytes_below(tmp_path)
    assert b"request" in written
    assert key.encode() not in written
    assert b"Bearer" not in written
    assert b"set-cookie" not in written.lower()


@pytest.mark.parametrize("folder", ["", 7, None, object()])
def test_what_is_no_folder(folder: Any) -> None:
    with pytest.raises(UsageError, match="folder"):
        Ledger(folder)


@pytest.mark.parametrize(
    "options",
    [
        {"unknown": "guess"},
        {"keep": 7},
        {"keep": lambda: Keep(bytes=-1)},
        {"keep": lambda: Keep(days=-1)},
    ],
)
def test_options_that_are_none(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Ledger(
            tmp_path, **{name: made() if callable(made) else made for name, made in options.items()}
        )


async def test_a_run_of_nothing_leaves_no_file(dying: Dying) -> None:
    with pytest.raises(UsageError):
        await dying.bench.ask(dying.agent(api="chat", settings=None), 7)
    assert dying.files == []
    assert not dying.folder.exists() or list(dying.folder.iterdir()) == []


async def test_what_is_kept(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([DRAWS] * 3)
    chat = dying.agent(model=PAINTER).conversation()
    first = await dying.bench.ask(chat, "Draw")
    second = await dying.bench.ask(chat, "Draw another")
    ledger = Ledger(dying.folder)
    sizes = [file.stat().st_size for file in dying.files]
    await ledger.saved(first.run)
    await ledger.saved(first.run)
    assert [
        file.stat().st_size < size for file, size in zip(dying.files, sizes, strict=True)
    ].count(True) == 1
    assert await ledger.sweep() == 0  # the second refers to it
    await ledger.saved(second.run)
    release = FolderLocks(FolderStorage(dying.folder)).lock(second.run.id)
    assert await ledger.sweep() == 1  # one is gone on with
    release()
    assert await ledger.sweep() == 1
    assert list(dying.folder.iterdir()) == []
    third = await dying.bench.ask(chat, "Draw a third")
    (file,) = dying.files
    facts = json.loads(file.read_bytes().split(b"\n")[0].split(b" ", 2)[2])[1]
    assert "base" not in facts
    assert third.status == "completed"


async def test_the_bounds_of_a_ledger(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS] * 2)
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    old = dying.files[0]
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    assert await Ledger(dying.folder).sweep() == 0
    assert await Ledger(dying.folder, keep=Keep(bytes=old.stat().st_size + 100)).sweep() == 1
    assert not old.exists()
    assert await Ledger(dying.folder, keep=Keep(days=0)).sweep() == 1
    assert dying.files == []


async def test_a_run_that_is_cancelled_while_it_is_taken(dying: Dying) -> None:
    dying.bench.emulator.play([DRAWS])
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    ledger, run = Ledger(dying.folder), dying.run().id
    for pause in range(4):
        task = asyncio.create_task(ledger.open(run))
        await turns(pause)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await (await task).close()
    await until(lambda: _is_free(dying.folder, run))


def _is_free(folder: Path, run: str) -> bool:
    try:
        FolderLocks(FolderStorage(folder)).lock(run)()
    except RunBusy:
        return False
    return True


async def test_a_request_that_is_cancelled_before_it_is_sent(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([DRAWS] * 2)
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    dying.files[0].unlink()

    class Slow(FolderStorage):
        def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
            super().append(key, entries, sync=sync)
            if entries[0].kind == "request":
                begun.set()
                go_on.wait(GUARD)

    begun, go_on = threading.Event(), threading.Event()
    ledger = Ledger(Slow(dying.folder))
    agent = dying.bench.agent(model=PAINTER, ledger=ledger)
    task = asyncio.create_task(agent.resume(dying.run()))
    await until(begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await until(lambda: b"refused" in bytes_below(dying.folder))
    assert len(emulator.posts) == 1
    again = await dying.resume(model=PAINTER)
    assert (again.status, len(emulator.posts)) == ("completed", 2)
