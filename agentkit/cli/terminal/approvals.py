"""What a person at the terminal decides about the calls that wait for one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from rich.text import Text

from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.cli.questions import ANSWER_OR_NOT, is_yes, prompt_of, question_lines, typed_value
from agentkit.cli.terminal.face import Face
from agentkit.cli.terminal.transcript import signed
from agentkit.errors import UsageError
from agentkit.openrouter.stored_call import Verdict
from agentkit.run import Run
from agentkit.show import plain
from agentkit.tools import BadArguments, Denied, Edited, Question
from agentkit.tools.form import Field, Misfit, fields_of
from agentkit.values import Invocation

_YES = {"y", "yes"}
_NO = {"", "n", "no"}
_EDIT = {"e", "edit"}
_ALWAYS = {"a", "always"}
_AGAIN = {"again", "y", "yes"}
_CHOICES = "run it? [y]es, [n]o, [e]dit, [a]lways, or why not: "
_AGAIN_OR_NOT = "it may have been paid for; send it [again], or give it [up]: "
NO_PERSON = "nobody at a terminal approved it"
"""Why a call is denied where no person can be asked."""


@dataclass(slots=True)
class Decided:
    """What was decided about the calls of a paused run."""

    approve: dict[str, bool | Denied | Edited] = field(
        default_factory=dict[str, "bool | Denied | Edited"]
    )
    results: dict[str, object] = field(default_factory=dict[str, object])
    outcomes: dict[str, Verdict] = field(default_factory=dict[str, "Verdict"])
    answers: dict[str, Mapping[str, Any] | Literal[False]] = field(
        default_factory=dict[str, "Mapping[str, Any] | Literal[False]"]
    )


class Decisions:
    """Asks about each call that waits. `always` holds for the rest of the chat."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.always: set[str] = set()
        """Tools that run without a question."""

    async def decide(self, paused: Answer[Any], agent: Agent[Any]) -> Decided | None:
        """The decisions on all calls that wait; None if the person stopped the turn instead."""
        decided = Decided()
        calls = {call.id: call for call in paused.pending}
        for waiting in paused.run.waiting:
            call = calls.get(waiting.call_id)
            if call is None or waiting.why == "agent":
                continue
            match waiting.why:
                case "approval":
                    is_over = not await self._approve(call, decided, paused.run, agent)
                case "result":
                    self._print_call(call)
                    given = await self._face.ask("its result: ")
                    is_over = given is None and self._face.is_terminal
                    decided.results[call.id] = (given or "").strip()
                case "answer":
                    is_over = not await self._answer(call, decided)
                case "outcome":
                    is_over = not await self._outcome(call, decided)
            if is_over:
                return None
        return decided

    async def _approve(
        self, call: Invocation, decided: Decided, run: Run, agent: Agent[Any]
    ) -> bool:
        """One approval. False if the person stopped the turn."""
        if call.name in self.always:
            self._face.print(signed("✓", "green", f"always: {plain.call(call)}", "dim"))
            decided.approve[call.id] = True
            return True
        self._print_call(call)
        yes: bool | Edited = True
        while True:
            words = await self._face.ask(_CHOICES)
            if words is None and self._face.is_terminal:
                return False
            words = (words or "").strip()
            word = words.lower()
            if not self._face.is_terminal and word in _YES | _EDIT | _ALWAYS:
                self._face.print(signed("✗", "red", f"not approved: {NO_PERSON}"))
                decided.approve[call.id] = Denied(NO_PERSON)
                return True
            if word in _EDIT and call.executor == "server":
                words = "the service runs this call as it is: yes or no"
                self._face.print(signed("✗", "red", words))
                continue
            if word in _EDIT:
                edited = await self._edit(call, run, agent)
                if edited is None:
                    continue
                yes, call = Edited(edited), replace(call, arguments=edited)
                self._print_call(call)
                continue
            if word in _ALWAYS:
                self.always.add(call.name)
            no = False if word in _NO else Denied(words)
            decided.approve[call.id] = yes if word in _YES | _ALWAYS else no
            return True

    async def _edit(self, call: Invocation, run: Run, agent: Agent[Any]) -> dict[str, Any] | None:
        """Other arguments, as the person typed them; None if they gave up."""
        text = json.dumps(call.arguments, ensure_ascii=False, indent=1, default=str)
        while True:
            given = await self._face.ask("arguments as JSON: ", text=text)
            if given is None or not given.strip():
                self._face.print(Text("not changed", style="dim"))
                return None
            try:
                return checked_arguments(given, call, run, agent)
            except UsageError as error:
                self._face.print(signed("✗", "red", plain.line(str(error), width=1000)))
                text = given

    async def _answer(self, call: Invocation, decided: Decided) -> bool:
        """What a call asks. False if the person stopped the turn."""
        question = call.question or Question("")
        self._print_call(call)
        for line in question_lines(question):
            self._face.print(Text(f"  {line}", overflow="fold"))
        if not self._face.is_terminal:
            self._face.print(signed("✗", "red", "not answered: nobody is at a terminal"))
            decided.answers[call.id] = False
            return True
        words = await self._face.ask(ANSWER_OR_NOT)
        if words is None:
            return False
        if not is_yes(words):
            decided.answers[call.id] = False
            return True
        found: dict[str, Any] = {}
        for each in fields_of(question.schema):
            value = await self._field(each)
            if value is None:
                return False
            found.update(value)
        decided.answers[call.id] = found
        return True

    async def _field(self, field: Field) -> dict[str, Any] | None:
        """What the person typed for one field, under its name; nothing where it may be left out;
        None if they stopped the turn.
        """
        while True:
            typed = await self._face.ask(prompt_of(field))
            if typed is None:
                return None
            try:
                return typed_value(field, typed)
            except Misfit as error:
                self._face.print(signed("✗", "red", plain.line(str(error), width=1000)))

    async def _outcome(self, call: Invocation, decided: Decided) -> bool:
        """What becomes of a request of which nobody knows whether it was carried out."""
        self._print_call(call)
        given = await self._face.ask(_AGAIN_OR_NOT)
        if given is None and self._face.is_terminal:
            return False
        is_again = (given or "").strip().lower() in _AGAIN and self._face.is_terminal
        decided.outcomes[call.id] = "again" if is_again else "give_up"
        return True

    def _print_call(self, call: Invocation) -> None:
        self._face.print(*question_rows(call))


