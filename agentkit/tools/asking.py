"""A tool call that needs a person's answer before it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit._check import check_json_value, check_text, refused
from agentkit.errors import UsageError
from agentkit.tools.form import Misfit, NoForm, checked_answer, fields_of
from agentkit.values.question import Asked, Given, Question

_LONGEST = 10_000
"""Characters of a question."""


class NeedsAnswer(BaseException):
    """Pauses the run until a person has answered. It is no `Exception`, so that a tool that catches
    its own errors, or makes its work again after them, lets it pass.
    """

    def __init__(self, question: Question, state: object = None) -> None:
        super().__init__(question.message)
        self.question = question
        self.state: Any = check_json_value("NeedsAnswer(state={!r})", state)
        """What the tool wants back when it goes on."""


class Answers:
    """What a person has said to a call so far. The call starts anew each time, so each answer is
    taken by the question that it was given to.
    """

    def __init__(self, asked: Asked | None = None) -> None:
        self.given: tuple[Given, ...] = () if asked is None else asked.given
        self.state: Any = None if asked is None else asked.state
        self._left = list(self.given)

    def take(self, question: Question) -> Given | None:
        """The next answer to this question, if there is one."""
        for each in self._left:
            if is_same(each.question, question):
                self._left.remove(each)
                return each
        return None

    @property
    def taken(self) -> int:
        """How many answers were taken."""
        return len(self.given) - len(self._left)

    def forget(self, count: int) -> None:
        """Take no more of the first `count` answers: they were to what was asked before."""
        self._left = list(self.given[count:])

    def ask(self, question: Question) -> Mapping[str, Any] | None:
        """A person's answer; None where they declined. Raises `NeedsAnswer`."""
        given = self.take(question)
        if given is None:
            raise NeedsAnswer(question, self.state)
        return given.answer


def is_same(one: Question, other: Question) -> bool:
    """Whether these ask the same: the notes may differ."""
    return one.message == other.message and one.schema == other.schema


def question_of(where: str, message: object, schema: object) -> Question:
    """A question with a form that a person can fill in. Raises `UsageError`."""
    words = check_text(f"{where}(message={{!r}})", message)
    if len(words) > _LONGEST:
        raise UsageError(f"{where}(message=…): accepted are {_LONGEST:,} characters at most")
    try:
        fields_of(schema)
    except NoForm as error:
        raise UsageError(f"{where}(schema=…): {error}") from None
    return Question(words, check_json_value(f"{where}(schema={{!r}})", schema))


def answer_to(question: Question | None, answer: object, where: str) -> Mapping[str, Any] | None:
    """What a person said, as the question wants it; None for no. Raises `UsageError`, which never
    tells the values: they may be secret.
    """
    if answer is False:
        return None
    if question is None or not isinstance(answer, Mapping):
        kind = type(answer).__name__
        raise refused(
            f"{where}: given is {kind}", None, "are a mapping of names to values and False"
        )
    try:
        return checked_answer(question.schema, answer)  # pyright: ignore[reportUnknownArgumentType]
    except (Misfit, NoForm) as error:
        raise UsageError(f"{where}: {error}") from None
