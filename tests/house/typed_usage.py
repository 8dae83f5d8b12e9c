"""How the public API is typed. The strict checker reads this file in `make check`; it is never run.

A line with an ignore comment must be an error: an ignore that is not needed is one itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import assert_never, assert_type

from pydantic import BaseModel

from agentkit import (
    Agent,
    Answer,
    AnswerStream,
    Context,
    Conversation,
    Image,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    Limits,
    ReasoningDelta,
    RunFinished,
    Text,
    TextDelta,
    TurnFinished,
    tool,
)
from agentkit.events import Event


class Report(BaseModel):
    city: str
    degrees: int


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather."""
    return city * days


@tool(timeout=3)
async def steps(context: Context[int], picture: Image) -> AsyncIterator[str]:
    """Steps."""
    yield f"{context.deps} {picture.name}"


async def answers() -> None:
    plain = Agent("openai/gpt-5.2")
    typed = Agent("openai/gpt-5.2", output=Report, tools=[weather, steps])
    assert_type(typed, Agent[Report])
    assert_type(await typed.run("x"), Answer[Report])
    assert_type((await typed.run("x")).output, Report)
    assert_type(typed.run_sync("x").output.degrees, int)
    assert_type(typed.conversation(), Conversation[Report])
    assert_type(typed.stream("x"), AnswerStream[Report])
    answer = await plain.run(["look", Image.from_file("x.png")])
    assert_type(answer.parts, tuple[Text | Image, ...])
    assert_type(answer.usage.cost_usd, float | None)
    assert_type(plain.conversation().images, Mapping[str, Image])


def tools() -> None:
    assert_type(weather("Oslo"), str)
    assert_type(weather("Oslo", days=2), str)
    weather(3)  # pyright: ignore[reportArgumentType]
    weather("Oslo", hours=2)  # pyright: ignore[reportCallIssue]


def wrong() -> None:
    Agent("openai/gpt-5.2", api="completions")  # pyright: ignore[reportArgumentType]
    Limits(turns="many")  # pyright: ignore[reportArgumentType]


async def events(stream: AnswerStream[Report]) -> None:
    async for event in stream:
        assert_type(event, Event)
        match event:
            case TextDelta() | ReasoningDelta():
                assert_type(event.text, str)
            case InvocationStarted() | InvocationProgress() | InvocationFinished():
                assert_type(event.invocation.name, str)
            case ImagePreview() | ImageReady() | ImageFailed() | TurnFinished() | RunFinished():
                pass
            case _:
                assert_never(event)
