"""Agents as tools: what they draw, spend and do becomes the caller's; what limits the caller limits
them.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import (
    Agent,
    Answer,
    Context,
    Denied,
    Image,
    ImageGeneration,
    ImageReady,
    InvocationProgress,
    Limits,
    Run,
    Text,
    TextDelta,
    Toolset,
    Usage,
    tool,
)
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import DeadlineExceeded, ToolDefinitionError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.tools import Billed, encode_words
from tests.clock import FOREVER, advance, until
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)
OTHER = picture(size=(150, 120), noise=80)


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def priced(usd: float) -> dict[str, Any]:
    return {"cost": usd}


def sent(bench: Bench, number: int = -1) -> str:
    posts = [request for request in bench.emulator.requests if request.method == "POST"]
    return json.dumps(posts[number].body, ensure_ascii=False)


def painter(bench: Bench, **options: Any) -> Agent[Any]:
    return bench.agent(tools=[look, ImageGeneration()], name="painter", **options)


ASK = Reply([CallTool("paint", {"prompt": "Draw a fox"}, id="call_3")], usage=priced(0.25))


async def test_what_it_draws_spends_and_does_is_the_callers(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply([Draw("a hare", data=OTHER)], usage=priced(1)),
            ASK,
            Reply([CallTool("look", {"at": "foxes"}, id="call_1")], usage=priced(0.5)),
            Reply([Draw("a fox", data=BIG), Say("Here is img_1.")], usage=priced(2)),
            Reply([Say("Done.")], usage=priced(0.125)),
        ]
    )
    store = MemoryImageStore()
    boss = bench.agent(
        tools=[painter(bench, store=store).as_tool("paint", "Paints."), ImageGeneration()]
    )
    chat = boss.conversation()
    await bench.ask(chat, "Draw a hare")
    answer = await bench.ask(chat, "Let it be painted")
    assert answer.text == "Done."
    (image,) = answer.images
    assert (image.name, image.bytes()) == ("img_2", BIG)
    assert image.invocation_id is not None
    assert image.invocation_id.startswith("call_3/")
    call, inner, drew = answer.invocations
    assert (call.id, call.name, call.status, call.result) == (
        "call_3",
        "paint",
        "completed",
        "Here is img_2.",
    )
    assert (call.cost_usd, call.images) == (2.5, ("img_2",))
    assert (inner.id, inner.name, inner.result) == ("call_3/call_1", "look", "saw foxes")
    assert (drew.executor, drew.images) == ("server", ("img_2",))
    assert answer.usage.cost_usd == 2.875
    assert (answer.usage.requests, answer.usage.images) == (4, 1)
    assert chat.usage.images == 2
    assert "Here is img_2." in sent(bench)
    assert "Here is img_1." not in sent(bench)


async def test_pictures_are_given_by_handle(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply([CallTool("hat", {"prompt": "A hat on it", "pictures": ["img_1"]}, id="call_3")]),
            Reply([Draw("a hat", data=BIG), Say("img_1 became img_2.")]),
            Reply([Say("Done.")]),
        ]
    )
    worker = painter(bench).as_tool("hat", "Puts hats on.")
    assert set(worker.schema["properties"]) == {"prompt", "pictures", "files"}
    assert worker.schema["required"] == ["prompt"]
    answer = await bench.ask(bench.agent(tools=[worker]), ["A hat please", Image.from_bytes(OTHER)])
    assert answer.invocations[0].result == "img_1 became img_2."
    assert [image.name for image in answer.images] == ["img_2"]
    assert answer.images[0].parents == ("img_1",)
    assert "A hat on it" in sent(bench, 1)
    assert "A hat please" not in sent(bench, 1)


async def test_its_events_are_progress_of_the_call(bench: Bench) -> None:
    bench.emulator.play(
        [ASK, Reply([Say("A fox: "), Draw("a fox", data=BIG)]), Reply([Say("Done.")])]
    )
    boss = bench.agent(tools=[painter(bench).as_tool("paint", "Paints.")])
    async with boss.stream("Go") as stream:
        events = [event async for event in stream]
    progress = [
        event
        for event in events
        if isinstance(event, InvocationProgress) and event.invocation.id == "call_3"
    ]
    assert "A fox:" in "".join(
        each.message for each in progress if isinstance(each.event, TextDelta)
    )
    assert any(isinstance(each.event, ImageReady) for each in progress)
    assert [event.image.name for event in events if isinstance(event, ImageReady)] == ["img_1"]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Done."


async def test_an_error_goes_to_the_model_and_what_was_drawn_stays(bench: Bench) -> None:
    bench.emulator.play(
        [
            ASK,
            Reply([Draw("a fox", data=BIG), CallTool("look", {"at": "it"})], usage=priced(2)),
            Reply(error=Failure("the provider broke", 400)),
            Reply([Say("Pity.")], usage=priced(0.125)),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[painter(bench).as_tool("paint", "Paints.")]), "Go")
    assert answer.text == "Pity."
    assert answer.invocations[0].status == "failed"
    assert "the provider broke" in (answer.invocations[0].error or "")
    assert [image.bytes() for image in answer.images] == [BIG]
    assert answer.usage.cost_usd == 2.375
    assert answer.invocations[0].cost_usd == 2
    assert "img_1" in sent(bench)


async def test_limits_are_shared(bench: Bench) -> None:
    bench.emulator.play(
        [
            ASK,
            Reply([Draw("a fox", data=BIG), CallTool("look", {"at": "it"})]),
            Reply([Say("One it is.")]),
            Reply([Say("No more.")]),
        ]
    )
    worker = painter(bench).as_tool("paint", "Paints.")
    answer = await bench.ask(
        bench.agent(tools=[worker], limits=Limits(images=1, tool_calls=4)), "Go"
    )
    assert answer.status == "limited"
    assert "openrouter:image_generation" in str(json.loads(sent(bench, 1))["tools"])
    assert "openrouter:image_generation" not in str(json.loads(sent(bench, 2))["tools"])
    assert "stopped at its limit" in (answer.invocations[0].result or "")


async def test_tool_calls_are_shared(bench: Bench) -> None:
    bench.emulator.play(
        [
            ASK,
            Reply([CallTool("look", {"at": str(number)}) for number in range(5)]),
            Reply([Say("So far.")]),
            Reply([Say("End.")]),
        ]
    )
    worker = painter(bench).as_tool("paint", "Paints.")
    answer = await bench.ask(bench.agent(tools=[worker], limits=Limits(tool_calls=3)), "Go")
    assert [each.status for each in answer.invocations].count("completed") == 3
    assert answer.status == "limited"


async def test_money_is_shared(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply([CallTool("paint", {"prompt": "a"}, id="call_3")], usage=priced(0.1)),
            Reply([CallTool("look", {"at": "it"})], usage=priced(1)),
            Reply([Say("never asked")], usage=priced(1)),
        ]
    )
    worker = painter(bench).as_tool("paint", "Paints.")
    answer = await bench.ask(bench.agent(tools=[worker], limits=Limits(cost_usd=1.0)), "Go")
    assert answer.status == "limited"
    assert len(bench.emulator.requests) == 2
    assert answer.usage.cost_usd == pytest.approx(1.1)


async def test_time_is_shared(bench: Bench) -> None:
    @tool
    async def sleep() -> str:
        """Sleeps."""
        advance(850)
        await asyncio.sleep(FOREVER)
        return "never"

    bench.emulator.play(
        [
            Reply([CallTool("nap", {"prompt": "Sleep"}, id="call_3")]),
            Reply([CallTool("sleep", id="call_1")]),
            Reply([Say("Slept badly.")]),
            Reply([Say("No time.")]),
        ]
    )
    worker = bench.agent(tools=[sleep]).as_tool("nap", "Sleeps.")
    answer = await bench.ask(bench.agent(tools=[worker], limits=Limits(seconds=1000)), "Go")
    assert answer.text == "No time."
    assert "Slept badly." in (answer.invocations[0].result or "")


async def test_a_time_out_keeps_what_was_drawn(bench: Bench) -> None:
    bench.emulator.play(
        [
            ASK,
            Reply([Draw("a fox", data=BIG), CallTool("look", {"at": "it"})], usage=priced(2)),
            Reply([Say("late")], delay=FOREVER),
            Reply([Say("Late.")]),
        ]
    )
    worker = painter(bench).as_tool("paint", "Paints.", timeout=500)
    asked = asyncio.create_task(bench.ask(bench.agent(tools=[worker]), "Go"))
    await until(lambda: len(bench.emulator.posts) == 3)
    advance(500)
    answer = await asked
    assert answer.invocations[0].status == "failed"
    assert [image.bytes() for image in answer.images] == [BIG]
    assert answer.invocations[0].cost_usd == 2


async def test_a_cancellation_keeps_what_was_drawn(bench: Bench) -> None:
    bench.emulator.play(
        [
            ASK,
            Reply(
                [Draw("a fox", data=BIG), CallTool("look", {"at": "it"}, id="call_1")],
                usage=priced(2),
            ),
            Reply([Say("late")], delay=FOREVER),
        ]
    )
    boss = bench.agent(tools=[painter(bench, store=MemoryImageStore()).as_tool("paint", "Paints.")])
    async with boss.stream("Go") as stream:
        async for event in stream:
            if isinstance(event, InvocationProgress) and event.message == "look completed":
                break
        await until(lambda: len(bench.emulator.posts) == 3)
    run = stream.run
    assert run is not None
    assert [(image.name, image.bytes()) for image in run.images] == [("img_1", BIG)]
    assert run.usage.cost_usd == 2.25
    assert [each.id for each in run.pending] == ["call_3"]
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_agents_that_call_one_another_in_a_circle_are_stopped(bench: Bench) -> None:
    deep = Reply([CallTool("again", {"prompt": "deeper"}, id="call_1")])
    bench.emulator.play([deep] * 6 + [Reply([Say("Enough.")])] * 6)
    agents: list[Agent[Any]] = []
    agents.append(
        bench.agent(tools=[Toolset(lambda _: [agents[0].as_tool("again", "Calls itself.")])])
    )
    answer = await bench.ask(agents[0], "Go")
    assert answer.text == "Enough."
    assert len(answer.invocations) == 6
    assert answer.invocations[-1].id == "/".join(["call_1"] * 6)
    assert "more than 5 deep" in (answer.invocations[-1].error or "")


async def test_two_at_once(bench: Bench) -> None:
    both = [CallTool("ask", {"prompt": f"Say {word}"}, id=word) for word in ("one", "two")]
    bench.emulator.play(
        [Reply(both), Reply([Say("a word")]), Reply([Say("a word")]), Reply([Say("Both.")])]
    )
    answer = await bench.ask(bench.agent(tools=[bench.agent().as_tool("ask", "Asks.")]), "Go")
    assert [(each.id, each.result) for each in answer.invocations] == [
        ("one", "a word"),
        ("two", "a word"),
    ]
    assert answer.usage.requests == 4


async def test_it_gets_the_callers_deps(bench: Bench) -> None:
    @tool
    def who(context: Context[str]) -> str:
        """Tells who asks."""
        return context.deps

    bench.emulator.play(
        [
            Reply([CallTool("ask", {"prompt": "?"})]),
            Reply([CallTool("who")]),
            Reply([Say("x")]),
            Reply([Say("y")]),
        ]
    )
    worker = bench.agent(tools=[who]).as_tool("ask", "Asks.")
    answer = await bench.ask(bench.agent(tools=[worker]), "Go", deps="Ada")
    assert answer.invocations[1].result == "Ada"


def buying(bench: Bench, spent: list[int]) -> Agent[Any]:
    @tool(approve=True)
    def buy(euros: int) -> str:
        """Buys something."""
        spent.append(euros)
        return f"bought for {euros}"

    return bench.agent(tools=[bench.agent(tools=[buy]).as_tool("shop", "Shops.")])


async def test_what_waits_for_a_person_is_the_callers_to_ask(bench: Bench) -> None:
    spent: list[int] = []
    boss = buying(bench, spent)
    bench.emulator.play(
        [
            Reply([CallTool("shop", {"prompt": "Tea"}, id="call_3")], usage=priced(1)),
            Reply([CallTool("buy", {"euros": 3}, id="b")], usage=priced(2)),
        ]
    )
    answer = await bench.ask(boss, "Shop")
    assert answer.status == "paused"
    (pending,) = answer.pending
    assert (pending.id, pending.name, pending.arguments) == ("call_3/b", "buy", {"euros": 3})
    assert answer.usage.cost_usd == 3
    with pytest.raises(UsageError, match="call_3/b"):
        await boss.resume(answer.run, approve={"call_3": True})
    run = Run.from_json(answer.run.to_json(), blobs=bench.store)
    bench.emulator.play(
        [Reply([Say("Bought.")], usage=priced(4)), Reply([Say("All done.")], usage=priced(8))]
    )
    resumed = await boss.resume(run, approve={"call_3/b": True})
    assert (resumed.status, resumed.text, spent) == ("completed", "All done.", [3])
    assert [(each.id, each.status) for each in resumed.invocations] == [
        ("call_3", "completed"),
        ("call_3/b", "completed"),
    ]
    assert resumed.usage.cost_usd == 15
    assert resumed.usage.requests == 4
    assert resumed.invocations[0].cost_usd == 6
    assert resumed.run.nested == ()


async def test_a_denied_call_of_a_sub_agent(bench: Bench) -> None:
    spent: list[int] = []
    boss = buying(bench, spent)
    bench.emulator.play(
        [
            Reply([CallTool("shop", {"prompt": "Tea"}, id="call_3")]),
            Reply([CallTool("buy", {"euros": 3}, id="b")]),
        ]
    )
    answer = await bench.ask(boss, "Shop")
    bench.emulator.play([Reply([Say("Not bought.")]), Reply([Say("Pity.")])])
    resumed = await boss.resume(answer.run, approve={"call_3/b": Denied("too dear")})
    assert (resumed.text, spent) == ("Pity.", [])
    assert resumed.invocations[1].status == "denied"
    assert "too dear" in sent(bench, -2)


async def test_a_turn_that_waits_for_a_sub_agent_can_be_kept(bench: Bench) -> None:
    boss = buying(bench, [])
    bench.emulator.play(
        [
            Reply([CallTool("shop", {"prompt": "Tea"}, id="call_3")]),
            Reply([CallTool("buy", {"euros": 3}, id="b")]),
        ]
    )
    chat = boss.conversation()
    answer = await bench.ask(chat, "Shop")
    kept = chat.adopt(answer.run)
    assert [each.status for each in kept.invocations] == ["cancelled", "cancelled"]
    bench.emulator.play([Reply([Say("Well.")])])
    assert (await bench.ask(chat, "And now?")).text == "Well."


async def test_the_agent_itself_can_need_approval(bench: Bench) -> None:
    worker = bench.agent().as_tool(
        "shop", "Shops.", approve=lambda arguments: "tea" in arguments["prompt"]
    )
    boss = bench.agent(tools=[worker])
    bench.emulator.play([Reply([CallTool("shop", {"prompt": "tea"}, id="call_3")])])
    answer = await bench.ask(boss, "Shop")
    assert [each.id for each in answer.pending] == ["call_3"]
    bench.emulator.play([Reply([Say("Bought.")]), Reply([Say("Done.")])])
    assert (await boss.resume(answer.run, approve={"call_3": True})).text == "Done."


async def test_a_tool_that_returns_an_answer_is_an_agent_too(bench: Bench) -> None:
    worker = painter(bench)

    @tool
    async def paint(what: str) -> Answer[Any]:
        """Paints."""
        return await worker.run(f"Draw {what}")

    bench.emulator.play(
        [
            Reply([CallTool("paint", {"what": "a fox"}, id="call_3")], usage=priced(1)),
            Reply([Draw("a fox", data=BIG), Say("Here.")], usage=priced(2)),
            Reply([Say("Done.")], usage=priced(4)),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[paint]), "Go")
    assert answer.usage.cost_usd == 7
    assert [image.bytes() for image in answer.images] == [BIG]
    assert answer.invocations[0].result == "Here.\n\n[pictures: img_1]"


async def test_a_tool_cannot_pass_on_that_an_agent_waits(bench: Bench) -> None:
    spent: list[int] = []
    shop = buying(bench, spent)

    @tool
    async def order(what: str) -> Answer[Any]:
        """Orders."""
        return await shop.run(what)

    bench.emulator.play(
        [
            Reply([CallTool("order", {"what": "tea"}, id="call_3")], usage=priced(1)),
            Reply([CallTool("shop", {"prompt": "Tea"}, id="s")], usage=priced(2)),
            Reply([CallTool("buy", {"euros": 3}, id="b")], usage=priced(4)),
            Reply([Say("Pity.")], usage=priced(8)),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[order]), "Go")
    assert (answer.status, answer.text, spent) == ("completed", "Pity.", [])
    assert "waits for a person" in (answer.invocations[0].error or "")
    assert [(each.id, each.status) for each in answer.invocations[1:]] == [
        ("call_3/s", "cancelled"),
        ("call_3/s/b", "cancelled"),
    ]
    assert answer.usage.cost_usd == 15


@given(st.text(st.sampled_from("img_1234/ ,.\n\udc80é"), max_size=60))
def test_words_keep_all_but_the_handles(text: str) -> None:
    red, blue = Image.from_bytes(picture("red", (3, 3))), Image.from_bytes(picture("blue", (3, 3)))
    own = {red.sha256: replace(red, name="img_40"), blue.sha256: replace(blue, name="img_50")}
    (words, *_) = encode_words(text, {"img_1": red, "img_2": blue}).parts(
        lambda image: own[image.sha256]
    )
    assert isinstance(words, Text)
    body = words.text.partition("\n\n[pictures: ")[0] if "[pictures: " in words.text else words.text
    body = body.removeprefix("[pictures: img_40, img_50]")
    assert re.sub(r"img_[45]0", "img_#", body) == re.sub(
        r"(?<![\w/])img_[12](?!\w)",
        "img_#",
        text.replace("\udc80", "\ufffd").replace("img_40", "img_#").replace("img_50", "img_#"),
    )


async def test_a_tool_that_spends_says_so(bench: Bench) -> None:
    usage = Usage(requests=1, priced_requests=1, cost_usd=0.5)

    @tool
    def shoot(what: str) -> Billed[Image]:
        """Takes a picture."""
        return Billed(Image.from_bytes(BIG if what == "a fox" else OTHER), usage)

    @tool
    def fail() -> Billed[object]:
        """Spends, and has nothing to show for it."""
        return Billed(object(), usage)

    bench.emulator.play(
        [
            Reply([CallTool("shoot", {"what": "a fox"}), CallTool("fail")], usage=priced(1)),
            Reply([Say("x")], usage=priced(1)),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[shoot, fail]), "Go")
    assert answer.usage.cost_usd == 3
    assert [each.cost_usd for each in answer.invocations] == [0.5, 0.5]
    assert [each.status for each in answer.invocations] == ["completed", "failed"]
    assert answer.images[0].cost_usd == 0.5
    assert answer.usage.images == 1


async def test_by_hand_and_by_a_wrong_name(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Yes.")])])
    worker = bench.agent().as_tool("ask", "Asks.")
    assert (await worker("Really?")).text == "Yes."
    with pytest.raises(ToolDefinitionError, match="two words"):
        bench.agent().as_tool("two words", "x")


async def test_the_callers_deadline_stops_it(bench: Bench) -> None:
    bench.emulator.play(
        [ASK, Reply([Say("late")], delay=FOREVER), Reply([Say("late")], delay=FOREVER)]
    )
    worker = painter(bench).as_tool("paint", "Paints.")
    agent = bench.agent(tools=[worker], limits=Limits(seconds=1000))
    asked = asyncio.create_task(bench.ask(agent, "Go"))
    await until(lambda: len(bench.emulator.posts) == 2)
    advance(1000)
    with pytest.raises(DeadlineExceeded):
        await asked
