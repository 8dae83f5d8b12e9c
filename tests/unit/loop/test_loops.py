"""A model that makes the same call over and over is told, then stopped, in all four ways."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Image, InvocationFinished, Limits, Run, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.studio import Studio
from tests.conftest import Bench, picture

ran: list[str] = []


@tool
def look(at: str, closely: bool = False) -> str:
    """Looks."""
    ran.append(at)
    return f"saw {at}"


@tool
def fail() -> str:
    """Fails."""
    ran.append("fail")
    raise RuntimeError("as ever")


@tool(repeats=True)
def status(job: str) -> str:
    """How far a job is."""
    ran.append(job)
    return "still running"


@pytest.fixture(autouse=True)
def fresh() -> None:
    ran.clear()


def calls(*arguments: Any, name: str = "look") -> Reply:
    return Reply([CallTool(name, each) for each in arguments])


HERE = {"at": "here"}


async def test_the_third_equal_call_is_steered_and_the_next_ends_the_run_in_words(
    bench: Bench,
) -> None:
    bench.emulator.play([calls(HERE)] * 4 + [Reply([Say("I give up.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert ran == ["here", "here"]
    assert [each.status for each in answer.invocations] == [
        "completed",
        "completed",
        "cancelled",
        "cancelled",
    ]
    assert "3 times in a row with the same arguments" in (answer.invocations[2].error or "")
    assert (answer.status, answer.limit, answer.text) == ("limited", "repeats", "I give up.")
    assert len(bench.emulator.requests) == 5
    assert bench.emulator.requests[-1].body["tool_choice"] == "none"


async def test_the_model_reads_the_steering_and_may_go_on(bench: Bench) -> None:
    bench.emulator.play(
        [*[calls(HERE)] * 3, calls({"at": "there"}), *[calls(HERE)] * 2, Reply([Say("Found it.")])]
    )
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert ran == ["here", "here", "there", "here", "here"]
    assert (answer.status, answer.limit, answer.text) == ("completed", None, "Found it.")
    assert "Do something else" in str(bench.emulator.requests[3].body)


async def test_equal_calls_of_one_reply_are_that_many_calls(bench: Bench) -> None:
    bench.emulator.play([calls(*[HERE] * 5), Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert ran == ["here"] * 5
    assert [each.status for each in answer.invocations] == ["completed"] * 5
    assert (answer.status, answer.text) == ("completed", "Well.")


async def test_replies_are_counted_however_often_each_makes_its_calls(bench: Bench) -> None:
    there = CallTool("look", {"at": "there"})
    for first, second in (([HERE] * 2, [HERE]), ([HERE], [HERE] * 3)):
        ran.clear()
        bench.emulator.play(
            [calls(*first), calls(*second), calls(HERE), calls(HERE), Reply([Say("Well.")])]
        )
        answer = await bench.ask(bench.agent(tools=[look]), "Go")
        assert ran == ["here"] * (len(first) + len(second))
        assert (answer.status, answer.limit) == ("limited", "repeats")
    both = [CallTool("look", HERE), there]
    ran.clear()
    bench.emulator.play([Reply(both), Reply(both[::-1]), Reply(both), Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert sorted(ran) == ["here", "here", "there", "there"]
    assert [each.status for each in answer.invocations[4:]] == ["cancelled"] * 2


async def test_arguments_are_the_same_however_they_are_written(bench: Bench) -> None:
    written = [
        '{"at":"here","closely":true}',
        '{ "closely" : true, "at" : "here" }',
        '{"at":"h\\u0065re","closely":true}',
    ]
    bench.emulator.play([*[calls(each) for each in written], Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert [each.status for each in answer.invocations] == ["completed", "completed", "cancelled"]


async def test_calls_that_fail_count_too(bench: Bench) -> None:
    bench.emulator.play([calls({}, name="fail")] * 4 + [Reply([Say("No.")])])
    answer = await bench.ask(bench.agent(tools=[fail]), "Go")
    assert ran == ["fail", "fail"]
    assert [each.status for each in answer.invocations] == [
        "failed",
        "failed",
        "cancelled",
        "cancelled",
    ]
    assert answer.limit == "repeats"


async def test_so_do_arguments_that_are_no_json_and_tools_that_do_not_exist(bench: Bench) -> None:
    for reply in (calls("{oops"), calls({}, name="fly")):
        bench.emulator.play([reply] * 4 + [Reply([Say("No.")])])
        answer = await bench.ask(bench.agent(tools=[look]), "Go")
        assert [each.status for each in answer.invocations] == [
            "failed",
            "failed",
            "cancelled",
            "cancelled",
        ]
        assert answer.limit == "repeats"


async def test_other_arguments_and_other_tools_in_between_are_no_loop(bench: Bench) -> None:
    replies = [
        Reply([CallTool("look", HERE), CallTool("look", {"at": f"there {number}"})])
        for number in range(5)
    ]
    bench.emulator.play([*replies, Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert len(ran) == 10
    assert answer.status == "completed"


async def test_a_tool_that_repeats_may(bench: Bench) -> None:
    bench.emulator.play([calls({"job": "7"}, name="status")] * 6 + [Reply([Say("Still running.")])])
    answer = await bench.ask(bench.agent(tools=[status]), "Go")
    assert len(ran) == 6
    assert answer.status == "completed"


async def test_a_new_prompt_begins_anew(bench: Bench) -> None:
    chat = bench.agent(tools=[look]).conversation()
    for _ in range(3):
        bench.emulator.play([calls(HERE), calls(HERE), Reply([Say("Well.")])])
        assert (await bench.ask(chat, "Look again")).status == "completed"
    assert len(ran) == 6


@tool
async def paint(colour: str) -> Image:
    """A plain picture of a colour."""
    ran.append(colour)
    return Image.from_bytes(picture(colour, (12, 12)))


async def test_equal_calls_that_draw_count_before_the_first_starts(bench: Bench) -> None:
    """As many as the limit leaves are run; a picture that came before is not drawn again."""
    bench.emulator.play([calls(*[{"colour": "red"}] * 3, name="paint"), Reply([Say("Well.")])])
    agent = bench.agent(tools=[paint], limits=Limits(images=2))
    answer = await bench.ask(agent, "Go")
    assert ran == ["red", "red"]
    assert [each.status for each in answer.invocations] == ["completed"] * 2 + ["cancelled"]
    assert "the limit of images is reached" in (answer.invocations[2].error or "")


async def test_equal_calls_wait_for_one_another_under_a_limit_in_money(
    bench: Bench,
) -> None:
    """What the first costs is known before the second starts: more than the catalogue says."""
    studio = Studio(client=bench.client, store=bench.store)
    bench.emulator.play(
        [
            calls(*[{"prompt": "a fox"}] * 3, name="draw_image"),
            *[Reply([Draw("a fox", data=picture())], usage={"cost": 0.4})] * 2,
            Reply([Say("Well.")], usage={"cost": 0.01}),
        ]
    )
    agent = bench.agent(tools=studio.tools(), limits=Limits(cost_usd=0.9))
    answer = await bench.ask(agent, "Go")
    drawn = [each for each in bench.emulator.requests if each.path.endswith("/images")]
    assert len([each for each in drawn if each.method == "POST"]) == 2
    assert [each.status for each in answer.invocations] == ["completed"] * 2 + ["failed"]


@pytest.mark.parametrize("between", [False, True])
async def test_a_call_that_is_cut_off_is_asked_for_once_more(bench: Bench, between: bool) -> None:
    cut = Reply([CallTool("look", '{"at": "he')], finish_reason="length")
    if between:
        bench.emulator.play([cut, calls(HERE), cut, calls(HERE), Reply([Say("Well.")])])
        answer = await bench.ask(bench.agent(tools=[look]), "Go")
        assert (answer.status, ran) == ("completed", ["here", "here"])
        return
    bench.emulator.play([cut, cut, Reply([Say("Yes.")])])
    chat = bench.agent(tools=[look]).conversation()
    answer = await bench.ask(chat, "Go")
    assert (answer.status, answer.limit, ran) == ("limited", "max_tokens", [])
    assert len(bench.emulator.requests) == 2
    assert [each.status for each in answer.invocations] == ["cancelled"] * 2
    assert (await bench.ask(chat, "And?")).text == "Yes."


async def test_a_call_that_is_not_run_is_told_as_an_event(bench: Bench) -> None:
    bench.emulator.play([*[calls(HERE)] * 3, Reply([Say("Well.")])])
    async with bench.agent(tools=[look]).stream("Go") as stream:
        events = [each async for each in stream]
    ended = [each.invocation.status for each in events if isinstance(each, InvocationFinished)]
    assert sorted(ended) == ["cancelled", "completed", "completed"]


async def test_a_call_that_needs_approval_is_not_asked_for_a_third_time(bench: Bench) -> None:
    @tool(approve=True)
    def pay(usd: int) -> str:
        """Pays."""
        return "paid"

    bench.emulator.play([calls({"usd": 5}, name="pay")] * 3 + [Reply([Say("Well.")])])
    agent = bench.agent(tools=[pay])
    answer = await bench.ask(agent, "Go")
    for _ in range(2):
        assert answer.status == "paused"
        answer = await agent.resume(answer.run, approve={answer.pending[0].id: False})
    assert answer.status == "completed"
    assert [each.status for each in answer.invocations] == ["denied", "denied", "cancelled"]


async def test_arguments_that_never_fit_are_repaired_twice_and_then_the_run_is_closed(
    bench: Bench,
) -> None:
    wrong = [calls({"at": [number]}) for number in range(9)]
    bench.emulator.play([*wrong[:3], Reply([Say("I cannot look.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert ran == []
    assert [each.status for each in answer.invocations] == ["failed"] * 3
    assert (answer.status, answer.limit, answer.text) == ("limited", "repeats", "I cannot look.")


async def test_arguments_that_fit_in_between_begin_the_count_anew(bench: Bench) -> None:
    wrong = [calls({"at": [number]}) for number in range(9)]
    bench.emulator.play([*wrong[:2], calls(HERE), *wrong[2:4], Reply([CallTool("look", {"at": [9]}), CallTool("look", HERE)]),
                         *wrong[5:7], Reply([Say("Found it.")])])  # fmt: skip
    answer = await bench.ask(bench.agent(tools=[look]), "Go")
    assert ran == ["here", "here"]
    assert (answer.status, answer.text) == ("completed", "Found it.")


async def test_a_healthy_tool_may_say_that_arguments_do_not_fit(bench: Bench) -> None:
    @tool
    def lint(line: int) -> str:
        """Looks at a line of somebody's program."""
        ran.append("lint")
        return f"The arguments do not fit:\n- line {line} calls f(x) with two values"

    lines = [calls({"line": number}, name="lint") for number in range(4)]
    bench.emulator.play([*lines, Reply([Say("Four faults.")])])
    answer = await bench.ask(bench.agent(tools=[lint]), "Go")
    assert ran == ["lint"] * 4
    assert [each.status for each in answer.invocations] == ["completed"] * 4
    assert (answer.status, answer.limit, answer.text) == ("completed", None, "Four faults.")


async def test_a_saved_run_remembers_which_calls_were_rejected(bench: Bench) -> None:
    @tool(approve=True)
    def measure(at: str) -> str:
        """Measures."""
        raise AssertionError("nobody approved it")

    wrong = [calls({"at": [number]}, name="measure") for number in range(9)]
    bench.emulator.play([*wrong[:2], calls(HERE, name="measure"), *wrong[3:5], Reply([Say("No.")])])
    agent = bench.agent(tools=[measure])
    answer = await bench.ask(agent, "Go")
    assert answer.status == "paused"
    run = Run.from_json(answer.run.to_json(), blobs=agent.store)
    results = [
        part for message in run.messages for part in message.parts if part.kind == "tool_result"
    ]
    assert [each.rejected for each in results] == [True, True]
