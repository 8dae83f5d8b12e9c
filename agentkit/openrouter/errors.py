"""What went wrong with a request, as one of our own errors: an error of the HTTP client, or an
error status.

Whether a request was surely not accepted is judged by the root cause of an error, never by the name
of the one that wraps it: only a failure to connect proves that nothing was sent.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING

from agentkit._recorder import refusal
from agentkit._redact import SHORTEST, Secret, redacted
from agentkit.errors import (
    AgentkitError,
    ConnectionFailed,
    NotRecorded,
    OutcomeUnknown,
    ProxyFailed,
    Redirected,
    Untrusted,
    UsageError,
)
from agentkit.wire import faults, headers

if TYPE_CHECKING:
    import httpx2

GENERATION_ID = "x-generation-id"
MAX_ERROR_BODY = 64 * 1024
ERROR_BODY_WAIT = 10.0
"""Seconds that the body of an error may take to arrive: the status says enough."""


_VERSION = re.compile(r"/v\d")
_REFUSED = re.compile(r"4(?:01|03|05|07)\b")
"""What a proxy answers that opens no tunnel, whoever asks again."""
_LOGIN = re.compile(r"\s*(Basic|Digest|Negotiate|NTLM)\b", re.IGNORECASE)
"""Ways to log in that gateways ask for, and no service that takes keys."""


def _wait(response: httpx2.Response) -> float | None:
    """Seconds to wait, as the headers ask. Only of a refusal do the resets of limits count: some
    services tell them with every reply.
    """
    now = datetime.now(UTC)
    if response.status_code == 429:
        return headers.wait_for_limit(response.headers, now)
    return headers.retry_after(response.headers.get("retry-after"), now)


def _causes(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, down to what the caller was handling before: that is another
    request's story.
    """
    seen: set[int] = {id(handled)}
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def translated(error: Exception, handled: BaseException | None, address: str) -> AgentkitError:
    """Our error for whatever the HTTP client raised at this address. `handled` is what was handled
    when the request began.
    """
    import httpx2

    chain = list(_causes(error, handled))
    for cause in chain:
        if isinstance(cause, AgentkitError):
            cause.__context__ = (
                None  # an error of httpx2's, which holds the request and its headers
            )
            return cause.with_traceback(None)
    if (words := refusal(iter(chain))) is not None:
        return NotRecorded(f"{words[:1000]} Nothing was sent or billed")
    # The outermost of the HTTP client's errors decides: what it was handling itself may be a first
    # address that failed.
    cause = next(
        (each for each in chain if isinstance(each, httpx2.HTTPError | httpx2.InvalidURL)), chain[0]
    )
    match cause:
        case (
            httpx2.ConnectError()
            | httpx2.ConnectTimeout()
            | httpx2.PoolTimeout()
            | httpx2.ProxyError()
        ):
            kind, where = ConnectionFailed, redacted(address)
            if isinstance(cause, httpx2.ProxyError):
                where += " through the proxy"
                kind = ProxyFailed if _REFUSED.match(str(cause)) else kind
            if any(isinstance(each, SSLCertVerificationError) for each in chain):
                kind = Untrusted
            return kind(
                f"no connection to {where}: {_said(cause)}; nothing was sent, nothing was billed"
            )
        case httpx2.LocalProtocolError() | httpx2.InvalidURL() | httpx2.UnsupportedProtocol():
            return UsageError(f"the request cannot be sent: {_said(cause)}")
        case httpx2.TimeoutException():
            return OutcomeUnknown(
                f"time-out after the request was sent ({type(cause).__name__}): it "
                "may have been carried out and billed"
            )
        case _:
            return OutcomeUnknown(
                f"the connection broke after the request was sent ({_said(cause)}): it "
                "may have been carried out and billed"
            )


def _said(error: BaseException) -> str:
    words = redacted(str(error).split("\n")[0])[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


async def raise_error_status(response: httpx2.Response, *, secret: Secret, seconds: float) -> None:
    """Raise an `APIError` for an error status or a redirect.

    Status and generation id are taken before the body, of which at most `MAX_ERROR_BODY` bytes are
    read within `seconds`. The secret is taken out where the server repeats it.
    """
    response.headers.encoding = "iso-8859-1"  # or httpx2 finds it out anew at each look
    status = response.status_code
    if status == 407:  # of a proxy before an http address; one before https refuses the tunnel
        raise ProxyFailed(
            "the proxy asks for a user name and a password (407), which stand before its host in "
            "http_proxy; nothing was sent or billed"
        )
    if status == 401 and (login := _LOGIN.match(response.headers.get("www-authenticate", ""))):
        raise ProxyFailed(
            f"a gateway or proxy asks for a user name and a password (401, {login[1]}), which is "
            f"not the key of the service behind it; nothing was billed ({_asked(response)})"
        )
    if status < 400:
        words = _redirect_refused(response)
    else:
        words = await _error_body(response, seconds)
    if len(secret.reveal()) >= SHORTEST:
        words = words.replace(secret.reveal().encode(), "…".encode())
    error = faults.from_body(
        status,
        words,
        retry_after=_wait(response),
        generation_id=response.headers.get(GENERATION_ID),
    )
    if isinstance(error, Redirected):
        error.location = redacted(response.headers.get("location", "")) or None
    elif status in (404, 405) or not error.from_service:
        error.args = (f"{error} ({_asked(response)})",)
    raise error


def _asked(response: httpx2.Response) -> str:
    """The address of a request, since one that is wrong is told by nothing else."""
    request, hint = response.request, ""
    if response.status_code in (404, 405) and not _VERSION.search(request.url.path):
        hint = "; most base_urls end with /v1"
    return redacted(f"asked: {request.method} {request.url}{hint}")


def _redirect_refused(response: httpx2.Response) -> bytes:
    target = redacted(response.headers.get("location", "nowhere"))
    words = (
        f"a redirect to {target} was not followed: a request that may be billed is "
        "sent to one address only; is base_url right?"
    )
    return words.encode()


async def _error_body(response: httpx2.Response, seconds: float) -> bytes:
    """The beginning of the body, or why it cannot be read."""
    body = bytearray()
    was_read = response.is_stream_consumed  # by a hook of the user's: unpacked, as it is in memory
    try:
        async with asyncio.timeout(seconds):
            async for chunk in response.aiter_bytes() if was_read else response.aiter_raw():
                body += chunk
                if len(body) >= MAX_ERROR_BODY:
                    break
    except Exception as error:  # noqa: BLE001 - the status says enough without a body
        body = body or bytearray(f"(its body broke off: {type(error).__name__})".encode())
    told = response.headers.get("content-encoding", "identity").lower()
    encoding = "identity" if was_read else told
    return _unpacked(bytes(body[:MAX_ERROR_BODY]), encoding)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The beginning of a body, which may be cut: never more than was allowed to arrive."""
    if encoding == "identity":
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_ERROR_BODY)
    except zlib.error:
        return f"(its body, packed as {encoding}, cannot be read)".encode()
