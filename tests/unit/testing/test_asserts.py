"""The assertions: what they let pass, and what they say where they do not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agentkit import Agent, ImageGeneration, Limits, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import UsageError
from agentkit.images import MemoryImageStore
from agentkit.studio import Studio
from agentkit.testing import (
    assert_billed_once,
    assert_called,
    assert_calls,
    assert_completed,
    assert_drawn,
    assert_no_base64,
    assert_nothing_billed,
    assert_script_played,
    assert_told,
)
from tests.conftest import Bench, Way, picture

PNG = picture(size=(160, 120), noise=7)


@tool
def weather(city: str, day: str = "today") -> str:
    """The weather in a city."""
    return f"Snow in {city}, {day}"


async def test_what_holds_passes_alike_in_all_four_ways(bench: Bench) -> None:
    bench.emulator.play(
        CallTool("weather", {"city": "Oslo"}),
        Reply([Say("Snow. "), Draw("a fox", data=PNG)]),
    )
    agent = bench.agent(tools=[weather, ImageGeneration()], instructions="You paint.")
    answer = await bench.ask(agent, "Draw the weather in Oslo")

    assert_completed(answer)
    (fox,) = assert_drawn(answer, 1)
    assert fox.bytes() == PNG
    assert assert_called(answer, "weather", city="Oslo").result == "Snow in Oslo, today"
    drawing = next(call for call in answer.invocations if call.executor == "server")
    assert_calls(answer, ("weather", {"city": "Oslo"}), drawing.name)
    assert_no_base64(answer, answer.run, answer.messages, answer.text)
    assert_billed_once(bench.emulator)
    assert_script_played(bench.emulator)
    assert_told(bench.emulator, "You paint.", "Snow in Oslo, today")
    first, second = bench.emulator.told
    assert first == "system: You paint.\nuser: Draw the weather in Oslo"
    called = 'assistant calls weather({"city": "Oslo"})'
    assert second == f"{first}\n{called}\ntool: Snow in Oslo, today"


@pytest.fixture
def one(emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> Bench:
    """For what is the same in all four ways."""
    return Bench(Way("chat", stream=False), emulator, client, store)


async def test_other_calls_than_those_that_were_wanted(one: Bench) -> None:
    one.emulator.play(
        [
            CallTool("weather", {"city": "Oslo"}),
            CallTool("weather", {"town": "Bergen"}),
            "Snow.",
        ]
    )
    answer = await one.ask(one.agent(tools=[weather]), "Go")
    with pytest.raises(AssertionError) as told:
        assert_calls(answer, ("weather", {"city": "Bergen"}), "wind")
    assert str(told.value).splitlines()[:5] == [
        "other tool calls were wanted:",
        "  weather(city='Bergen')",
        "  wind",
        "these were made:",
        "  weather(city='Oslo') completed",
    ]
    with pytest.raises(AssertionError, match=r"no call fits weather\(city='Oslo', day='now'\)"):
        assert_called(answer, "weather", city="Oslo", day="now")
    with pytest.raises(AssertionError, match="wanted:\n  none\n"):
        assert_calls(answer)


async def test_too_few_pictures_and_one_that_failed(one: Bench) -> None:
    one.emulator.play("I cannot draw.", Draw("a fox", status="error", error="the kiln is cold"))
    agent = one.agent(tools=[ImageGeneration()])
    with pytest.raises(AssertionError, match="wanted: one picture or more; came: 0") as told:
        assert_drawn(await one.ask(agent, "Draw a fox"))
    assert "it said: 'I cannot draw.'" in str(told.value)
    with pytest.raises(AssertionError, match="failed: .*kiln"):
        assert_drawn(await one.ask(agent, "Draw a fox"), 0)


async def test_a_drawing_of_a_studio_is_drawn(emulator: Emulator, one: Bench) -> None:
    studio = Studio("openai/gpt-5-image", client=one.client, store=one.store)
    assert_drawn(await studio.draw("a fox"), 1)
    assert_billed_once(emulator)


async def test_an_answer_that_is_not_whole(one: Bench) -> None:
    one.emulator.play(CallTool("weather", {"city": "Oslo"}), "Out of turns.")
    limited = await one.ask(
        one.agent(tools=[weather], limits=Limits(turns=1)), "The weather in Oslo?"
    )
    with pytest.raises(AssertionError, match="'limited': the limit 'turns' ended it"):
        assert_completed(limited)
    one.emulator.play(CallTool("weather", {"city": "Oslo"}))
    asking = one.agent(tools=[tool(weather.function, approve=True)])
    with pytest.raises(AssertionError, match=r"'paused': a person must decide about weather \("):
        assert_completed(await one.ask(asking, "The weather in Oslo?"))


async def test_base64_is_found_where_it_stands(tmp_path: Path) -> None:
    import base64

    text = base64.b64encode(PNG).decode()
    for value, where in [
        (f"see data:image/png;base64,{text}", "the value"),
        ({"rows": [1, {"cell": text}]}, "['rows'][1]['cell']"),
        (text.encode(), "the value"),
        (Say(f"![fox](data:image/png;base64,{text})"), "the value.text"),
    ]:
        with pytest.raises(AssertionError, match="base64 of a picture") as told:
            assert_no_base64(value)
        assert where in str(told.value)
        assert len(str(told.value)) < 250
    file = tmp_path / "app.log"
    file.write_text(f"drew {text}")
    with pytest.raises(AssertionError, match=r"app\.log"):
        assert_no_base64("nothing here", file)


def test_a_log_is_free_of_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("any").warning("a picture of %d bytes", len(PNG))
    assert_no_base64(caplog.text, caplog.records)


async def test_what_was_billed_twice_is_told(one: Bench) -> None:
    """By requests of another client, for agentkit sends none twice."""
    import httpx2

    body = {"model": "openai/gpt-5.2", "messages": [{"role": "user", "content": "Hello"}]}
    with pytest.raises(AssertionError, match="nothing was billed: no request came"):
        assert_billed_once(one.emulator)
    one.emulator.play(Failure("busy", 429), "Hello", "Hello")
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer any"}) as http:
        url = f"{one.emulator.base_url}/chat/completions"
        await http.post(url, json=body)
        assert_nothing_billed(one.emulator)
        await http.post(url, json=body)
        assert_billed_once(one.emulator)  # what was refused may be asked for again
        await http.post(url, json=body)
    with pytest.raises(AssertionError, match="request 2 is request 1 again") as told:
        assert_billed_once(one.emulator)
    assert "\n  0: chat, status 429, not billed" in str(told.value)
    with pytest.raises(AssertionError, match=r"\$0\.\d+ was billed"):
        assert_nothing_billed(one.emulator)


async def test_what_the_model_was_not_told(one: Bench) -> None:
    with pytest.raises(AssertionError, match="there is no request -1: 0 were made"):
        assert_told(one.emulator, "Hello")
    await one.ask(one.agent(instructions="You paint."), "Hello")
    with pytest.raises(AssertionError) as told:
        assert_told(one.emulator, "Hello", "You sing.", request=0)
    assert str(told.value) == (
        "the model was not told 'You sing.', but:\n  system: You paint.\n  user: Hello"
    )


async def test_a_script_that_is_too_long_or_too_short(one: Bench) -> None:
    one.emulator.play("one", "two")
    await one.ask(one.agent(), "Hello")
    with pytest.raises(AssertionError, match="never asked for, of the script: 1 reply") as told:
        assert_script_played(one.emulator)
    assert "Reply(content=(Say(text='two'),))" in str(told.value)


def test_what_is_no_answer_is_refused(emulator: Emulator) -> None:
    forgotten = Agent("openai/gpt-5.2").run("Hello")
    with pytest.raises(UsageError, match=r"assert_drawn\(answer=<coroutine.*await it first"):
        assert_drawn(forgotten)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"assert_calls\(answer='Hello'\): accepted is"):
        assert_calls("Hello")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"assert_billed_once\(emulator=None\)"):
        assert_billed_once(None)  # type: ignore[arg-type]


async def test_arguments_of_the_assertions_are_checked(one: Bench) -> None:
    answer = await one.ask(one.agent(), "Hello")
    with pytest.raises(UsageError, match=r"count=-1"):
        assert_drawn(answer, -1)
    with pytest.raises(UsageError, match="a pair of its name and its arguments"):
        assert_calls(answer, ("weather",))  # type: ignore[arg-type]
