"""Changing a picture with a model that draws by itself: what it gets back of the one before, and
what the new one knows.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkit import Agent, Image, ImageGeneration, Run
from agentkit.emulator import Draw, Emulator, Reply, Say, Think
from tests.conftest import Bench, picture

NATIVE = "google/gemini-3.1-flash-image-preview"
FOX, CAT = picture(size=(60, 40), noise=7), picture(size=(50, 50), noise=8)


def last(emulator: Emulator) -> list[dict[str, Any]]:
    """The items of the latest request."""
    body = next(request.body for request in reversed(emulator.requests) if request.method == "POST")
    return body.get("messages") or body["input"]


def drawer(bench: Bench, **more: Any) -> Agent[Any]:
    return bench.agent(**{"model": NATIVE, **more})


async def test_the_picture_goes_back_with_what_was_thought_of_it(bench: Bench) -> None:
    secret = "c2lnbmVk" * 40
    bench.emulator.play(
        [
            Reply(
                [Think("A fox, then.", encrypted=secret), Say("A fox."), Draw("a fox", data=FOX)]
            ),
            Reply([Draw("a blue fox", data=CAT)]),
        ]
    )
    chat = drawer(bench).conversation()
    await bench.ask(chat, "Draw a fox")
    await bench.ask(chat, "Make it blue")
    fox = chat.images["img_1"]
    echoed = [item for item in last(bench.emulator) if item.get("role") != "user"]
    words = json.dumps(echoed)
    assert secret in words
    assert words.count(fox.data_url()) == 1
    kinds = [item.get("type") or item["role"] for item in echoed]
    assert kinds == (
        ["assistant"]
        if bench.way.api == "chat"
        else ["reasoning", "message", "image_generation_call"]
    )
    told = 'for "Draw a fox"' if bench.way.api == "chat" else '"a fox"'  # chat tells no prompt
    assert f"[pictures: img_1 (60×40, {told})]" in str(last(bench.emulator)[-1])


async def test_a_picture_that_the_user_gives_goes_as_input(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Done."), Draw("a cat with a hat", data=FOX)])])
    answer = await bench.ask(drawer(bench), ["Put a hat on it", Image.from_bytes(CAT)])
    assert [item.get("role") for item in last(bench.emulator)] == ["user"]
    assert [image.parents for image in answer.images] == [("img_1",)]


async def test_parents_are_what_the_prompt_names(bench: Bench) -> None:
    replies = [Draw(f"picture {n}", data=picture(size=(60, 40), noise=20 + n)) for n in range(5)]
    bench.emulator.play([Reply([Say("Here."), each]) for each in replies])
    chat = drawer(bench).conversation()
    prompts: list[Any] = [
        "Draw a fox", "Now a cat", "Mix img_1 and img_2, not img_9", ["Like img_3, with this hat", Image.from_bytes(CAT)], "Again",
    ]  # fmt: skip
    for prompt in prompts:
        await bench.ask(chat, prompt)
    parents = {name: image.parents for name, image in chat.images.items()}
    assert parents == {
        "img_1": (), "img_2": (), "img_3": ("img_1", "img_2"), "img_4": (), "img_5": ("img_3",), "img_6": (),
    }  # fmt: skip
    assert [image.name for image in chat.messages[-1].images] == ["img_6"]


async def test_provenance_is_saved(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Done."), Draw("a cat with a hat", data=FOX)])])
    answer = await bench.ask(drawer(bench), ["Put a hat on it", Image.from_bytes(CAT)])
    loaded = Run.from_json(answer.run.to_json(), blobs=bench.store)
    assert loaded.image("img_2").parents == ("img_1",)
    assert loaded.image("img_2").bytes() == FOX


async def test_a_picture_that_comes_back_unchanged_is_not_its_own_child(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("I left it alone."), Draw("the same", data=CAT)])])
    answer = await bench.ask(drawer(bench), ["Put a hat on it", Image.from_bytes(CAT)])
    assert [(image.name, image.parents) for image in answer.run.images] == [("img_1", ())]


async def test_a_server_tool_takes_no_picture_so_its_own_have_no_parents(bench: Bench) -> None:
    bench.emulator.play([Reply([Draw("a cat with a hat", data=FOX)])])
    agent = bench.agent(tools=[ImageGeneration()])
    answer = await bench.ask(agent, ["Draw this with a hat", Image.from_bytes(CAT)])
    assert [image.parents for image in answer.images] == [()]


@pytest.mark.parametrize("model", ["google/gemini-2.5-flash-image", "openai/gpt-5-image"])
async def test_another_model_gets_the_picture_as_input(bench: Bench, model: str) -> None:
    """An assistant's picture means something to the model that drew it; an id of its drawing, only
    to its provider.
    """
    bench.emulator.play([Reply([Draw("a fox", data=FOX)]), Reply([Draw("a blue fox", data=CAT)])])
    chat = drawer(bench).conversation()
    await bench.ask(chat, "Draw a fox")
    chat.model = model
    answer = await bench.ask(chat, "Make img_1 blue")
    items = last(bench.emulator)
    carrying = [item for item in items if chat.images["img_1"].data_url() in json.dumps(item)]
    assert [item["role"] for item in carrying] == ["user"]
    said = next(item for item in items if item.get("role") == "assistant")
    assert said["content"] == "Here is img_1."
    assert [image.parents for image in answer.images] == [("img_1",)]


async def test_the_emulator_changes_the_picture_that_is_named(bench: Bench) -> None:
    """No script: the emulator reads the names that stand beside the pictures, as a model would."""
    chat = drawer(bench).conversation()
    await bench.ask(chat, "Draw a red fox in the snow")
    bench.emulator.play(
        [Reply([Draw(f"noise {n}", data=picture(size=(20, 20), noise=n))]) for n in range(1, 7)]
    )
    for _ in range(6):
        await bench.ask(chat, "Draw some noise")
    answer = await bench.ask(chat, "Make img_1 blue")
    (changed,) = answer.images
    assert changed.parents == ("img_1",)
    assert changed.sha256 not in {image.sha256 for image in list(chat.images.values())[:-1]}


async def test_the_picture_that_is_named_is_the_one_that_changes(bench: Bench) -> None:
    """Also where others were drawn in between, and the records of the tool no longer link them."""
    chat = bench.agent(tools=[ImageGeneration()]).conversation()
    await bench.ask(chat, "Draw a red fox in the snow at night.")
    await bench.ask(chat, "Draw two pictures of the fox: one in a forest and one by the sea.")
    await bench.ask(chat, "Put a blue scarf on the fox in img_1.")
    answer = await bench.ask(chat, "Put a yellow hat on the fox in img_4.")
    assert answer.images[0].name == "img_5"
    for words in ("snow at night", "blue scarf", "yellow hat"):
        assert words in answer.text
