"""A script is played for real, against the emulator: the whole example once, and what can go
wrong.
"""

import asyncio
import json
from pathlib import Path

import pytest

from agentkit import OpenRouter
from agentkit.demo.player import Played, PlayedTurn, play
from agentkit.demo.report import write
from agentkit.demo.script import Script, Turn, load, read
from agentkit.demo.tools import Toolbox, load_tools
from agentkit.emulator import Emulator, Failure, Reply, Say
from agentkit.events import Event, ImageReady, RunFinished, TextDelta
from agentkit.images.store import MemoryImageStore
from agentkit.values import Api

FOX = Path(__file__).parents[3] / "examples" / "fox.demo.yaml"


class Recorder:
    """A `Watcher` that keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def conversation_started(self, script: Script, api: Api) -> None:
        self.seen += [script.name, api]

    def turn_started(self, number: int, turn: Turn) -> None:
        self.seen += [number, turn.say]

    def event(self, event: Event) -> None:
        self.seen.append(event)

    def turn_finished(self, turn: PlayedTurn) -> None:
        self.seen.append(turn)

    def conversation_finished(self, played: Played) -> None:
        self.seen.append(played)


def small(*says: str, **expect: object) -> Script:
    turns = [{"say": each, "expect": expect} for each in says]
    return read(
        json.dumps({"name": "x", "model": "openai/gpt-5.2", "turns": turns}),
        "x.yaml",
        folder=Path(),
    )


@pytest.mark.parametrize("api", [pytest.param("chat", marks=pytest.mark.slow), "responses"])
async def test_the_fox_is_played_as_expected(
    api: Api, client: OpenRouter, store: MemoryImageStore, tmp_path: Path
) -> None:
    fox = load(FOX)
    recorder = Recorder()
    played = await play(fox, api, load_tools(fox), recorder, client=client, store=store)
    assert played.failed == ()
    assert played.is_good
    assert len(played.turns) == len(fox.turns) >= 6
    assert len({image.sha256 for image in played.images.values()}) == len(played.images) == 8
    assert played.usage.cost_usd
    assert {type(each) for each in recorder.seen} >= {
        str,
        TextDelta,
        ImageReady,
        RunFinished,
        PlayedTurn,
        Played,
    }
    page = write(fox, [played], tmp_path).read_text("utf-8")
    assert "every turn as expected" in page
    assert len(list((tmp_path / "images" / api).iterdir())) == 8
    scarf, hat, glasses = (turn.answer for turn in played.turns[5:8])
    assert scarf and hat and glasses  # noqa: PT018
    assert [
        call.executor for call in (*scarf.invocations, *hat.invocations, *glasses.invocations)
    ] == [
        "server",
        "client",
    ]
    assert [played.images[name].parents for name in ("img_4", "img_5", "img_6")] == [
        (),
        ("img_4",),
        ("img_5",),
    ]
    assert played.images["img_5"].cost_usd
    assert played.turns[7].model == "google/gemini-2.5-flash-image"
    boat, prints = played.turns[8:10]
    assert [image.name for image in boat.attached] == ["img_7"]
    assert [(each.call.name, each.verdict.approved) for each in prints.decided] == [
        ("order_prints", True)
    ]
    assert played.turns[10].model == "openai/gpt-5.2"
    assert "made from img_4" in page


async def test_an_expectation_that_is_not_met_is_told_and_the_play_goes_on(
    client: OpenRouter, store: MemoryImageStore
) -> None:
    played = await play(
        small("Hello!", "Hello again!", images=1),
        "chat",
        Toolbox(),
        Recorder(),
        client=client,
        store=store,
    )
    assert not played.is_good
    assert played.failed == (
        "chat, turn 1: expected 1 images, came 0",
        "chat, turn 2: expected 1 images, came 0",
    )


async def test_an_error_ends_the_conversation(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    emulator.play([Reply([Say("Fine.")]), Reply([], error=Failure("no credits", 402))])
    played = await play(
        small("One", "Two", "Three"), "responses", Toolbox(), Recorder(), client=client, store=store
    )
    assert [turn.error is None for turn in played.turns] == [True, False]
    assert "InsufficientCredits" in str(played.turns[1].error)
    assert played.failed[-1] == "responses: 1 turns were not played"


async def test_plays_can_run_at_once(client: OpenRouter) -> None:
    plays = [
        play(small("Hello!"), api, Toolbox(), Recorder(), client=client, store=MemoryImageStore())
        for api in ("chat", "responses")
    ]
    assert all(played.is_good for played in await asyncio.gather(*plays))
