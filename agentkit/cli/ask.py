"""`agentkit "Draw a fox"`: one question to a model, and its answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.cli import options as given
from agentkit.cli.agents import AgentOptions
from agentkit.cli.connection import environment_of, service
from agentkit.cli.deciding import (
    Approve,
    Decided,
    Deny,
    Given,
    Outcome,
    Result,
    ask_person,
    asked_lines,
    can_ask,
    decided,
    ways_on,
)
from agentkit.cli.pictures import attached, ready_folder
from agentkit.cli.prompts import piped, prompt_of
from agentkit.cli.saved import Cid, Continue, Database, Saved, going_on, opened
from agentkit.errors import RunError, UsageError

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.answer import Answer
    from agentkit.budget import Budget
    from agentkit.cli.connection import Address
    from agentkit.cli.faces import Face
    from agentkit.cli.output import Output
    from agentkit.conversation import Conversation
    from agentkit.values import File, Image

Command = given.PairedOptions


@dataclass(frozen=True, slots=True)
class Question:
    """What one command asks, and how its answer is shown."""

    prompt: str
    attached: list[Image | File]
    agent: AgentOptions
    saved: Saved
    decided: Decided
    budget: float | None
    show: Show


@dataclass(frozen=True, slots=True)
class Show:
    """How an answer is shown."""

    out: Path | None
    json: bool
    stream: bool
    quiet: bool


Words = Annotated[
    list[str] | None, typer.Argument(metavar="[WORDS]...", help="What the model is asked.")
]
NoSave = Annotated[bool, typer.Option("--no-save", help="Do not keep this conversation.")]
NoStream = Annotated[bool, typer.Option("--no-stream", help="Print the answer when it is whole.")]
Guessed = Annotated[bool, typer.Option("--guessed", hidden=True)]


def ask(
    context: typer.Context,
    words: Words = None,
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
    continue_: Continue = False,
    cid: Cid = None,
    sessions: Database = None,
    no_save: NoSave = False,
    approve: Approve = None,
    deny: Deny = None,
    result: Result = None,
    outcome: Outcome = None,
    answer: Given = None,
    no_stream: NoStream = False,
    quiet: given.Quiet = False,
    offline: given.Offline = False,
    live: given.AskLive = False,
    guessed: Guessed = False,
) -> None:
    """Ask a model, and print its answer. `ask` may be left out.

    The answer goes to stdout, with the paths of its pictures; all else to stderr.
    """
    described = AgentOptions(agent, model, system, tool or (), option or (), api, draw)
    described.check()
    saved = Saved(sessions, cid, continue_, not no_save)
    choices = decided(approve, deny, result, outcome, answer)
    names = _commands(context) if guessed else ()
    prompt, given_files = _prompt(words or [], attach or [], saved, names), attached(attach)
    show = Show(ready_folder(out), json, not no_stream, quiet)
    question = Question(prompt, given_files, described, saved, choices, budget, show)
    raise typer.Exit(_run(question, offline=offline, live=live))


def _prompt(words: list[str], attach: list[str], saved: Saved, names: Collection[str]) -> str:
    """The words of the question; none where a conversation goes on without any."""
    text = "" if "-" in attach else piped()
    return "" if saved.goes_on and not (words or text) else prompt_of(words, text, names)


def _run(question: Question, *, offline: bool, live: bool) -> int:
    import asyncio

    is_own = question.agent.name is not None
    with (
        service(offline=offline, live=live, own_client=is_own) as address,
        environment_of(address),
    ):
        return asyncio.run(_asked(question, address))


def _commands(context: typer.Context) -> list[str]:
    """The names of all commands."""
    group = context.parent.command if context.parent is not None else None
    return list(getattr(group, "commands", ()))


async def _asked(question: Question, address: Address) -> int:
    """Ask, show what comes, and return the exit code."""
    from agentkit.cli import ndjson
    from agentkit.cli.attachments import fetched
    from agentkit.cli.exits import DONE, FAILED, code_for, code_of
    from agentkit.cli.faces import Ended, Files, JsonFace, TextFace
    from agentkit.cli.output import Output
    from agentkit.demo.descriptions import early_end

    out = Output(quiet=question.show.quiet)
    agent, chat = await opened(question.saved, question.agent, address, "agentkit")
    files = Files(agent.store, question.show.out)
    face = JsonFace(out, files) if question.show.json else TextFace(out, files)
    try:
        budget = await _budget(question, agent)
        question = replace(question, attached=await fetched(question.attached, agent))
        face.begin(getattr(chat, "id", None))
        answer = await _answered(question, chat, face, out, budget)
        _tell_files(question, answer, out)
        face.end(Ended(answer.images, answer.usage, early_end(answer), files=answer.files))
        if answer.status == "paused":
            _tell_way_on(question, chat, answer, out, offline=address.base_url is not None)
        if answer.status == "interrupted" and question.decided:
            return DONE  # it was given up, as was decided
        return code_for(answer.status) or (FAILED if files.troubles else DONE)
    except RunError as error:
        last, run = ndjson.error_json(error, code_of(error)), error.run
        face.end(Ended(usage=None if run is None else run.usage, last=last))
        raise
    finally:
        if question.agent.name is None:
            await agent.client.close()


def _tell_files(question: Question, answer: Answer[Any], out: Output) -> None:
    """The handles of the files that were attached, and what they are."""
    from agentkit.cli.faces import MAGENTA
    from agentkit.demo.descriptions import file_line

    given = {each.sha256 for each in question.attached}
    run = answer.run
    files = {each.name: each for each in run.messages[run.start].files if each.sha256 in given}
    for file in () if question.show.json else files.values():
        out.row("▤", file_line(file), MAGENTA)


def _tell_way_on(
    question: Question, chat: Conversation[Any], answer: Answer[Any], out: Output, *, offline: bool
) -> None:
    cid = getattr(chat, "id", None)
    if cid is None:
        return  # it is not kept, so nothing goes on with it
    more = [*question.agent.words(), *(["--offline"] if offline else [])]
    for line in asked_lines(answer):
        out.whole(f"agentkit: {line}")
    for line in ways_on(answer.run, going_on(question.saved, cid, more)):
        out.whole(f"agentkit: to go on: {line}")


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
    question: Question,
    chat: Conversation[Any],
    face: Face,
    out: Output,
    budget: Budget | None,
) -> Answer[Any]:
    """The answer, once each call that waits has been decided on, if a person can be asked."""
    from agentkit.cli.watching import watched

    answer = await _first(question, chat, face, budget)
    while answer.status == "paused" and not question.show.json and can_ask():
        decided = ask_person(answer, out)
        if decided is None:
            return answer
        stream = chat.resume_stream(
            answer.run,
            approve=decided.approve,
            results=decided.results,
            answers=decided.answers,
            budget=budget,
        )
        answer = await watched(stream, face)
    return answer


async def _first(
    question: Question, chat: Conversation[Any], face: Face, budget: Budget | None
) -> Answer[Any]:
    """The answer to the question, or to what was decided."""
    from agentkit.answer import Answer
    from agentkit.cli.faces import events_of
    from agentkit.cli.watching import watched

    if question.decided or not (question.prompt or question.attached):
        return await _taken_up(question.decided, chat, face, budget)
    prompt = [*filter(None, (question.prompt,)), *question.attached]
    try:
        if question.show.stream:
            return await watched(chat.stream(prompt, budget=budget), face)
        answer = await chat.send(prompt, budget=budget)
    except UsageError:
        if chat.waiting is None:
            raise
        return Answer.of(chat.waiting)  # what it waits for comes first
    for event in events_of(answer):
        face.show(event)
    return answer


async def _taken_up(
    decided: Decided, chat: Conversation[Any], face: Face, budget: Budget | None
) -> Answer[Any]:
    """The turn that waits or was interrupted, as it goes on. Raises `UsageError` where there is
    none.
    """
    from agentkit.answer import Answer
    from agentkit.cli.watching import watched
    from agentkit.saved_conversation import SavedConversation

    if isinstance(chat, SavedConversation) and chat.interrupted is not None:
        answer = await watched(chat.go_on_stream(budget=budget), face)
        if answer.status != "paused":
            return answer
    if chat.waiting is None:
        raise UsageError("nothing to ask, and no call of this conversation waits")
    if not decided:
        return Answer.of(chat.waiting)
    stream = chat.resume_stream(
        chat.waiting,
        approve=decided.approve,
        results=decided.results,
        outcomes=decided.outcomes,
        answers=decided.answers,
        budget=budget,
    )
    return await watched(stream, face)
