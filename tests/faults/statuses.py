"""Error statuses, what they say of a second attempt, and what the look-up says of a request that is
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from agentkit import Limits
from agentkit.emulator import Fault, Lookup, Socket, Status, When
from agentkit.errors import (
    AuthenticationFailed,
    BadRequest,
    InsufficientCredits,
    OutcomeUnknown,
    PermissionRefused,
    ProviderFailed,
    RateLimited,
    Redirected,
    RunError,
)
from tests.faults.cells import (
    ALL,
    FORLORN,
    NAMED,
    SILENT,
    TEXT,
    Outcome,
    Row,
    both,
    has,
    says,
)
from tests.faults.scene import MOMENTS, Way

REFUSALS: dict[int, type[RunError]] = {
    400: BadRequest, 401: AuthenticationFailed, 402: InsufficientCredits, 403: PermissionRefused, 404: BadRequest,
    409: BadRequest, 413: BadRequest, 422: BadRequest,
}  # fmt: skip
TWICE: dict[int, type[RunError]] = {
    429: RateLimited,
    502: ProviderFailed,
    503: ProviderFailed,
    529: ProviderFailed,
}
ONCE: dict[int, type[RunError]] = {
    408: ProviderFailed, 425: ProviderFailed, 500: ProviderFailed, 504: ProviderFailed, 524: ProviderFailed
}  # fmt: skip


def status(code: int, *, strikes: int = 4, **more: Any) -> Callable[[Way], Sequence[Fault]]:
    more.setdefault("retry_after", 0 if code in TWICE or code in ONCE else None)
    return lambda _: [
        Fault(status=Status(code, **more), when=When(nth=tuple(range(1, strikes + 1))))
    ]


def status_rows() -> Iterator[Row]:
    phase = "waiting for headers"
    for code, kind in REFUSALS.items():
        refused = Outcome(
            kind,
            id=True,
            pictures=0,
            check=both(has(status=code, raw="in their words"), says("in their words")),
        )
        moments = MOMENTS if code in (402, 422) else ("first",)
        yield Row(
            str(code),
            status(code, raw="in their words"),
            refused,
            refused,
            phase=phase,
            moments=moments,
        )
    moderated = Outcome(PermissionRefused, check=has(reasons=("violence",), status=403))
    yield Row(
        "403 with reasons", status(403), moderated, moderated, phase=phase, moments=("first",)
    )
    suggested = Outcome(BadRequest, check=has(suggested_models=("a/b", "c/d"), retryable=False))
    known = {"code": "model_not_found", "retryable": False, "fallback_models": ["a/b", "c/d"]}
    yield Row(
        "404 with other models",
        status(404, availability=known),
        suggested,
        suggested,
        phase=phase,
        moments=("first",),
    )
    for code, kind in {**TWICE, **ONCE}.items():
        most = 3 if code in TWICE else 2
        moments = MOMENTS if code in (503, 500) else ("first",)
        at_work = code in ONCE and code != 425
        again = Outcome(sent=2)
        apis = TEXT if at_work else ALL
        yield Row(
            f"{code} once",
            status(code, strikes=1),
            again,
            again,
            apis,
            phase=phase,
            moments=moments,
        )
        open_ = has(status=code, billed=None if at_work else False)
        given_up = Outcome(kind, sent=most, check=open_)
        yield Row(
            f"{code} always", status(code), given_up, given_up, apis, phase=phase, moments=moments
        )
        if at_work:
            unproved = Outcome(kind, looked=True, check=open_)
            yield Row(
                f"{code}, where pictures are drawn",
                status(code),
                unproved,
                unproved,
                ("images",),
                moments,
                FORLORN,
                phase,
            )
    no_more = Outcome(ProviderFailed, check=has(status=503, retryable=False))
    yield Row(
        "503 that is not retryable",
        status(503, availability={"retryable": False}),
        no_more,
        no_more,
        phase=phase,
    )
    for code in (301, 302, 303, 307, 308):
        names = Outcome(
            Redirected, check=both(has(status=code), says("https://elsewhere.example/"))
        )
        yield Row(f"{code}", status(code), names, names, phase=phase, moments=("first",))


def gateway_rows() -> Iterator[Row]:
    """A page of a gateway, behind which the service may be at work: words alone go again once."""
    phase = "a gateway's page, before any header of the service"
    page = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
    others = {
        "in words": {"text": "upstream connect error or disconnect/reset before headers"},
        "in JSON": {"json": {"message": "Endpoint request timed out"}},
        "of LiteLLM": {"json": {"error": {"message": "litellm.Timeout", "type": None, "param": None, "code": "503"}}},
        "of Google": {"json": {"error": {"code": 503, "message": "Unavailable", "status": "UNAVAILABLE"}}},
        "of nothing": {"text": ""},
    }  # fmt: skip
    pages = [
        (f"{code}", code, {"text": page, "content_type": "text/html"}) for code in (502, 503, 504)
    ]
    pages += [(f"503 {name}", 503, body) for name, body in others.items()]
    pages.append(("529", 529, {"text": page, "content_type": "text/html"}))
    check_open = has(billed=None, from_service=False)
    for name, code, body in pages:

        def once(_: Way, code: int = code, body: Any = body) -> Sequence[Fault]:
            return [Fault(status=Status(code, generation_id=False, **body), when=When(times=1))]

        def billed(_: Way, code: int = code, body: Any = body) -> Sequence[Fault]:
            return [Fault(status=Status(code, generation_id=False, **body), billed=True)]

        moments = MOMENTS if name in ("502", "503", "504") else ("first",)
        again = Outcome(sent=2)
        yield Row(f"{name} once, words alone", once, again, again, TEXT, moments, phase=phase)
        final = Outcome(ProviderFailed, id=False, check=check_open)
        yield Row(
            f"{name}, where pictures are drawn",
            billed,
            final,
            final,
            ("images",),
            moments,
            phase=phase,
        )
        yield Row(
            f"{name}, with server tools",
            billed,
            final,
            final,
            TEXT,
            moments,
            phase=phase,
            more={"server_tools": True},
        )


def wait_rows() -> Iterator[Row]:
    phase = "waiting for headers"
    again = Outcome(sent=2)
    for words in ("nan", "inf", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"):
        made = status(429, strikes=1, retry_after=words)
        yield Row(f"Retry-After: {words}", made, again, again, phase=phase, moments=("first",))
    for value in (121, 86_400, 1e12):
        told = Outcome(RateLimited, check=has(retry_after=float(value)))
        yield Row(
            f"Retry-After: {value:g}",
            status(429, retry_after=value),
            told,
            told,
            phase=phase,
            moments=("first",),
        )
    short = {"limits": Limits(seconds=20)}
    told = Outcome(RateLimited, check=has(retry_after=60.0))
    made = status(429, retry_after=60)
    yield Row(
        "Retry-After beyond the run",
        made,
        told,
        told,
        phase=phase,
        moments=("first", "after_tool"),
        more=short,
    )


def server_tool_rows() -> Iterator[Row]:
    """With server tools in the request, an error status proves nothing: only the look-up does, and
    a 404 there says nothing.
    """
    phase, tools = "waiting for headers, with server tools", {"server_tools": True}
    for code, kind in {**TWICE, **ONCE}.items():
        if code == 425:
            again = Outcome(sent=2)
            yield Row(
                "425 once",
                status(425, strikes=1),
                again,
                again,
                TEXT,
                ("first",),
                phase=phase,
                more=tools,
            )
            continue
        unproved = Outcome(kind, looked=True, id=True, check=has(status=code))
        yield Row(
            f"{code}, not known",
            status(code),
            unproved,
            unproved,
            TEXT,
            ("first",),
            FORLORN,
            phase,
            more=tools,
        )
    for code, kind in ((502, ProviderFailed), (500, ProviderFailed)):
        paid = Outcome(kind, looked=True, id=True, billed=True, check=has(status=code))

        def billed(_: Way, code: int = code) -> Sequence[Fault]:
            return [Fault(status=Status(code, retry_after=0), billed=True)]

        yield Row(f"{code}, billed", billed, paid, paid, TEXT, phase=phase, more=tools)
    free = Fault(lookup=Lookup("free"))
    for code, kind in {**TWICE, **ONCE}.items():
        if code == 425:
            continue
        moments = MOMENTS if code in (502, 500) else ("first",)
        again = Outcome(sent=2, looked=True)

        def once(way: Way, code: int = code) -> Sequence[Fault]:
            return [*status(code, strikes=1)(way), free]

        yield Row(
            f"{code} once, not billed", once, again, again, TEXT, moments, phase=phase, more=tools
        )
        # The last is not looked up: it is not sent again in any case.
        given_up = Outcome(
            kind, sent=3 if code in TWICE else 2, looked=True, id=True, check=has(status=code)
        )

        def always(way: Way, code: int = code) -> Sequence[Fault]:
            return [*status(code)(way), free]

        yield Row(
            f"{code} always, not billed",
            always,
            given_up,
            given_up,
            TEXT,
            ("first",),
            phase=phase,
            more=tools,
        )
    no_id = Outcome(ProviderFailed, id=False, check=has(status=502))
    yield Row(
        "502 without an id",
        status(502, generation_id=False),
        no_id,
        no_id,
        TEXT,
        phase=phase,
        more=tools,
    )
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


def lookup_rows() -> Iterator[Row]:
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
            leap=FORLORN,
            phase="before the first token",
        )  # type: ignore[misc]
    late = [*lost, Fault(lookup=Lookup("unknown", polls=1))]
    yield Row(
        "look-up: known at last",
        lambda _: late,
        NAMED,
        replace(NAMED, billed=None),
        phase="before the first token",
    )
    silent = [*lost, Fault(socket=Socket("stall"), when=When(api="generation"))]
    yield Row(
        "look-up: silence",
        lambda _: silent,
        open_,
        open_,
        phase="before the first token",
        moments=("first",),
        leap=FORLORN,
    )


def error_body_rows() -> Iterator[Row]:
    phase = "inside the body of an error"
    read = Outcome(BadRequest, id=True, check=has(status=400))
    for name, socket, leap in (
        ("stall", Socket("stall", at="body", byte=10), SILENT),
        ("cut", Socket("cut", at="body", byte=10), None),
        ("reset", Socket("reset", at="body", byte=10), None),
        ("nothing", Socket("stall", at="body"), SILENT),
    ):
        yield Row(name, lambda _, socket=socket: [Fault(status=Status(400), socket=socket)], read, read, phase=phase,
                  leap=leap, moments=("first", "after_tool") if name == "stall" else ("first",))  # fmt: skip
    for name, made in (
        ("3 MB", Status(400, fill=3_000_000)),
        ("HTML", Status(400, text="<html><body>No</body></html>", content_type="text/html")),
        ("no JSON", Status(400, text="upstream connect error")),
        ("not UTF-8", Status(400, text="\ud83d\udca9 broken", content_type="text/plain")),
        ("another shape", Status(400, json={"detail": [{"msg": "no"}]})),
        ("words alone", Status(400, json={"error": "no"})),
    ):
        yield Row(
            name,
            lambda _, made=made: [Fault(status=made)],
            read,
            read,
            phase=phase,
            moments=("first",),
        )  # type: ignore[misc]
