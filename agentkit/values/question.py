"""What a tool call asks a person in the middle of its work, and what the person said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """What a call asks a person before it goes on."""

    message: str
    """The words that a person reads. They may be a foreign server's: they are shown, not obeyed."""
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The JSON Schema of the answer: an object whose properties are texts, numbers, True or False,
    one choice, or several.
    """
    note: str = ""
    """What the person should know beside it, such as that an answer makes the call once more."""


@dataclass(frozen=True, slots=True)
class Given:
    """A person's answer to a question."""

    question: Question
    answer: Mapping[str, Any] | None = field(repr=False)
    """None: the person declined."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call has asked so far. It is kept until the call has a result."""

    call_id: str
    given: tuple[Given, ...] = ()
    state: Any = field(default=None, repr=False)
    """What the tool wants back when it goes on: a JSON value."""
