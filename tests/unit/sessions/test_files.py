"""Files of a conversation that outlives its process."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agentkit import File, ModelSettings
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions
from agentkit.sessions.database import Database
from agentkit.sessions.removal import DAY, sweep
from agentkit.values import BlobRef
from tests.conftest import Bench
from tests.documents import pdf


@pytest.fixture
def sessions(tmp_path: Path, store: MemoryImageStore) -> Sessions:
    return Sessions(f"sqlite:///{tmp_path}/chats.db", store=store)


async def test_files_outlive_the_process(bench: Bench, sessions: Sessions) -> None:
    settings = ModelSettings(pdf_engine="mistral-ocr")
    agent = bench.agent(model="openai/gpt-oss-20b", settings=settings)
    first = agent.conversation("c", sessions=sessions, user="ada")
    await bench.ask(first, ["What is in it?", File.from_bytes(pdf(), name="report.pdf")])
    chat = agent.conversation("c", sessions=sessions, user="ada")
    await bench.ask(chat, ["And in this?", File.from_bytes(b"words", name="w.txt")])
    assert [each.file_name for each in chat.files.values()] == ["report.pdf", "w.txt"]
    assert list(chat.files) == ["file_1", "file_2"]
    assert chat.files["file_1"].bytes() == pdf()
    if bench.way.api == "chat":  # what was read out of it is there too
        assert len(bench.emulator.parses) == 1
    digest = chat.files["file_2"].sha256
    found = await sessions.find_file(digest, user="ada")
    assert found is not None
    assert found.name == "file_2"
    assert await sessions.find_file(digest, user="eve") is None
    assert await sessions.find_picture(digest, user="ada") is None
    saved = await sessions.runs("c")
    assert [each.name for each in saved[0].run.files] == ["file_1", "file_2"]


async def test_a_fork_and_an_export_have_the_files(
    bench: Bench, sessions: Sessions, tmp_path: Path
) -> None:
    if bench.way.stream:
        return
    agent = bench.agent()
    chat = agent.conversation("c", sessions=sessions)
    for number in (1, 2):
        await bench.ask(chat, ["Read", File.from_bytes(b"%d" % number, name=f"{number}.txt")])
    fork = agent.conversation(await sessions.fork("c", turns=1), sessions=sessions)
    await bench.ask(fork, ["Read", File.from_bytes(b"3", name="3.txt")])
    assert list(fork.files) == ["file_1", "file_2", "file_3"]
    assert await sessions.export("c", tmp_path / "c.zip") == ()
    elsewhere = MemoryImageStore()
    others = Sessions(f"sqlite:///{tmp_path}/others.db", store=elsewhere)
    await others.load(tmp_path / "c.zip")
    loaded = bench.agent(store=elsewhere).conversation("c", sessions=others)
    await bench.ask(loaded, "What is in file_1?")
    assert [each.bytes() for each in loaded.files.values()] == [b"1", b"2"]
    await sessions.delete("c")
    assert await sessions.find_file(loaded.files["file_1"].sha256) is not None  # the fork has it


async def test_the_pages_of_a_scan_go_when_no_conversation_has_it(
    bench: Bench, sessions: Sessions, tmp_path: Path
) -> None:
    """They have no handle, and are sent again with their file."""
    if bench.way.api != "chat":  # Responses does not tell what was read
        return
    settings = ModelSettings(pdf_engine="mistral-ocr")
    agent = bench.agent(model="openai/gpt-oss-20b", settings=settings)
    chat = agent.conversation("c", sessions=sessions, user="ada")
    await bench.ask(chat, ["What is in it?", File.from_bytes(pdf(2), name="report.pdf")])
    items = [each.item for message in chat.messages for each in message.parsed]
    pages = [piece.sha256 for item in items for piece in item if isinstance(piece, BlobRef)]
    assert len(pages) == 2
    assert list(chat.images) == []
    database, later = Database(f"sqlite:///{tmp_path}/chats.db"), time.time() + 2 * DAY
    assert sweep(database, bench.store, later) == 0
    fork = await sessions.fork("c")
    await sessions.delete("c", purge=True)
    assert [await sessions.find_picture(each, user="ada") for each in pages] == [None, None]
    again = agent.conversation(fork, sessions=sessions)
    await bench.ask(again, "And on page 2?")
    assert (len(bench.emulator.parses), list(again.images)) == (1, [])
    assert await sessions.export(fork, tmp_path / "c.zip") == ()
    await sessions.delete(fork)
    assert sweep(database, bench.store, later) == 3
    for each in pages:
        with pytest.raises(FileNotFoundError):
            bench.store.open(each)
    database.close()
