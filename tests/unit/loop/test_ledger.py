"""A run whose process dies is gone on with from what its ledger has: what was received is read from
there, and nothing is bought twice. In all four ways.
"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

from agentkit import FileImageStore, Ledger, Run, tool
from agentkit.emulator import CallTool, Draw, Fault, Reply, Say, Socket, When
from agentkit.errors import OutcomeUnknown, RunBusy, RunError, UsageError
from agentkit.openrouter.ledger_folder import FolderStorage
from agentkit.openrouter.ledger_storage import Entry
from tests.conftest import Bench, picture
from tests.unit.loop.dying import Dying, seen

FOX = picture(size=(160, 120), noise=1)
HEN = picture(size=(120, 90), noise=2)
PAINTER = "google/gemini-2.5-flash-image"


@pytest.fixture
def dying(bench: Bench, tmp_path: Path) -> Dying:
    return Dying(bench, tmp_path / "calls")


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


async def test_a_received_reply_is_read_and_never_sent(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX), Draw("a hen", data=HEN)])])
    first = await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    again = await dying.resume(model=PAINTER)
    assert seen(again) == seen(first)
    assert len(emulator.posts) == 1


async def test_pictures_outlive_their_urls(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX, shape="url")])])
    first = await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    emulator.faults.add(Fault(status=410, when=When(api="pictures")))
    again = await dying.resume(model=PAINTER)
    assert [image.bytes() for image in again.images] == [FOX]
    assert seen(again) == seen(first)


async def test_a_run_of_many_turns_from_each_of_them(dying: Dying) -> None:
    emulator = dying.bench.emulator
    replies = [Reply([CallTool("look", {"at": name})]) for name in ("a", "b")]
    emulator.play([*replies, Reply([Say("done")])])
    first = await dying.bench.ask(dying.agent(tools=[look]), "Look")
    for number in range(3):
        again = await dying.resume(dying.run(number), tools=[look])
        assert seen(again) == seen(first)
    assert len(emulator.posts) == 3


async def test_a_request_that_could_not_draw_is_sent_once_more(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("words")])] * 2)
    await dying.bench.ask(dying.agent(model="openai/gpt-5.2"), "Say")
    (file,) = dying.files
    _, begun = dying.cuts(file)[0]
    file.write_bytes(begun)
    again = await dying.resume(model="openai/gpt-5.2")
    first, second = emulator.posts
    assert again.text == "words"
    assert first.digest == second.digest
    assert [path.name for path in dying.files] == ["0.1.call", "0.2.call"]


async def test_one_that_may_have_drawn_waits_for_a_person(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX)])] * 2)
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    file.write_bytes(dying.cuts(file)[1][1])  # its headers had come
    waits = await dying.resume(model=PAINTER)
    (call,) = waits.pending
    post = emulator.posts[0]
    assert (waits.status, len(emulator.posts)) == ("paused", 1)
    assert call.arguments == {"generation_id": post.generation_id}
    assert call.cost_usd == pytest.approx(post.cost_usd)
    assert waits.usage.cost_usd == pytest.approx(post.cost_usd)
    with pytest.raises(UsageError, match=r"outcomes=.*'yes'"):
        await dying.resume(waits.run, model=PAINTER, outcomes={call.id: "yes"})
    with pytest.raises(UsageError, match="an outcome"):
        await dying.resume(waits.run, model=PAINTER, outcomes={"another": "again"})
    again = await dying.resume(waits.run, model=PAINTER, outcomes={call.id: "again"})
    assert again.status == "completed"
    assert [image.bytes() for image in again.images] == [FOX]
    assert emulator.posts[1].digest == post.digest
    assert again.usage.cost_usd == pytest.approx(2 * (post.cost_usd or 0.0))


async def test_one_that_is_given_up(dying: Dying) -> None:
    dying.bench.emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX)])])
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    file.write_bytes(dying.cuts(file)[0][1])
    waits = await dying.resume(model=PAINTER)
    given_up = await dying.resume(
        waits.run, model=PAINTER, outcomes={waits.pending[0].id: "give_up"}
    )
    assert given_up.status == "interrupted"
    assert len(dying.bench.emulator.posts) == 1


async def test_a_ledger_that_does_not_ask(dying: Dying) -> None:
    dying.bench.emulator.play([Reply([Draw("a fox", data=FOX)])])
    await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    file.write_bytes(dying.cuts(file)[0][1])
    with pytest.raises(OutcomeUnknown) as caught:
        await dying.resume(model=PAINTER, unknown="fail")
    assert caught.value.call == f"{dying.run().id}/0/1"
    assert len(dying.bench.emulator.posts) == 1


async def test_a_reply_that_broke_off_is_not_counted_twice(dying: Dying) -> None:
    """In the same process: the run has what had arrived, and the ledger has it too."""
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX), Say(" and more")])] * 2)
    emulator.faults.add(Fault(socket=Socket("reset", at="body", byte=3000), when=When(times=1)))
    with pytest.raises(RunError) as caught:
        await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    run = caught.value.run
    assert isinstance(run, Run)
    cost = emulator.posts[0].cost_usd
    waits = await dying.resume(run, model=PAINTER)
    assert waits.status == "paused"
    assert waits.usage.cost_usd == pytest.approx(cost)
    again = await dying.resume(waits.run, model=PAINTER, outcomes={waits.pending[0].id: "again"})
    assert [image.bytes() for image in again.images] == [FOX]


async def test_a_retry_is_no_crash(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX)])])
    emulator.faults.add(Fault(status=429, when=When(times=1)))
    first = await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    again = await dying.resume(model=PAINTER)
    assert seen(again) == seen(first)
    assert [path.name for path in dying.files] == ["0.1.call", "0.2.call"]
    shutil.copy(dying.files[0], dying.folder / "first")
    dying.files[1].unlink()  # it died before it was sent again
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX)])])
    again = await dying.resume(model=PAINTER)
    assert again.status == "completed"


async def test_two_that_go_on_with_one_run(dying: Dying) -> None:
    dying.bench.emulator.play([Reply([Say("words")])])
    await dying.bench.ask(dying.agent(), "Say")
    taken = await Ledger(dying.folder).open(dying.run().id)
    with pytest.raises(RunBusy, match=dying.run().id):
        await dying.resume()
    await taken.close()
    assert (await dying.resume()).text == "words"


async def test_a_body_that_was_cut_anywhere(dying: Dying) -> None:
    """Whatever had been written of the reply, no picture whose last byte was is lost, nothing is
    bought again by itself, and the request is reported with its id.
    """
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX), Draw("a hen", data=HEN)])])
    emulator.faults.add(Fault(socket=Socket("slice", at="body", size=6000)))
    first = await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    (file,) = dying.files
    storage, run = FolderStorage(dying.folder), dying.run().id
    states = set[str]()
    for _, data in dying.cuts(file)[1:]:
        file.write_bytes(data)
        entries = [entry for _, entry in storage.read(run) if isinstance(entry, Entry)]
        body = b"".join(entry.data for entry in entries if entry.kind == "body")
        arrived = [each for each in (FOX, HEN) if base64.b64encode(each) in body]
        answer = await dying.resume(model=PAINTER)
        assert [image.bytes() for image in answer.images] == arrived
        if answer.status == "paused":
            assert answer.pending[0].arguments == {"generation_id": emulator.posts[0].generation_id}
        else:
            assert answer.text == first.text
        states.add(answer.status)
        file.with_name(f"{file.name}.damaged").unlink(missing_ok=True)
    assert states == {"paused", "completed"}
    assert len(emulator.posts) == 1


async def test_a_picture_whose_process_died_before_it_was_kept(
    dying: Dying, tmp_path: Path
) -> None:
    """Its bytes are in a file that is no picture yet, and its URL has died."""
    emulator, store = dying.bench.emulator, FileImageStore(tmp_path / "pictures")
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX, shape="url")])])
    first = await dying.bench.ask(dying.agent(model=PAINTER, store=store), "Draw")
    (kept,) = store.path.glob("*/*.png")
    kept.rename(store.path / ".left.part")
    (store.path / ".other.part").write_bytes(HEN)
    emulator.faults.add(Fault(status=410, when=When(api="pictures")))
    again = await dying.resume(model=PAINTER, store=store)
    assert [image.bytes() for image in again.images] == [FOX]
    assert seen(again) == seen(first)


async def test_a_picture_that_was_deleted_from_the_store_is_fetched_again(dying: Dying) -> None:
    emulator = dying.bench.emulator
    emulator.play([Reply([Say("Here "), Draw("a fox", data=FOX, shape="url")])])
    first = await dying.bench.ask(dying.agent(model=PAINTER), "Draw")
    dying.bench.store.delete(first.images[0].sha256)
    again = await dying.resume(model=PAINTER)
    assert [image.bytes() for image in again.images] == [FOX]
