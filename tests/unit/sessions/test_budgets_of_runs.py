"""Budgets in a database, used by agents, sub-agents and studios, in all four ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentkit import Budget, ImageGeneration, Ledger, Limits
from agentkit.emulator import CallTool, Draw, Fault, Reply, Say
from agentkit.errors import BudgetExceeded, RunError, SessionError
from agentkit.sessions import Sessions
from agentkit.studio import Studio
from tests.clock import until
from tests.conftest import Bench, picture
from tests.unit.loop.dying import Dying
from tests.unit.loop.spending import calls, look, says

FOX = picture(size=(160, 120), noise=1)


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    async with Sessions(database_url) as made:
        yield made


async def test_runs_of_two_processes_share_a_budget(
    bench: Bench, sessions: Sessions, database_url: str
) -> None:
    bench.emulator.play([says(), says(), says("never")])
    async with Sessions(database_url) as elsewhere:
        here, there = (each.budget("team", cost_usd=0.25) for each in (sessions, elsewhere))
        answers = [await bench.ask(bench.agent(budget=each), "Go") for each in (here, there, here)]
        assert [each.status for each in answers] == ["completed", "completed", "limited"]
        assert answers[2].limit == "cost_usd"
        assert len(bench.emulator.requests) == 2
        state = await there.state()
    assert (state.spent_usd, state.reserved_usd) == (pytest.approx(0.2), 0)
    assert here.remaining_usd == pytest.approx(0.05)


async def test_what_others_have_given_back_is_used(bench: Bench, sessions: Sessions) -> None:
    budget = sessions.budget("team", cost_usd=0.25)
    hold = await sessions.budget("team").hold(0.25)
    assert hold is not None
    async with hold:
        assert (await bench.ask(bench.agent(budget=budget), "Go")).status == "limited"
        hold.release()
    bench.emulator.play([says()])
    assert (await bench.ask(bench.agent(budget=budget), "Go")).status == "completed"


async def test_a_run_counts_in_all_its_budgets(bench: Bench, sessions: Sessions) -> None:
    team = sessions.budget("team", cost_usd=10, images=5)
    ada = sessions.budget("ada", cost_usd=1, per="day", within=[team])
    drawn = Reply([Say("Here: "), Draw("a fox", data=FOX)], usage={"cost": 0.1})
    bench.emulator.play([calls(1), drawn])
    tools = [look, ImageGeneration()]
    agent = bench.agent(tools=tools, budget=ada, limits=Limits(cost_usd=5))
    plain = Budget(cost_usd=2)
    answer = await bench.ask(agent, "Draw", budget=plain)
    assert len(answer.images) == 1
    for each in (team, ada, plain):
        state = await each.state()
        assert (state.spent_usd, state.spent_images) == (pytest.approx(0.2), 1)
        assert (state.reserved_usd, state.uncertain_usd) == (0, 0)


async def test_a_sub_agent_counts_in_the_budget_of_its_caller(
    bench: Bench, sessions: Sessions
) -> None:
    team = sessions.budget("team", cost_usd=0.35)
    helper = bench.agent(tools=[look]).as_tool("helper", "Helps.")
    asks = Reply([CallTool("helper", {"prompt": "Look"})], usage={"cost": 0.1})
    bench.emulator.play([asks, calls(1), says("Seen."), says("never")])
    answer = await bench.ask(bench.agent(tools=[helper], budget=team), "Go")
    assert answer.limit == "cost_usd"
    assert len(bench.emulator.requests) == 3
    assert (await team.state()).spent_usd == pytest.approx(0.3)


async def test_a_request_that_fails_is_settled(bench: Bench, sessions: Sessions) -> None:
    team = sessions.budget("team", cost_usd=1)
    bench.emulator.faults.add(Fault(status=401))
    with pytest.raises(RunError):
        await bench.ask(bench.agent(budget=team), "Go")
    state = await team.state()
    assert (state.spent_usd, state.reserved_usd, state.uncertain_requests) == (0, 0, 0)


async def test_a_database_that_cannot_be_used_sends_nothing(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    path.write_bytes(b"no database" * 500)
    async with Sessions(f"sqlite:///{path}") as sessions:
        with pytest.raises(SessionError, match="no SQLite database"):
            await bench.ask(bench.agent(budget=sessions.budget("team", cost_usd=1)), "Go")
    assert bench.emulator.requests == []


@pytest.fixture
def dying(bench: Bench, tmp_path: Path) -> Dying:
    return Dying(bench, tmp_path / "calls")


async def test_a_reply_that_is_read_again_counts_once(dying: Dying, sessions: Sessions) -> None:
    team = sessions.budget("team", cost_usd=1, images=4)
    dying.bench.emulator.play([calls(1), says()])
    await dying.bench.ask(dying.agent(tools=[look], budget=team), "Go")
    before = await team.state()
    for number in range(2):
        await dying.resume(dying.run(number), tools=[look], budget=team)
    assert len(dying.bench.emulator.posts) == 2
    assert await team.state() == before
    assert before.spent_usd == pytest.approx(0.2)


async def test_a_request_whose_end_was_not_seen_is_uncertain_once(
    dying: Dying, sessions: Sessions
) -> None:
    team = sessions.budget("team", cost_usd=1)
    dying.bench.emulator.play([says(), says()])
    options: dict[str, Any] = {"model": "openai/gpt-5.2", "budget": team}
    await dying.bench.ask(dying.agent(**options), "Go")
    (file,) = dying.files
    file.write_bytes(dying.cuts(file)[0][1])  # it died when the request was on its way
    await dying.resume(**options)
    state = await team.state()
    assert len(dying.bench.emulator.posts) == 2
    # It was settled before it died: what is known now is less, and its place is taken.
    assert (state.spent_usd, state.uncertain_requests) == (pytest.approx(0.1), 1)


async def test_a_studio_draws_within_it(bench: Bench, sessions: Sessions) -> None:
    team = sessions.budget("team", images=2)
    studio = Studio(client=bench.client, store=bench.store, checks=False)
    await studio.draw("a fox", budget=team, n=2)
    with pytest.raises(BudgetExceeded) as refused:
        await studio.draw("a hen", budget=team)
    assert refused.value.remaining_images == 0
    state = await team.state()
    assert (state.spent_images, state.reserved_images) == (2, 0)


async def test_a_drawing_that_is_read_again_counts_once(
    bench: Bench, sessions: Sessions, tmp_path: Path
) -> None:
    team = sessions.budget("team", images=2)
    for _ in range(2):  # two processes
        ledger = Ledger(tmp_path / "calls")
        studio = Studio(client=bench.client, store=bench.store, checks=False, ledger=ledger)
        drawing = await studio.draw("a fox", budget=team, call="poster")
        assert len(drawing.images) == 1
    assert len(bench.emulator.posts) == 1
    assert (await team.state()).spent_images == 1


async def test_an_early_leave_is_told(bench: Bench, sessions: Sessions) -> None:
    team = sessions.budget("team", cost_usd=1)
    bench.emulator.play([says("word " * 50)])
    turn = asyncio.ensure_future(bench.ask(bench.agent(budget=team), "Go"))
    await until(lambda: bench.emulator.requests)
    turn.cancel()
    await asyncio.wait([turn])
    state = await team.state()
    assert state.reserved_usd == 0
    assert state.spent_usd + state.uncertain_requests > 0
