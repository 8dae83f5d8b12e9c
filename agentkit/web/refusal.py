"""What a request is refused with: a status, and words that say why and what is accepted."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused. The words are for a person, and tell nothing of this machine."""

    status: int
    error: str
    accepted: str | None = None
    """What would have been accepted."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that belong to the status, such as `Allow`."""


class Refused(Exception):
    """Raised anywhere in a route: the answer is the refusal, as JSON."""

    def __init__(self, status: int, error: str, accepted: str | None = None) -> None:
        super().__init__(error)
        self.refusal = Refusal(status, error, accepted)


def answer(refusal: Refusal) -> Response:
    """`{"error": …, "accepted": …}` with its status."""
    body = {"error": refusal.error}
    if refusal.accepted is not None:
        body["accepted"] = refusal.accepted
    return _with_headers(JSONResponse(body, refusal.status), refusal)


def answer_in_words(refusal: Refusal) -> Response:
    """The same for a person who looks at it in a browser."""
    accepted = "" if refusal.accepted is None else f"\n\nAccepted: {refusal.accepted}"
    words = PlainTextResponse(f"{refusal.error}{accepted}\n", refusal.status)
    return _with_headers(words, refusal)


async def refused_response(request: Request, error: Exception) -> Response:
    """The handler of `Refused` for a Starlette application."""
    del request
    if not isinstance(error, Refused):
        raise error
    return answer(error.refusal)


def _with_headers(response: Response, refusal: Refusal) -> Response:
    for name, value in refusal.headers:
        response.headers[name] = value
    response.headers["cache-control"] = "no-store"
    return response
