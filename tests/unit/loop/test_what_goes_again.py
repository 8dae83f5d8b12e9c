"""What long random conversations found in the requests that they sent: each case on its own."""

from __future__ import annotations

import json
from typing import Any

from agentkit import History, ImageGeneration
from agentkit.emulator import CallTool, Draw, Raw, Reply, Say, Think
from tests.conftest import Bench, picture
from tests.unit.loop import orphans
from tests.unit.loop.acting import buy, look

NATIVE = "google/gemini-2.5-flash-image"
FOXES = [picture(size=(48, 36), noise=seed) for seed in range(1, 8)]


def lost(bench: Bench, number: int = 1) -> Raw:
    """A picture at a URL that leads nowhere."""
    url = f"{bench.emulator.origin}/nowhere/{number}.png"
    item = {
        "type": "image_generation_call",
        "id": f"ig_{number}",
        "status": "completed",
        "result": url,
    }
    return Raw(chat={"images": [{"type": "image_url", "image_url": {"url": url}}]}, responses=item)


def last(bench: Bench) -> Any:
    body = bench.emulator.requests[-1].body
    assert orphans.complaints(body) == []
    return body


async def test_pictures_of_another_model_count_as_well(bench: Bench) -> None:
    """They go as the user's input to a model that did not draw them, and no more of them than
    `History` says.
    """
    for images, most in ((0, 0), (1, 1), (3, 3), (None, 7)):
        bench.emulator.play(
            [Reply([Draw("a fox", data=fox) for fox in FOXES]), Reply([Say("Yes.")])]
        )
        chat = bench.agent(model=NATIVE, history=History(images=images), checks=True).conversation()
        await bench.ask(chat, "Draw foxes")
        chat.model = "openai/gpt-5.2"
        await bench.ask(chat, "Do you see them?")
        assert len(orphans.pictures(last(bench))) == most, images


async def test_those_that_are_named_or_given_again_go_once(bench: Bench) -> None:
    bench.emulator.play([Reply([Draw("a fox", data=fox) for fox in FOXES]), Reply([Say("Yes.")])])
    chat = bench.agent(model=NATIVE, history=History(images=1), checks=True).conversation()
    await bench.ask(chat, "Draw foxes")
    chat.model = "openai/gpt-5.2"
    await bench.ask(chat, ["Like img_2?", chat.images["img_3"]])
    carried = {each.sha256 for each in orphans.pictures(last(bench))}
    assert {chat.images["img_2"].sha256, chat.images["img_3"].sha256} <= carried
    assert len(orphans.pictures(last(bench))) <= 3


async def test_reasoning_goes_with_a_picture_that_was_not_had(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([Think("Hm.", encrypted="gAAAA1"), lost(bench), Say("Here.")]), Reply([Say("No.")])]
    )
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Draw a fox")
    assert len(answer.failures) == 1
    await bench.ask(chat, "Is it there?")
    items = orphans.items_of(last(bench))
    assert [item.get("type") for item in items if item.get("type") == "reasoning"] == []
    assert "nowhere" not in json.dumps(items)
    assert "Here." in json.dumps(items)


async def test_an_empty_reply_is_not_sent_as_an_empty_message(bench: Bench) -> None:
    """Many refuse a message without content."""
    for content in ([lost(bench)], []):
        bench.emulator.play([Reply(content), Reply([Say("No.")])])
        chat = bench.agent().conversation()
        await bench.ask(chat, "Draw a fox")
        await bench.ask(chat, "Is it there?")
        said = [
            item.get("content")
            for item in orphans.items_of(last(bench))
            if item.get("role") == "assistant"
        ]
        assert said == (["(no answer)"] if bench.way.api == "chat" else [])


async def test_nor_to_the_other_api(bench: Bench) -> None:
    bench.emulator.play([Reply([lost(bench)]), Reply([Say("No.")])])
    chat = bench.agent().conversation()
    await bench.ask(chat, "Draw a fox")
    chat.api = "responses" if chat.api == "chat" else "chat"
    await bench.ask(chat, "Is it there?")
    said = [
        item.get("content")
        for item in orphans.items_of(last(bench))
        if item.get("role") == "assistant"
    ]
    assert said == (["(no answer)"] if chat.api == "chat" else [])


async def test_reasoning_that_nothing_followed(bench: Bench) -> None:
    """Alone it would be refused."""
    bench.emulator.play([Reply([Think("Hm.", encrypted="gAAAA1")]), Reply([Say("Yes.")])])
    chat = bench.agent().conversation()
    await bench.ask(chat, "Think")
    await bench.ask(chat, "And?")
    items = orphans.items_of(last(bench))
    said = [item["content"] for item in items if item.get("role") == "assistant"]
    assert said == (["(no answer)"] if bench.way.api == "chat" else [])
    assert [item for item in items if item.get("type") == "reasoning"] == []


async def test_a_call_beside_a_lost_picture_keeps_its_place(bench: Bench) -> None:
    content = [lost(bench), CallTool("look", {"note": "x"}, id="call_1")]
    bench.emulator.play([Reply(content), Reply([Say("Seen.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Look")
    assert answer.text == "Seen."
    assert "no answer" not in json.dumps(orphans.items_of(last(bench)))


async def test_a_picture_too_small_for_the_spool_is_one_like_any_other(bench: Bench) -> None:
    """Bare base64, which no prefix tells from words."""
    small = picture("red", (8, 8))
    draws = [
        Draw("a fox", places=(place,), shape="base64", data=small)
        for place in ("image_generation_call", "server_tool_item")
    ]
    bench.emulator.play([Reply(draws), Reply([Say("One.")]), Reply([Say("Two.")])])
    chat = bench.agent(tools=[ImageGeneration()], checks=True).conversation()
    answer = await bench.ask(chat, "Draw foxes")
    assert [image.bytes() for image in answer.images] == [small]
    await bench.ask(chat, "How many?")
    assert len(orphans.pictures(last(bench))) <= 1
    chat.model = "openai/gpt-oss-20b"
    await bench.ask(chat, "And now?")
    assert orphans.pictures(last(bench)) == []


async def test_an_adopted_run_waits_for_nobody(bench: Bench) -> None:
    shop = bench.agent(tools=[buy]).as_tool("shop", "Shops.")
    bench.emulator.play(
        [
            Reply([CallTool("shop", {"prompt": "x"}, id="a")]),
            Reply([CallTool("buy", {"note": "x"}, id="b")]),
        ]
    )
    chat = bench.agent(tools=[shop]).conversation()
    paused = await bench.ask(chat, "Shop")
    kept = chat.adopt(paused.run)
    assert (kept.run.waiting, kept.run.nested, kept.pending) == ((), (), ())
    assert {each.status for each in kept.invocations} == {"cancelled"}
    bench.emulator.play([Reply([Say("Pity.")])])
    assert (await bench.ask(chat, "Never mind")).text == "Pity."
    last(bench)


async def test_a_picture_that_came_in_a_record_alone_goes_when_it_is_named(bench: Bench) -> None:
    """Chat never echoes the bytes of a record, so the echo does not show it."""
    draw = Draw("a fox", places=("server_tool_call",), shape="data_url", data=FOXES[0])
    bench.emulator.play([Reply([Say("Here."), draw]), Reply([Say("Yes.")])])
    chat = bench.agent(tools=[ImageGeneration()]).conversation()
    await bench.ask(chat, "Draw a fox")
    await bench.ask(chat, "Do you see img_1?")
    assert [each.sha256 for each in orphans.pictures(last(bench))] == [chat.images["img_1"].sha256]
