"""A message, its parts, and a tool call as it is tracked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from agentkit.values.codec import Amount
from agentkit.values.file import File, ParsedFile
from agentkit.values.image import Image, ImageFailure, Pieces
from agentkit.values.making import fast_init
from agentkit.values.question import Question

_Kind = TypeVar("_Kind", Image, File)

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = ("chat", "responses")


@fast_init
@dataclass(frozen=True, slots=True)
class Text:
    """Words. `citations` are the annotations that came with them (`url_citation` and the like),
    unchanged.
    """

    text: str
    citations: tuple[Mapping[str, Any], ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Reasoning that the model shows. What it hides (encrypted, signed) is in `Message.raw`."""

    text: str
    kind: Literal["reasoning"] = "reasoning"


@fast_init
@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool of the user. `arguments` is JSON text, as it came."""

    id: str
    name: str
    arguments: str
    fault: str | None = None
    """Why the call must not run, if so: the reply was cut inside it, or two calls had the same id.
    """
    kind: Literal["tool_call"] = "tool_call"


@fast_init
@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned, as the model is told."""

    call_id: str
    name: str
    parts: tuple[Text | Image | File, ...]
    error: bool = False
    rejected: bool = False
    """Whether the call was not run because the tool does not take its arguments, or because there
    is no such tool.
    """
    kind: Literal["tool_result"] = "tool_result"
    approved: bool | None = None
    """For a call that the service runs itself (`mcp_approval_request`): what a person said of it.
    Then this is no result: the call is run, or not, by the next request.
    """

    @property
    def text(self) -> str:
        """Its words."""
        if len(self.parts) == 1 and isinstance(alone := self.parts[0], Text):  # as of most
            return alone.text
        return "".join(part.text for part in self.parts if isinstance(part, Text))


Part = Text | Reasoning | Image | File | ImageFailure | ToolCall | ToolResult
Role = Literal["user", "assistant", "tool"]


class _KnowsCalls:
    """Room for what is looked up in a message once, and for weak references to it. It is no field:
    no part of its equality or its JSON, and not copied to a changed message.
    """

    __slots__ = ("__weakref__", "_calls", "_numbers")
    _calls: tuple[ToolCall, ...]
    _numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Summarised:
    """A summary that a model wrote of a conversation, for all messages before one of them."""

    text: str
    until: int
    """The position, in the conversation, of the first message that it does not stand for."""


@fast_init
@dataclass(frozen=True, slots=True)
class Message(_KnowsCalls):
    """One message of a conversation. `raw` holds the items of the API that produced it (`api`), for
    sending them back. Of a reply, `model` is the one that gave it.
    """

    role: Role
    parts: tuple[Part, ...]
    raw: tuple[Pieces, ...] = ()
    api: Api | None = None
    model: str | None = None
    asked: str | None = None
    """Of a reply: the model that was asked, where no other could answer."""
    parsed: tuple[ParsedFile, ...] = ()
    """Of a reply: what the service read out of the files it was sent."""
    summary: Summarised | None = None
    """Of a prompt: what is sent from here on in the place of older messages."""

    @property
    def text(self) -> str:
        """Its words."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """Its pictures, those in tool results included."""
        return tuple(self._of(Image))

    @property
    def files(self) -> tuple[File, ...]:
        """Its files, those in tool results included."""
        return tuple(self._of(File))

    def _of(self, kind: type[_Kind]) -> Iterator[_Kind]:
        for part in self.parts:
            inside = part.parts if isinstance(part, ToolResult) else (part,)
            for each in inside:
                if isinstance(each, kind):
                    yield each

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls in it."""
        try:
            return self._calls
        except AttributeError:
            found = tuple(part for part in self.parts if isinstance(part, ToolCall))
            object.__setattr__(self, "_calls", found)
            return found

    @property
    def call_numbers(self) -> Mapping[str, int]:
        """The position of each call among them, by its id."""
        try:
            return self._numbers
        except AttributeError:
            found = {call.id: number for number, call in enumerate(self.calls)}
            object.__setattr__(self, "_numbers", found)
            return found


InvocationStatus = Literal["pending", "running", "completed", "failed", "denied", "cancelled"]


@fast_init
@dataclass(frozen=True, slots=True)
class Invocation:
    """One tool call: of a tool of the user (`executor="client"`), or of a server tool (`"server"`),
    which OpenRouter runs.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None = None
    """The arguments as JSON values; None if the reply shows only that a call was made."""
    executor: Literal["client", "server"] = "client"
    status: InvocationStatus = "pending"
    result: str | None = None
    """What the model was told."""
    error: str | None = None
    """Why the call failed or was not run."""
    images: tuple[str, ...] = ()
    """Handles of the pictures that it gave."""
    files: tuple[str, ...] = ()
    """Handles of the files that it gave."""
    started_at: Amount | None = None
    """Unix time in seconds."""
    seconds: Amount | None = None
    """How long it took."""
    cost_usd: Amount | None = None
    count: int = 1
    """How many calls this stands for. More than 1 only if the reply shows nothing but a number."""
    question: Question | None = None
    """What the call asks a person, while it waits for an answer: `resume(run, answers={id: …})`."""
