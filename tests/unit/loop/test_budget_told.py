"""What a budget has left is told to OpenRouter, to tools and other agents, and to runs that go on."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import (
    Budget,
    Context,
    Datetime,
    History,
    Image,
    ImageGeneration,
    Limits,
    Message,
    ModelSettings,
    Run,
    Text,
    WebSearch,
    tool,
)
from agentkit.emulator import CallTool, Draw, Failure, Raw, Reply, Say
from agentkit.errors import RunError, UsageError
from agentkit.studio import Studio
from tests.conftest import Bench, picture
from tests.unit.loop.spending import BIG, OTHER, body, calls, look, says


async def test_openrouter_is_told_what_is_left(bench: Bench) -> None:
    budget = Budget(cost_usd=0.5)
    bench.emulator.play([says(), says()])
    agent = bench.agent(
        tools=[WebSearch(), Datetime()], limits=Limits(cost_usd=0.45, tool_calls=5), budget=budget
    )
    for left in (0.45, 0.4):  # of the run, then of the budget
        await bench.ask(agent, "Go")
        stops = body(bench)["stop_server_tools_when"]
        assert stops == [
            {"type": "step_count_is", "step_count": 5},
            {"type": "max_cost", "max_cost_in_dollars": pytest.approx(left)},
        ]


async def test_it_is_told_how_many_pictures_are_left(bench: Bench) -> None:
    bench.emulator.play([says()] * 3)
    await bench.ask(bench.agent(tools=[ImageGeneration()], limits=Limits(images=3)), "Go")
    assert body(bench)["stop_server_tools_when"] == [{"type": "step_count_is", "step_count": 3}]
    tools = [WebSearch(), ImageGeneration()]
    await bench.ask(bench.agent(tools=tools, budget=Budget(images=1)), "Go")
    stop = {"type": "has_tool_call", "tool_name": "openrouter:image_generation"}
    assert stop in body(bench)["stop_server_tools_when"]
    await bench.ask(bench.agent(tools=tools, limits=Limits(images=2)), "Go")
    assert stop not in body(bench)["stop_server_tools_when"]


async def test_without_a_picture_left_none_is_asked_for(bench: Bench) -> None:
    budget = Budget(images=1)
    agent = bench.agent(tools=[ImageGeneration()], budget=budget)
    bench.emulator.play(
        [Reply([Say("Here."), Draw("a fox", data=BIG)]), says("I may not draw any more.")]
    )
    first = await bench.ask(agent, "Draw a fox")
    second = await bench.ask(agent, "Draw another")
    assert (first.status, len(first.images)) == ("completed", 1)
    assert (second.status, second.limit, second.text) == (
        "limited",
        "images",
        "I may not draw any more.",
    )
    assert "image_generation" not in str(body(bench).get("tools"))
    assert (budget.spent_images, budget.remaining_images, budget.reserved_images) == (1, 0, 0)


async def test_an_agent_that_draws_nothing_goes_on_without_pictures(bench: Bench) -> None:
    bench.emulator.play([calls(1), says()])
    answer = await bench.ask(bench.agent(tools=[look], budget=Budget(images=0)), "Go")
    assert answer.status == "completed"


async def test_a_model_that_draws_by_itself_closes_in_words_or_not_at_all(bench: Bench) -> None:
    model, limits = "google/gemini-2.5-flash-image", Limits(images=0)
    bench.emulator.play([says("No picture for you.")])
    both = ModelSettings(modalities=("image", "text"), image_config={"aspect_ratio": "1:1"})
    answer = await bench.ask(bench.agent(model=model, settings=both, limits=limits), "Draw a fox")
    assert (answer.status, answer.text) == ("limited", "No picture for you.")
    assert (body(bench)["modalities"], body(bench).get("image_config")) == (["text"], None)
    alone = ModelSettings(modalities=("image",))
    answer = await bench.ask(bench.agent(model=model, settings=alone, limits=limits), "Draw a fox")
    assert (answer.status, answer.limit, answer.text) == ("limited", "images", "")
    assert len(bench.emulator.requests) == 1


async def test_a_tool_hands_what_is_left_to_another_agent(bench: Bench) -> None:
    helper = bench.agent()

    @tool
    async def ask_helper(context: Context[Any], question: str) -> str:
        """Asks."""
        return (await helper.run(question, budget=context.budget)).status

    questions = [CallTool("ask_helper", {"question": str(number)}) for number in range(4)]
    bench.emulator.play([Reply(questions, usage={"cost": 0.1}), *[says()] * 6])
    shared = Budget()
    agent = bench.agent(tools=[ask_helper], limits=Limits(cost_usd=0.35, parallel=1))
    answer = await bench.ask(agent, "Go", budget=shared)
    assert [each.result for each in answer.invocations] == [
        "completed",
        "completed",
        "limited",
        "limited",
    ]
    assert shared.spent_usd == pytest.approx(0.3)
    assert (answer.status, answer.limit) == ("limited", "cost_usd")


async def test_a_paused_run_goes_on_with_what_its_own_limit_leaves(bench: Bench) -> None:
    @tool(approve=True)
    def pay(usd: int) -> str:
        """Pays."""
        return "paid"

    bench.emulator.play([Reply([CallTool("pay", {"usd": 1})], usage={"cost": 0.1}), says("never")])
    agent = bench.agent(tools=[pay], limits=Limits(cost_usd=0.15))
    paused = await bench.ask(agent, "Go")
    saved = paused.run.to_json()
    assert "budget" not in saved
    budget = Budget(cost_usd=5)
    run = Run.from_json(saved, blobs=bench.store)
    answer = await agent.resume(run, approve={paused.pending[0].id: True}, budget=budget)
    assert (answer.status, answer.invocations[0].result) == ("limited", "paid")
    assert len(bench.emulator.requests) == 1
    assert budget.spent_usd == 0


async def test_what_a_tool_spent_is_not_the_price_of_a_request_once_the_run_goes_on(
    bench: Bench,
) -> None:
    @tool(approve=True)
    def pay(usd: int) -> str:
        """Pays."""
        return "paid"

    studio = Studio(client=bench.client, store=bench.store, checks=False)
    bench.emulator.play(
        [
            Reply([CallTool("draw_image", {"prompt": "a fox"})], usage={"cost": 0.001}),
            Reply([Draw("fox", places=["images_data"])], usage={"cost": 0.19}),
            Reply([CallTool("helper", {"prompt": "think"})], usage={"cost": 0.001}),
            says("Thought.", 0.05),  # one request too, of another model
            Reply([CallTool("pay", {"usd": 1})], usage={"cost": 0.002}),
            *[calls(turn, 0.001) for turn in range(3)],
            says("All done.", 0.001),
        ]
    )
    tools = [
        *studio.tools(),
        bench.agent(model="google/gemini-2.5-flash").as_tool("helper", "Thinks."),
        pay,
        look,
    ]
    agent = bench.agent(tools=tools, limits=Limits(cost_usd=0.27))
    paused = await bench.ask(agent, "Go")
    assert (paused.status, paused.run.highest_cost_usd) == ("paused", 0.002)
    run = Run.from_json(paused.run.to_json(), blobs=bench.store)
    answer = await agent.resume(run, approve={paused.pending[0].id: True})
    assert (answer.status, answer.limit_reason) == ("completed", None)
    assert answer.usage.cost_usd == pytest.approx(0.248)


async def test_what_a_request_that_broke_had_cost_is_known_to_the_run_that_goes_on(
    bench: Bench,
) -> None:
    broken = Reply([Say("half")], error=Failure("broke", 502, form="choice"), usage={"cost": 0.07})
    bench.emulator.play([calls(1, 0.01), broken, says("never")])
    agent = bench.agent(tools=[look], limits=Limits(cost_usd=0.14))
    with pytest.raises(RunError) as caught:
        await bench.ask(agent, "Go")
    assert caught.value.run is not None
    assert caught.value.run.highest_cost_usd == 0.07
    answer = await agent.resume(caught.value.run)
    assert (answer.status, answer.limit) == ("limited", "cost_usd")


def test_a_saved_run_with_a_price_that_is_none_is_refused() -> None:
    run = Run("r1", "a/b", "chat", (Message("user", (Text("Go"),)),), 0, highest_cost_usd=0.5)
    for price in ("-1", "1e400", "NaN"):
        with pytest.raises(UsageError, match=r"Run\.from_json"):
            Run.from_json(
                run.to_json().replace('"highest_cost_usd":0.5', f'"highest_cost_usd":{price}')
            )


async def test_with_a_budget_the_history_is_walked_no_more_often_than_without(bench: Bench) -> None:
    looks: list[int] = []

    class Watched(History):
        @property
        def most_images(self) -> int | None:
            looks.append(1)
            return super().most_images

    async def walked(**options: Any) -> int:
        bench.emulator.play([says(), calls(1), says()])
        chat = bench.agent(
            tools=[look], history=Watched(images=2), checks=True, **options
        ).conversation()
        await bench.ask(chat, ["Look", Image.from_bytes(picture())])
        looks.clear()
        assert (await bench.ask(chat, "Again")).status == "completed"
        return len(looks)

    assert (
        await walked()
        == await walked(budget=Budget(50.0))
        == await walked(limits=Limits(cost_usd=5.0))
        == 1
    )


async def test_a_picture_has_its_cost_where_the_wire_tells_it(bench: Bench) -> None:
    detail = {
        "type": "reasoning.server_tool_call",
        "tool_name": "openrouter:image_generation",
        "tool_call_id": "call_1",
        "arguments": '{"prompt": "a fox"}',
        "result": '{"status": "ok", "imageUrl": "%s", "cost": 0.04}',
    }
    with_url = {**detail, "result": detail["result"] % picture_url(OTHER)}
    item = {
        "type": "openrouter:image_generation",
        "id": "ig_1",
        "status": "completed",
        "usage": {"cost": 0.04},
    }
    told = Raw(
        chat={"reasoning_details": [with_url]}, responses={**item, "result": picture_url(OTHER)}
    )
    bench.emulator.play([Reply([told, Draw("an owl", data=BIG), Say("Two.")])])
    answer = await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw both")
    assert {each.sha256: each.cost_usd for each in answer.images}.keys() == {
        each.sha256 for each in answer.images
    }
    assert sorted((each.cost_usd for each in answer.images), key=str) == [0.04, None]
    assert sorted((each.cost_usd for each in answer.invocations), key=str) == [0.04, None]


def picture_url(data: bytes) -> str:
    import base64

    return "data:image/png;base64," + base64.b64encode(data).decode()
