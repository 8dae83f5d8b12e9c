"""What a reply holds, in the words of neither dialect.

A `Reply` is an ordered list of small values. The same one can be encoded as a chat completion or as
a Responses result, buffered or streamed, so one scenario runs four ways. `RawReply` is for bytes
that must arrive exactly.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = dict[str, Any]

Place = Literal[
    "message_images",
    "server_tool_call",
    "markdown",
    "bare_link",
    "content_parts",
    "server_tool_item",
    "image_generation_call",
    "partial_image",
    "images_data",
    "images_stream",
    "code_interpreter_call",
    "browser_use",
    "container_file",
]
Shape = Literal[
    "url",
    "data_url",
    "base64",
    "imageUrl",
    "imageB64",
    "result_url",
    "result_data_url",
    "result_base64",
    "file",
]
PLACES: tuple[str, ...] = get_args(Place)
SHAPES: tuple[str, ...] = get_args(Shape)
FORMATS = ("png", "jpeg", "webp", "gif", "svg")


def _short(self: object) -> str:
    """Only the fields that were given: a reply has a dozen. Bytes are left out."""
    given = [
        f"{each.name}={found!r}"
        for each in fields(cast("DataclassInstance", self))
        if each.repr and (found := getattr(self, each.name)) != _default(each)
    ]
    return f"{type(self).__name__}({', '.join(given)})"


def _default(of: "Field[Any]") -> object:
    return of.default if of.default_factory is MISSING else of.default_factory()


@dataclass(frozen=True, slots=True, repr=False)
class Say:
    """Text of the answer. An annotation is a flat citation: `url`, `title`, and optionally
    `content`, `start_index`, `end_index`."""

    text: str
    annotations: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        _check_kind("text", self.text, str, "words")

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class Think:
    """Reasoning: readable text, an encrypted blob, a signature, or several of these."""

    text: str = ""
    encrypted: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        _check_kind("text", self.text, str, "words")
        for name in ("encrypted", "signature"):
            _check_kind(name, getattr(self, name), str | None, "words, or None")

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class CallTool:
    """A call of a user's function. A string in `arguments` goes out as it is, valid JSON or not."""

    name: str
    arguments: str | Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None

    def __post_init__(self) -> None:
        _check_kind("name", self.name, str, "the name of a function")
        _check_kind("id", self.id, str | None, "words, or None")
        accepted = "a mapping that JSON can hold, or a string that goes out as it is"
        _check_kind("arguments", self.arguments, str | Mapping, accepted)
        try:
            self.arguments_text()
        except (TypeError, ValueError, RecursionError) as error:
            shown = _shown(self.arguments)
            raise TypeError(
                f"arguments: {shown} was given ({error}); {accepted} is accepted"
            ) from None

    def arguments_text(self) -> str:
        return (
            self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))
        )

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class Draw:
    """A picture.

    - `places`: where on the wire it appears. Empty: where the API would put it.
    - `shape`: how it is written there.
    - `data`: its bytes. None: the painter paints `prompt`, as a change of `source` if given.
    - `size`: width and height in pixels.
    - `status="error"`: the tool failed, and no picture comes.
    """

    prompt: str
    places: Sequence[Place] = ()
    size: tuple[int, int] | None = None
    format: str = "png"
    data: bytes | None = field(default=None, repr=False)
    status: Literal["ok", "error"] = "ok"
    error: str | None = None
    revised_prompt: str | None = None
    preview_count: int = 0
    shape: Shape | None = None
    seed: int | None = None
    source: bytes | None = field(default=None, repr=False)
    transparent: bool = False
    quality: str = "auto"
    compression: int | None = None

    def __post_init__(self) -> None:
        _check_kind("prompt", self.prompt, str, "words")
        for name in ("data", "source"):
            _check_kind(name, getattr(self, name), bytes | None, "the bytes of a picture, or None")
        for place in self.places:
            if place not in PLACES:
                raise ValueError(
                    f"places: {place!r} is no place for an image; accepted: {', '.join(PLACES)}"
                )
        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(f"shape: {self.shape!r} is unknown; accepted: {', '.join(SHAPES)}")
        if self.format not in FORMATS:
            raise ValueError(f"format: {self.format!r} is unknown; accepted: {', '.join(FORMATS)}")

    @property
    def media_type(self) -> str:
        return "image/svg+xml" if self.format == "svg" else f"image/{self.format}"

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class UseServerTool:
    """A server tool that ran, image generation apart.

    Chat shows it only in `usage`, Responses as an output item of the type `tool` with `fields`:
    `openrouter:web_fetch`, `mcp_call`, `code_interpreter_call`, `openrouter:armor_blocked`, ….
    `files`, by name, lie in its container, and the item cites them.
    """

    tool: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    def __post_init__(self) -> None:
        _check_kind("tool", self.tool, str, "the type of an output item")
        _check_kind("fields", self.fields, Mapping, "a mapping")
        _check_kind("files", self.files, Mapping, "a mapping of names to bytes")

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class Raw:
    """JSON that goes over the wire unchanged, at its place among the content.

    - `chat`: fields of the message; in a stream, of one delta.
    - `responses`: a whole output item.
    - `chat_chunk`, `responses_event`: whole events, in streamed replies only.
    """

    chat: Mapping[str, Any] | None = None
    responses: Mapping[str, Any] | None = None
    chat_chunk: Mapping[str, Any] | None = None
    responses_event: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_kind(each.name, getattr(self, each.name), Mapping | None, "a mapping, or None")

    __repr__ = _short


