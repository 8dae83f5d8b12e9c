"""A studio that keeps to a budget: by itself, together with agents, and as their tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from agentkit import Budget, Image, OpenRouter
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import APIError, BudgetExceeded, RunError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.conftest import Bench, picture
from tests.unit.studio.conftest import EVENTS, JSON, Line, body, completed, sse

FREE = {"cost": 0.0}


def drawn(emulator: Emulator) -> float:
    return sum(charge.cost_usd for charge in emulator.ledger if charge.kind == "images")


def posts(emulator: Emulator) -> int:
    return sum(
        request.path.endswith("/images")
        for request in emulator.requests
        if request.method == "POST"
    )


@pytest.fixture
def shared() -> Budget:
    return Budget(cost_usd=5.0, images=10)


@pytest.fixture
def paying(client: OpenRouter, store: MemoryImageStore, shared: Budget) -> Studio:
    return Studio(client=client, store=store, budget=shared)


async def test_what_is_drawn_is_spent_at_its_true_cost(
    paying: Studio, shared: Budget, emulator: Emulator
) -> None:
    drawing = await paying.draw("a fox", n=2)
    edited = await paying.edit(drawing.image, "in the snow")
    async with paying.stream("a boat") as stream:
        await stream.finish()
    costs = [each.usage.cost_usd for each in (drawing, edited, stream.result)]
    assert (
        shared.spent_usd
        == pytest.approx(sum(cost or 0.0 for cost in costs))
        == pytest.approx(drawn(emulator))
    )
    assert shared.spent_images == len(drawing.images) + 2
    assert (shared.reserved_usd, shared.uncertain_usd, shared.reserved_images) == (0, 0, 0)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(cost_usd=0.001), r"may cost \$0\.\d+ at worst, and \$0\.0010 is left"),
        (Budget(cost_usd=0), r"\$0\.0000 is left"),
        (Budget(images=0), "asks for 1 picture, and 0 are left"),
    ],
)
async def test_what_cannot_be_paid_is_not_sent(
    studio: Studio, emulator: Emulator, budget: Budget, words: str
) -> None:
    for ask in (
        lambda: studio.draw("a fox", budget=budget),
        lambda: studio.edit(Image.from_bytes(picture()), "a hat", budget=budget),
        lambda: finished(studio, budget),
    ):
        with pytest.raises(BudgetExceeded, match=words) as caught:
            await ask()
        assert isinstance(caught.value, UsageError)
        assert (caught.value.remaining_usd, caught.value.remaining_images) == (
            budget.remaining_usd, budget.remaining_images,
        )  # fmt: skip
    assert posts(emulator) == 0
    assert (budget.spent_usd, budget.reserved_usd, budget.uncertain_usd) == (0, 0, 0)


async def finished(studio: Studio, budget: Budget) -> Any:
    async with studio.stream("a fox", budget=budget) as stream:
        return await stream.finish()


def test_the_sync_forms(studio: Studio) -> None:
    for ask in (
        lambda: studio.draw_sync("a fox", budget=Budget(images=0)),
        lambda: studio.edit_sync(Image.from_bytes(picture()), "a hat", budget=Budget(images=0)),
    ):
        with pytest.raises(BudgetExceeded):
            ask()


async def test_the_price_of_the_quality_that_is_asked_for_is_held(
    studio: Studio, emulator: Emulator
) -> None:
    low, high = (await studio.price(quality="low"), await studio.price(quality="high"))
    assert low is not None
    assert high is not None
    assert low < high
    budget = Budget(cost_usd=(low + high) / 2)
    with pytest.raises(BudgetExceeded) as caught:
        await studio.draw("a fox", quality="high", budget=budget)
    assert caught.value.price_usd == pytest.approx(high, rel=0.1)
    await studio.draw("a fox", quality="low", budget=budget)
    assert budget.spent_images == posts(emulator) == 1


async def test_parallel_drawings_do_not_pass_it_together(
    studio: Studio, emulator: Emulator
) -> None:
    budget = Budget(images=2)
    done = await asyncio.gather(
        *(studio.draw(f"fox {number}", budget=budget) for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, BudgetExceeded) for each in done) == 3
    assert budget.spent_images == posts(emulator) == 2


async def test_that_of_the_call_and_that_of_the_studio_both_hold(
    paying: Studio, shared: Budget, emulator: Emulator
) -> None:
    own = Budget(images=1)
    await paying.draw("a fox", budget=own)
    with pytest.raises(BudgetExceeded):
        await paying.draw("a fox", budget=own)
    assert own.spent_images == shared.spent_images == posts(emulator) == 1


async def test_what_failed_is_not_spent_and_what_is_unknown_may_be(
    paying: Studio, shared: Budget, emulator: Emulator
) -> None:
    emulator.play([Reply(error=Failure("No foxes", 403))])
    with pytest.raises(APIError) as caught:
        await paying.draw("a fox")
    assert caught.value.billed is False
    assert (
        shared.spent_usd,
        shared.uncertain_usd,
        shared.uncertain_requests,
        shared.reserved_usd,
    ) == (0, 0, 0, 0)


async def test_a_broken_connection_is_uncertain(line: Any, store: MemoryImageStore) -> None:
    line.say(b'{"data":[', whole=False)
    budget = Budget(cost_usd=1.0, images=3)
    async with OpenRouter(api_key="k", base_url=line.url, timeouts=Timeouts(lookup=0.3)) as client:
        studio = Studio(client=client, store=store, budget=budget, checks=False)
        with pytest.raises(RunError) as caught:
            await studio.draw("a fox", n=2)
    assert caught.value.billed is None
    assert (budget.uncertain_requests, budget.uncertain_images, budget.reserved_images) == (1, 2, 0)


HALF = {"code": 502, "message": "half"}
TOLD = [
    (body(usage={"cost": 0.4}, error=HALF), JSON),
    (sse(completed(b"no picture", usage={"cost": 0.4}), {"type": "error", "error": HALF}), EVENTS),
]
UNTOLD = [(body(error=HALF), JSON), (sse({"type": "error", "error": HALF}), EVENTS)]


@pytest.mark.parametrize(
    ("reply", "kind", "cost"),
    [
        *((reply, kind, 0.4) for reply, kind in TOLD),
        *((reply, kind, None) for reply, kind in UNTOLD),
    ],
    ids=["told", "told-streamed", "untold", "untold-streamed"],
)
async def test_a_cost_told_beside_an_error_is_spent(
    at_line: Callable[..., Studio], line: Line, reply: bytes, kind: str, cost: float | None
) -> None:
    budget = Budget(cost_usd=1.0, images=3)
    line.say(reply, kind)
    with pytest.raises(APIError, match="half") as caught:
        await (
            finished(at_line(), budget)
            if kind == EVENTS
            else at_line().draw("a fox", budget=budget)
        )
    assert caught.value.drawing is not None
    assert caught.value.drawing.usage.cost_usd == cost
    assert (budget.spent_usd, budget.spent_images, budget.remaining_images) == (cost or 0.0, 0, 3)
    assert (budget.reserved_usd, budget.uncertain_usd, budget.uncertain_requests) == (0, 0, 0)


@pytest.mark.parametrize(
    ("reply", "cost"), [(TOLD[0][0], 0.4), (UNTOLD[0][0], 0.0)], ids=["told", "untold"]
)
async def test_a_run_knows_what_a_drawing_that_failed_cost(
    bench: Bench,
    at_line: Callable[..., Studio],
    line: Line,
    emulator: Emulator,
    reply: bytes,
    cost: float,
) -> None:
    budget = Budget(cost_usd=5.0)
    line.say(reply)
    call = CallTool("draw_image", {"prompt": "a fox"})
    emulator.play([Reply([call], usage=FREE), Reply([Say("I cannot.")], usage=FREE)])
    answer = await bench.ask(bench.agent(tools=at_line().tools(), budget=budget), "Draw a fox")
    assert answer.usage.cost_usd == pytest.approx(cost) == pytest.approx(budget.spent_usd)
    (invocation,) = answer.invocations
    assert (invocation.status, invocation.cost_usd) == (
        ("completed", cost) if cost else ("failed", None)
    )
    assert "half" in (invocation.result or invocation.error or "")


class Forgetful(MemoryImageStore):
    """Opens pictures so many times, then has none."""

    def __init__(self, opens: int) -> None:
        super().__init__()
        self.left = opens

    def open(self, sha256: str) -> BinaryIO:
        self.left -= 1
        if self.left < 0:
            raise FileNotFoundError(sha256)
        return super().open(sha256)


@pytest.mark.parametrize("opens", range(4))
async def test_a_request_that_was_not_sent_whole_is_not_uncertain(
    client: OpenRouter, emulator: Emulator, opens: int
) -> None:
    """The reference goes before it is looked at, before its size is asked for, and before its bytes
    are sent.
    """
    budget = Budget(cost_usd=9.0, images=5)
    studio = Studio(client=client, store=Forgetful(opens), budget=budget)
    with pytest.raises(RunError, match="no longer in the store") as caught:
        await studio.edit(Image.from_bytes(picture()), "a hat")
    assert caught.value.billed is False
    assert (drawn(emulator), budget.spent_usd, budget.reserved_usd, budget.reserved_images) == (
        0,
        0,
        0,
        0,
    )
    assert (budget.uncertain_usd, budget.uncertain_images, budget.uncertain_requests) == (0, 0, 0)


async def test_a_studio_and_an_agent_with_one_budget_count_each_picture_once(
    bench: Bench, paying: Studio, shared: Budget, emulator: Emulator
) -> None:
    call = CallTool("draw_image", {"prompt": "a fox"})
    emulator.play(
        [
            Reply([call], usage=FREE),
            Reply([Draw("a fox", data=picture())]),
            Reply([Say("Done.")], usage=FREE),
        ]
    )
    answer = await bench.ask(bench.agent(tools=paying.tools(), budget=shared), "Draw a fox")
    assert len(answer.images) == 1
    assert shared.spent_images == 1
    assert (
        shared.spent_usd == pytest.approx(drawn(emulator)) == pytest.approx(answer.usage.cost_usd)
    )
    assert (shared.reserved_usd, shared.uncertain_usd) == (0, 0)


async def test_the_model_is_told_that_the_studios_budget_is_used_up(
    bench: Bench, client: OpenRouter, store: MemoryImageStore, emulator: Emulator
) -> None:
    studio = Studio(client=client, store=store, budget=Budget(images=0))
    emulator.play([Reply([CallTool("draw_image", {"prompt": "a fox"})]), Reply([Say("I cannot.")])])
    answer = await bench.ask(bench.agent(tools=studio.tools()), "Draw a fox")
    assert "not drawn: it would pass the limit" in (answer.invocations[0].error or "")
    assert answer.status == "completed"
    assert posts(emulator) == 0


def test_what_is_no_budget_is_refused_at_once(studio: Studio) -> None:
    with pytest.raises(UsageError, match="accepted is Budget"):
        Studio(budget=0.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="accepted is Budget"):
        studio.stream("a fox", budget=0.5)  # type: ignore[arg-type]
