"""How the bytes of a reply come into a ledger: many short events at once, and a picture before it is
shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agentkit import Ledger
from agentkit.emulator import Draw, Fault, Reply, Say, Socket, When
from agentkit.errors import StreamInterrupted
from agentkit.openrouter.ledger_folder import FolderStorage
from agentkit.openrouter.ledger_storage import CallKey, Entry
from tests.clock import no_time, until
from tests.conftest import WAYS, Bench, picture
from tests.unit.loop.dying import Dying, seen

WORDS = 200
FOX = picture(size=(160, 120), noise=1)
PAINTER = "google/gemini-2.5-flash-image"

pytestmark = pytest.mark.parametrize(
    "way", [each for each in WAYS if each.stream], ids=str, indirect=True
)


class Watched(FolderStorage):
    """A folder, and what was written to it, in this order."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[list[Entry]] = []

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        super().append(key, entries, sync=sync)
        self.written.append(list(entries))

    @property
    def body(self) -> bytes:
        """The bytes of the reply that are on the disk."""
        entries = [entry for each in self.written for entry in each]
        return b"".join(entry.data for entry in entries if entry.kind == "body")


@pytest.fixture
def storage(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "calls")


def spoken(count: int) -> Reply:
    """A reply of so many words, each an event of its own."""
    return Reply([Say("word " * count)], chunk=len("word "), pause=0.0005)


async def test_short_events_are_written_many_at_once(
    bench: Bench, storage: Watched, tmp_path: Path
) -> None:
    bench.emulator.play([spoken(WORDS)])
    dying = Dying(bench, tmp_path / "calls")
    options = {"hooks": dying.agent().hooks, "ledger": Ledger(storage)}
    with no_time():  # held bytes are written after a second: that a machine is slow is no matter
        first = await bench.ask(bench.agent(**options), "Count")
    assert storage.body.count(b"word ") >= WORDS
    assert len(storage.written) < WORDS / 4
    assert storage.written[-1][-1].kind == "received"
    again = await dying.resume()
    assert seen(again) == seen(first)
    assert len(bench.emulator.posts) == 1


async def test_words_are_on_the_disk_while_nothing_more_comes(
    bench: Bench, storage: Watched
) -> None:
    bench.emulator.play([spoken(20)])
    bench.emulator.faults.add(Fault(socket=Socket("stall", at="event", event=15)))
    agent = bench.agent(ledger=Ledger(storage))
    async with agent.stream("Count") as stream:
        await until(lambda: storage.body.count(b"word ") >= 10)
        stream.stop()
        await stream.finish()


async def test_all_that_came_of_a_reply_that_broke_is_written(
    bench: Bench, storage: Watched
) -> None:
    bench.emulator.play([spoken(20)])
    bench.emulator.faults.add(Fault(socket=Socket("cut", at="event", event=15), when=When(times=1)))
    agent = bench.agent(ledger=Ledger(storage), model=PAINTER)
    with pytest.raises(StreamInterrupted):
        await bench.ask(agent, "Count")
    await until(lambda: storage.body.count(b"word ") >= 10)
    kinds = [entry.kind for each in storage.written for entry in each]
    assert kinds[:2] == ["request", "head"]
    assert "received" not in kinds


@pytest.mark.parametrize("shape", ["inline", "url"])
async def test_a_picture_is_on_the_disk_before_it_is_shown(
    bench: Bench, storage: Watched, shape: str
) -> None:
    url = shape == "url"
    drawing = Draw("a fox", data=FOX, shape="url") if url else Draw("a fox", data=FOX)
    bench.emulator.play([Reply([Say("Here "), drawing, Say("word " * 20)], chunk=5)])
    agent = bench.agent(ledger=Ledger(storage), model=PAINTER)
    async with agent.stream("Draw") as stream:
        async for event in stream:
            if type(event).__name__ == "ImageReady":
                break
        entries = [entry for each in storage.written for entry in each]
        if url:
            (noted,) = [at for at, entry in enumerate(entries) if entry.kind == "pictures"]
            name = str(entries[noted].facts["url"]).encode()
            before = b"".join(entry.data for entry in entries[:noted] if entry.kind == "body")
            assert name.rpartition(b"/")[2] in before
        else:
            assert len(storage.body) > len(FOX)
        await stream.finish()
