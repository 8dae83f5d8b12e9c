"""A studio with a ledger: a drawing that has a name is bought once, whichever process asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentkit import Ledger, OpenRouter
from agentkit.emulator import Draw, Emulator, Fault, Lookup, Reply, When
from agentkit.errors import OutcomeUnknown, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.ledger_folder import FolderStorage
from agentkit.openrouter.ledger_storage import CallKey, Entry
from agentkit.studio import Drawing, Studio
from tests.conftest import picture
from tests.unit.loop.dying import ends

FOX = picture(size=(160, 120), noise=1)


class Drawer:
    """Makes studios with one ledger, each as a process of its own makes them."""

    def __init__(self, client: OpenRouter, store: MemoryImageStore, folder: Path) -> None:
        self.client, self.store, self.folder = client, store, folder

    def studio(self, **options: Any) -> Studio:
        ledger = Ledger(self.folder, **options)
        return Studio(client=self.client, store=self.store, ledger=ledger, checks=False)

    async def draw(self, *, stream: bool = False, **options: Any) -> Drawing:
        if not stream:
            return await self.studio(**options).draw("a fox", call="poster")
        async with self.studio(**options).stream("a fox", call="poster") as stream_:
            return await stream_.finish()

    def cut(self, entries: int) -> None:
        """Leave so many entries of the request, as if the process had died there."""
        (file,) = self.folder.rglob("*.call")
        file.write_bytes(ends(file)[entries - 1][1])


@pytest.fixture
def drawer(client: OpenRouter, store: MemoryImageStore, tmp_path: Path) -> Drawer:
    return Drawer(client, store, tmp_path / "calls")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", [None, "url"])
async def test_a_drawing_is_read_and_never_sent(
    emulator: Emulator, drawer: Drawer, shape: Any, *, stream: bool
) -> None:
    emulator.play([Reply([Draw("a fox", data=FOX, shape=shape)])])
    first = await drawer.draw(stream=stream)
    emulator.faults.add(Fault(status=410, when=When(api="pictures")))
    again = await drawer.draw(stream=stream)
    assert (again.images, again.usage) == (first.images, first.usage)
    assert [image.bytes() for image in again.images] == [FOX]
    assert len(emulator.posts) == 1


async def test_one_whose_outcome_is_unknown(emulator: Emulator, drawer: Drawer) -> None:
    emulator.play([Reply([Draw("a fox", data=FOX)])] * 2)
    await drawer.draw()
    drawer.cut(2)
    with pytest.raises(OutcomeUnknown, match="again") as caught:
        await drawer.draw()
    assert caught.value.call == "poster/0/1"
    assert caught.value.generation_id == emulator.posts[0].generation_id
    with pytest.raises(OutcomeUnknown):
        await drawer.draw(unknown="fail")
    ledger = drawer.studio().ledger
    assert ledger is not None
    with pytest.raises(UsageError, match="no request"):
        await ledger.decide("poster/0/2", "again")
    await ledger.decide("poster/0/1", "again")
    assert len((await drawer.draw()).images) == 1
    assert len({post.digest for post in emulator.posts}) == 1
    with pytest.raises(UsageError, match="known"):
        await ledger.decide("poster/0/2", "give_up")


async def test_one_that_was_not_billed(emulator: Emulator, drawer: Drawer) -> None:
    emulator.play([Reply([Draw("a fox", data=FOX)])] * 2)
    await drawer.draw()
    drawer.cut(1)
    head = Entry("head", {"status": 200, "headers": {"x-generation-id": "gen-1-never-begun"}})
    FolderStorage(drawer.folder).append(CallKey("poster", "0", 1), [head], sync=False)
    emulator.faults.add(Fault(lookup=Lookup("free")))
    again = await drawer.draw()
    assert [image.bytes() for image in again.images] == [FOX]
    assert len(emulator.posts) == 2


@pytest.mark.parametrize("call", ["", 7])
async def test_names_that_are_none(drawer: Drawer, call: Any) -> None:
    with pytest.raises(UsageError, match="call"):
        await drawer.studio().draw("a fox", call=call)


async def test_a_name_needs_a_ledger(client: OpenRouter) -> None:
    with pytest.raises(UsageError, match="ledger"):
        await Studio(client=client).draw("a fox", call="poster")
