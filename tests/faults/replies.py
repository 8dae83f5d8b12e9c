"""Replies that are none, that hold an error, or that have a defect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from agentkit.emulator import Body, Fault, ReplyError
from agentkit.errors import (
    InsufficientCredits,
    PermissionRefused,
    ProtocolError,
    ProviderFailed,
    RateLimited,
    RunError,
)
from tests.faults.cells import (
    ALL,
    CUT,
    GOOD,
    TEXT,
    Outcome,
    Row,
    says,
)
from tests.faults.scene import MOMENTS


def wrong_body_rows() -> Iterator[Row]:
    phase = "in place of the reply"
    wrong = Outcome(ProtocolError, id=True, pictures=0)
    for kind in ("html", "null", "array"):
        moments = MOMENTS if kind == "html" else ("first",)
        yield Row(
            kind,
            lambda _, kind=kind: [Fault(body=Body(kind))],
            wrong,
            wrong,
            phase=phase,
            moments=moments,
        )  # type: ignore[misc, arg-type]
    empty = [Fault(body="empty")]  # type: ignore[arg-type]
    yield Row("empty", lambda _: empty, wrong, replace(CUT, pictures=0), phase=phase)
    proxy = [Fault(body=Body("not_json"))]
    yield Row(
        "a proxy's words",
        lambda _: proxy,
        wrong,
        replace(CUT, pictures=0),
        phase=phase,
        moments=("first",),
    )
    cut = [Fault(body=Body("cut_json"))]
    yield Row("cut JSON", lambda _: cut, replace(wrong, pictures=None), None, phase=phase)
    plain = [Fault(body=Body("wrong_type"))]
    yield Row("another content type", lambda _: plain, GOOD, None, phase=phase, moments=("first",))
    yield Row(
        "a stream as text/plain",
        lambda _: plain,
        None,
        GOOD,
        phase=phase,
        moments=("first",),
    )
    whole = [Fault(body=Body("unstreamed"))]
    yield Row(
        "JSON where a stream was asked for",
        lambda _: whole,
        None,
        GOOD,
        ("responses",),
        ("first",),
        phase=phase,
    )


def inner_error_rows() -> Iterator[Row]:
    """A 200 that holds an error: never success, never asked again."""
    phase = "inside a 200"

    def row(
        form: str,
        code: int,
        kind: type[RunError],
        apis: Sequence[str],
        *,
        content: bool,
        **more: Any,
    ) -> Row:
        event = more.pop("event", "response.failed")
        made = ReplyError(form, code, "The provider went away", event=event, content=content)  # type: ignore[arg-type]
        words = says("provider") if form == "silent" else says("The provider went away")
        broken = Outcome(kind, check=words)
        name = f"{code} as {form}{'' if event == 'response.failed' else f' ({event})'}{'' if content else ', before any output'}"
        buffered = (
            None if form == "stream" and apis == ("images",) else broken
        )  # buffered, it is a 502
        return Row(name, lambda _: [Fault(error=made)], buffered, broken, apis, phase=phase, **more)

    for content in (True, False):
        for form in ("body", "choice", "stream", "silent"):
            yield row(form, 502, ProviderFailed, TEXT, content=content)
        for event in ("response.error", "error"):
            yield row(
                "stream",
                502,
                ProviderFailed,
                ("responses",),
                content=content,
                event=event,
                moments=("first",),
            )
        for form in ("body", "stream"):
            yield row(form, 502, ProviderFailed, ("images",), content=content, moments=("first",))
        for code, kind in (
            (429, RateLimited),
            (403, PermissionRefused),
            (402, InsufficientCredits),
        ):
            for form in ("choice", "stream"):
                yield row(form, code, kind, ("chat",), content=content, moments=("first",))
            yield row("body", code, kind, ("images",), content=content, moments=("first",))


def quirk_rows() -> Iterator[Row]:
    """Small defects that change nothing, or only a call, or only a picture."""

    def row(
        quirk: str, outcome: Outcome, apis: Sequence[str] = TEXT, *, streamed_only: bool = False
    ) -> Row:
        buffered = None if streamed_only else outcome
        phase = "a defect in the reply"
        return Row(
            quirk,
            lambda _: [Fault(quirks=(quirk,))],
            buffered,
            outcome,
            apis,
            ("first",),
            phase=phase,
        )  # type: ignore[arg-type]

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
    for name in ("unknown_tool", "server_tool", "cut"):
        yield row(f"calls.{name}", not_run)
    for name in ("empty", "invalid", "deep", "array", "large", "nan", "duplicate_keys"):
        yield row(f"arguments.{name}", not_run)
    yield row("arguments.double", GOOD)
    for name in ("spaced", "urlsafe", "unpadded", "wrong_type"):
        yield row(f"base64.{name}", GOOD, ALL)
    for name in ("cut", "broken"):
        yield row(f"base64.{name}", Outcome(pictures=0, failures=1))
