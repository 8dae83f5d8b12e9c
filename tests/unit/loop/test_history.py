"""What of a long conversation reaches the server: counted there."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest

from agentkit import Agent, History, Image, ImageGeneration, OpenRouter, Run, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say, Think
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from tests.conftest import Bench, picture

NATIVE = "google/gemini-3.1-flash-image-preview"
MEGABYTE = picture(size=(640, 640), noise=1)


def drawing(seed: int, data: bytes | None = None) -> Reply:
    """A reply with reasoning, words and a picture of noise, which no format makes smaller: 14 KB,
    if it is not given.
    """
    data = data or picture(size=(120, 120), noise=seed)
    return Reply([Think("Hm."), Say(f"Fox {seed}."), Draw(f"fox {seed}", data=data)])


def numbered(png: bytes, number: int) -> bytes:
    """Another picture of that size: the same with a comment in front of its last chunk."""
    comment = b"tEXt" + f"n\0{number:06d}".encode()
    return (
        png[:-12]
        + (len(comment) - 4).to_bytes(4)
        + comment
        + crc32(comment).to_bytes(4)
        + png[-12:]
    )


def posts(emulator: Emulator) -> list[Any]:
    return [request for request in emulator.requests if request.method == "POST"]


def sent(bench: Bench, request: Any) -> list[str]:
    """The items of a request, each as JSON."""
    return [
        json.dumps(item)
        for item in request.body["messages" if bench.way.api == "chat" else "input"]
    ]


def pictures_in(request: Any) -> int:
    return json.dumps(request.body).count("data:image/")


async def talk(bench: Bench, turns: int, *, chat: Any = None, **more: Any) -> Any:
    """A conversation in which each turn draws."""
    chat = chat or bench.agent(**{"model": NATIVE, **more}).conversation()
    bench.emulator.play([drawing(len(chat.images) + 1 + turn) for turn in range(turns)])
    for _ in range(turns):
        await bench.ask(chat, "Draw the next fox")
    return chat


async def test_the_fortieth_turn_sends_no_more_than_the_sixth(bench: Bench) -> None:
    chat = await talk(bench, 40)
    sizes = [request.size for request in posts(bench.emulator)]
    assert len(sizes) == 40
    assert sizes[39] <= sizes[5]
    assert all(pictures_in(request) <= 5 for request in posts(bench.emulator))
    assert max(sizes) < sizes[5] * 1.25, "lines are all that grows"
    assert list(chat.images) == [f"img_{number}" for number in range(1, 41)]
    assert chat.images["img_1"].bytes() == picture(size=(120, 120), noise=1)


@pytest.mark.slow
async def test_with_pictures_of_a_megabyte(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    chat = Agent(NATIVE, client=client, store=store).conversation()
    emulator.play([drawing(number + 1, numbered(MEGABYTE, number)) for number in range(40)])
    sizes: list[int] = []
    for _ in range(40):
        await chat.send("Draw the next fox")
        sizes.append(emulator.requests[-1].size)
        emulator.requests.clear()  # it holds each body
    assert chat.images["img_40"].size > 1_000_000
    assert sizes[39] <= sizes[5] < 8_000_000


async def test_what_was_sent_is_sent_again_but_when_pictures_leave(bench: Bench) -> None:
    await talk(bench, 20)
    bodies = [sent(bench, request) for request in posts(bench.emulator)]
    kept = [after[: len(before)] == before for before, after in pairwise(bodies)]
    assert kept.count(False) == 5, "once in three turns, from the seventh on"
    assert all(after[:3] == before[:3] for before, after in list(pairwise(bodies))[6:]), (
        "and never from the start"
    )


async def test_a_picture_of_long_ago_comes_back_by_its_name(bench: Bench) -> None:
    chat = await talk(bench, 8)
    bench.emulator.play([drawing(9), drawing(10)])
    first = chat.images["img_1"].data_url()
    await bench.ask(chat, "Make img_1 blue, but leave img_77 alone")
    request = posts(bench.emulator)[-1]
    assert first in sent(bench, request)[-1]
    assert "[picture img_1 (120" in sent(bench, request)[-1]
    assert "img_77 alone" in sent(bench, request)[-1]
    await bench.ask(chat, "Again")
    again = sent(bench, posts(bench.emulator)[-1])
    assert sum(first in item for item in again) == 1, "it stays in sight, at its place"
    assert chat.images["img_9"].parents == ("img_1",)
    assert chat.images["img_10"].parents == ()


@pytest.mark.parametrize("images", [0, 1, None])
async def test_as_many_as_the_policy_says(bench: Bench, images: int | None) -> None:
    await talk(bench, 6, history=History(images=images))
    counts = [pictures_in(request) for request in posts(bench.emulator)]
    assert counts == {0: [0] * 6, 1: [0, 1, 2, 1, 2, 1], None: [0, 1, 2, 3, 4, 5]}[images]


async def test_old_turns_are_left_out_whole(bench: Bench) -> None:
    @tool
    def look() -> str:
        """Look out of the window."""
        return "rain " * 200

    bench.emulator.play(
        [
            reply
            for n in range(12)
            for reply in (Reply([Think("?"), CallTool("look")]), drawing(n + 1))
        ]
    )
    chat = bench.agent(
        model="openai/gpt-5-image", tools=[look], history=History(tokens=4000)
    ).conversation()
    for _ in range(12):
        answer = await bench.ask(chat, "Look, then draw")
        assert answer.status == "completed", "the emulator turns orphans down"
    requests = posts(bench.emulator)
    assert "earlier turns were left out; their pictures: img_1 (" in sent(bench, requests[-1])[0]
    assert "left out" not in sent(bench, requests[3])[0]
    assert max(request.size for request in requests[12:]) < 2 * max(
        request.size for request in requests[:8]
    )


async def test_a_tools_pictures_become_lines_too(bench: Bench) -> None:
    @tool
    def camera(seed: int) -> list[object]:
        """Take a picture."""
        return ["click", picture(size=(120, 120), noise=seed)]

    script = [
        (Reply([CallTool("camera", {"seed": n + 1})]), Reply([Say("Taken.")])) for n in range(7)
    ]
    bench.emulator.play([reply for turn in script for reply in turn])
    chat = bench.agent(tools=[camera]).conversation()
    for _ in range(7):
        await bench.ask(chat, "Take one")
    last = posts(bench.emulator)[-1]
    assert pictures_in(last) == 4
    words = json.dumps(last.body)
    assert all(f"img_{number}" in words for number in range(1, 8))


async def test_the_users_own_picture_is_carried_once(bench: Bench) -> None:
    cat = Image.from_bytes(picture(noise=5))
    bench.emulator.play([Reply([Say("A cat.")]), Reply([Say("The same.")])])
    chat = bench.agent().conversation()
    await bench.ask(chat, ["Look", cat])
    await bench.ask(chat, ["Look again", cat])
    assert pictures_in(posts(bench.emulator)[-1]) == 1
    assert "[img_1]" in sent(bench, posts(bench.emulator)[-1])[-1]


async def test_another_api_and_another_model_get_pictures_as_input(bench: Bench) -> None:
    chat = await talk(bench, 2)
    other = "responses" if bench.way.api == "chat" else "chat"
    bench.emulator.play([Reply([Say("Yes.")]), Reply([Say("No.")])])
    chat.model = "openai/gpt-5.2"
    await bench.ask(chat, "Do you see them?")
    items = sent(bench, posts(bench.emulator)[-1])
    assert ['"role": "user"' in item for item in items if "data:image" in item] == [True, True]
    chat.api = other
    await bench.ask(chat, "And img_2?")
    items = [
        json.dumps(item)
        for item in posts(bench.emulator)[-1].body["messages" if other == "chat" else "input"]
    ]
    assert ['"role": "user"' in item for item in items if "data:image" in item] == [True, True]
    assert list(chat.images) == ["img_1", "img_2"]


async def test_forks_and_saved_runs_know_the_same_names(bench: Bench) -> None:
    chat = await talk(bench, 7)
    bench.emulator.play([Reply([Say("One.")]), Reply([Say("Two.")])])
    fork = chat.fork()
    await bench.ask(fork, "What is in img_1?")
    forked = sent(bench, posts(bench.emulator)[-1])
    answer = await bench.ask(chat, "What is in img_1?")
    assert sent(bench, posts(bench.emulator)[-1]) == forked
    loaded = Run.from_json(answer.run.to_json(), blobs=bench.store)
    bench.emulator.play([Reply([Say("Three.")])])
    await bench.agent(model=NATIVE).resume(loaded.__class__(**_reopened(loaded)))
    assert sent(bench, posts(bench.emulator)[-1]) == forked, "a run that was saved asks the same"


def _reopened(run: Run) -> dict[str, Any]:
    """The run before its last reply."""
    fields = {name: getattr(run, name) for name in Run.__dataclass_fields__}
    return {**fields, "messages": run.messages[:-1], "status": "running", "spent": (), "turns": 0}


async def test_a_server_tools_picture_goes_only_when_it_is_named(bench: Bench) -> None:
    """Its bytes were never in the reply that chat echoes: a link was, which has expired by then."""
    bench.emulator.play(
        [
            Reply([Draw("a fox", data=picture(noise=3))]),
            Reply([Say("Nice.")]),
            Reply([Say("Framed.")]),
        ]
    )
    chat = bench.agent(tools=[ImageGeneration()]).conversation()
    await bench.ask(chat, "Draw a fox")
    await bench.ask(chat, "Do you like it?")
    assert pictures_in(posts(bench.emulator)[-1]) == 0
    assert "img_1" in sent(bench, posts(bench.emulator)[-1])[-1]
    await bench.ask(chat, "Frame img_1")
    assert pictures_in(posts(bench.emulator)[-1]) == 1
    assert chat.images["img_1"].parents == ()


def test_a_wrong_policy_is_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"Agent\(history=3\)"):
        Agent("a/b", history=3)  # type: ignore[arg-type]


async def test_a_picture_that_was_deleted_is_told_and_the_conversation_goes_on(
    bench: Bench,
) -> None:
    chat = bench.agent(model=NATIVE, history=History(images=None)).conversation()
    bench.emulator.play([drawing(1), drawing(2), Reply([Say("Fine.")]), Reply([Say("So.")])])
    await bench.ask(chat, "Draw fox 1")
    await bench.ask(chat, ["Draw fox 2 like this", Image.from_bytes(picture("blue"))])
    for name in ("img_1", "img_2"):
        assert bench.store.delete(chat.images[name].sha256)
    assert (await bench.ask(chat, "And img_1?")).text == "Fine."
    last = posts(bench.emulator)[-1]
    assert pictures_in(last) == 1
    told = json.dumps(last.body)
    assert re.search(r"pictures that are not shown here: img_1 [^]]*; img_2 ", told)
    assert (await bench.ask(chat, "Sure?")).text == "So."
    before, after = sent(bench, posts(bench.emulator)[-2]), sent(bench, posts(bench.emulator)[-1])
    assert after[: len(before)] == before, "and what was sent is sent again in the same bytes"


async def test_a_picture_of_a_tool_that_was_deleted_is_told(bench: Bench) -> None:
    @tool
    def fox() -> Image:
        """A fox."""
        return Image.from_bytes(picture(size=(120, 120), noise=7))

    chat = bench.agent(tools=[fox]).conversation()
    bench.emulator.play([Reply([CallTool("fox")]), Reply([Say("Here.")]), Reply([Say("Fine.")])])
    await bench.ask(chat, "Draw")
    assert bench.store.delete(chat.images["img_1"].sha256)
    assert (await bench.ask(chat, "And img_1?")).text == "Fine."
    assert pictures_in(posts(bench.emulator)[-1]) == 0
