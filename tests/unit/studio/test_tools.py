"""The studio in an agent's hands: it draws and edits by tools, and the run knows what that cost."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Agent, Budget, Context, Image, Invocation, Limits, OpenRouter, Toolset
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.emulator.catalogue import MODELS
from agentkit.emulator.listed_model import ImageEndpoint, Model
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import Bench, picture
from tests.unit.studio.conftest import EVENTS, Line, completed, sse

BIG = picture(size=(160, 120), noise=1)
OTHER = picture(size=(120, 90), noise=2)


@pytest.fixture
def studio(bench: Bench) -> Studio:
    return Studio(client=bench.client, store=bench.store)


def test_what_the_model_is_told(studio: Studio) -> None:
    draw, edit = studio.tools()
    assert (draw.name, edit.name) == ("draw_image", "edit_image")
    assert draw.schema["required"] == ["prompt"]
    assert edit.schema["required"] == ["images", "prompt"]
    assert "handle" in edit.schema["properties"]["images"]["description"]
    assert "edit_image" in draw.description


async def test_it_draws_and_then_changes_what_it_drew(
    bench: Bench, studio: Studio, emulator: Emulator
) -> None:
    agent = bench.agent(tools=studio.tools(size="1024x1024"))
    emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox"})]),
            Reply([Draw("a fox", data=BIG)]),
            Reply([CallTool("edit_image", {"images": ["img_1"], "prompt": "a hat on it"})]),
            Reply([Draw("a fox with a hat", data=OTHER)]),
            Reply([Say("Here it is.")]),
        ]
    )
    answer = await bench.ask(agent, "Draw a fox, then put a hat on it")
    assert answer.text == "Here it is."
    assert [call.status for call in answer.invocations] == ["completed", "completed"]
    fox, hat = answer.images
    assert (fox.bytes(), hat.bytes()) == (BIG, OTHER)
    assert (fox.name, hat.name, hat.parents) == ("img_1", "img_2", ("img_1",))
    assert (hat.prompt, hat.model, hat.invocation_id) == (
        "a hat on it",
        "openai/gpt-5-image",
        answer.invocations[1].id,
    )
    assert '"images":["img_2"]' in (answer.invocations[1].result or "").replace(" ", "")
    posts = [request.body for request in emulator.requests if request.path.endswith("/images")]
    assert [body["size"] for body in posts] == ["1024x1024"] * 2
    assert posts[1]["input_references"][0]["image_url"]["url"] == Image.from_bytes(BIG).data_url()


async def test_what_it_spent_is_the_runs(bench: Bench, studio: Studio, emulator: Emulator) -> None:
    emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox", "aspect_ratio": "3:2"})]),
            Reply([Draw("a fox", data=BIG)]),
            Reply([Say("Here.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=studio.tools()), "Draw a fox")
    charges = {charge.kind: charge.cost_usd for charge in emulator.ledger}
    assert answer.invocations[0].cost_usd == pytest.approx(charges["images"])
    assert answer.usage.cost_usd == pytest.approx(
        sum(charge.cost_usd for charge in emulator.ledger)
    )
    assert answer.usage.requests == answer.usage.priced_requests == 3
    assert answer.usage.images == 1
    assert answer.images[0].cost_usd == pytest.approx(charges["images"])
    assert emulator.requests[-2].body["aspect_ratio"] == "3:2"


def drawing_twice(emulator: Emulator) -> None:
    emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox"})], usage={"cost": 0.0}),
            Reply([Draw("a fox", data=BIG)]),
            Reply([CallTool("draw_image", {"prompt": "an owl"})], usage={"cost": 0.0}),
            Reply([Say("One is enough.")], usage={"cost": 0.0}),
        ]
    )


@pytest.mark.parametrize(
    "limits", [Limits(cost_usd=0.05), Limits(images=1)], ids=["cost", "images"]
)
async def test_it_keeps_to_the_limits_of_the_run(
    bench: Bench, studio: Studio, emulator: Emulator, limits: Limits
) -> None:
    drawing_twice(emulator)
    budget = Budget()
    agent = bench.agent(tools=studio.tools(quality="medium"), limits=limits, budget=budget)
    answer = await bench.ask(agent, "Draw two")
    assert len(answer.images) == 1
    assert sum(charge.kind == "images" for charge in emulator.ledger) == 1
    spent = sum(charge.cost_usd for charge in emulator.ledger)
    assert (budget.spent_images, budget.reserved_usd, budget.uncertain_requests) == (1, 0, 0)
    assert budget.spent_usd == pytest.approx(spent) == answer.usage.cost_usd


class ByTheMegapixel(ImageEndpoint):
    """Bills pictures to start from by their size."""

    def record(self) -> dict[str, Any]:
        pricing = [
            {"billable": "output_image", "unit": "image", "cost_usd": 0.04},
            {"billable": "input_image", "unit": "megapixel", "cost_usd": 0.5},
        ]
        return {**ImageEndpoint.record(self), "pricing": pricing}


async def test_an_edit_is_priced_by_the_size_of_its_pictures() -> None:
    parameters = {"input_references": {"type": "range", "min": 0, "max": 16}}
    painter = ByTheMegapixel("Painter", "painter", parameters, 0.04)
    models = [
        *MODELS,
        Model("a/painter", "Painter", "Painter", "Paints.", outputs=("image",), image_api=painter),
    ]
    call = CallTool("edit_image", {"images": ["img_1"], "prompt": "a hat on it"})
    with Emulator(models=models) as emulator:
        async with OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client:
            studio = Studio("a/painter", client=client, store=MemoryImageStore())
            sized = [Image("a" * 64, "image/png", 1, *size) for size in ((200, 100), (2000, 1000))]
            small, large = (
                Image.from_bytes(picture(size=size)) for size in ((200, 100), (2000, 1000))
            )
            assert await studio.price(images=sized) == pytest.approx(0.04 + 0.01 + 1.0)
            assert await studio.price(images=1) is None
            assert (
                await studio.price(images=[Image.from_url("https://example.com/cat.png")]) is None
            )
            assert await studio.price() == 0.04
            agent = Agent(
                "openai/gpt-5.2",
                tools=studio.tools(),
                client=client,
                store=studio.store,
                checks=False,
            )
            for given, status in ((large, "failed"), (small, "completed")):
                drawn = [Reply([Draw("a hat", data=BIG)])] * (given is small)
                emulator.play(
                    [
                        Reply([call], usage={"cost": 0.0}),
                        *drawn,
                        Reply([Say("ok")], usage={"cost": 0.0}),
                    ]
                )
                answer = await agent.run(["A hat, please", given], budget=Budget(cost_usd=1))
                assert [each.status for each in answer.invocations] == [status]
            assert sum(charge.kind == "images" for charge in emulator.ledger) == 1


async def test_what_was_not_billed_is_not_held(
    bench: Bench, studio: Studio, emulator: Emulator
) -> None:
    call = CallTool("draw_image", {"prompt": "a fox"})
    emulator.play(
        [
            Reply([call], usage={"cost": 0.0}),
            Reply(error=Failure("No", 403)),
            Reply([Say("No.")], usage={"cost": 0.0}),
        ]
    )
    budget = Budget(cost_usd=1)
    await bench.ask(bench.agent(tools=studio.tools(), budget=budget), "Draw a fox")
    assert (budget.spent_usd, budget.spent_images, budget.uncertain_usd, budget.reserved_usd) == (
        0,
        0,
        0,
        0,
    )


async def test_what_the_model_does_not_accept_is_told_to_who_called(
    bench: Bench, studio: Studio, emulator: Emulator
) -> None:
    emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox", "aspect_ratio": "21:9"})]),
            Reply([Say("It cannot be so wide.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=studio.tools()), "Draw a wide fox")
    assert answer.invocations[0].status == "failed"
    assert "accepted is 1:1, 3:2, 2:3, auto" in (answer.invocations[0].error or "")
    assert not [request for request in emulator.requests if request.path.endswith("/images")]


async def test_a_picture_that_is_not_there(
    bench: Bench, studio: Studio, emulator: Emulator
) -> None:
    call = CallTool("edit_image", {"images": ["img_9"], "prompt": "a hat"})
    emulator.play([Reply([call]), Reply([Say("There is none.")])])
    answer = await bench.ask(
        bench.agent(tools=studio.tools()), ["Change it", Image.from_bytes(BIG)]
    )
    assert "img_1" in (answer.invocations[0].error or "")


async def test_an_error_of_the_image_api_goes_back_to_the_model(
    bench: Bench, studio: Studio, emulator: Emulator
) -> None:
    emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox"})]),
            Reply(error=Failure("No foxes", 403)),
            Reply([Say("I may not.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=studio.tools()), "Draw a fox")
    assert "No foxes" in (answer.invocations[0].error or "")
    assert answer.text == "I may not."


async def test_pictures_before_a_break_are_the_agents(
    line: Line, at_line: Any, store: MemoryImageStore
) -> None:
    data = b'{"data":[{"b64_json":"' + completed(BIG)["b64_json"].encode() + b'"},'
    line.say(data, whole=False)
    draw, _ = at_line().tools(n=2)
    context = Context(None, Invocation("call_1", "draw_image"))
    billed = await draw(context, "a fox")
    assert [image.bytes() for image in billed.value["images"]] == [BIG]
    assert "broke" in billed.value["failed"][0]
    assert (billed.usage.requests, billed.usage.priced_requests) == (1, 0)
    line.say(sse({"type": "error", "error": {"message": "no"}}), EVENTS)
    with pytest.raises(Exception, match="no"):
        await draw(context, "a fox")


async def test_they_are_tools_like_any_other(client: OpenRouter) -> None:
    studio = Studio(client=client, store=MemoryImageStore())
    agent = Agent(
        "openai/gpt-5.2",
        tools=[Toolset(studio.tools(model="google/gemini-2.5-flash-image"), prefix="art_")],
    )
    assert list(agent.tools.functions) == ["art_draw_image", "art_edit_image"]
    for options, words in (({"n": 20}, "1 to 10"), ({"colour": "red"}, "no such parameter")):
        with pytest.raises(UsageError, match=words):
            studio.tools(**options)  # type: ignore[arg-type]
