"""The values that everything else is made of: frozen, slotted, free of sockets, clocks and storage.

A `Message` holds parts in the order in which the model gave them, so text and pictures interleave, and beside them the
raw items of the dialect that produced it, for a verbatim echo. Money is a float in USD; `None` means that the wire did
not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import fsum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from agentkit.pictures import BlobRef as BlobRef
from agentkit.pictures import Blobs as Blobs
from agentkit.pictures import Image as Image
from agentkit.pictures import ImageFailure as ImageFailure
from agentkit.pictures import MemoryBlobs as MemoryBlobs
from agentkit.pictures import Pieces as Pieces
from agentkit.pictures import Place as Place
from agentkit.pictures import Source as Source
from agentkit.saved import Amount

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ValueT = TypeVar("ValueT", bound="DataclassInstance")

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = ("chat", "responses")


def grown(value: ValueT, **changes: Any) -> ValueT:
    """What `dataclasses.replace` gives, at a third of its cost, for a value that checks nothing when it is made. Values grow
    several times in each turn, so this is felt."""
    read, slots = _fields(type(value))
    other = object.__new__(type(value))
    for put, each in zip(slots, read(value), strict=False):
        put(other, each)
    for name, change in changes.items():
        object.__setattr__(other, name, change)
    return other


@cache
def _fields(
    kind: type[DataclassInstance],
) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...]]:
    """How the fields of a slotted dataclass are read, all at once, and written."""
    names = tuple(kind.__dataclass_fields__)
    read = attrgetter(*names, names[0])  # of one name it would give no tuple
    return read, tuple(getattr(kind, name).__set__ for name in names)


@dataclass(frozen=True, slots=True)
class Text:
    """Words. `citations` are the wire's annotations for them, as they came (`url_citation` and the like)."""

    text: str
    citations: tuple[Mapping[str, Any], ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model shows of its reasoning. What it hides (encrypted, signed) is in `Message.raw`."""

    text: str
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool of the user's. `arguments` is JSON text, as it came."""

    id: str
    name: str
    arguments: str
    fault: str | None = None
    """Why it is never run, where it must not be: the reply was cut inside it, or two calls came with one id."""
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
    """One message of a conversation. `raw` are the items of the dialect (`api`) that produced it, echoed verbatim."""

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
    """One tool call: of a user's tool (`executor="client"`) or of a server tool (`"server"`, never dispatched here)."""

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
    """How many calls this stands for: more than 1 only where the wire shows nothing but a number."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used, in tokens and USD. `cost_usd` is None where no reply told its cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    image_tokens: int = 0
    server_tool_calls: int = 0
    images: int = 0
    requests: int = 0
    priced_requests: int = 0
    """Of `requests`, those whose cost is in `cost_usd`: where it is less, the true cost is higher."""
    cost_usd: Amount | None = None

    @property
    def cost_is_whole(self) -> bool:
        """Whether `cost_usd` holds the cost of every request; else it is the least that was spent."""
        return self.priced_requests == self.requests

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """The sum; costs are added by `fsum`, those not told left out."""
        each = tuple(usages)
        if len(each) < 2:
            return each[0] if each else cls()
        costs = [usage.cost_usd for usage in each if usage.cost_usd is not None]
        counts = map(sum, zip(*map(_COUNTS, each), strict=True))
        return cls(*counts, cost_usd=fsum(costs) if costs else None)


_COUNTS = attrgetter(*(name for name in Usage.__dataclass_fields__ if name != "cost_usd"))
