"""What events tell of pictures and of calls that wait: the same in all four ways."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import (
    Agent,
    Answer,
    Denied,
    Image,
    ImageFailed,
    ImageGeneration,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationStarted,
    ModelSettings,
    OpenRouter,
    RunFinished,
    tool,
)
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore
from tests.conftest import WAYS, Way, picture

BIG = picture(size=(160, 120), noise=90)
OTHER = picture(size=(150, 120), noise=80)


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


class Bench:
    def __init__(self, way: Way, client: OpenRouter) -> None:
        self.way, self.client, self.store = way, client, MemoryImageStore()

    def agent(self, *tools: Any) -> Agent[Any]:
        return Agent(
            "openai/gpt-5.2",
            api=self.way.api,  # type: ignore[arg-type]
            tools=list(tools),
            client=self.client,
            store=self.store,
            # The service answers a buffered way with one whole body.
            settings=None if self.way.stream else ModelSettings(extra={"stream": False}),
            checks=False,
        )

    async def told(self, stream: Any) -> tuple[list[Any], Answer[Any]]:
        async with stream as running:
            events = [event async for event in running]
            return events, await running.finish()


@pytest.fixture
def bench(way: Way, client: OpenRouter) -> Bench:
    return Bench(way, client)


@tool
def paint() -> list[Image]:
    """Paints two pictures."""
    return [Image.from_bytes(picture(colour, (12, 12))) for colour in ("green", "blue")]


def outcomes(events: list[Any]) -> list[ImageReady | ImageFailed]:
    return [event for event in events if isinstance(event, ImageReady | ImageFailed)]


async def test_each_picture_of_a_run_is_an_item_of_its_own(
    bench: Bench, emulator: Emulator
) -> None:
    emulator.play(
        [
            Reply([Draw("a fox", data=BIG), CallTool("paint", {}, id="p")]),
            Reply([Draw("an owl", data=OTHER), Draw("a hare", data=b"no picture"), Say("Done.")]),
        ]
    )
    events, answer = await bench.told(bench.agent(ImageGeneration(), paint).stream("Draw"))
    found = outcomes(events)
    names = [each.image.name if isinstance(each, ImageReady) else "-" for each in found]
    assert names == ["img_1", "img_2", "img_3", "img_4", "-"]
    assert len(answer.failures) == 1
    items = [each.item for each in found]
    assert all(items)
    assert len(set(items)) == len(items)


async def test_a_preview_is_of_the_same_item_as_its_picture(
    bench: Bench, emulator: Emulator, way: Way
) -> None:
    emulator.play(
        [
            Reply([Draw("a fox", data=BIG, preview_count=2), CallTool("paint", {}, id="p")]),
            Reply([Draw("an owl", data=OTHER, preview_count=1), Say("Done.")]),
        ]
    )
    events, _ = await bench.told(bench.agent(ImageGeneration(), paint).stream("Draw"))
    latest: dict[str, int] = {}
    for event in events:
        if isinstance(event, ImagePreview):
            latest[event.item] = event.index
        elif isinstance(event, ImageReady):
            latest.pop(event.item, None)
    assert not latest
    previews = [event for event in events if isinstance(event, ImagePreview)]
    drawn = [event.item for event in outcomes(events)]
    assert {event.item for event in previews} <= {drawn[0], drawn[3]}
    if way == Way("responses", stream=True):
        assert [event.item for event in previews] == [drawn[0], drawn[0], drawn[3]]


async def test_a_picture_that_failed_is_of_the_same_item_as_its_previews(
    bench: Bench, emulator: Emulator, way: Way
) -> None:
    emulator.play([Reply([Draw("a fox", data=b"no picture", preview_count=1), Say("Done.")])])
    events, _ = await bench.told(bench.agent(ImageGeneration()).stream("Draw"))
    (failed,) = outcomes(events)
    assert isinstance(failed, ImageFailed)
    assert {event.item for event in events if isinstance(event, ImagePreview)} <= {failed.item}


async def test_a_call_that_waits_is_told_before_the_run_pauses(
    bench: Bench, emulator: Emulator
) -> None:
    paid: list[int] = []

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        paid.append(euros)
        return f"paid {euros}"

    @tool(external=True)
    def ask_ada(question: str) -> str:
        """Asks Ada."""
        raise AssertionError

    emulator.play(
        [
            Reply(
                [
                    CallTool("paint", {}, id="x"),
                    CallTool("pay", {"euros": 3}, id="p"),
                    CallTool("pay", {"euros": 4}, id="q"),
                    CallTool("ask_ada", {"question": "Why?"}, id="a"),
                ]
            ),
            Reply([Say("Done.")]),
        ]
    )
    chat = bench.agent(paint, pay, ask_ada).conversation()
    events, answer = await bench.told(chat.stream("Pay"))
    assert answer.status == "paused"
    assert calls(events) == [
        ("InvocationStarted", "x", "running"),
        ("InvocationFinished", "x", "completed"),
        ("InvocationStarted", "p", "pending"),
        ("InvocationStarted", "q", "pending"),
        ("InvocationStarted", "a", "pending"),
    ]
    told = [event.invocation for event in events if isinstance(event, InvocationStarted)]
    assert told[1:] == list(answer.pending)
    assert isinstance(events[-1], RunFinished)

    stream = chat.resume_stream(
        answer.run, approve={"p": True, "q": Denied("no")}, results={"a": "Because."}
    )
    events, answer = await bench.told(stream)
    assert answer.status == "completed"
    assert paid == [3]
    assert sorted(calls(events)) == [
        ("InvocationFinished", "a", "completed"),
        ("InvocationFinished", "p", "completed"),
        ("InvocationFinished", "q", "denied"),
        ("InvocationStarted", "p", "running"),
    ]


async def test_what_still_waits_is_told_again(bench: Bench, emulator: Emulator) -> None:
    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        return f"paid {euros}"

    calls_ = [CallTool("pay", {"euros": n}, id=f"p{n}") for n in (1, 2)]
    emulator.play([Reply(calls_)])
    chat = bench.agent(pay).conversation()
    _, answer = await bench.told(chat.stream("Pay"))
    events, answer = await bench.told(chat.resume_stream(answer.run, approve={"p1": True}))
    assert answer.status == "paused"
    assert calls(events)[-1] == ("InvocationStarted", "p2", "pending")


def calls(events: list[Any]) -> list[tuple[str, str, str]]:
    return [
        (type(event).__name__, event.invocation.id, event.invocation.status)
        for event in events
        if isinstance(event, InvocationStarted | InvocationFinished)
    ]
