"""What the two dialects have in common: a request before it is encoded, a reply after it was
decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agentkit.errors import APIError
from agentkit.run.audience import Audience
from agentkit.run.history import MessageView
from agentkit.settings import ModelSettings
from agentkit.values import (
    File,
    Invocation,
    Message,
    Place,
    Reasoning,
    Text,
    ToolCall,
    Usage,
    fast_init,
)
from agentkit.wire.cache_marks import MOST_MARKS, CacheMarks
from agentkit.wire.fields import OPENROUTER, Fields

JsonObject = Mapping[str, Any]
IMAGE_GENERATION = "openrouter:image_generation"
BLOB = "agentkit-blob"
"""How a reference begins that stands for a picture whose bytes the spool took:
`agentkit-blob:TOKEN:NUMBER`.
"""
CONTAINER_FILE = "agentkit-container-file:"
"""How a value begins that stands for a file in the container of a tool: CONTAINER/FILE follow."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A user's tool as the model is told of it. `schema` is the JSON Schema of its parameters."""

    name: str
    description: str
    schema: JsonObject
    strict: bool | None = None
    defer_loading: bool | None = None
    extra: JsonObject = field(default_factory=dict[str, Any])
    """Further keys of its entry, which win."""

    @property
    def entry(self) -> JsonObject:
        """The keys that stand beside the function, the same in both APIs."""
        deferred = {} if self.defer_loading is None else {"defer_loading": self.defer_loading}
        return {**deferred, **self.extra}


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema that the last reply has to fit."""

    name: str
    schema: JsonObject


@fast_init
@dataclass(frozen=True, slots=True)
class Request:
    """One turn, before it is encoded for either API."""

    model: str
    messages: Sequence[Message]
    settings: ModelSettings = field(default_factory=ModelSettings)
    instructions: str = ""
    functions: tuple[FunctionSpec, ...] = ()
    server_tools: tuple[JsonObject, ...] = ()
    output: OutputSchema | None = None
    stream: bool = False
    tool_choice: str | None = None
    closing: bool = False
    """No tool may be called in this turn: functions stay declared (history names them), server
    tools do not.
    """
    session_id: str | None = None
    output_tokens_left: int | None = None
    server_calls_left: int | None = None
    last_server_call: str | None = None
    """The server tool after whose call no server tool may run any more."""
    cost_left: float | None = None
    files: tuple[File, ...] = ()
    """The files that go, as such or in words."""
    pdf_engine: str | None = None
    """What OpenRouter reads the PDFs of this request with; None where it has none."""
    fields: Fields = OPENROUTER
    """Which fields the service takes."""
    cache: CacheMarks | None = None
    """Where the prompt is marked for the provider's prompt cache."""
    shown: Mapping[int, MessageView] = field(default_factory=dict[int, MessageView])
    """By position in `messages`: how that message goes, where it does not go as it is
    (`agentkit.run.history`).
    """
    readers: Audience | None = None
    """The models that may answer, if that was found out before."""

    @property
    def audience(self) -> Audience:
        """The models that may answer."""
        if self.readers is not None:
            return self.readers
        return Audience.of(self.model, self.settings, strict=self.fields.strict)

    @property
    def marks_tools(self) -> bool:
        """Whether the last function tool is marked for the prompt cache, in Chat Completions."""
        cache = self.cache
        marks = cache is not None and cache.where == "all" and not cache.silent
        return marks and bool(self.functions) and self._marks_of_tools == 0

    @property
    def marks_left(self) -> int:
        """How many marks are left for what stands behind the tools."""
        return max(0, MOST_MARKS - (self._marks_of_tools or int(self.marks_tools)))

    @property
    def _marks_of_tools(self) -> int:
        """How many tools the user marked himself."""
        return sum("cache_control" in spec.extra for spec in self.functions)

    @property
    def max_tokens(self) -> int | None:
        each = [
            limit
            for limit in (self.settings.max_tokens, self.output_tokens_left)
            if limit is not None
        ]
        return min(each) if each else None


