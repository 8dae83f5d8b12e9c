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
    """Accept a bare value for the main field: `status: 503`, `body: html`, `socket: reset`."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str | int) else value)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class When:
    """The requests that a fault strikes. Every condition that is given must hold.

    - `api`: by default the three APIs that cost money.
    - `path`, `model`: globs.
    - `phase`: the first turn, a turn after a tool ran, or a later prompt.
    - `nth`: numbers, from 1, among the requests that meet the other conditions.
    - `times`: how often the fault strikes at most.
    - `probability`: chance of each request, drawn from the seed.
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
    """An error status in place of a reply, with the body that OpenRouter sends for it.

    - `raw`: the provider's own error text, in `metadata.raw`.
    - `json`, `text`: replace the whole body.
    - `fill`: bytes to add to the body.
    - `retry_after`: the header's value, sent unchanged.
    - `generation_id`: whether the header `X-Generation-Id` is sent.
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
    """A response with status 200 and a wrong body.

    `wrong_type` is the right body as text/plain, `unstreamed` a JSON body in place of a stream.
    `text` and `content_type` replace those of the kind.
    """

    kind: BodyKind = "html"
    text: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class ReplyError:
    """An error inside a response with status 200.

    - `form="body"`: a top-level `error` and nothing else.
    - `form="choice"`: an error inside the finished reply.
    - `form="stream"`: an error after the content, before the end.
    - `form="silent"`: only `finish_reason: "error"`.

    In Responses, `event` is the event that ends the stream. With `content=False` the error comes
    before any output.
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
    """A body that never ends, or ends after `bytes` bytes.

    - `kind="line"`: one string that goes on; `"base64"`: the same as an image.
    - `kind="comments"`, `"empty_events"`, `"events"`: parts of a stream. A buffered reply gets
      white space before its JSON.
    - `kind="bytes"`: the file of a picture.
    - `pause`: seconds between two pieces, each up to 64 KiB or one event.
    """

    kind: EndlessKind = "line"
    bytes: Bytes | None = None
    pause: Seconds = 0.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class Lookup:
    """A wrong answer of `GET /generation`: `unknown` is a 404, `error` a 500.

    It is given `polls` times for each id (None: always), and then the true one. `free` is a record
    without cost, for a request that was never begun; by default such a request has no record.
    """

    answer: Literal["unknown", "error", "free"] = "unknown"
    polls: Count | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Socket:
    """A fault of the connection: what happens to its bytes, and where it begins.

    The actions:

    - `cut`: the connection is closed (FIN); `reset`: it is reset (RST).
    - `stall`: nothing is sent for `seconds` (None: until the client leaves).
    - `slice`: `size` bytes at a time, with `pause` seconds between them.
    - `drip`: `rate` bytes a second.
    - `end`: the response ends early, as if it were whole.

    The places, `at`, from each of which `byte` counts on:

    - `accept`: the new connection; `request`: the body of the request.
    - `response`: the response with its headers; `body`: its body.
    - `event`: after that many events; `finish`: before the event with the finish reason.
    - `character`: inside the first UTF-8 character of several bytes.
    - `done`: before `[DONE]`; `end`: after the body, before the mark of its end.
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
    """One fault: its effects, and the requests that it strikes.

    - `billed=True`: the reply is made and billed in full, whatever the client sees of it.
    - `billed=False`: the request is not accepted and costs nothing.
    - `billed=None`: an error status costs nothing; a reply that breaks off costs what was produced.
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
        """Whether the fault strikes before the request's body is read."""
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
        """The APIs that the fault strikes."""
        if self.lookup is not None:
            return ("generation",)
        return BILLABLE if self.when.api is None else (self.when.api,)
