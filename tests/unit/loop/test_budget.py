"""Limits in money and pictures: held before each request, settled after it, shared where a `Budget`
says so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import (
    Agent,
    Budget,
    Context,
    Datetime,
    History,
    Image,
    ImageGeneration,
    Limits,
    Message,
    ModelSettings,
    OpenRouter,
    Run,
    Text,
    WebSearch,
    tool,
)
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Raw, RawReply, Reply, Say
from agentkit.errors import APIError, BadRequest, RunError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.loop.begin import services_of
from agentkit.loop.driver import drive
from agentkit.loop.live import LiveRun
from agentkit.loop.start import Start
from agentkit.studio import Studio
from agentkit.wire.types import Request
from tests.clock import FOREVER, until
from tests.conftest import WAYS, Bench, picture

BIG = picture(size=(160, 120), noise=90)
OTHER = picture(size=(150, 120), noise=80)


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def calls(turn: int, cost: float = 0.1) -> Reply:
    return Reply([Say(f"Step {turn}."), CallTool("look", {"at": str(turn)})], usage={"cost": cost})


def says(words: str = "Done.", cost: float | None = 0.1) -> Reply:
    return Reply([Say(words)], usage={"cost": cost})


def body(bench: Bench, number: int = -1) -> Any:
    return bench.emulator.requests[number].body


async def test_a_run_leaves_enough_to_close_in_words(bench: Bench) -> None:
    bench.emulator.play(
        [calls(1), calls(2), calls(3), says("That is all I could afford."), says("never")]
    )
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.45)), "Go")
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert answer.text.endswith("That is all I could afford.")
    assert answer.usage.cost_usd == pytest.approx(0.4)
    assert body(bench)["tool_choice"] == "none"


async def test_what_does_not_fit_is_not_sent(bench: Bench) -> None:
    bench.emulator.play([calls(1), says("never")])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.15)), "Go")
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "Step 1.")
    assert len(bench.emulator.requests) == 1
    assert Run.from_json(answer.run.to_json()) == answer.run


async def test_the_dearest_request_so_far_is_the_price_of_the_next(bench: Bench) -> None:
    bench.emulator.play([calls(1, 0.01), calls(2, 0.3), says("Enough.", 0.3), says("never")])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.9)), "Go")
    assert (answer.limit, len(bench.emulator.requests)) == ("cost_usd", 3)
    assert body(bench)["tool_choice"] == "none"
    assert (answer.usage.cost_usd or 0) <= 0.9


async def test_runs_share_a_budget_one_after_another(bench: Bench) -> None:
    budget = Budget(cost_usd=0.25)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), says(), says("never")])
    answers = [await bench.ask(agent, f"Go {number}") for number in range(3)]
    assert [each.status for each in answers] == ["completed", "completed", "limited"]
    assert len(bench.emulator.requests) == 2
    assert (budget.spent_usd, budget.reserved_usd, budget.uncertain_usd) == (
        pytest.approx(0.2),
        0,
        0,
    )
    assert budget.remaining_usd == pytest.approx(0.05)


async def test_a_budget_of_the_agent_and_one_of_the_run_both_hold(bench: Bench) -> None:
    wide, narrow = Budget(cost_usd=10), Budget(cost_usd=0.15)
    agent = bench.agent(budget=wide)
    bench.emulator.play([says(), says("never")])
    await bench.ask(agent, "Go", budget=narrow)
    assert (await bench.ask(agent, "Go", budget=narrow)).status == "limited"
    assert (wide.spent_usd, narrow.spent_usd) == (0.1, 0.1)
    bench.emulator.play([says()])
    assert (await bench.ask(agent, "Go")).status == "completed"
    assert (wide.spent_usd, narrow.spent_usd) == (0.2, 0.1)


async def test_the_same_budget_twice_counts_once(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([says()])
    await bench.ask(bench.agent(budget=budget), "Go", budget=budget)
    assert budget.spent_usd == 0.1


async def test_parallel_runs_hold_what_they_may_cost(bench: Bench) -> None:
    budget = Budget(cost_usd=0.35)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says()] + [Reply([Say("ok")], usage={"cost": 0.1}, delay=0.05)] * 8)
    await bench.ask(agent, "Go")  # now the price is known
    answers = await asyncio.gather(*(bench.ask(agent, f"Go {number}") for number in range(8)))
    assert sorted(each.status for each in answers) == ["completed"] * 2 + ["limited"] * 6
    assert len(bench.emulator.requests) == 3
    assert budget.spent_usd == pytest.approx(0.3)


def test_runs_on_several_threads_share_one() -> None:
    with Emulator() as emulator:
        emulator.play([Reply([Say("ok")], usage={"cost": 0.1}, delay=0.05)] * 12)
        budget, statuses = Budget(cost_usd=0.35), []

        def agent() -> Agent[Any]:
            client = OpenRouter(api_key="sk-or-test", base_url=emulator.base_url)
            return Agent(
                "openai/gpt-5.2",
                client=client,
                store=MemoryImageStore(),
                budget=budget,
                checks=False,
            )

        async def alone() -> str:
            mine = agent()
            async with mine.client:
                return (await mine.run("Go")).status

        asyncio.run(alone())
        shared = agent()
        works = [lambda: asyncio.run(alone())] * 3 + [lambda: shared.run_sync("Go").status] * 3
        threads = [
            threading.Thread(target=lambda work=work: statuses.append(work())) for work in works
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(statuses) == ["completed"] * 2 + ["limited"] * 4
        assert budget.spent_usd == pytest.approx(0.3)
        assert len(emulator.requests) == 3


async def test_without_any_money_nothing_is_sent(bench: Bench) -> None:
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Go", budget=Budget(cost_usd=0))
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "")
    assert not bench.emulator.requests
    bench.emulator.play([says()])
    assert (await bench.ask(chat, "Go")).status == "completed"


async def test_what_the_catalogue_implies_is_held_before_the_first_request(bench: Bench) -> None:
    seen: list[tuple[str, bool]] = []

    def price(request: Request) -> float | None:
        seen.append((request.model, request.closing))
        return 0.01 if request.closing else 0.2

    bench.emulator.play([says("In words.", 0.01)])
    prompt = Message("user", (Text("Draw a fox"),))
    run = Run("r1", "openai/gpt-5.2", bench.way.api, (prompt,), 0, Limits(cost_usd=0.1))  # type: ignore[arg-type]
    answer = await drive(Start(run=run), run, live_of(run, bench, price))
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "In words.")
    assert set(seen) == {("openai/gpt-5.2", False), ("openai/gpt-5.2", True)}
    run = replace(run, limits=Limits(cost_usd=0.2))
    roomy = await drive(Start(run=run), run, live_of(run, bench, price))
    assert roomy.status == "completed"


async def test_the_end_says_how_much_was_left_and_how_much_was_wanted(bench: Bench) -> None:
    bench.emulator.play([says("In words.", 0.01), calls(1), says("never")])
    agent = bench.agent(tools=[ImageGeneration()], checks=True, budget=Budget(cost_usd=0.02))
    answer = await bench.ask(agent, "Draw a fox")
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "In words.")
    left, _, wanted = (answer.limit_reason or "").partition(" is left, ")
    assert left == "$0.0200"
    assert "the next request may cost $" in wanted
    assert "a picture included" in wanted
    assert Run.from_json(answer.run.to_json()) == answer.run
    plain = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.15)), "Go")
    worst = "the next request and the one that closes the run may cost $0.2000 at worst"
    assert plain.limit_reason == f"$0.0500 is left, and {worst}"
    bench.emulator.play([says()])
    assert (await bench.ask(bench.agent(), "Go")).limit_reason is None


async def test_another_limit_has_no_reason_in_money(bench: Bench) -> None:
    bench.emulator.play([calls(1), says()])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(turns=1)), "Go")
    assert (answer.limit, answer.limit_reason) == ("turns", None)


def live_of(run: Run, bench: Bench, price: Callable[[Request], float | None]) -> LiveRun:
    agent = bench.agent(tools=[ImageGeneration()])
    live = services_of(agent, run, stream=bench.way.stream)
    live.base = replace(live.base, price=price)
    return live


async def test_what_a_broken_request_cost_is_looked_up(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([Reply([Say("A long tale of many words. " * 40)], cut_after=1000)])
    with pytest.raises(RunError) as caught:
        await bench.ask(bench.agent(budget=budget), "Go")
    assert caught.value.generation is not None
    assert caught.value.billed is True
    assert (budget.spent_usd, budget.uncertain_requests) == (caught.value.generation.cost_usd, 0)
    assert budget.reserved_usd == 0


async def test_a_refused_request_costs_nothing(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), Reply([], error=Failure("no", 400))])
    await bench.ask(agent, "Go")
    with pytest.raises(BadRequest) as caught:
        await bench.ask(agent, "Go")
    assert caught.value.billed is False
    assert (budget.spent_usd, budget.reserved_usd, budget.uncertain_usd) == (0.1, 0, 0)


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [(408, 1), (429, 1), (500, 1), (503, 1), (400, 0), (402, 0), (403, 0), (404, 0), (425, 0)],
)
async def test_before_an_error_a_server_tool_may_have_run(
    status: int, uncertain: int, bench: Bench
) -> None:
    """What is not sent again since it may have been billed is not free either; a refusal comes
    before any tool runs.
    """
    budget = Budget(cost_usd=1)
    budget.learn(("openai/gpt-5.2", "openrouter:image_generation"), 0.2)
    failed = RawReply(status, b'{"error": {"message": "no"}}', headers={"Retry-After": "0"})
    bench.emulator.play([failed] * 3)
    with pytest.raises(APIError) as caught:
        await bench.ask(bench.agent(tools=[ImageGeneration()], budget=budget), "Draw a fox")
    assert (caught.value.status, caught.value.generation) == (status, None)
    assert caught.value.billed is (None if uncertain else False)
    assert (budget.uncertain_requests, budget.uncertain_usd) == (
        uncertain,
        pytest.approx(0.2 * uncertain),
    )
    assert (budget.reserved_usd, budget.spent_usd) == (0, 0)
    assert len(bench.emulator.requests) == (2 if status == 425 else 1)


async def test_an_error_whose_usage_was_told_is_settled(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play(
        [Reply([Say("half")], error=Failure("broke", 502, form="choice"), usage={"cost": 0.07})]
    )
    with pytest.raises(APIError, match="broke") as caught:
        await bench.ask(bench.agent(budget=budget), "Go")
    assert caught.value.billed is True
    assert (budget.spent_usd, budget.uncertain_requests) == (0.07, 0)


async def test_a_cancelled_request_is_uncertain(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), Reply([Say("slow")], delay=FOREVER)])
    await bench.ask(agent, "Go")
    task = asyncio.create_task(bench.ask(agent, "Go"))
    await until(lambda: len(bench.emulator.requests) == 2)
    assert budget.reserved_usd == pytest.approx(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.reserved_usd == 0
    assert (budget.uncertain_usd, budget.uncertain_requests) == (pytest.approx(0.1), 1)
    assert budget.remaining_usd == pytest.approx(0.8)


async def test_a_cost_that_is_not_told_keeps_what_was_held(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), says(cost=None)])
    whole = (await bench.ask(agent, "Go")).usage
    open_ = (await bench.ask(agent, "Go")).usage
    assert (whole.cost_is_whole, open_.cost_is_whole) == (True, False)
    assert (open_.cost_usd, open_.requests, open_.priced_requests) == (None, 1, 0)
    assert (budget.spent_usd, budget.uncertain_usd, budget.uncertain_requests) == (
        0.1,
        pytest.approx(0.1),
        1,
    )


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
        == 4
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


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"cost_usd": -1}, r"Budget\(cost_usd=-1\)"),
        ({"cost_usd": float("nan")}, "finite"),
        ({"cost_usd": True}, "cost_usd=True"),
        ({"cost_usd": "1"}, "cost_usd='1'"),
        ({"images": -1}, "images=-1"),
        ({"images": 1.5}, "whole number"),
        ({"images": True}, "images=True"),
    ],
)
def test_a_budget_that_is_none(given_: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Budget(**given_)


async def test_what_is_no_budget_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"budget=5: accepted is Budget"):
        bench.agent(budget=5)
    with pytest.raises(UsageError, match=r"budget=5: accepted is Budget"):
        await bench.ask(bench.agent(), "Go", budget=5)
    assert not bench.emulator.requests


def test_a_budget_tells_of_itself() -> None:
    budget = Budget(cost_usd=1, images=2)
    with budget.reserve(0.25, 1) or pytest.fail("there is room"):
        assert (budget.reserved_usd, budget.reserved_images) == (0.25, 1)
        assert (budget.remaining_usd, budget.remaining_images) == (0.75, 1)
    assert (budget.uncertain_usd, budget.uncertain_images, budget.uncertain_requests) == (
        0.25,
        1,
        1,
    )
    assert repr(budget).startswith("Budget(cost_usd=1, images=2, spent_usd=0.0")
    assert (Budget().remaining_usd, Budget().remaining_images) == (None, None)
    assert Budget(cost_usd=0).reserve() is None


costs = st.floats(0, 1).map(lambda value: round(value, 4))


@given(
    st.floats(0, 3),
    st.lists(st.tuples(costs, st.sampled_from(["settle", "release", "keep", "open"])), max_size=20),
)
def test_what_is_held_at_its_true_price_never_passes_the_limit(
    limit: float, requests: list[tuple[float, str]]
) -> None:
    budget = Budget(cost_usd=limit)
    for cost, end in requests:
        hold = budget.reserve(cost)
        if hold is None:
            continue
        if end == "settle":
            hold.settle(cost)
            hold.settle(cost)  # ends once
        elif end != "open":
            getattr(hold, end)()
        assert budget.spent_usd + budget.reserved_usd + budget.uncertain_usd <= limit + 1e-9


@settings(max_examples=12, deadline=None)
@given(
    limit=st.floats(0.05, 2),
    prices=st.lists(costs, min_size=40, max_size=40),
    parallel=st.integers(1, 4),
    way=st.sampled_from(WAYS),
)
def test_never_more_than_the_limit_and_the_requests_in_flight(
    limit: float, prices: list[float], parallel: int, way: Any
) -> None:
    budget = Budget(cost_usd=limit)

    async def all_of_them(emulator: Emulator) -> None:
        async with OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client:
            bench = Bench(way, emulator, client, MemoryImageStore())
            agent = bench.agent(tools=[look], budget=budget)

            async def one() -> None:
                for _ in range(3):
                    await bench.ask(agent, "Go")

            await asyncio.gather(*(one() for _ in range(parallel)))

    with Emulator() as emulator:
        emulator.play(
            [
                calls(number, price) if number % 3 else says(cost=price)
                for number, price in enumerate(prices)
            ]
        )
        asyncio.run(all_of_them(emulator))
        served = prices[: len(emulator.requests)]
    assert sum(served) <= limit + sum(sorted(served)[-parallel:]) + 1e-9
    assert budget.spent_usd == pytest.approx(sum(served))
    assert budget.reserved_usd == 0


async def test_what_a_saved_run_says_of_prices_is_learnt_by_no_other_run(bench: Bench) -> None:
    agent = bench.agent(budget=Budget(cost_usd=5))
    bench.emulator.play([says(), says()])
    run = (await bench.ask(agent, "Go")).run
    told = replace(run, highest_cost_usd=99.0, status="running", messages=run.messages[:1])
    assert (await agent.resume(told)).status == "limited"
    assert (await bench.ask(agent, "Go")).status == "completed"