Item = Say | Think | CallTool | Draw | UseServerTool | Raw

FailureForm = Literal["http", "body", "choice", "stream", "silent"]


@dataclass(frozen=True, slots=True, repr=False)
class Failure:
    """How a reply fails.

    - `form="http"`: an error status in place of a reply. The other forms have status 200.
    - `form="body"`: a top-level `error` and nothing else.
    - `form="choice"`: an error inside the finished reply.
    - `form="stream"`: the content and then a top-level error.
    - `form="silent"`: only `finish_reason: "error"`.

    In Responses, `event` is the event that ends a stream. A failure by HTTP is not billed unless
    `billed` is true; the others bill what was produced.
    """

    message: str = "Provider returned error"
    code: int = 500
    form: FailureForm = "http"
    metadata: Mapping[str, Any] | None = None
    error_type: str | None = None
    body: Mapping[str, Any] | None = None
    event: Literal["response.failed", "response.error", "error"] = "response.failed"
    billed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.message, str):
            raise TypeError(
                f"message: {self.message!r} was given; the text comes first, then the code"
            )
        if isinstance(self.code, bool) or not isinstance(self.code, int):
            raise TypeError(f"code: {self.code!r} was given; a number such as 502 is accepted")
        if self.form == "http" and not 200 <= self.code <= 599:
            raise ValueError(
                f"code: {self.code} was given; an HTTP status from 200 to 599 is accepted"
            )

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """One scripted reply.

    - `content`: what the model says, calls and draws, in order.
    - `usage`: replaces fields of the usage that the emulator computes.
    - `error`: how the reply fails; with an HTTP status, in place of the content.
    - `delay`: seconds before the first byte.
    - `pause`: seconds between two pieces of a stream; by default the emulator's `chunk_delay`.
    - `chunk`: characters in a text delta.
    - `hang`: the connection stays open and silent after the content, before the end.
    - `cut_after`: the connection is closed after that many bytes of the body.
    """

    content: Sequence[Item] = ()
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    error: Failure | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    chunk: int | None = None
    hang: bool = False
    cut_after: int | None = None
    pause: float | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(
                f"chunk: {self.chunk} was given; at least 1 character per delta is needed"
            )
        object.__setattr__(self, "content", _items(self.content))
        if self.error is not None and not isinstance(self.error, Failure):
            raise TypeError(f"error: {self.error!r} was given; accepted is Failure(…)")
        _check_timing(self.delay, self.cut_after)
        if self.pause is not None:
            check_seconds("pause", self.pause)

    __repr__ = _short


@dataclass(frozen=True, slots=True, repr=False)
class RawReply:
    """A reply given as bytes, which costs nothing. `chunks` are the pieces in which it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    chunks: Sequence[bytes] | None = None
    delay: float = 0.0
    hang: bool = False
    cut_after: int | None = None

    def __post_init__(self) -> None:
        _check_timing(self.delay, self.cut_after)

    __repr__ = _short


Scripted = Reply | RawReply
Playable = str | Item | Failure | Scripted
Rule = Callable[[str, Mapping[str, Any]], Playable | None]
"""A model of your own: what the request tells it, in words (a line of `Emulator.told`), and the
body of the request, to what it replies; None where the emulator's rules are to answer.
"""
"""What stands for one reply: a `Reply` or `RawReply`, or its one item, its words or its failure."""

_ACCEPTED = ", ".join(kind.__name__ for kind in get_args(Item))


def reply_of(value: object) -> Scripted:
    """The reply that a value stands for. Raises `TypeError` for what stands for none."""
    match value:
        case Reply() | RawReply():
            return value
        case str():
            return Reply([Say(value)])
        case Failure():
            return Reply(error=value)
        case Say() | Think() | CallTool() | Draw() | UseServerTool() | Raw():
            return Reply([value])
        case _:
            raise TypeError(
                f"play: {_shown(value)} was given; accepted are Reply(…), RawReply(…), words, "
                f"Failure(…), and each of {_ACCEPTED}"
            )


def _items(content: object) -> tuple[Item, ...]:
    """The content of a reply. A string would be taken for a list of its letters."""
    if isinstance(content, str) or not isinstance(content, Iterable):
        raise TypeError(f"content: {_shown(content)} was given; accepted is a list of {_ACCEPTED}")
    found: list[Item] = []
    for item in cast("Iterable[object]", content):
        if not isinstance(item, Item):
            hint = f" (words go as Say({item!r}))" if isinstance(item, str) else ""
            raise TypeError(f"content: {_shown(item)} was given{hint}; accepted are {_ACCEPTED}")
        found.append(item)
    return tuple(found)


def _check_kind(name: str, value: object, kind: Any, accepted: str) -> None:
    """Raises `TypeError` where it is made, not in the middle of a reply."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: {_shown(value)} was given; {accepted} is accepted")


def _check_timing(delay: object, cut_after: object) -> None:
    check_seconds("delay", delay)
    if cut_after is not None and (
        isinstance(cut_after, bool) or not isinstance(cut_after, int) or cut_after < 0
    ):
        raise ValueError(f"cut_after: {cut_after!r} was given; bytes from 0 are accepted")


def check_seconds(name: str, value: object) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
        or value < 0
    ):
        raise ValueError(f"{name}: {value!r} was given; seconds from 0 are accepted")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
