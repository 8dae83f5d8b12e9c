"""The table: each fault, where it strikes, and what is right for it. Cells are made from it; nothing is said twice.

A row says what to inject and, for buffered and streamed replies, what has to come of it. What holds for every cell alike (one of
agentkit's own errors, nothing paid twice, no picture lost, no task left, the conversation as before) is in `test_matrix.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentkit import FetchPolicy, Limits
from agentkit.emulator import Body, Endless, Fault, Lookup, ReplyError, Socket, Status, When
from agentkit.errors import (
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    DeadlineExceeded,
    InsufficientCredits,
    OutcomeUnknown,
    PermissionRefused,
    ProtocolError,
    ProviderFailed,
    RateLimited,
    RunError,
    StreamInterrupted,
)
from agentkit.openrouter import Timeouts
from tests.matrix.scene import MOMENTS, WAYS, Moment, Scene, Seen, Way

Check = Callable[[Seen], None]
ALL = ("chat", "responses", "images")
TEXT = ("chat", "responses")
PATIENT = Timeouts(connect=5, first_byte=8, idle=8, lookup=2)
HASTY = Timeouts(connect=5, first_byte=0.7, idle=0.7, lookup=2)
FORLORN = Timeouts(connect=5, first_byte=8, idle=8, lookup=0.6)
MIDDLE = {"chat": 5, "responses": 12, "images": 1}
"""How many events of a stream come before the one that something happens to, the words having begun."""


@dataclass(frozen=True)
class Outcome:
    """What has to come of a cell. `error` None: it ends well, with the answer whole."""

    error: type[RunError] | tuple[type[RunError], ...] | None = None
    sent: int = 1
    """POSTs of the struck turn, its repetitions included; a turn that goes well is followed by another after its tool."""
    looked: bool = False
    """Whether `GET /generation` was asked."""
    billed: bool | None = None
    """What the look-up told, where it has to be known."""
    id: bool | None = None
    """Whether the error has the generation id; None: either."""
    pictures: int | None = None
    """Pictures in what had arrived."""
    failures: int = 0
    ran: Sequence[str] | None = None
    """The tools that ran in the struck turn; by default `note` where it ends well, and none otherwise."""
    check: Check | None = None


GOOD = Outcome()


@dataclass(frozen=True, eq=False)
class Row:
    """One fault. `buffered` or `streamed` None: it has no meaning there. `faults`, and what differs by mode."""

    name: str
    faults: Callable[[Way], Sequence[Fault]]
    buffered: Outcome | None
    streamed: Outcome | None
    apis: Sequence[str] = ALL
    moments: Sequence[Moment] = MOMENTS
    timeouts: Timeouts = PATIENT
    phase: str = ""
    seconds: float = 10.0
    """Within which the cell has to be over."""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cell:
    row: Row
    way: Way
    moment: Moment
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.row.phase}: {self.row.name} [{self.moment}, {self.way}]"

    @property
    def slow(self) -> bool:
        """Whether it is left to the long run: of the later turns, two of three rows, in turn, are."""
        return self.moment in ("after_tool", "follow_up") and ROWS.index(self.row) % 3 != 0

    @property
    def scene(self) -> Scene:
        row = self.row
        return Scene(self.way, self.moment, row.faults(self.way), row.timeouts, **row.more)


def cells() -> Iterator[Cell]:
    for row in ROWS:
        for way in WAYS:
            outcome = row.streamed if way.stream else row.buffered
            if outcome is None or way.api not in row.apis:
                continue
            for moment in row.moments if way.api != "images" else row.moments[:1]:
                yield Cell(row, way, moment, outcome)


def has(**wanted: Any) -> Check:
    """The error has these attributes."""

    def check(seen: Seen) -> None:
        found = {name: getattr(seen.error, name) for name in wanted}
        assert found == wanted

    return check


def says(*words: str) -> Check:
    def check(seen: Seen) -> None:
        for word in words:
            assert word in str(seen.error), f"{word!r} is not in {str(seen.error)!r}"

    return check


def both(*checks: Check) -> Check:
    def check(seen: Seen) -> None:
        for each in checks:
            each(seen)

    return check


def socket_row(
    name: str,
    phase: str,
    make: Callable[[Way], Socket],
    buffered: Outcome | None,
    streamed: Outcome | None,
    *,
    billed: bool | None = None,
    **more: Any,
) -> Row:
    return Row(name, lambda way: [Fault(socket=make(way), billed=billed)], buffered, streamed, phase=phase, **more)


def actions(
    phase: str,
    where: Callable[[Way, str], Socket],
    buffered: Outcome | None,
    streamed: Outcome | None,
    *,
    of: Sequence[str] = ("cut", "reset", "stall"),
    **more: Any,
) -> Iterator[Row]:
    """The same place for each thing that can happen to a connection."""
    for action in of:
        hasty = {"timeouts": HASTY} if action == "stall" else {}
        yield socket_row(
            action,
            phase,
            lambda way, action=action: where(way, action),  # type: ignore[misc]
            buffered,
            streamed,
            **{**hasty, **more},
        )


UNKNOWN = Outcome(OutcomeUnknown, id=False, pictures=0)
"""Nothing is known of the request but that it was sent."""
NAMED = Outcome(OutcomeUnknown, looked=True, id=True, billed=True, pictures=0)
"""The headers had come, and with them the id: the look-up knows."""


def _connection_rows() -> Iterator[Row]:
    unseen = replace(UNKNOWN, sent=0)
    either = replace(
        unseen, error=(OutcomeUnknown, ConnectionFailed)
    )  # the RST may be there before the connection is known
    for of, outcome in ((("cut", "stall"), unseen), (("reset",), either)):
        yield from actions(
            "connected, nothing sent back",
            lambda _, action: Socket(action, at="accept"),  # type: ignore[arg-type]
            outcome,
            outcome,
            of=of,
            moments=("first",),
        )
    for of, unseen in ((("cut", "reset"), UNKNOWN), (("stall",), replace(UNKNOWN, sent=0))):
        yield from actions(
            "while the request is sent",
            lambda _, action: Socket(action, at="request", byte=20),  # type: ignore[arg-type]
            unseen,
            unseen,
            of=of,
        )
    for billed in (True, False):
        yield from actions(
            f"waiting for headers, {'billed' if billed else 'not accepted'}",
            lambda _, action: Socket(action),  # type: ignore[arg-type]
            UNKNOWN,
            UNKNOWN,
            billed=billed,
        )
    yield from actions(
        "inside the headers",
        lambda _, action: Socket(action, byte=40),  # type: ignore[arg-type]
        UNKNOWN,
        UNKNOWN,
    )
    yield from actions(
        "before the first token",
        lambda way, action: Socket(action, at="event") if way.stream else Socket(action, at="body"),  # type: ignore[arg-type]
        NAMED,
        replace(NAMED, billed=None),
    )


CUT = Outcome(StreamInterrupted, looked=True, id=True)


def _body_rows() -> Iterator[Row]:
    some = replace(NAMED, pictures=None)
    yield from actions(
        "in the middle",
        lambda way, action: (
            Socket(action, at="event", event=MIDDLE[way.api], byte=12)
            if way.stream
            else Socket(action, at="body", byte=300)
        ),  # type: ignore[arg-type]
        replace(NAMED, pictures=None),
        CUT,
    )
    yield from actions(
        "inside a character",
        lambda _, action: Socket(action, at="character"),  # type: ignore[arg-type]
        some,
        replace(CUT, pictures=0),
        apis=TEXT,
        moments=("first",),
    )
    yield from actions(
        "before the finish",
        lambda _, action: Socket(action, at="finish"),  # type: ignore[arg-type]
        None,
        replace(CUT, pictures=1, billed=True),
        apis=TEXT,
    )
    yield from actions(
        "before the last picture",
        lambda _, action: Socket(action, at="finish"),  # type: ignore[arg-type]
        None,
        replace(CUT, pictures=0, billed=True),
        apis=("images",),
    )
    yield from actions(
        "all but the mark of its end",
        lambda _, action: Socket(action, at="end"),  # type: ignore[arg-type]
        replace(some, pictures=None),
        None,
    )
    yield from actions(
        "finish seen, no [DONE]",
        lambda _, action: Socket(action, at="done"),  # type: ignore[arg-type]
        None,
        GOOD,
    )
    yield socket_row(
        "a clean end in the middle",
        "in the middle",
        lambda way: (
            Socket("end", at="event", event=MIDDLE[way.api], byte=12)
            if way.stream
            else Socket("end", at="body", byte=300)
        ),
        Outcome(ProtocolError, id=True, pictures=0),
        CUT,
    )
    yield socket_row(
        "a clean end before the finish", "before the finish", lambda _: Socket("end", at="finish"), None, replace(CUT, pictures=1),
        apis=TEXT,
    )  # fmt: skip
    yield socket_row(
        "a clean end without [DONE]",
        "after the finish",
        lambda _: Socket("end", at="done"),
        None,
        GOOD,
        moments=("first",),
    )
    yield socket_row(
        "701 bytes at a time",
        "everywhere",
        lambda _: Socket("slice", size=701),
        GOOD,
        GOOD,
        moments=("first", "after_tool"),
    )
    yield socket_row(
        "silence within the limit", "in the middle",
        lambda way: Socket("stall", at="event" if way.stream else "body", event=2 if way.stream else 0, byte=3, seconds=0.15),
        GOOD, GOOD, moments=("first",),
    )  # fmt: skip


def _deadline_rows() -> Iterator[Row]:
    short = {"limits": Limits(seconds=1.2)}
    late = Outcome(DeadlineExceeded)
    yield socket_row(
        "one byte at a time", "everywhere", lambda _: Socket("drip", at="body", rate=60), late, late,
        moments=("first", "after_tool"), seconds=2.2, more=short,
    )  # fmt: skip
    for kind in ("line", "base64", "comments", "empty_events", "events"):
        # in small pieces, so that it is the clock that ends it
        yield Row(
            f"endless {kind}", lambda _, kind=kind: [Fault(endless=Endless(kind, pause=0.02))],  # type: ignore[misc, arg-type]
            late, late, phase="in the middle", moments=("first",), seconds=2.2, more=short,
        )  # fmt: skip
    yield socket_row(
        "silence beyond the run's time", "waiting for headers", lambda _: Socket("stall"), late, late,
        seconds=2.2, more=short,
    )  # fmt: skip
    yield socket_row(
        "silence beyond the run's time", "in the middle",
        lambda way: Socket("stall", at="event" if way.stream else "body", event=2 if way.stream else 0, byte=5),
        replace(late, id=True), replace(late, id=True), seconds=2.2, more=short,
    )  # fmt: skip


REFUSALS: dict[int, type[RunError]] = {
    400: BadRequest, 401: AuthenticationFailed, 402: InsufficientCredits, 403: PermissionRefused, 404: BadRequest,
    409: BadRequest, 413: BadRequest, 422: BadRequest,
}  # fmt: skip
TWICE: dict[int, type[RunError]] = {429: RateLimited, 502: ProviderFailed, 503: ProviderFailed, 529: ProviderFailed}
ONCE: dict[int, type[RunError]] = {
    408: ProviderFailed, 425: ProviderFailed, 500: ProviderFailed, 504: ProviderFailed, 524: ProviderFailed
}  # fmt: skip


def status(code: int, *, strikes: int = 4, **more: Any) -> Callable[[Way], Sequence[Fault]]:
    more.setdefault("retry_after", 0 if code in TWICE or code in ONCE else None)
    return lambda _: [Fault(status=Status(code, **more), when=When(nth=tuple(range(1, strikes + 1))))]


def _status_rows() -> Iterator[Row]:
    phase = "waiting for headers"
    for code, kind in REFUSALS.items():
        refused = Outcome(
            kind, id=True, pictures=0, check=both(has(status=code, raw="in their words"), says("in their words"))
        )
        moments = MOMENTS if code in (402, 422) else ("first",)
        yield Row(str(code), status(code, raw="in their words"), refused, refused, phase=phase, moments=moments)
    moderated = Outcome(PermissionRefused, check=has(reasons=("violence",), status=403))
    yield Row("403 with reasons", status(403), moderated, moderated, phase=phase, moments=("first",))
    suggested = Outcome(BadRequest, check=has(suggested_models=("a/b", "c/d"), retryable=False))
    known = {"code": "model_not_found", "retryable": False, "fallback_models": ["a/b", "c/d"]}
    yield Row(
        "404 with other models", status(404, availability=known), suggested, suggested, phase=phase, moments=("first",)
    )
    for code, kind in {**TWICE, **ONCE}.items():
        most = 3 if code in TWICE else 2
        moments = MOMENTS if code in (503, 500) else ("first",)
        again = Outcome(sent=2)
        yield Row(f"{code} once", status(code, strikes=1), again, again, phase=phase, moments=moments)
        given_up = Outcome(kind, sent=most, check=has(status=code))
        yield Row(f"{code} always", status(code), given_up, given_up, phase=phase, moments=moments)
    no_more = Outcome(ProviderFailed, check=has(status=503, retryable=False))
    yield Row(
        "503 that is not retryable", status(503, availability={"retryable": False}), no_more, no_more, phase=phase
    )
    for code in (301, 302, 303, 307, 308):
        names = Outcome(ProviderFailed, check=both(has(status=code), says("https://elsewhere.example/")))
        yield Row(f"{code}", status(code), names, names, phase=phase, moments=("first",))


def _wait_rows() -> Iterator[Row]:
    phase = "waiting for headers"
    again = Outcome(sent=2)
    for words in ("nan", "inf", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"):
        made = status(429, strikes=1, retry_after=words)
        yield Row(f"Retry-After: {words}", made, again, again, phase=phase, moments=("first",))
    for value in (121, 86_400, 1e12):
        told = Outcome(RateLimited, check=has(retry_after=float(value)))
        yield Row(
            f"Retry-After: {value:g}", status(429, retry_after=value), told, told, phase=phase, moments=("first",)
        )
    short = {"limits": Limits(seconds=1.5)}
    told = Outcome(RateLimited, check=has(retry_after=3.0))
    made = status(429, retry_after=3)
    yield Row("Retry-After beyond the run", made, told, told, phase=phase, moments=("first", "after_tool"), more=short)


def _server_tool_rows() -> Iterator[Row]:
    """With server tools in the request, an error status proves nothing: only the look-up does, and a 404 there says nothing."""
    phase, tools = "waiting for headers, with server tools", {"server_tools": True}
    for code, kind in {**TWICE, **ONCE}.items():
        if code == 425:
            again = Outcome(sent=2)
            yield Row("425 once", status(425, strikes=1), again, again, TEXT, ("first",), phase=phase, more=tools)
            continue
        unproved = Outcome(kind, looked=True, id=True, check=has(status=code))
        yield Row(f"{code}, not known", status(code), unproved, unproved, TEXT, ("first",), FORLORN, phase, more=tools)
    for code, kind in ((502, ProviderFailed), (500, ProviderFailed)):
        paid = Outcome(kind, looked=True, id=True, billed=True, check=has(status=code))

        def billed(_: Way, code: int = code) -> Sequence[Fault]:
            return [Fault(status=Status(code, retry_after=0), billed=True)]

        yield Row(f"{code}, billed", billed, paid, paid, TEXT, phase=phase, more=tools)
    no_id = Outcome(ProviderFailed, id=False, check=has(status=502))
    yield Row("502 without an id", status(502, generation_id=False), no_id, no_id, TEXT, phase=phase, more=tools)
    silent = Outcome(OutcomeUnknown, id=False)
    yield Row(
        "reset",
        lambda _: [Fault(socket=Socket("reset"), billed=True)],
        silent,
        silent,
        TEXT,
        ("first",),
        phase=phase,
        more=tools,
    )


def _lookup_rows() -> Iterator[Row]:
    """What the look-up says changes what is known, and nothing else."""
    lost = [Fault(socket=Socket("reset", at="body", byte=1))]
    open_ = Outcome(OutcomeUnknown, looked=True, id=True, check=has(generation=None))
    for answer in ("unknown", "error"):
        faults = [*lost, Fault(lookup=Lookup(answer))]  # type: ignore[arg-type]
        yield Row(
            f"look-up: always {answer}",
            lambda _, faults=faults: faults,
            open_,
            open_,
            timeouts=FORLORN,
            phase="before the first token",
        )  # type: ignore[misc]
    late = [*lost, Fault(lookup=Lookup("unknown", polls=1))]
    yield Row(
        "look-up: known at last", lambda _: late, NAMED, replace(NAMED, billed=None), phase="before the first token"
    )
    silent = [*lost, Fault(socket=Socket("stall"), when=When(api="generation"))]
    yield Row(
        "look-up: silence",
        lambda _: silent,
        open_,
        open_,
        phase="before the first token",
        moments=("first",),
        timeouts=FORLORN,
    )


def _error_body_rows() -> Iterator[Row]:
    phase = "inside the body of an error"
    read = Outcome(BadRequest, id=True, check=has(status=400))
    for name, socket, timeouts in (
        ("stall", Socket("stall", at="body", byte=10), HASTY),
        ("cut", Socket("cut", at="body", byte=10), PATIENT),
        ("reset", Socket("reset", at="body", byte=10), PATIENT),
        ("nothing", Socket("stall", at="body"), HASTY),
    ):
        yield Row(name, lambda _, socket=socket: [Fault(status=Status(400), socket=socket)], read, read, phase=phase,
                  timeouts=timeouts, moments=("first", "after_tool") if name == "stall" else ("first",))  # fmt: skip
    for name, made in (
        ("3 MB", Status(400, fill=3_000_000)),
        ("HTML", Status(400, text="<html><body>No</body></html>", content_type="text/html")),
        ("no JSON", Status(400, text="upstream connect error")),
        ("not UTF-8", Status(400, text="\ud83d\udca9 broken", content_type="text/plain")),
        ("another shape", Status(400, json={"detail": [{"msg": "no"}]})),
        ("words alone", Status(400, json={"error": "no"})),
    ):
        yield Row(name, lambda _, made=made: [Fault(status=made)], read, read, phase=phase, moments=("first",))  # type: ignore[misc]


def _wrong_body_rows() -> Iterator[Row]:
    phase = "in place of the reply"
    wrong = Outcome(ProtocolError, id=True, pictures=0)
    for kind in ("html", "null", "array"):
        moments = MOMENTS if kind == "html" else ("first",)
        yield Row(kind, lambda _, kind=kind: [Fault(body=Body(kind))], wrong, wrong, phase=phase, moments=moments)  # type: ignore[misc, arg-type]
    empty = [Fault(body="empty")]  # type: ignore[arg-type]
    yield Row("empty", lambda _: empty, wrong, replace(CUT, pictures=0), phase=phase)
    proxy = [Fault(body=Body("not_json"))]
    yield Row("a proxy's words", lambda _: proxy, wrong, replace(CUT, pictures=0), phase=phase, moments=("first",))
    cut = [Fault(body=Body("cut_json"))]
    yield Row("cut JSON", lambda _: cut, replace(wrong, pictures=None), None, phase=phase)
    plain = [Fault(body=Body("wrong_type"))]
    yield Row("another content type", lambda _: plain, GOOD, None, phase=phase, moments=("first",))
    yield Row(
        "a stream as text/plain", lambda _: plain, None, replace(wrong, pictures=None), phase=phase, moments=("first",)
    )
    whole = [Fault(body=Body("unstreamed"))]
    yield Row("JSON where a stream was asked for", lambda _: whole, None, GOOD, ("responses",), ("first",), phase=phase)


def _inner_error_rows() -> Iterator[Row]:
    """A 200 that holds an error: never success, never asked again."""
    phase = "inside a 200"

    def row(form: str, code: int, kind: type[RunError], apis: Sequence[str], *, content: bool, **more: Any) -> Row:
        event = more.pop("event", "response.failed")
        made = ReplyError(form, code, "The provider went away", event=event, content=content)  # type: ignore[arg-type]
        words = says("provider") if form == "silent" else says("The provider went away")
        broken = Outcome(kind, check=words)
        name = f"{code} as {form}{'' if event == 'response.failed' else f' ({event})'}{'' if content else ', before any output'}"
        buffered = None if form == "stream" and apis == ("images",) else broken  # buffered, it is a 502
        return Row(name, lambda _: [Fault(error=made)], buffered, broken, apis, phase=phase, **more)

    for content in (True, False):
        for form in ("body", "choice", "stream", "silent"):
            yield row(form, 502, ProviderFailed, TEXT, content=content)
        for event in ("response.error", "error"):
            yield row("stream", 502, ProviderFailed, ("responses",), content=content, event=event, moments=("first",))
        for form in ("body", "stream"):
            yield row(form, 502, ProviderFailed, ("images",), content=content, moments=("first",))
        for code, kind in ((429, RateLimited), (403, PermissionRefused), (402, InsufficientCredits)):
            for form in ("choice", "stream"):
                yield row(form, code, kind, ("chat",), content=content, moments=("first",))
            yield row("body", code, kind, ("images",), content=content, moments=("first",))


def _download_rows() -> Iterator[Row]:
    """A picture behind a URL: only the GET is repeated, the answer stands."""

    def row(name: str, fault: Fault | Sequence[Fault], outcome: Outcome, gets: int | None = None, **more: Any) -> Row:
        faults = [fault] if isinstance(fault, Fault) else list(fault)
        aimed = [replace(each, when=replace(each.when, api="pictures")) for each in faults]

        def check(seen: Seen) -> None:
            assert gets is None or seen.gets == gets

        whole = replace(outcome, check=check)
        return Row(name, lambda _: aimed, whole, whole, TEXT, ("download",), phase="while an image downloads", **more)

    failed, had = Outcome(failures=1, pictures=0), Outcome(pictures=1)
    short = {"fetch": FetchPolicy(seconds=0.6, attempts=2)}
    small = {"fetch": FetchPolicy(seconds=5, attempts=2, max_bytes=300_000)}
    for code in (400, 403, 404, 410):
        yield row(str(code), Fault(status=Status(code)), failed, 1)
    for code in (408, 429, 500, 503):
        yield row(f"{code} once", Fault(status=Status(code, retry_after=0), when=When(times=1)), had, 2)
    yield row("503 always", Fault(status=Status(503, retry_after=0)), failed, 2)
    yield row("cut once", Fault(socket=Socket("cut", at="body", byte=900), when=When(times=1)), had, 2)
    yield row("reset once", Fault(socket=Socket("reset", at="body", byte=900), when=When(times=1)), had, 2)
    yield row("reset always", Fault(socket=Socket("reset")), failed, 2)
    yield row("cut always", Fault(socket=Socket("cut", at="body", byte=900)), failed, 2)
    yield row("HTML", Fault(body="html"), failed, 1)  # type: ignore[arg-type]
    yield row("empty", Fault(body="empty"), failed, 1)  # type: ignore[arg-type]
    for target in (
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x.png",
    ):
        yield row(f"redirect to {target}", Fault(status=Status(302, location=target)), failed, 1)
    yield row("redirect without a target", Fault(status=Status(302, headers={"Location": ""})), failed)
    yield row("silence", Fault(socket=Socket("stall", at="body", byte=100)), failed, more=short)
    yield row("one byte at a time", Fault(socket=Socket("drip", at="body", rate=40)), failed, more=short)
    yield row("endless", Fault(endless=Endless("bytes")), failed, 1, more=small)


def _quirk_rows() -> Iterator[Row]:
    """Small defects that change nothing, or only a call, or only a picture."""

    def row(quirk: str, outcome: Outcome, apis: Sequence[str] = TEXT, *, streamed_only: bool = False) -> Row:
        buffered = None if streamed_only else outcome
        phase = "a defect in the reply"
        return Row(quirk, lambda _: [Fault(quirks=(quirk,))], buffered, outcome, apis, ("first",), phase=phase)  # type: ignore[arg-type]

    for name in ("duplicated", "shuffled", "two_finishes", "one_finish", "no_done", "usage_apart", "crlf", "cr", "bom", "split_data",
                 "comments", "empty_events", "event_names"):  # fmt: skip
        yield row(
            f"stream.{name}",
            GOOD,
            TEXT if name in ("shuffled", "two_finishes", "one_finish") else ALL,
            streamed_only=True,
        )
    yield row("stream.no_finish", CUT, streamed_only=True)
    for name in ("item", "event", "field", "enum"):
        yield row(f"unknown.{name}", GOOD, ALL)
    for name in ("no_id", "same_id", "index_zero", "split_name", "repeated_name", "wrong_finish"):
        yield row(f"calls.{name}", GOOD)
    not_run = Outcome(ran=())
    for name in ("unknown_tool", "server_tool"):
        yield row(f"calls.{name}", not_run)
    for name in ("empty", "invalid", "deep", "array"):
        yield row(f"arguments.{name}", not_run)
    yield row("arguments.double", GOOD)
    for name in ("spaced", "urlsafe", "unpadded", "wrong_type"):
        yield row(f"base64.{name}", GOOD, ALL)
    for name in ("cut", "broken"):
        yield row(f"base64.{name}", Outcome(pictures=0, failures=1))


def _gone_rows() -> Iterator[Row]:
    """No connection can be made: the only failure that surely costs nothing, and is tried twice more."""
    none = Outcome(ConnectionFailed, sent=0, id=False, pictures=0, check=says("nothing was billed"))

    def nothing(_: Way) -> Sequence[Fault]:
        return []

    yield Row("the server is gone", nothing, none, none, phase="connecting", more={"stops": True}, seconds=5)
    yield Row("a name that does not exist", nothing, none, none, phase="connecting", moments=("first",), seconds=8,
              more={"base_url": "http://nobody.invalid/api/v1"})  # fmt: skip


ROWS: tuple[Row, ...] = (
    *_connection_rows(), *_body_rows(), *_deadline_rows(), *_status_rows(), *_wait_rows(), *_server_tool_rows(), *_lookup_rows(),
    *_error_body_rows(), *_wrong_body_rows(), *_inner_error_rows(), *_download_rows(), *_quirk_rows(), *_gone_rows(),
)  # fmt: skip
