"""What stands between the SDK and the network: hooks that keep its habits out, and one map from its errors to ours.

Whether a request was surely not accepted is judged by the root cause of an error, never by the name of the one that wraps
it: only a failure to connect proves that nothing was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

from agentkit.errors import AgentkitError, APIError, ConnectionFailed, OutcomeUnknown, UsageError
from agentkit.wire import faults

if TYPE_CHECKING:
    import ssl

    import httpx2

GENERATION_ID = "x-generation-id"
MAX_ERROR_BODY = 64 * 1024
_ALLOWED = {
    b"accept", b"accept-encoding", b"authorization", b"connection", b"content-length", b"content-type", b"host", b"http-referer",
    b"user-agent", b"x-openrouter-title", b"transfer-encoding",
}  # fmt: skip
SDK_HEADERS = (
    "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Async", "X-Stainless-Retry-Count", "X-Stainless-Read-Timeout",
)  # fmt: skip
"""What the SDK adds to each request: told to leave them out, it need not make what `http_client` takes away again."""
_SECRETS = re.compile(r"(sk-[A-Za-z0-9_-]{4})[A-Za-z0-9_-]+|(Bearer\s+)\S+|(//)[^/@\s]+@", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with keys, bearer tokens and credentials in URLs taken out."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", text)


def http_client(
    headers: dict[str, str | None],
    *,
    tls: ssl.SSLContext,
    secret: Callable[[], str],
    connect: float,
    read: float,
    pool: float,
) -> httpx2.AsyncClient:
    """An HTTP client with our hooks: no cookies, no redirects, only the headers that OpenRouter needs."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    from agentkit import __version__

    agent = f"agentkit/{__version__}"
    own = {name: value for name, value in headers.items() if value}

    async def on_request(request: httpx2.Request) -> None:
        for name in {name.lower() for name, _ in request.headers.raw} - _ALLOWED:
            del request.headers[name.decode("ascii")]
        if request.headers["user-agent"] != agent:
            request.headers["user-agent"] = agent
        for name, value in own.items():
            request.headers[name] = value

    async def on_response(response: httpx2.Response) -> None:
        if response.status_code >= 300:
            raise await _error_of(response, secret)

    return httpx2.AsyncClient(
        verify=tls,
        headers={"user-agent": agent},
        timeout=httpx2.Timeout(connect=connect, read=read, write=read, pool=pool),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30),
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        event_hooks={"request": [on_request], "response": [on_response]},
    )


async def _error_of(response: httpx2.Response, secret: Callable[[], str]) -> APIError:
    """Our own error for an error status, before anyone reads its body to the end; a key that it repeats is taken out."""
    generation_id = response.headers.get(GENERATION_ID)
    wait = retry_after(response.headers.get("retry-after"))
    body = b""
    try:
        async for chunk in response.aiter_bytes(8192):
            body += chunk
            if len(body) >= MAX_ERROR_BODY:
                break
    except Exception as error:  # noqa: BLE001 - a body that cannot be read leaves the status, which says enough
        body = body or f"(its body broke off: {type(error).__name__})".encode()
    finally:
        await response.aclose()
    if response.status_code < 400:
        target = redacted(response.headers.get("location", "nowhere"))
        body = f"a redirect to {target} was not followed: a request that may be billed is sent to one address only; is base_url right?".encode()
    body = body[:MAX_ERROR_BODY].replace(secret().encode(), "…".encode())
    return faults.from_body(response.status_code, body, retry_after=wait, generation_id=generation_id)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for (a past date: 0), or None where it is absent or unusable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - (now or datetime.now(UTC))).total_seconds(), 0.0)
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _causes(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, down to what the caller was handling before: that is another request's story."""
    seen: set[int] = {id(handled)}
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def translated(error: Exception, handled: BaseException | None) -> AgentkitError:
    """Our error for whatever the SDK or the HTTP client raised. `handled` is what was handled when the request began."""
    import httpx2

    chain = list(_causes(error, handled))
    for cause in chain:
        if isinstance(cause, AgentkitError):
            cause.__context__ = None  # the SDK's error, which holds the request and its headers
            return cause.with_traceback(None)
    for cause in chain:
        if isinstance(
            cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.UnsupportedProtocol
        ):
            return ConnectionFailed(
                f"no connection to OpenRouter: {_said(cause)}; nothing was sent, nothing was billed"
            )
        if isinstance(cause, httpx2.TimeoutException):
            return OutcomeUnknown(
                f"time-out after the request was sent ({type(cause).__name__}): it may have been carried out and billed"
            )
        if isinstance(cause, httpx2.LocalProtocolError | httpx2.InvalidURL):
            return UsageError(f"the request cannot be sent: {_said(cause)}")
    return OutcomeUnknown(
        f"the connection broke after the request was sent ({_said(chain[0])}): it may have been carried out and billed"
    )


def _said(error: BaseException) -> str:
    words = redacted(str(error).split("\n")[0])[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
