"""Pictures behind URLs, and what can happen to their downloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from agentkit import FetchPolicy, Limits
from agentkit.emulator import Endless, Fault, Socket, Status, When
from agentkit.errors import DeadlineExceeded, ImageError
from tests.clock import GUARD
from tests.faults.cells import ALL, SILENT, Outcome, Row, says
from tests.faults.scene import Leap, Seen


def download_rows() -> Iterator[Row]:
    """A picture behind a URL: only the GET is repeated, the answer stands."""

    def row(
        name: str,
        fault: Fault | Sequence[Fault],
        outcome: Outcome,
        gets: int | None = None,
        **more: Any,
    ) -> Row:
        faults = [fault] if isinstance(fault, Fault) else list(fault)
        aimed = [replace(each, when=replace(each.when, api="pictures")) for each in faults]

        def check(seen: Seen) -> None:
            assert gets is None or seen.gets == gets

        whole = replace(outcome, check=check)
        return Row(
            name,
            lambda _: aimed,
            whole,
            whole,
            ALL,
            ("download",),
            phase="while an image downloads",
            **more,
        )

    failed, had = Outcome(failures=1, pictures=0), Outcome(pictures=1)
    small = {"fetch": FetchPolicy(seconds=GUARD, attempts=2, max_bytes=300_000)}
    for code in (400, 403, 404, 410):
        yield row(str(code), Fault(status=Status(code)), failed, 1)
    for code in (408, 429, 500, 503):
        yield row(
            f"{code} once", Fault(status=Status(code, retry_after=0), when=When(times=1)), had, 2
        )
    yield row("503 always", Fault(status=Status(503, retry_after=0)), failed, 2)
    yield row(
        "cut once", Fault(socket=Socket("cut", at="body", byte=900), when=When(times=1)), had, 2
    )
    yield row(
        "reset once", Fault(socket=Socket("reset", at="body", byte=900), when=When(times=1)), had, 2
    )
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
    yield row(
        "redirect without a target", Fault(status=Status(302, headers={"Location": ""})), failed
    )
    yield row("silence", Fault(socket=Socket("stall", at="body", byte=100)), failed, leap=SILENT)
    yield row(
        "one byte at a time",
        Fault(socket=Socket("drip", at="body", rate=40)),
        failed,
        leap=Leap("strikes"),
    )
    yield row("endless", Fault(endless=Endless("bytes")), failed, 1, more=small)


def deadline_rows() -> Iterator[Row]:
    """The end of the run's time in a download, and of the grace after it: the picture was paid for,
    so a failure names it and its URL.
    """

    def check(seen: Seen) -> None:
        assert seen.so_far is not None
        (failure,) = seen.so_far.failures
        assert failure.url is not None
        assert "/i/" in failure.url
        assert "ended before" in failure.reason

    late = Outcome(DeadlineExceeded, id=True, check=check)
    for name, socket in (
        ("silence", Socket("stall")),
        ("silence inside", Socket("stall", at="body", byte=900)),
        ("silence before its last byte", Socket("stall", at="end")),
        ("one byte at a time", Socket("drip", at="body", rate=40)),
    ):
        fault = Fault(socket=socket, when=When(api="pictures"))
        yield Row(f"{name}, to the run's end", lambda _, fault=fault: [fault], late, late, ALL, ("download",), phase="while an image downloads",
                  seconds=2.2, leap=Leap("strikes" if socket.action == "drip" else "stalls", 51),
                  more={"limits": Limits(seconds=50), "fetch": FetchPolicy(grace=0.3)})  # fmt: skip


def reference_rows() -> Iterator[Row]:
    """A picture to start from, behind a URL: it is fetched before anything is sent, so nothing is,
    and nothing is billed.
    """
    had = Outcome()
    small = {"fetch": FetchPolicy(seconds=GUARD, attempts=2, max_bytes=300_000)}

    def row(
        name: str, fault: Fault, outcome: Outcome, gets: int | None, *words: str, **more: Any
    ) -> Row:
        aimed = [replace(fault, when=replace(fault.when, api="pictures"))]

        def check(seen: Seen) -> None:
            assert gets is None or seen.gets == gets
            says(*words)(seen)

        whole = replace(outcome, check=check)
        phase = "while a picture to start from downloads"
        return Row(
            name, lambda _: aimed, whole, whole, ("images",), ("reference",), phase=phase, **more
        )

    def refused(name: str, fault: Fault, gets: int | None, words: str, **more: Any) -> Row:
        return row(
            name,
            fault,
            Outcome(ImageError, sent=0),
            gets,
            "the picture to start from",
            words,
            **more,
        )

    yield refused("404", Fault(status=Status(404)), 1, "HTTP 404")
    yield row("503 once", Fault(status=Status(503, retry_after=0), when=When(times=1)), had, 2)
    yield refused("503 always", Fault(status=Status(503, retry_after=0)), 2, "HTTP 503")
    yield row(
        "cut once", Fault(socket=Socket("cut", at="body", byte=900), when=When(times=1)), had, 2
    )
    yield refused("cut always", Fault(socket=Socket("cut", at="body", byte=900)), 2, "broke")
    yield refused(
        "silence",
        Fault(socket=Socket("stall", at="body", byte=100)),
        None,
        "longer than 60 s",
        leap=SILENT,
    )
    yield refused(
        "a forbidden address",
        Fault(status=Status(302, location="http://169.254.169.254/")),
        1,
        "no public address",
    )
    yield refused("HTML", Fault(body="html"), 1, "not a picture")  # type: ignore[arg-type]
    yield refused("endless", Fault(endless=Endless("bytes")), 1, "too large", more=small)
