"""Hooks: what they see, what they may change, in which order, and what happens when one fails."""

from __future__ import annotations

import asyncio
import json
import pydoc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from agentkit import (
    Agent,
    Budget,
    Context,
    Denied,
    Image,
    Limits,
    Message,
    ModelSettings,
    OpenRouter,
    Run,
    Toolset,
    Usage,
    tool,
)
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import DeadlineExceeded, HookFailed, UsageError
from agentkit.hooks import Asking, Hooks
from agentkit.images.store import MemoryImageStore
from agentkit.tools import Billed
from tests.clock import FOREVER, advance
from tests.conftest import Bench, picture

RED = picture("red", (12, 12))


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather."""
    return f"rain in {city} for {days}"


ASKS = [Reply([CallTool("weather", {"city": "Oslo"}, id="c")]), Reply([Say("It rains.")])]


def sent(bench: Bench, number: int = -1) -> str:
    return json.dumps(bench.emulator.requests[number].body, ensure_ascii=False)


async def test_all_four_in_order(bench: Bench) -> None:
    seen: list[str] = []

    def hooks(name: str) -> Hooks:
        async def before_request(asking: Asking) -> None:
            seen.append(f"{name} asks {asking.run.turns}")

        def after_reply(asking: Asking, reply: Message) -> None:
            seen.append(f"{name} heard {asking.run.turns} {len(reply.calls)}")

        def before_call(context: Context[str]) -> None:
            seen.append(f"{name} before {context.invocation.name} {context.deps}")

        async def after_call(context: Context[str], result: object) -> None:
            seen.append(f"{name} after {context.invocation.status} {result}")

        return Hooks(before_request, after_reply, before_call, after_call)

    bench.emulator.play(ASKS)
    answer = await bench.ask(
        bench.agent(tools=[weather], hooks=[hooks("a"), hooks("b")]), "Go", deps="Ada"
    )
    assert answer.text == "It rains."
    assert seen == [
        "a asks 0", "b asks 0", "b heard 1 1", "a heard 1 1",
        "a before weather Ada", "b before weather Ada",
        "b after completed rain in Oslo for 1", "a after completed rain in Oslo for 1",
        "a asks 1", "b asks 1", "b heard 2 0", "a heard 2 0",
    ]  # fmt: skip


async def test_hooks_and_makers_know_the_budget(bench: Bench) -> None:
    budget, seen = Budget(cost_usd=3), list[Any]()

    def look(context: Context[Any], *_: object) -> None:
        seen.append(context.budget and context.budget.remaining_usd)

    def make(context: Context[Any]) -> list[Any]:
        look(context)
        return [weather]

    bench.emulator.play(ASKS)
    agent = bench.agent(tools=[Toolset(make)], hooks=Hooks(before_call=look, after_call=look))
    await bench.ask(agent, "Go", budget=budget)
    assert len(seen) == 4
    assert all(left is not None and 2.9 < left <= 3 for left in seen)


async def test_instructions_and_settings_of_one_request(bench: Bench) -> None:
    def second(asking: Asking) -> Asking | None:
        if asking.run.turns != 1:
            return None
        return replace(
            asking, instructions="Be brief.", settings=replace(asking.settings, temperature=0.5)
        )

    bench.emulator.play([*ASKS, Reply([Say("Again.")])])
    agent = bench.agent(
        tools=[weather], instructions="Be kind.", hooks=Hooks(before_request=second)
    )
    chat = agent.conversation()
    await bench.ask(chat, "Go")
    await bench.ask(chat, "And?")
    assert ["Be brief." in sent(bench, at) for at in range(3)] == [False, True, False]
    assert ["Be kind." in sent(bench, at) for at in range(3)] == [True, False, True]
    assert [bench.emulator.requests[at].body.get("temperature") for at in range(3)] == [
        None,
        0.5,
        None,
    ]


async def test_other_arguments_are_run_and_the_history_shows_what_was_asked(bench: Bench) -> None:
    bench.emulator.play(ASKS)
    hook = Hooks(before_call=lambda context: {**(context.invocation.arguments or {}), "days": "3"})
    answer = await bench.ask(bench.agent(tools=[weather], hooks=hook), "Go")
    assert answer.invocations[0].arguments == {"city": "Oslo", "days": "3"}
    assert answer.invocations[0].result == "rain in Oslo for 3"
    assert "rain in Oslo for 3" in sent(bench)
    (call,) = answer.messages[1].calls
    assert json.loads(call.arguments) == {"city": "Oslo"}


async def test_a_call_is_refused(bench: Bench) -> None:
    seen: list[str] = []
    hooks = [
        Hooks(before_call=lambda _: Denied("not before seven")),
        Hooks(before_call=lambda _: seen.append("inner")),
    ]
    bench.emulator.play(ASKS)
    answer = await bench.ask(bench.agent(tools=[weather], hooks=hooks), "Go")
    (call,) = answer.invocations
    assert (call.status, call.error, seen) == ("denied", "not before seven", [])
    assert "not run: not before seven" in sent(bench)


async def test_a_result_is_replaced_and_nothing_is_lost(bench: Bench) -> None:
    @tool
    def shoot() -> Billed[Image]:
        """Takes a picture."""
        return Billed(Image.from_bytes(RED), Usage(cost_usd=0.5))

    @tool
    def fail() -> str:
        """Fails."""
        raise RuntimeError("no such luck")

    def after(context: Context[Any], result: object) -> object:
        return "mended" if context.invocation.error else {"hidden": isinstance(result, Image)}

    bench.emulator.play([Reply([CallTool("shoot"), CallTool("fail")]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[shoot, fail], hooks=Hooks(after_call=after)), "Go")
    assert [each.result for each in answer.invocations] == ['{"hidden":true}', "mended"]
    assert [each.status for each in answer.invocations] == ["completed", "completed"]
    assert [image.bytes() for image in answer.images] == [RED]
    assert answer.invocations[0].cost_usd == 0.5


async def test_a_person_sees_what_the_hook_made_of_it(bench: Bench) -> None:
    @tool(approve=lambda arguments: arguments["days"] > 2)
    def forecast(city: str, days: int = 1) -> str:
        """The weather."""
        return f"{city} {days}"

    bench.emulator.play([Reply([CallTool("forecast", {"city": "Oslo"}, id="c")])])
    seen: list[object] = []

    def week(context: Context[Any]) -> Mapping[str, Any]:
        seen.append(context.invocation.arguments)
        return {"city": "Oslo", "days": 7}

    agent = bench.agent(tools=[forecast], hooks=Hooks(before_call=week))
    answer = await bench.ask(agent, "Go")
    assert answer.status == "paused"
    assert answer.pending[0].arguments == {"city": "Oslo", "days": 7}
    bench.emulator.play([Reply([Say("Done.")])])
    resumed = await agent.resume(
        Run.from_json(answer.run.to_json(), blobs=bench.store), approve={"c": True}
    )
    assert resumed.invocations[0].result == "Oslo 7"
    assert seen == [{"city": "Oslo"}]


def explode(*_: object) -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize("point", ["before_request", "after_reply", "before_call", "after_call"])
async def test_a_hook_that_raises_stops_the_run_and_loses_nothing(bench: Bench, point: str) -> None:
    ran: list[str] = []

    @tool
    def note(word: str) -> str:
        """Notes."""
        ran.append(word)
        return word

    replies = [
        Reply([CallTool("note", {"word": word}) for word in ("one", "two")]),
        Reply([Say("Done.")]),
    ]
    bench.emulator.play(replies)
    with pytest.raises(HookFailed, match=f"explode .{point}. raised RuntimeError: boom") as caught:
        await bench.ask(bench.agent(tools=[note], hooks=Hooks(**{point: explode})), "Go")
    run = caught.value.run
    assert run is not None
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(bench.emulator.requests) == (0 if point == "before_request" else 1)
    assert ran == (["one", "two"] if point == "after_call" else [])
    assert run.turns == (0 if point == "before_request" else 1)
    resumed = await bench.agent(tools=[note]).resume(run)
    assert (resumed.text, sorted(ran)) == ("Done.", ["one", "two"])
    assert len(bench.emulator.requests) == 2


WRONG: list[tuple[Hooks, str]] = [
    (Hooks(before_request=lambda _: "now"), "answered 'now': accepted are None, or the Asking"),  # type: ignore[arg-type,return-value]
    (Hooks(before_request=lambda asking: replace(asking, settings=3)), "ModelSettings"),  # type: ignore[arg-type]
    (Hooks(before_call=lambda _: False), "answered False: accepted are None, a mapping"),  # type: ignore[arg-type,return-value]
    (Hooks(before_call=lambda _: {"town": "Oslo"}), "changed a call of weather.*town"),
]


@pytest.mark.parametrize(("hooks", "words"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_answer_of_a_hook(bench: Bench, hooks: Hooks, words: str) -> None:
    bench.emulator.play(ASKS)
    with pytest.raises(HookFailed, match=f"(?s){words}"):
        await bench.ask(bench.agent(tools=[weather], hooks=hooks), "Go")


async def test_a_hook_that_hangs_is_stopped_by_the_limit(bench: Bench) -> None:
    async def hang(_: object) -> None:
        advance(1000)
        await asyncio.sleep(FOREVER)

    bench.emulator.play(ASKS)
    with pytest.raises(DeadlineExceeded) as caught:
        await bench.ask(
            bench.agent(
                hooks=Hooks(before_call=hang), tools=[weather], limits=Limits(seconds=1000)
            ),
            "Go",
        )
    assert caught.value.run is not None
    assert caught.value.run.turns == 1


async def test_hooks_do_not_see_calls_that_do_not_fit(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([CallTool("weather", {"town": "Oslo"}), CallTool("fly")]), Reply([Say("Sorry.")])]
    )
    answer = await bench.ask(bench.agent(tools=[weather], hooks=Hooks(before_call=explode)), "Go")
    assert [each.status for each in answer.invocations] == ["failed", "failed"]


async def test_limits_stand_whatever_a_hook_does(bench: Bench) -> None:
    bench.emulator.play([ASKS[0], ASKS[0], Reply([Say("Enough.")])])
    hooks = Hooks(
        before_request=lambda asking: replace(asking, settings=ModelSettings(max_tokens=9))
    )
    answer = await bench.ask(
        bench.agent(tools=[weather], hooks=hooks, limits=Limits(turns=2)), "Go"
    )
    assert (answer.status, answer.text) == ("limited", "Enough.")


def test_what_is_no_hook(emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> None:
    with pytest.raises(UsageError, match=r"Hooks\(after_call=3\)"):
        Hooks(after_call=3)  # type: ignore[arg-type]
    for wrong in (3, [3], "x", explode):
        with pytest.raises(UsageError, match="accepted are Hooks"):
            Agent("a/b", client=client, store=store, hooks=wrong)  # type: ignore[arg-type]


def test_help_tells_what_each_hook_is_given_and_what_it_may_answer() -> None:
    text = pydoc.plain(pydoc.render_doc(Hooks))
    for words in (
        "before_request(asking: Asking) -> Asking | None",
        "after_reply(asking: Asking, reply: Message) -> None",
        "before_call(context: Context) -> Mapping[str, Any] | Denied | None",
        "after_call(context: Context, result: object) -> object | None",
        "Denied(",
    ):
        assert words in text


async def test_after_call_is_told_once_of_an_agent_that_paused_in_between(bench: Bench) -> None:
    seen: list[tuple[str, str, object]] = []

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        return "paid"

    def after(context: Context[Any], result: object) -> None:
        seen.append(
            (context.invocation.name, context.invocation.status, getattr(result, "text", result))
        )

    clerk = bench.agent(tools=[pay]).as_tool("clerk", "Pays.")
    agent = bench.agent(tools=[clerk], hooks=Hooks(after_call=after))
    asks = [
        Reply([CallTool("clerk", {"prompt": "Pay"}, id="c")]),
        Reply([CallTool("pay", {"euros": 1}, id="p")]),
    ]
    bench.emulator.play(asks)
    answer = await bench.ask(agent, "Go")
    assert (answer.status, seen) == ("paused", [])
    bench.emulator.play([Reply([Say("Paid.")]), Reply([Say("Done.")])])
    assert (await agent.resume(answer.run, approve={"c/p": True})).status == "completed"
    assert seen == [("clerk", "completed", "Paid.")]


async def test_a_saved_run_cannot_bring_a_call_past_the_hooks(bench: Bench) -> None:
    sent_to: list[str] = []

    @tool(approve=True)
    def wait_for(sign: str) -> str:
        """Waits."""
        return sign

    @tool
    def send_mail(to: str) -> str:
        """Sends."""
        sent_to.append(to)
        return "sent"

    def guard(context: Context[Any]) -> Denied | None:
        arguments = context.invocation.arguments or {}
        return Denied("not home") if arguments.get("to", "home") != "home" else None

    calls = [
        CallTool("wait_for", {"sign": "x"}, id="w"),
        CallTool("send_mail", {"to": "home"}, id="m"),
    ]
    bench.emulator.play([Reply(calls), Reply([Say("Done.")])])
    agent = bench.agent(tools=[wait_for, send_mail], hooks=Hooks(before_call=guard))
    answer = await bench.ask(agent, "Go")
    saved = json.loads(answer.run.to_json())
    (mail,) = (each for each in saved["invocations"] if each["id"] == "m")
    mail.update(status="pending", arguments={"to": "evil"}, result=None)
    saved["results"] = []
    resumed = await agent.resume(
        Run.from_json(json.dumps(saved), blobs=bench.store), approve={"w": True}
    )
    assert (resumed.status, sent_to) == ("completed", ["home", "home"])
    for part in saved["messages"][-1]["parts"]:
        if part.get("id") == "m":
            part["arguments"] = '{"to": "evil"}'
    bench.emulator.play([Reply([Say("Done.")])])
    run = Run.from_json(json.dumps({**saved, "id": "run_of_another"}), blobs=bench.store)
    resumed = await agent.resume(await _asked_anew(agent, run), approve={"w": True})
    assert (resumed.invocations[1].status, sent_to) == ("denied", ["home", "home"])


async def _asked_anew(agent: Agent[Any], run: Run) -> Run:
    """The run with its questions put again."""
    return (await agent.resume(replace(run, waiting=()))).run
