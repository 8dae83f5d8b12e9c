"""The result of a tool that spent money of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from agentkit.values import Usage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Billed(Generic[T]):
    """What a tool returns together with what it spent: the model is told `value` alone, the run adds `usage` to its own,
    and the invocation gets its cost."""

    value: T
    usage: Usage
