"""A store of one's own, on a bucket say, has errors of its own: none of them loses an answer that
was paid for.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, BinaryIO

import pytest

from agentkit import Image, ImageGeneration, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import AgentkitError, ImageError, OutcomeUnknown, RunError, StoreError
from agentkit.images import store_bytes
from agentkit.images.drafts import SafeDraft
from agentkit.images.store import Draft, MemoryImageStore
from tests.conftest import Bench, picture


class BucketError(Exception):
    """What the library of the bucket raises."""


class Torn(BytesIO):
    """A download that breaks off."""

    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - as of any file
        raise BucketError("connection reset")


class BrokenDraft:
    """A draft that cannot do one of the things that drafts do."""

    def __init__(self, draft: Draft, broken: str, *, takes: bool = False) -> None:
        self._draft, self._broken, self._takes = draft, broken, takes

    def _may(self, what: str) -> None:
        if what == self._broken:
            raise BucketError(f"503 slow down: {what}")

    @property
    def size(self) -> int:
        self._may("size")
        return self._draft.size

    @property
    def sha256(self) -> str:
        self._may("sha256")
        return self._draft.sha256

    def write(self, data: bytes | memoryview) -> None:
        if self._takes:
            self._draft.write(data)
        self._may("write")
        self._draft.write(data)

    def read_back(self) -> BinaryIO:
        self._may("read_back")
        return self._draft.read_back()

    def keep(self) -> str:
        self._may("keep")
        return self._draft.keep()

    def discard(self) -> None:
        self._may("discard")
        self._draft.discard()


class Bucket(MemoryImageStore):
    def __init__(self, broken: str) -> None:
        super().__init__()
        self.broken = broken
        self.well = False

    def create(self) -> Draft:
        if self.broken == "create" and not self.well:
            raise BucketError("503 slow down: create")
        return super().create() if self.well else BrokenDraft(super().create(), self.broken)

    def open(self, sha256: str) -> BinaryIO:
        if self.broken == "open" and not self.well:
            raise BucketError("503 slow down: open")
        return Torn() if self.broken == "torn" and not self.well else super().open(sha256)


DATA = picture(size=(90, 90), noise=3)
WRITES = ["write", "keep"]
READS = ["open", "torn"]


@pytest.mark.parametrize("broken", [*WRITES, *READS, "read_back", "size", "sha256"])
async def test_the_answer_stands(bench: Bench, broken: str):
    place = "message_images" if bench.way.api == "chat" else "image_generation_call"
    bench.emulator.play(
        [Reply([Say("here"), Draw("fox", data=DATA, places=[place])], usage={"cost": 0.2})]
    )
    answer = await bench.ask(bench.agent(store=Bucket(broken), tools=[ImageGeneration()]), "draw")
    assert (answer.text, answer.status, answer.usage.cost_usd) == ("here", "completed", 0.2)
    if broken in {*WRITES, *READS}:
        (failure,) = answer.failures
        words = "connection reset" if broken == "torn" else f"503 slow down: {broken}"
        assert "BucketError" in failure.reason
        assert words in failure.reason
        assert (failure.data == DATA) if broken in WRITES else (failure.kept is not None)
    else:
        assert [image.size for image in answer.images] == [len(DATA)]


@tool
def fox() -> Image:
    """A fox."""
    return Image.from_bytes(DATA)


@pytest.mark.parametrize("broken", WRITES)
async def test_a_tools_picture_fails_and_the_run_goes_on(bench: Bench, broken: str):
    bench.emulator.play([Reply([CallTool("fox")]), Reply([Say("done")])])
    answer = await bench.ask(bench.agent(store=Bucket(broken), tools=[fox]), "draw")
    assert answer.text == "done"
    (failure,) = answer.failures
    assert f"BucketError: 503 slow down: {broken}" in failure.reason
    assert failure.data == DATA


@pytest.mark.parametrize("broken", READS)
async def test_a_picture_that_cannot_be_sent_again_stops_the_run_that_goes_on_later(
    bench: Bench, broken: str
):
    bucket = Bucket(broken)
    agent = bench.agent(store=bucket, tools=[fox])
    bench.emulator.play([Reply([CallTool("fox")], usage={"cost": 0.2}), Reply([Say("done")])])
    with pytest.raises(RunError, match="cannot read from the image store: BucketError") as caught:
        await bench.ask(agent, "draw")
    assert caught.value.run is not None
    assert not isinstance(caught.value, OutcomeUnknown), (
        "a body that was cut here was never whole there"
    )
    assert caught.value.run.usage.cost_usd == 0.2
    bucket.well = True
    assert (await agent.resume(caught.value.run)).text == "done"


@pytest.mark.parametrize("broken", ["create", "discard"])
async def test_what_is_known_before_is_told_before_anything_is_sent(bench: Bench, broken: str):
    bench.emulator.play([Reply([Say("well")])])
    agent = bench.agent(store=Bucket(broken), tools=[ImageGeneration()])
    if broken == "discard":  # which is our waste, not the user's trouble
        assert (await bench.ask(agent, "draw")).text == "well"
        return
    with pytest.raises(StoreError, match="BucketError: 503 slow down: create"):
        await bench.ask(agent, "draw")
    assert bench.emulator.requests == []


@pytest.mark.parametrize("broken", READS)
async def test_a_picture_that_cannot_be_read_is_told(bench: Bench, broken: str):
    bucket = Bucket(broken)
    bucket.well = True
    bench.emulator.play([Reply([Draw("fox", data=DATA)])])
    answer = await bench.ask(bench.agent(store=bucket, tools=[ImageGeneration()]), "draw")
    bucket.well = False
    for read in (answer.images[0].bytes, answer.images[0].data_url, answer.images[0].to_pillow):
        with pytest.raises(StoreError, match="BucketError"):
            read()


@pytest.mark.parametrize("takes", [False, True])
def test_a_refused_write_loses_no_byte(takes: bool):
    draft = SafeDraft(_Once(takes=takes))
    draft.write(b"first ")
    draft.write(b"second ")
    draft.write(b"third")
    assert isinstance(draft.trouble, StoreError)
    with draft.read_back() as file:
        assert file.read() == b"first second third"


class _Once(MemoryImageStore):
    """Its drafts take one write, and refuse the second, before or after they have taken it."""

    def __init__(self, *, takes: bool) -> None:
        super().__init__()
        self._takes = takes

    def create(self) -> Draft:
        draft = super().create()
        draft.write(b"first ")
        refusing = BrokenDraft(draft, "write", takes=self._takes)
        return _AfterOne(refusing)


class _AfterOne:
    def __init__(self, draft: BrokenDraft) -> None:
        self._draft, self._writes = draft, 0

    def write(self, data: bytes | memoryview) -> None:
        self._writes += 1
        if self._writes > 1:
            self._draft.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._draft, name)


@pytest.mark.parametrize("broken", ["create", *WRITES])
def test_bytes_that_are_put_aside_raise_one_kind_of_error(broken: str):
    with pytest.raises(StoreError, match="BucketError") as caught:
        store_bytes(Bucket(broken), DATA)
    assert isinstance(caught.value.__cause__, BucketError)
    assert isinstance(caught.value, AgentkitError)
    assert not isinstance(caught.value, ImageError)
