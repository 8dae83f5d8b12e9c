"""`agentkit "Draw a fox"`: one question to a model, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.cli import options as given
from agentkit.cli.agents import AgentOptions, agent_for
from agentkit.cli.connection import environment_of, service
from agentkit.cli.pictures import attached, ready_folder
from agentkit.cli.prompts import piped, prompt_of
from agentkit.errors import RunError

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.answer import Answer
    from agentkit.budget import Budget
    from agentkit.cli.connection import Address
    from agentkit.cli.faces import Face
    from agentkit.cli.output import Output
    from agentkit.conversation import Conversation
    from agentkit.values import Image

Command = given.PairedOptions


@dataclass(frozen=True, slots=True)
class Question:
    """What one command asks, and how its answer is shown."""

    prompt: str
    pictures: list[Image]
    agent: AgentOptions
    budget: float | None
    out: Path | None
    json: bool
    stream: bool
    quiet: bool


def ask(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORDS]...", help="What the model is asked.")
    ] = None,
    *,
    model: given.Model = None,
    system: given.System = None,
    attach: given.Attach = None,
    tool: given.Tools = None,
    option: given.Settings = None,
    agent: given.AgentName = None,
    api: given.Api = None,
    draw: given.Draw = None,
    budget: given.Cost = None,
    out: given.Out = None,
    json: given.Json = False,
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer when it is whole.")
    ] = False,
    quiet: given.Quiet = False,
    offline: given.Offline = False,
    live: given.AskLive = False,
    guessed: Annotated[bool, typer.Option("--guessed", hidden=True)] = False,
) -> None:
    """Ask a model, and print its answer. `ask` may be left out.

    The answer goes to stdout, with the paths of its pictures; all else to stderr.
    """
    import asyncio

    described = AgentOptions(
        agent, model, system, tool or (), option or (), None if api is None else api.value, draw
    )
    described.check()
    text = "" if "-" in (attach or ()) else piped()
    prompt = prompt_of(words or (), text, _commands(context) if guessed else ())
    pictures, folder = attached(attach), ready_folder(out)
    question = Question(prompt, pictures, described, budget, folder, json, not no_stream, quiet)
    with (
        service(offline=offline, live=live, own_client=agent is not None) as address,
        environment_of(address),
    ):
        code = asyncio.run(_asked(question, address))
    raise typer.Exit(code)


def _commands(context: typer.Context) -> list[str]:
    """The names of all commands."""
    group = context.parent.command if context.parent is not None else None
    return list(getattr(group, "commands", ()))


async def _asked(question: Question, address: Address) -> int:
    """Ask, show what comes, and return the exit code."""
    from agentkit.cli import ndjson
    from agentkit.cli.exits import code_for, code_of
    from agentkit.cli.faces import Ended
    from agentkit.cli.output import Output
    from agentkit.demo.descriptions import early_end

    agent = await agent_for(question.agent, address, "agentkit")
    face = _face(question, agent, Output(quiet=question.quiet))
    budget = await _budget(question, agent)
    try:
        chat = agent.conversation()
        answer = await _answered(question, chat, face, budget)
        face.end(Ended(answer.images, answer.usage, early_end(answer)))
        return code_for(answer.status)
    except RunError as error:
        last, run = ndjson.error_json(error, code_of(error)), error.run
        face.end(Ended(usage=None if run is None else run.usage, last=last))
        raise
    finally:
        if question.agent.name is None:
            await agent.client.close()


def _face(question: Question, agent: Agent[Any], output: Output) -> Face:
    from agentkit.cli.faces import Files, JsonFace, TextFace

    files = Files(agent.store, question.out)
    return JsonFace(output, files) if question.json else TextFace(output, files)


async def _budget(question: Question, agent: Agent[Any]) -> Budget | None:
    """The budget of `--budget`. Raises `BudgetExceeded` where even the first request does not
    fit.
    """
    from agentkit.budget import Budget
    from agentkit.cli.agents import too_small
    from agentkit.errors import BudgetExceeded

    if question.budget is None:
        return None
    budget = Budget(question.budget)
    why = await too_small(question.budget, agent, question.prompt)
    if why is not None:
        raise BudgetExceeded(why)
    return budget


async def _answered(
    question: Question, chat: Conversation[Any], face: Face, budget: Budget | None
) -> Answer[Any]:
    from agentkit.cli.faces import events_of
    from agentkit.cli.watching import watched

    prompt = [question.prompt, *question.pictures]
    if not question.stream:
        answer = await chat.send(prompt, budget=budget)
        for event in events_of(answer):
            face.show(event)
        return answer
    return await watched(chat.stream(prompt, budget=budget), face)
