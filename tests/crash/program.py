"""The program that is killed: it draws by the emulator, which lives in another process, and saves
its run before each request and at every event.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agentkit import (
    Agent,
    Answer,
    AnswerStream,
    ImageGeneration,
    Ledger,
    ModelSettings,
    OpenRouter,
    Run,
    tool,
)
from agentkit.errors import AgentkitError
from agentkit.hooks import Asking, Hooks
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from agentkit.values import Message
from tests.crash.deadly import Kill, deadly_ledger, deadly_store

CITIES = ("Oslo", "Bergen", "Rome")
PROMPT = "What is the weather in Oslo, in Bergen and in Rome? Then draw a fox in the snow."
SAID = "The weather in Rome: Rome: snow."


@dataclass(frozen=True, slots=True)
class Scene:
    """What a program does: three calls of a tool in one round, then a picture."""

    api: str = "chat"
    """The API of the model: `chat` or `responses`."""
    stream: bool = True
    studio: bool = False
    """Whether a tool draws by the Image API, and not a server tool."""
    delegated: bool = False
    """Whether another agent draws, called as a tool."""
    base64: bool = False
    """Whether the server tool's picture comes in the reply, and not by URL."""

    def __str__(self) -> str:
        how = "base64" if self.base64 else "URL"
        how = "sub-agent" if self.delegated else "image API" if self.studio else how
        return f"{self.api} {'streamed' if self.stream else 'buffered'}, {how}"

    @property
    def places(self) -> tuple[str, ...]:
        """Where the emulator puts the picture."""
        if not self.base64:
            return ()
        return ("message_images",) if self.api == "chat" else ("image_generation_call",)


@dataclass(frozen=True, slots=True)
class Program:
    """A scene at work, in a folder of its own."""

    scene: Scene
    folder: Path
    base_url: str
    ledger: bool = True
    dropped: frozenset[str] = frozenset()
    """Kinds of entries that its ledger forgets."""
    kill: Kill | None = None
    """Where it kills itself."""
    outcomes: Mapping[str, str] = field(default_factory=dict[str, str])
    """What a person has decided."""

    @property
    def saved(self) -> Path:
        return self.folder / "run.json"

    @property
    def begun(self) -> Path:
        """The cities of the tool's calls that were begun, a line for each."""
        return self.folder / "weather.txt"

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    @property
    def store(self) -> Path:
        return self.folder / "store"


@dataclass(frozen=True, slots=True)
class Result:
    """What a program that came to an end had to say."""

    status: str
    text: str = ""
    pictures: tuple[str, ...] = ()
    """Digests of those in the answer that can be read."""
    failures: int = 0
    """Pictures that could not be had."""
    waiting: tuple[Mapping[str, Any], ...] = ()
    error: str | None = None


def begin(program: Program) -> None:
    """Begin the run, and end it if nobody kills the process."""
    asyncio.run(_carried_out(program, None))


def go_on(program: Program) -> None:
    """Go on with the saved run, in a process of its own."""
    asyncio.run(_carried_out(program, program.saved.read_text()))


def result_of(program: Program) -> Result:
    """What the program said at its end."""
    value = json.loads((program.folder / "result.json").read_text())
    return Result(
        **{**value, "pictures": tuple(value["pictures"]), "waiting": tuple(value["waiting"])}
    )


async def _carried_out(program: Program, saved: str | None) -> None:
    quick = Timeouts(lookup=2.0)
    async with OpenRouter(base_url=program.base_url, api_key="sk-or-any", timeouts=quick) as client:
        agent = _agent(program, client)
        try:
            if saved is None:
                answer = await _answered(program, agent)
            else:
                answer = await _resumed(program, agent, saved)
        except AgentkitError as error:
            result = Result("error", error=f"{type(error).__name__}: {error}")
        else:
            await _save_and_tell(program, agent.ledger, answer.run)
            result = _told(answer)
    _write(program.folder / "result.json", json.dumps(asdict(result)))


async def _answered(program: Program, agent: Agent[Any]) -> Answer[Any]:
    if not program.scene.stream:
        return await agent.run(PROMPT)
    async with agent.stream(PROMPT) as stream:
        await _save_at_every_event(program, stream)
    return stream.answer


async def _save_at_every_event(program: Program, stream: AnswerStream[Any]) -> None:
    last = None
    async for _ in stream:
        if stream.run is not None and stream.run is not last:
            last = stream.run
            _save(program, last)


async def _resumed(program: Program, agent: Agent[Any], saved: str) -> Answer[Any]:
    run = Run.from_json(saved, blobs=agent.store)
    if run.status not in {"running", "paused"}:
        return Answer.of(run)
    options: dict[str, Any] = {"outcomes": program.outcomes} if program.outcomes else {}
    if not program.scene.stream:
        return await agent.resume(run, **options)
    async with agent.resume_stream(run, **options) as stream:
        await _save_at_every_event(program, stream)
    return stream.answer


def _agent(program: Program, client: OpenRouter) -> Agent[Any]:
    scene = program.scene
    store = deadly_store(program.store, program.kill)
    shared: dict[str, Any] = {
        "api": scene.api,
        "client": client,
        "store": store,
        "checks": False,
    }
    ledger = None
    if program.ledger:
        ledger = deadly_ledger(program.calls, program.kill, program.dropped)
    tools = [_weather(program), *_drawing_tools(scene, shared)]
    hooks = _saving(program, ledger)
    return Agent("openai/gpt-5.2", tools=tools, ledger=ledger, hooks=hooks, **shared)


def _drawing_tools(scene: Scene, shared: Mapping[str, Any]) -> list[Any]:
    if scene.studio:
        return Studio(client=shared["client"], store=shared["store"]).tools()
    tool = ImageGeneration(size="256x256")
    if not scene.delegated:
        return [tool]
    forced = ModelSettings(tool_choice="required")
    painter = Agent("openai/gpt-5.2", tools=[tool], settings=forced, **shared)
    return [painter.as_tool("draw_image", "Draw a new picture from words.")]


def _saving(program: Program, ledger: Ledger | None) -> Hooks:
    async def before(asking: Asking) -> None:
        await _save_and_tell(program, ledger, asking.run)

    async def after(asking: Asking, _: Message) -> None:
        await _save_and_tell(program, ledger, asking.run)

    return Hooks(before_request=before, after_reply=after)


async def _save_and_tell(program: Program, ledger: Ledger | None, run: Run) -> None:
    """Save the run. The ledger drops what it has of the replies in it."""
    _save(program, run)
    if ledger is not None:
        await ledger.saved(run)


def _weather(program: Program) -> Any:
    """A tool that can kill the process when two of its three calls are saved as ended."""

    @tool
    async def weather(city: str) -> str:
        """The weather in a city."""
        with program.begun.open("a") as file:
            file.write(f"{city}\n")
        if program.kill is not None and program.kill.point == "in a round" and city == CITIES[2]:
            while _ended(program) < 2:  # noqa: ASYNC110 - it waits for a file
                await asyncio.sleep(0.002)
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{city}: snow"

    return weather


def _ended(program: Program) -> int:
    run = Run.from_json(program.saved.read_text())
    return sum(each.status == "completed" for each in run.invocations)


def _told(answer: Answer[Any]) -> Result:
    return Result(
        answer.status,
        answer.text,
        tuple([image.sha256 for image in answer.images if image.bytes()]),
        len(answer.failures),
        tuple([asdict(each) for each in answer.run.waiting]),
    )


def _save(program: Program, run: Run) -> None:
    _write(program.saved, run.to_json())


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
