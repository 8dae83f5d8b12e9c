"""What can happen to a connection, at each place of a request and of its reply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentkit import Limits
from agentkit.emulator import Endless, Fault, Socket
from agentkit.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    OutcomeUnknown,
    ProtocolError,
)
from tests.faults.cells import (
    CUT,
    GOOD,
    MIDDLE,
    NAMED,
    TEXT,
    UNKNOWN,
    Outcome,
    Row,
    actions,
    says,
    socket_row,
)
from tests.faults.scene import Leap, Way


def connection_rows() -> Iterator[Row]:
    unseen = replace(UNKNOWN, sent=0)
    either = replace(
        unseen, error=(OutcomeUnknown, ConnectionFailed)
    )  # the end may be seen before a byte is written: then nothing was sent, and that is said
    for of, outcome in ((("stall",), unseen), (("cut", "reset"), either)):
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


def body_rows() -> Iterator[Row]:
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


def deadline_rows() -> Iterator[Row]:
    limits = {"limits": Limits(seconds=50)}
    struck, silent = Leap("strikes", 51), Leap("stalls", 51)
    late = Outcome(DeadlineExceeded)
    yield socket_row(
        "one byte at a time", "everywhere", lambda _: Socket("drip", at="body", rate=60), late, late,
        moments=("first", "after_tool"), seconds=2.2, leap=struck, more=limits,
    )  # fmt: skip
    for kind in ("line", "base64", "comments", "empty_events", "events"):
        # in small pieces, so that it is the clock that ends it
        yield Row(
            f"endless {kind}", lambda _, kind=kind: [Fault(endless=Endless(kind, pause=0.02))],  # type: ignore[misc, arg-type]
            late, late, phase="in the middle", moments=("first",), seconds=2.2, leap=struck, more=limits,
        )  # fmt: skip
    yield socket_row(
        "silence beyond the run's time", "waiting for headers", lambda _: Socket("stall"), late, late,
        seconds=2.2, leap=silent, more=limits,
    )  # fmt: skip
    yield socket_row(
        "silence beyond the run's time", "in the middle",
        lambda way: Socket("stall", at="event" if way.stream else "body", event=2 if way.stream else 0, byte=5),
        replace(late, id=True), replace(late, id=True), seconds=2.2, leap=silent, more=limits,
    )  # fmt: skip


def gone_rows() -> Iterator[Row]:
    """No connection can be made: the only failure that surely costs nothing, and is tried twice
    more.
    """
    none = Outcome(ConnectionFailed, sent=0, id=False, pictures=0, check=says("nothing was billed"))

    def nothing(_: Way) -> Sequence[Fault]:
        return []

    yield Row(
        "the server is gone",
        nothing,
        none,
        none,
        phase="connecting",
        more={"stops": True},
        seconds=5,
    )
    yield Row("a name that does not exist", nothing, none, none, phase="connecting", moments=("first",), seconds=8,
              more={"base_url": "http://nobody.invalid/api/v1"})  # fmt: skip
