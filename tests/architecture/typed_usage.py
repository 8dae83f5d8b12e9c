"""How the public API is typed: a user's file, which is never run.

Two strict checkers read it: basedpyright in `make check`, and both basedpyright and mypy in a test
that installs the wheel. A line with ignore comments must be an error for both: an ignore that is
not needed is one itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TypedDict, assert_never, assert_type

from pydantic import BaseModel

import agentkit
from agentkit import (
    Agent,
    Answer,
    AnswerStream,
    Budget,
    Context,
    Conversation,
    Denied,
    History,
    Image,
    ImageFailed,
    ImageGeneration,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    Limits,
    OpenRouter,
    ReasoningDelta,
    Run,
    RunFinished,
    Text,
    TextDelta,
    Tool,
    Toolset,
    TurnFinished,
    tool,
)
from agentkit.errors import RunError
from agentkit.events import Event
from agentkit.hooks import Asking, Hooks
from agentkit.studio import Drawing, Studio, studio
from agentkit.wire.generation import Generation


class Report(BaseModel):
    city: str
    degrees: int


@dataclass
class Place:
    city: str


class Row(TypedDict):
    city: str


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
    assert_type(typed.conversation(run=(await typed.run("x")).run), Conversation[Report])
    assert_type(typed.resume_sync((await typed.run("x")).run), Answer[Report])
    assert_type(typed.conversation().drop(), Run | None)
    assert_type(typed.stream("x"), AnswerStream[Report])
    answer = await plain.run(["look", Image.from_file("x.png")])
    assert_type(answer.parts, tuple[Text | Image, ...])
    assert_type(answer.usage.cost_usd, float | None)
    assert_type(plain.conversation().images, Mapping[str, Image])


async def stopped(error: RunError) -> None:
    """What an error carries is taken by all that goes on with a run."""
    typed = Agent("openai/gpt-5.2", output=Report)
    chat = typed.conversation()
    assert error.run is not None
    assert error.answer_so_far is not None
    assert_type(error.answer_so_far.text, str)
    assert_type(await typed.resume(error.run), Answer[Report])
    assert_type(typed.resume_sync(error.run), Answer[Report])
    assert_type(typed.resume_stream(error.run), AnswerStream[Report])
    assert_type(typed.conversation(run=error.run), Conversation[Report])
    assert_type(await chat.resume(error.run), Answer[Report])
    assert_type(chat.resume_sync(error.run), Answer[Report])
    assert_type(chat.resume_stream(error.run), AnswerStream[Report])
    assert_type(chat.adopt(error.run), Answer[Report])
    await chat.resume("run")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def outputs() -> None:
    assert_type(Agent("openai/gpt-5.2", output=Place).run_sync("x").output, Place)
    assert_type(Agent("openai/gpt-5.2", output=Row).run_sync("x").output, Row)
    assert_type(Agent("openai/gpt-5.2", output=list[int]).run_sync("x").output, list[int])
    Agent("openai/gpt-5.2", output="Report")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def the_package() -> None:
    """What a bare `import agentkit` gives."""
    assert_type(agentkit.__version__, str)
    assert_type(agentkit.Agent("openai/gpt-5.2", output=Report), Agent[Report])
    assert_type(agentkit.errors.RunError("x").run, agentkit.errors.StoppedRun | None)
    print(agentkit.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


@tool
async def forecast(city: str) -> list[int]:
    """The degrees of the next days."""
    return [len(city)]


async def tools() -> None:
    assert_type(await forecast("Oslo"), list[int])
    assert_type(weather("Oslo"), str)
    assert_type(weather("Oslo", days=2), str)
    weather(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    weather("Oslo", hours=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def studios() -> None:
    drawing = await studio.draw("a fox", n=2, aspect_ratio="16:9", quality="low")
    assert_type(drawing, Drawing)
    assert_type(drawing.image.parents, tuple[str, ...])
    assert_type(
        await studio.edit([drawing.image, "https://example.com/x.png"], "a hat", scale=True),
        Drawing,
    )
    assert_type(await studio.price(quality="low"), float | None)
    await studio.draw("a fox", quality=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await studio.draw("a fox", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Agent(
        "openai/gpt-5.2",
        tools=[ImageGeneration(fallback=Studio("openai/gpt-5-image")), *studio.tools(n=1)],
    )


def before_call(context: Context[int]) -> Denied | None:
    return Denied("no") if context.deps else None


async def before_request(asking: Asking) -> Asking | None:
    return asking if asking.instructions else None


def made(context: Context[int]) -> list[Tool[..., str]]:
    return [weather] if context.images else []


async def together() -> None:
    budget = Budget(cost_usd=1.0, images=3)
    hooks = [Hooks(before_call=before_call), Hooks(before_request=before_request)]
    agent = Agent(
        "openai/gpt-5.2",
        tools=[Toolset(made)],
        budget=budget,
        history=History(images=1),
        hooks=hooks,
    )
    caller = Agent(
        "openai/gpt-5.2", tools=[agent.as_tool("helper", "Helps.", timeout=3.0, approve=True)]
    )
    answer = await caller.run("x", budget=budget)
    assert_type((answer.limit, answer.refusal), tuple[str | None, str | None])
    assert_type(budget.remaining_usd, float | None)
    assert_type(await OpenRouter().generation("gen-1"), Generation | None)
    await caller.resume(
        answer.run, approve={call.id: Denied("why") for call in answer.pending}, results={"a": 3}
    )
    await caller.resume(answer.run, approve={"a": "yes"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]


def wrong() -> None:
    Budget(cost_usd="much")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Agent("openai/gpt-5.2", api="completions")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Limits(turns="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


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
