"""A message, its parts, and a tool call as it is tracked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentkit.values.codec import Amount
from agentkit.values.image import Image, ImageFailure, Pieces

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = ("chat", "responses")


@dataclass(frozen=True, slots=True)
class Text:
    """Words. `citations` are the wire's annotations for them, as they came (`url_citation` and the
    like).
    """

    text: str
    citations: tuple[Mapping[str, Any], ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model shows of its reasoning. What it hides (encrypted, signed) is in
    `Message.raw`.
    """

    text: str
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool of the user's. `arguments` is JSON text, as it came."""

    id: str
    name: str
    arguments: str
    fault: str | None = None
    """Why it is never run, where it must not be: the reply was cut inside it, or two calls came
    with one id.
    """
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back, as the model is told."""

    call_id: str
    name: str
    parts: tuple[Text | Image, ...]
    error: bool = False
    kind: Literal["tool_result"] = "tool_result"

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


Part = Text | Reasoning | Image | ImageFailure | ToolCall | ToolResult
Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Message:
    """One message of a conversation. `raw` are the items of the dialect (`api`) that produced it,
    echoed verbatim.
    """

    role: Role
    parts: tuple[Part, ...]
    raw: tuple[Pieces, ...] = ()
    api: Api | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        """Its words, simply concatenated."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """Its pictures, those in tool results included."""
        found: list[Image] = []
        for part in self.parts:
            if isinstance(part, Image):
                found.append(part)
            elif isinstance(part, ToolResult):
                found.extend(inner for inner in part.parts if isinstance(inner, Image))
        return tuple(found)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


InvocationStatus = Literal["pending", "running", "completed", "failed", "denied", "cancelled"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One tool call: of a user's tool (`executor="client"`) or of a server tool (`"server"`, never
    dispatched here).
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None = None
    """None where the wire shows only that a call was made."""
    executor: Literal["client", "server"] = "client"
    status: InvocationStatus = "pending"
    result: str | None = None
    error: str | None = None
    images: tuple[str, ...] = ()
    """Names of the pictures that it gave."""
    started_at: Amount | None = None
    """Unix time in seconds."""
    seconds: Amount | None = None
    cost_usd: Amount | None = None
    count: int = 1
    """How many calls this stands for: more than 1 only where the wire shows nothing but a
    number.
    """