@dataclass(frozen=True, slots=True)
class ImageKey:
    """Which picture of a reply: the same, however often that picture is seen."""

    where: Literal["content", "data", "images", "item", "server", "text", "unclaimed"]
    """`data` is that of the Image API, `text` a link or a reference in words; `unclaimed` came
    without the event that it belongs to.
    """
    at: str
    """Its position there, or its URL or reference."""

    def __str__(self) -> str:
        return f"{self.where}:{self.at}"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture seen on the wire, not stored yet. Of `values` (URLs, base64, references) the first
    that yields bytes wins.
    """

    key: ImageKey
    place: Place
    values: tuple[str, ...]
    alt: str = ""
    prompt: str | None = None
    revised_prompt: str | None = None
    invocation_id: str | None = None
    cost_usd: float | None = None
    error: str | None = None
    """Why there is none, if the wire says so."""
    optional: bool = False
    """A bare link in words: no failure is reported if it leads to no picture."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A partial picture: shown, never kept."""

    key: str
    """The same for all previews of one picture."""
    index: int
    value: str


@dataclass(frozen=True, slots=True)
class ServerCall:
    """A server tool's call as far as the wire shows it."""

    invocation: Invocation
    phase: str | None = None


@dataclass(slots=True)
class Words:
    """Some more text or reasoning. Thousands of them come in one reply, so it is not frozen: that
    is made in half the time.
    """

    text: str
    what: Literal["text", "reasoning"] = "text"
    part: int = 0
    """Of text: in which of the texts of its reply, each of which is read by itself."""


Signal = Words | ImageRef | Preview | ServerCall

ReplyPart = Text | Reasoning | ImageRef | ToolCall


@fast_init
@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of the model, whole or as far as it came. `raw` is the JSON of each item to echo,
    with references inside.
    """

    id: str | None
    model: str | None
    parts: tuple[ReplyPart, ...]
    raw: tuple[bytes, ...]
    server_calls: tuple[Invocation, ...]
    usage: Usage
    finish: str | None
    refusal: str | None = None
    error: APIError | None = None
    tools: tuple[str, ...] | None = None
    """The types of the tools that the service says it had in use; None where it does not say."""
    drawn_by: str | None = None
    """The model that the tool which draws has drawn with, if the service says it."""
    drawing: Usage | None = None
    """What that tool used beside `usage`, if the service says it."""
    tells_cache: bool = False
    """Whether `usage` tells how many tokens were read from the prompt cache, be it none."""
    parsed: tuple[JsonObject, ...] = ()
    """What the service read out of the files that it was sent."""


class WordFilter(Protocol):
    """Takes the pictures out of the words of one text, and gives on what is decided."""

    def more(self, text: str) -> str:
        """The words that are decided, now that these have come."""
        ...

    def rest(self) -> str:
        """The end of the words."""
        ...


NewFilter = Callable[[], WordFilter]
"""Makes the filter of one text."""


class Unfiltered:
    """Words as they come."""

    def more(self, text: str) -> str:
        """The words."""
        return text

    def rest(self) -> str:
        """Nothing: no words are held back."""
        return ""


class Decoder(Protocol):
    """Builds a reply from the events of a stream, or from one whole body; both ways give equal
    replies.
    """

    @property
    def finished(self) -> bool:
        """Whether the reply has come to its end."""
        ...

    @property
    def closed(self) -> bool:
        """Whether no event of its stream can follow, so that nobody waits for the stream's end."""
        ...

    def feed(self, event: JsonObject) -> list[Signal]:
        """Take one event of a stream."""
        ...

    def whole(self, body: JsonObject) -> list[Signal]:
        """Take a buffered body."""
        ...

    def reply(self) -> Reply:
        """What has come so far."""
        ...
