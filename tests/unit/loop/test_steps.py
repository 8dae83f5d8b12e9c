"""One step of a saved run: what a run does at once it also does step by step, each from its JSON."""

from __future__ import annotations

import time
from typing import Any

from agentkit import Agent, Budget, ImageGeneration, Limits, Message, Run, Text, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.loop.begin import begin, services_of
from agentkit.loop.decisions import Decisions
from agentkit.loop.driver import advance
from agentkit.run import Step
from tests.conftest import Bench


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


@tool(approve=True)
def send(to: str) -> str:
    """Sends."""
    return f"sent to {to}"


def fresh(agent: Agent[Any], bench: Bench, prompt: str, **options: Any) -> Run:
    message = Message("user", (Text(prompt),))
    api = "chat" if bench.way.api == "chat" else "responses"
    return Run(
        "run_1", agent.model, api, (message,), 0, agent.limits, started_at=time.time(), **options
    )


async def one_step(
    agent: Agent[Any], bench: Bench, saved: str, decisions: Decisions | None = None, **options: Any
) -> tuple[str, Step]:
    """The step that follows this saved run, taken by services of its own."""
    run = Run.from_json(saved, blobs=bench.store)
    live = services_of(agent, run, stream=bench.way.stream, **options)
    try:
        run = await begin(run, live, decisions or Decisions())
        run, step = await advance(run, live)
        assert live.log.run == run
    finally:
        await live.close()
    return run.to_json(), step


async def all_steps(
    agent: Agent[Any], bench: Bench, run: Run, **options: Any
) -> tuple[Run, list[str]]:
    saved, names = run.to_json(), list[str]()
    while Run.from_json(saved).status == "running":
        saved, step = await one_step(agent, bench, saved, **options)
        names.append(type(step).__name__)
    return Run.from_json(saved, blobs=bench.store), names


async def test_steps_from_disk_make_the_run_that_goes_at_once(bench: Bench) -> None:
    oslo, bergen = (CallTool("look", {"at": place}) for place in ("Oslo", "Bergen"))
    script = [Reply([Say("Looking."), oslo, bergen]), Reply([Say("Here: "), Draw("a red house")])]
    agent = bench.agent(tools=[look, ImageGeneration()])
    bench.emulator.play(script)
    at_once = (await bench.ask(agent, "Draw it")).run
    bench.emulator.play(script)
    run, names = await all_steps(agent, bench, fresh(agent, bench, "Draw it"))
    assert names == ["Ask", "Call", "Ask", "Finish"]
    assert run.status == at_once.status == "completed"
    assert [each.text for each in run.messages] == [each.text for each in at_once.messages]
    assert [each.result for each in run.invocations] == [
        each.result for each in at_once.invocations
    ]
    assert len(run.images) == len(at_once.images) == 1
    assert run.usage.requests == at_once.usage.requests == 2
    key = "messages" if bench.way.api == "chat" else "input"
    sent = [each.body[key] for each in bench.emulator.requests if each.body is not None]
    assert len(sent) == 4
    assert [len(each) for each in sent[:2]] == [len(each) for each in sent[2:]]


async def test_a_step_that_waits_says_so_and_a_decision_starts_the_next(bench: Bench) -> None:
    agent = bench.agent(tools=[send])
    bench.emulator.play([Reply([CallTool("send", {"to": "Ann"}, id="c1")]), Reply([Say("Done.")])])
    run, names = await all_steps(agent, bench, fresh(agent, bench, "Write"))
    assert (run.status, names, [each.call_id for each in run.waiting]) == (
        "paused", ["Ask", "Wait"], ["c1"],
    )  # fmt: skip
    saved, step = await one_step(agent, bench, run.to_json(), Decisions.checked({"c1": True}, None))
    assert type(step).__name__ == "Call"
    assert Run.from_json(saved).invocations[0].result == "sent to Ann"
    run, names = await all_steps(agent, bench, Run.from_json(saved))
    assert (run.status, names) == ("completed", ["Ask", "Finish"])


async def test_what_a_step_rests_on_is_live(bench: Bench) -> None:
    """A limit of the saved run counts what it spent before; a shared budget what others spent."""
    agent = bench.agent(tools=[look], limits=Limits(cost_usd=0.25))
    first = Reply([CallTool("look", {"at": "Oslo"})], usage={"cost": 0.2})
    bench.emulator.play([first, Reply([Say("never")])])
    run, names = await all_steps(agent, bench, fresh(agent, bench, "Go"))
    assert (run.status, run.closing, names) == ("limited", "cost_usd", ["Ask", "Call", "Finish"])
    spent = Budget(cost_usd=0)
    run, names = await all_steps(agent, bench, fresh(agent, bench, "Go"), budget=spent)
    assert (run.status, run.closing, names) == ("limited", "cost_usd", ["Finish"])
    assert len(bench.emulator.requests) == 1
