"""What a tool asks a person, as the terminal puts it, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentkit.show import plain
from agentkit.tools.form import Field
from agentkit.values import Question

ANSWER_OR_NOT = "answer it? [y]es, [n]o: "
_YES = {"y", "yes"}


def question_lines(question: Question) -> Iterator[str]:
    """The words of a question, and what should be known beside it. Nothing in them is obeyed."""
    for text in filter(None, (question.message, question.note)):
        yield from plain.terminal(text).split("\n")


def is_yes(words: str) -> bool:
    """Whether the person wants to answer."""
    return words.strip().lower() in _YES


def prompt_of(field: Field) -> str:
    """What is asked for one field, on one line."""
    about = f" ({field.description})" if field.description else ""
    choices = [
        str(each) if str(each) == title else f"{each}: {title}"
        for each, title in zip(field.choices, field.titles, strict=True)
    ]
    accepted = f" [{' | '.join(choices)}]" if choices else f" [{field.accepted()}]"
    if field.kind == "boolean":
        accepted = " [y/n]"
    left_out = ""
    if field.default is not None:
        left_out = f", or nothing for {field.default}"
    elif not field.is_required:
        left_out = ", or nothing"
    return plain.line(f"{field.title}{about}{accepted}{left_out}:", width=1000) + " "


def typed_value(field: Field, typed: str) -> dict[str, Any]:
    """What was typed for a field, under its name; nothing where it is left out. Raises `Misfit`."""
    is_empty = not typed.strip()
    if is_empty and (field.default is not None or not field.is_required):
        return {}
    return {field.name: field.read(typed)}
