"""A disk that is full or read-only, and a store whose folder is deleted, at each moment of a run:
the error is clear and nothing was sent, or the answer stands, and no byte that had arrived is lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from agentkit import FileImageStore, ImageGeneration, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import RunError, StoreError
from agentkit.images import Draft
from agentkit.studio import Studio
from tests.conftest import Bench, picture
from tests.disks import fill, remount, small_disk

FIRST, DATA = picture(), picture(size=(300, 300), noise=5)
TOOLS = [ImageGeneration()]


class Turning(FileImageStore):
    """A store to which something happens when it has said that there is room, or while bytes
    arrive.
    """

    after_check: Callable[[], None] | None = None
    while_arriving: Callable[[], None] | None = None

    def check_room(self, more: int) -> None:
        super().check_room(more)
        if self.after_check is not None:
            happens, self.after_check = self.after_check, None
            happens()

    def create(self) -> Draft:
        return Arriving(super().create(), self)


class Arriving:
    def __init__(self, draft: Draft, store: Turning) -> None:
        self._draft, self._store = draft, store

    @property
    def size(self) -> int:
        return self._draft.size

    @property
    def sha256(self) -> str:
        return self._draft.sha256

    def write(self, data: bytes | memoryview) -> None:
        self._draft.write(data)
        if self._store.while_arriving is not None and self.size > 66_000:
            happens, self._store.while_arriving = self._store.while_arriving, None
            happens()

    def read_back(self) -> BinaryIO:
        return self._draft.read_back()

    def keep(self) -> str:
        return self._draft.keep()

    def discard(self) -> None:
        self._draft.discard()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 20_480) as folder:
        yield folder


def full(disk: Path) -> None:
    fill(disk)


def read_only(disk: Path) -> None:
    remount(disk, writable=False)


def deleted(disk: Path) -> None:
    shutil.rmtree(disk / "store")


def drawing(bench: Bench, data: bytes, *more: Any) -> Reply:
    place = "message_images" if bench.way.api == "chat" else "image_generation_call"
    drawn = Draw("fox", data=data, places=[place])
    return Reply([Say("Here."), drawn, *more], usage={"cost": 0.1})


TROUBLE = pytest.mark.parametrize("trouble", [full, read_only], ids=lambda each: each.__name__)


@TROUBLE
async def test_before_the_request_nothing_is_sent(
    bench: Bench, disk: Path, trouble: Callable[[Path], None]
) -> None:
    bench.emulator.play([drawing(bench, FIRST), drawing(bench, DATA)])
    chat = bench.agent(store=FileImageStore(disk / "store"), tools=TOOLS).conversation()
    await bench.ask(chat, "draw")
    trouble(disk)
    with pytest.raises(StoreError, match="cannot write to the image store"):
        await bench.ask(chat, "draw")
    assert len(bench.emulator.requests) == 1
    assert chat.images["img_1"].bytes() == FIRST
    assert len(chat.messages) == 2


@TROUBLE
async def test_between_two_requests_the_next_one_is_not_sent(
    bench: Bench, disk: Path, trouble: Callable[[Path], None]
) -> None:
    @tool
    def act() -> str:
        """Something happens to the disk."""
        trouble(disk)
        return "done"

    bench.emulator.play([drawing(bench, FIRST, CallTool("act")), drawing(bench, DATA)])
    agent = bench.agent(store=FileImageStore(disk / "store"), tools=[act, *TOOLS])
    with pytest.raises(RunError, match="cannot write to the image store") as caught:
        await bench.ask(agent, "draw")
    assert len(bench.emulator.requests) == 1
    assert caught.value.answer_so_far.images[0].bytes() == FIRST


@TROUBLE
async def test_right_after_the_disk_was_asked(
    bench: Bench, disk: Path, trouble: Callable[[Path], None]
) -> None:
    bench.emulator.play([drawing(bench, FIRST), drawing(bench, DATA)])
    store = Turning(disk / "store")
    chat = bench.agent(store=store, tools=TOOLS).conversation()
    await bench.ask(chat, "draw")
    store.after_check = lambda: trouble(disk)
    answer = await bench.ask(chat, "draw")
    (failure,) = answer.failures
    assert failure.data == DATA
    assert (answer.text, answer.usage.cost_usd) == ("Here.", 0.1)
    assert chat.images["img_1"].bytes() == FIRST


@pytest.mark.parametrize("trouble", [full, read_only, deleted], ids=lambda each: each.__name__)
async def test_while_a_picture_arrives(
    bench: Bench, disk: Path, trouble: Callable[[Path], None]
) -> None:
    bench.emulator.play([drawing(bench, DATA)])
    store = Turning(disk / "store")
    store.while_arriving = lambda: trouble(disk) if trouble is not read_only else full(disk)
    answer = await bench.ask(bench.agent(store=store, tools=TOOLS), "draw")
    assert store.while_arriving is None
    assert answer.text == "Here."
    if trouble is deleted:
        assert answer.images[0].bytes() == DATA
        assert not answer.failures
    else:
        assert [each.data for each in answer.failures] == [DATA]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when", ["before", "after the check", "while it arrives"])
async def test_a_studio(
    emulator: Emulator, client: OpenRouter, disk: Path, *, when: str, stream: bool
) -> None:
    emulator.play([Reply([Draw("fox", data=DATA)])])
    store = Turning(disk / "store")
    studio = Studio(client=client, store=store)
    if when == "before":
        full(disk)
    elif when == "after the check":
        store.after_check = lambda: full(disk)
    else:
        store.while_arriving = lambda: deleted(disk)

    async def draw() -> Any:
        if not stream:
            return await studio.draw("a fox", checks=False)
        async with studio.stream("a fox", checks=False) as drawing:
            return await drawing.finish()

    if when == "before":
        with pytest.raises(StoreError, match="cannot write to the image store .* bytes left"):
            await draw()
        assert not emulator.requests
        return
    drawn = await draw()
    if when == "while it arrives":
        assert [each.bytes() for each in drawn.images] == [DATA]
    else:
        assert [each.data for each in drawn.failures] == [DATA]
