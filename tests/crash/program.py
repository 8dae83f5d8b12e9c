"""The program that is killed: it draws by the emulator, which lives in another process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from agentkit import Agent, ImageGeneration, ModelSettings, OpenRouter, Run, tool
from agentkit.errors import AgentkitError
from agentkit.images import ImageStore
from agentkit.openrouter import Timeouts
from agentkit.openrouter.ledger_storage import LedgerStorage
from agentkit.studio import Studio
from tests.crash.plan import CITIES, Program, Result, Scene
from tests.crash.run_file import RunFile, write_whole
from tests.crash.session import Session


class Keeper(Protocol):
    """Where a program keeps its run, and what it paid for."""

    @property
    def store(self) -> ImageStore: ...
    @property
    def options(self) -> Mapping[str, Any]:
        """What its agent is given."""
        ...

    @property
    def storage(self) -> LedgerStorage | None:
        """The entries of the ledger."""
        ...

    async def begin(self, agent: Agent[Any]) -> Result:
        """Begin the run, and end it if nobody kills the process."""
        ...

    async def go_on(self, agent: Agent[Any]) -> Result:
        """Go on with it in another process."""
        ...

    def run(self) -> Run | None:
        """As it was written last."""
        ...

    def left(self) -> int:
        """What is in the ledger, once it was swept."""
        ...

    def wrong(self, told: Result) -> str | None:
        """What is kept otherwise than the last process has told."""
        ...

    def close(self) -> None: ...


def keeper_of(program: Program) -> Keeper:
    """Where this program keeps what it has."""
    return RunFile(program) if program.kept == "file" else Session(program)


def begin(program: Program) -> None:
    """Begin the run, and end it if nobody kills the process."""
    asyncio.run(_carried_out(program, is_begun=False))


def go_on(program: Program) -> None:
    """Go on with the saved run, in a process of its own."""
    asyncio.run(_carried_out(program, is_begun=True))


def result_of(program: Program) -> Result:
    """What the program said at its end."""
    value = json.loads((program.folder / "result.json").read_text())
    lists = {name: tuple(value[name]) for name in ("pictures", "waiting", "prompts")}
    return Result(**{**value, **lists})


async def _carried_out(program: Program, *, is_begun: bool) -> None:
    quick = Timeouts(lookup=program.look_up_seconds)
    keeper = keeper_of(program)
    async with OpenRouter(base_url=program.base_url, api_key="sk-or-any", timeouts=quick) as client:
        agent = _agent(program, client, keeper)
        try:
            result = await (keeper.go_on(agent) if is_begun else keeper.begin(agent))
        except AgentkitError as error:
            result = Result("error", error=f"{type(error).__name__}: {error}")
    write_whole(program.folder / "result.json", json.dumps(asdict(result)))
    keeper.close()


def _agent(program: Program, client: OpenRouter, keeper: Keeper) -> Agent[Any]:
    scene = program.scene
    shared: dict[str, Any] = {
        "api": scene.api,
        "client": client,
        "store": keeper.store,
        "checks": False,
    }
    tools = [_weather(program, keeper), *_drawing_tools(scene, shared)]
    return Agent("openai/gpt-5.2", tools=tools, **shared, **keeper.options)


def _drawing_tools(scene: Scene, shared: Mapping[str, Any]) -> list[Any]:
    if scene.studio:
        return Studio(client=shared["client"], store=shared["store"]).tools()
    tool = ImageGeneration(size="256x256")
    if not scene.delegated:
        return [tool]
    forced = ModelSettings(tool_choice="required")
    painter = Agent("openai/gpt-5.2", tools=[tool], settings=forced, **shared)
    return [painter.as_tool("draw_image", "Draw a new picture from words.")]


def _weather(program: Program, keeper: Keeper) -> Any:
    """A tool that can kill the process when two of its three calls are saved as ended."""

    @tool
    async def weather(city: str) -> str:
        """The weather in a city."""
        with program.begun.open("a") as file:
            file.write(f"{city}\n")
        if program.kill is not None and program.kill.point == "in a round" and city == CITIES[2]:
            while await asyncio.to_thread(_ended, keeper) < 2:  # noqa: ASYNC110 - another thread
                await asyncio.sleep(0.002)
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{city}: snow"

    return weather


def _ended(keeper: Keeper) -> int:
    run = keeper.run()
    return 0 if run is None else sum(each.status == "completed" for each in run.invocations)
