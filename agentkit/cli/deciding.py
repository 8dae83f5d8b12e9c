"""Calls that wait for a person: asked about at a terminal, else decided by options."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.answer import Answer
    from agentkit.cli.output import Output
    from agentkit.openrouter.stored_call import Verdict
    from agentkit.run import Run
    from agentkit.tools import Denied
    from agentkit.values import Invocation

Approve = Annotated[
    list[str] | None,
    typer.Option("--approve", metavar="CALL", help="Run a call that waits. May be repeated."),
]
Deny = Annotated[
    list[str] | None,
    typer.Option("--deny", metavar="CALL[=WHY]", help="Refuse a call that waits."),
]
Result = Annotated[
    list[str] | None,
    typer.Option("--result", metavar="CALL=TEXT", help="Give the result of a call from outside."),
]
Outcome = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        metavar="KEY=again|give_up",
        help="What becomes of a paid request that nobody knows the end of.",
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--answer",
        metavar="CALL=JSON|no",
        help="Answer what a call asks: a JSON object, or no.",
    ),
]
_YES, _NO = {"y", "yes"}, {"", "n", "no"}


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided, by the id of the call."""

    approve: Mapping[str, bool | Denied]
    results: Mapping[str, str]
    outcomes: Mapping[str, Verdict]
    answers: Mapping[str, Mapping[str, Any] | Literal[False]]

    def __bool__(self) -> bool:
        return bool(self.approve or self.results or self.outcomes or self.answers)


def decided(
    approve: Iterable[str] | None,
    deny: Iterable[str] | None,
    result: Iterable[str] | None,
    outcome: Iterable[str] | None,
    answer: Iterable[str] | None,
) -> Decided:
    """What the options decide. Raises `UsageError`."""
    from agentkit.tools import Denied

    verdicts: dict[str, bool | Denied] = dict.fromkeys(approve or (), True)
    for each in deny or ():
        call, sign, why = each.partition("=")
        verdicts[call] = Denied(why) if sign else False
    results: dict[str, str] = {}
    for each in result or ():
        call, sign, text = each.partition("=")
        if not sign:
            raise UsageError(f"--result {each}: accepted is CALL=TEXT")
        results[call] = text
    outcomes: dict[str, Verdict] = {}
    for each in outcome or ():
        key, _, verdict = each.rpartition("=")
        if verdict != "again" and verdict != "give_up":
            raise UsageError(f"--outcome {each}: accepted is KEY=again or KEY=give_up")
        outcomes[key] = verdict
    return Decided(verdicts, results, outcomes, _answers(answer or ()))


def _answers(given: Iterable[str]) -> dict[str, Mapping[str, Any] | Literal[False]]:
    answers: dict[str, Mapping[str, Any] | Literal[False]] = {}
    for each in given:
        call, _, text = each.partition("=")
        try:
            found: object = False if text.lower() == "no" else json.loads(text)
        except ValueError:
            found = None
        if found is not False and not isinstance(found, dict):
            raise UsageError(f"--answer {call}=…: accepted is CALL=JSON, an object, or CALL=no")
        answers[call] = False if found is False else cast("dict[str, Any]", found)
    return answers


def can_ask() -> bool:
    """Whether a person sits at the terminal, who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask_person(paused: Answer[Any], out: Output) -> Decided | None:
    """Ask about each call that waits, with its arguments in full; None at the end of the input."""
    from agentkit.show import plain

    calls = {call.id: call for call in paused.pending}
    verdicts: dict[str, bool | Denied] = {}
    results: dict[str, str] = {}
    answers: dict[str, Mapping[str, Any] | Literal[False]] = {}
    for waiting in paused.run.waiting:
        call = calls.get(waiting.call_id)
        if call is None:
            continue
        if waiting.why == "answer":
            given = _asked(call, out)
            if given is None:
                return None
            answers[call.id] = given
            continue
        is_approval = waiting.why == "approval"
        out.whole(f"? {plain.call(call)}")
        typed = out.ask("run it? [y/N, or why not]" if is_approval else "its result:")
        if typed is None:
            return None
        if is_approval:
            verdicts[call.id] = _verdict(typed)
        else:
            results[call.id] = typed
    found = Decided(verdicts, results, {}, answers)
    return found or None


def _asked(call: Invocation, out: Output) -> Mapping[str, Any] | Literal[False] | None:
    """What a person answers to what a call asks; None at the end of the input."""
    from agentkit.cli.questions import (
        ANSWER_OR_NOT,
        is_yes,
        prompt_of,
        question_lines,
        typed_value,
    )
    from agentkit.show import plain
    from agentkit.tools.form import Misfit, fields_of

    out.whole(f"? {plain.call(call)}")
    if call.question is None:
        return False
    for line in question_lines(call.question):
        out.whole(f"  {line}")
    words = out.ask(ANSWER_OR_NOT.strip())
    if words is None or not is_yes(words):
        return None if words is None else False
    found: dict[str, Any] = {}
    for each in fields_of(call.question.schema):
        while True:
            typed = out.ask(prompt_of(each).strip())
            if typed is None:
                return None
            try:
                found.update(typed_value(each, typed))
                break
            except Misfit as error:
                out.tell(str(error))
    return found


def _verdict(typed: str) -> bool | Denied:
    from agentkit.tools import Denied

    if typed.lower() in _YES:
        return True
    return False if typed.lower() in _NO else Denied(typed)


def asked_lines(paused: Answer[Any]) -> list[str]:
    """What calls ask that wait for an answer, with the form of the answer."""
    return [
        f"{each.id} asks: {' '.join(filter(None, (asked.message, asked.note)))} "
        f"{json.dumps(dict(asked.schema), ensure_ascii=False)}"
        for each in paused.pending
        if (asked := each.question) is not None
    ]


def ways_on(run: Run, command: Sequence[str]) -> list[str]:
    """The commands that decide about each call that waits."""
    lines: list[str] = []
    for waiting in run.waiting:
        if waiting.why == "approval":
            lines.append(shlex.join([*command, "--approve", waiting.call_id]))
            lines.append(shlex.join([*command, "--deny", waiting.call_id]))
        elif waiting.why == "result":
            lines.append(shlex.join([*command, "--result", f"{waiting.call_id}=TEXT"]))
        elif waiting.why == "answer":
            lines.append(shlex.join([*command, "--answer", f"{waiting.call_id}=JSON"]))
            lines.append(shlex.join([*command, "--answer", f"{waiting.call_id}=no"]))
        elif waiting.why == "outcome":
            lines.append(shlex.join([*command, "--outcome", f"{waiting.call_id}=again"]))
            lines.append(shlex.join([*command, "--outcome", f"{waiting.call_id}=give_up"]))
    return lines
