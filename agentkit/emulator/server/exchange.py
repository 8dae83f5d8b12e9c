"""What was asked and what was answered, for whoever listens to the log.

The logger `agentkit.emulator.exchanges` gets a record at level DEBUG for each request, with the
`Exchange` as its `exchange`. The reply is the one before faults spoil its bytes.
"""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from agentkit.emulator.server.response import Outgoing

LOGGER = "agentkit.emulator.exchanges"
_log = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply. `path` has no query, and is that behind `/api/v1`.

    `replies` is one JSON value, or of a stream its events, as far as they were sent. `dictated`
    says that a test gave JSON of its own, in this reply or in an earlier one, which the request may
    hold again.
    """

    method: str
    path: str
    request: Any = field(repr=False)
    status: int
    replies: tuple[Any, ...] = field(repr=False)
    streamed: bool = False
    dictated: bool = False


def heard(outgoing: Outgoing, method: str, path: str, request: Any, *, dictated: bool) -> Outgoing:
    """The response, of which whoever listens is told."""
    if _log.isEnabledFor(logging.DEBUG):
        exchange = Exchange(method, path, request, outgoing.status, (), dictated=dictated)
        outgoing.body = _told(exchange, outgoing.body)
    return outgoing


def _told(exchange: Exchange, body: bytes | AsyncIterator[bytes]) -> bytes | AsyncIterator[bytes]:
    """The same body, of which the exchange is told: at once, or when the stream ends."""
    if isinstance(body, bytes):
        _say(replace(exchange, replies=_values([body])))
        return body
    return _listened(replace(exchange, streamed=True), body)


async def _listened(exchange: Exchange, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    frames: list[bytes] = []
    try:
        async for frame in body:
            frames.append(frame)
            yield frame
    finally:
        _say(replace(exchange, replies=_values(_payloads(frames))))


def _payloads(frames: list[bytes]) -> list[bytes]:
    """What stands behind `data:`."""
    lines = [line for frame in frames for line in frame.split(b"\n")]
    found = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
    return [each for each in found if each != b"[DONE]"]


def _values(texts: list[bytes]) -> tuple[Any, ...]:
    """The JSON values among these texts; a picture's bytes are none."""
    values: list[Any] = []
    for text in texts:
        try:
            values.append(json.loads(text))
        except ValueError:
            continue
    return tuple(values)


def _say(exchange: Exchange) -> None:
    _log.debug("%s %s", exchange.method, exchange.path, extra={"exchange": exchange})