def question_rows(call: Invocation, *, width: int = 76) -> list[Text]:
    """The call that a person is asked about, with its arguments in full and nothing in them obeyed:
    on one line where it fits, else one argument a line.
    """
    sign = ("? ", "bold yellow")
    line = plain.call(call)
    if len(line) <= width or not call.arguments:
        return [Text.assemble(sign, (line, "bold"), overflow="fold")]
    rows = [Text.assemble(sign, (plain.terminal(call.name), "bold"))]
    for name, value in call.arguments.items():
        rows += _argument_rows(name, value)
    return rows


def _argument_rows(name: str, value: object) -> Iterable[Text]:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    first, *rest = plain.terminal(shown).split("\n")
    yield Text.assemble("    ", (f"{plain.line(name)}: ", "bold"), first, overflow="fold")
    for line in rest:
        yield Text(f"      {line}", overflow="fold")


def checked_arguments(text: str, call: Invocation, run: Run, agent: Agent[Any]) -> dict[str, Any]:
    """Arguments that a person typed as JSON. Raises `UsageError` for what is no JSON object, and
    for what the tool does not take.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise UsageError(f"this is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise UsageError("accepted is a JSON object, with the arguments by name")
    arguments = cast("dict[str, Any]", given)
    tool = agent.tools.functions.get(call.name)
    if tool is not None:
        try:
            tool.check(arguments, images=run.image, files=run.file)
        except BadArguments as error:
            raise UsageError(str(error)) from error
    return arguments
