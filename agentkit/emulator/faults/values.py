"""Faults to inject, as values: what goes wrong, and when.

One `Fault` holds one or more effects, which work together: `Fault(status=Status(503),
socket=Socket("stall", at="body", byte=10))` is an error body that stalls at its eleventh byte. The
same names are the keys of a YAML or JSON file.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

Api = Literal["chat", "responses", "images", "generation", "pictures", "models", "any"]
Phase = Literal["first", "after_tool", "follow_up"]
Action = Literal["cut", "reset", "stall", "slice", "drip", "end"]
Where = Literal[
    "accept", "request", "response", "body", "event", "character", "finish", "done", "end"
]
BodyKind = Literal[
    "html", "empty", "cut_json", "not_json", "null", "array", "wrong_type", "unstreamed"
]
EndlessKind = Literal["line", "base64", "comments", "empty_events", "events", "bytes"]
Quirk = Literal[
    "arguments.empty",
    "arguments.double",
    "arguments.invalid",
    "arguments.large",
    "arguments.deep",
    "arguments.nan",
    "arguments.duplicate_keys",
    "arguments.array",
    "calls.no_id",
    "calls.same_id",
    "calls.index_zero",
    "calls.split_name",
    "calls.repeated_name",
    "calls.cut",
    "calls.unknown_tool",
    "calls.server_tool",
    "calls.wrong_finish",
    "text.lone_surrogate",
    "text.split_surrogates",
    "text.separators",
    "text.controls",
    "text.unicode",
    "stream.duplicated",
    "stream.shuffled",
    "stream.two_finishes",
    "stream.one_finish",
    "stream.no_finish",
    "stream.no_done",
    "stream.usage_apart",
    "stream.crlf",
    "stream.cr",
    "stream.bom",
    "stream.split_data",
    "stream.comments",
    "stream.empty_events",
    "stream.event_names",
    "unknown.item",
    "unknown.event",
    "unknown.field",
    "unknown.enum",
    "base64.spaced",
    "base64.urlsafe",
    "base64.unpadded",
    "base64.cut",
    "base64.broken",
    "base64.wrong_type",
]
QUIRKS: tuple[str, ...] = get_args(Quirk)
BILLABLE = ("chat", "responses", "images")
_STRICT = ConfigDict(extra="forbid")


def _one(key: str) -> BeforeValidator:
    """A bare value stands for the field that matters most: `status: 503`, `body: html`, `socket:
    reset`.
    """
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str | int) else value)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class When:
    """Which requests a fault strikes; all that is given has to hold.

    `api`: by default the three that cost money. `path` and `model` are globs. `phase`: the first
    turn, a turn after a tool ran, or a later prompt. `nth`: which of the requests that fit
    otherwise, from 1. `times`: at most so often. `probability`: by a random number from the seed.
    """

    api: Api | None = None
    path: str | None = None
    model: str | None = None
    stream: bool | None = None
    phase: Phase | None = None
    nth: Annotated[tuple[Count, ...], BeforeValidator(_several)] = ()
    times: Count | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class Status:
    """An HTTP status instead of a reply, with the body that OpenRouter or a provider gives with it.

    `raw`: the provider's own words, in `metadata.raw`. `json` or `text` replace the whole body.
    `fill` makes it so many bytes longer. `retry_after` goes out as it is. `generation_id`: whether
    the header is there.
    """

    code: Annotated[int, Field(ge=300, le=599)]
    message: str | None = None
    raw: str | None = None
    metadata: Mapping[str, Any] | None = None
    availability: Mapping[str, Any] | None = None
    retry_after: str | int | float | None = None
    location: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict[str, str])
    generation_id: bool = True
    json: Mapping[str, Any] | None = None
    text: str | None = None
    content_type: str | None = None
    fill: Bytes = 0


@dataclass(frozen=True, slots=True, config=_STRICT)
class Body:
    """A 200 whose body is not what it should be. `wrong_type` is the right body as text/plain,
    `unstreamed` a whole JSON body where a stream was asked for; `text` and `content_type` replace
    what the kind would give."""

    kind: BodyKind = "html"
    text: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class ReplyError:
    """An error inside a 200, in one of its five forms.

    `body`: a top-level `error` alone; `choice`: in the finished reply; `stream`: after the content,
    before the end; `silent`: only `finish_reason: "error"`; in Responses, `event` names the event
    that ends the stream. With `content` false it comes before any output.
    """

    form: Literal["body", "choice", "stream", "silent"] = "stream"
    code: int = 502
    message: str = "Provider returned error"
    error_type: str | None = None
    metadata: Mapping[str, Any] | None = None
    event: Literal["response.failed", "response.error", "error"] = "response.failed"
    content: bool = True


@dataclass(frozen=True, slots=True, config=_STRICT)
class Endless:
    """A body without an end, or with one after `bytes` bytes. `pause`: seconds between its pieces,
    each up to 64 KiB or one event.

    `line`: one string that goes on; `base64`: the same as an image; `comments`, `empty_events`,
    `events`: of a stream (buffered: white space before the JSON); `bytes`: a picture's file.
    """

    kind: EndlessKind = "line"
    bytes: Bytes | None = None
    pause: Seconds = 0.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class Lookup:
    """What `GET /generation` answers for each id: `unknown` is a 404, `error` a 500, for the first
    `polls` (none: always); then what is true. `free`: of a request that never began, a record that
    says so, where there is none by default."""

    answer: Literal["unknown", "error", "free"] = "unknown"
    polls: Count | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Socket:
    """What happens to the bytes of a connection, and from where on.

    `cut`: a clean FIN; `reset`: a RST; `stall`: silence, for `seconds` (none: until the client
    goes); `slice`: `size` bytes at a time; `drip`: `rate` bytes a second; `end`: the response is
    closed as if it were whole. `at`: `accept`, as soon as the connection stands; `request`, after
    `byte` bytes of the request's body; `response`, at that byte of the response, its headers
    included; `body`, of its body; `event`, after so many events; `character`, inside the first
    UTF-8 character of several bytes; `finish`, before the event with the finish reason; `done`,
    before `[DONE]`; `end`, after the body, before the mark of its end. `byte` counts on from each
    of them.
    """

    action: Action = "cut"
    at: Where = "response"
    byte: Bytes = 0
    event: Bytes = 0
    seconds: Seconds | None = None
    size: Count = 1
    rate: Annotated[float, Field(gt=0)] = 1.0
    pause: Seconds = 0.0

    def __post_init__(self) -> None:
        if self.at in ("accept", "request") and self.action not in ("cut", "reset", "stall"):
            raise ValueError(
                f"action: {self.action!r} has no meaning at "
                f"{self.at!r}; accepted: cut, reset, stall"
            )
        if self.action == "end" and self.at == "response":
            raise ValueError(
                "at: a response can be ended only in its body; accepted: body, "
                "event, character, finish, done, end"
            )
        if self.event and self.at != "event":
            raise ValueError(f"event: counts only at 'event', and at is {self.at!r}")


@dataclass(frozen=True, slots=True, config=_STRICT)
class Fault:
    """One fault: its effects, and when they strike.

    `billed`: true, the reply is made and billed in full whatever the client sees of it; false, the
    request is not accepted and costs nothing; by default as it would be: a status is not billed,
    what breaks off bills what was produced.
    """

    status: Annotated[Status | None, _one("code")] = None
    body: Annotated[Body | None, _one("kind")] = None
    error: Annotated[ReplyError | None, _one("form")] = None
    quirks: Annotated[tuple[Quirk, ...], BeforeValidator(_several)] = ()
    endless: Annotated[Endless | None, _one("kind")] = None
    lookup: Annotated[Lookup | None, _one("answer")] = None
    socket: Annotated[Socket | None, _one("action")] = None
    billed: bool | None = None
    when: When = Field(default_factory=When)
    name: str | None = None

    def __post_init__(self) -> None:
        replacing = [
            key for key in ("status", "body", "endless", "lookup") if getattr(self, key) is not None
        ]
        inside = [key for key in ("error", "quirks") if getattr(self, key)]
        if not (replacing or inside or self.socket):
            raise ValueError(
                "no effect was given; accepted: status, body, error, "
                "quirks, endless, lookup, socket"
            )
        if len(replacing) > 1 or (inside and replacing and replacing != ["body"]):
            raise ValueError(
                f"{' and '.join([*replacing, *inside])} cannot strike the same "
                "reply: give each a fault of its own"
            )
        if self.lookup is not None and self.when.api not in (None, "generation"):
            raise ValueError(f"lookup: concerns GET /generation, and when.api is {self.when.api!r}")
        if self.billed is False and (inside or self.body or self.endless or self._in_the_reply):
            raise ValueError(
                "billed: a request that was not accepted has no reply in "
                "which this fault could strike"
            )
        if self.early and (
            replacing
            or inside
            or self.when.model
            or self.when.stream is not None
            or self.when.phase
        ):
            raise ValueError(
                "socket.at: nothing of the request's body is known yet at "
                f"{self.socket and self.socket.at!r}"
            )

    @property
    def early(self) -> bool:
        """Whether it strikes before the request is known."""
        return self.socket is not None and self.socket.at in ("accept", "request")

    @property
    def _in_the_reply(self) -> bool:
        if self.socket is None or self.status is not None or self.early:
            return False
        ends = self.socket.action in ("cut", "reset") or (
            self.socket.action == "stall" and self.socket.seconds is None
        )
        return self.socket.at != "response" or self.socket.byte > 0 or not ends

    @property
    def apis(self) -> tuple[str, ...]:
        """The APIs that it strikes."""
        if self.lookup is not None:
            return ("generation",)
        return BILLABLE if self.when.api is None else (self.when.api,)
