"""One map from the errors of the SDK and of the HTTP client to ours.

Whether a request was surely not accepted is judged by the root cause of an error, never by the name of the one that wraps
it: only a failure to connect proves that nothing was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from ssl import SSLCertVerificationError

from agentkit.errors import AgentkitError, ConnectionFailed, OutcomeUnknown, Untrusted, UsageError

GENERATION_ID = "x-generation-id"
SDK_HEADERS = (
    "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Async", "X-Stainless-Retry-Count", "X-Stainless-Read-Timeout",
)  # fmt: skip
"""What the SDK adds to each request: told to leave them out, it need not make what `StrictClient` passes over."""
_SECRETS = re.compile(r"(sk-[A-Za-z0-9_-]{4})[A-Za-z0-9_-]+|(Bearer\s+)\S+|(//)[^/@\s]+@", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with keys, bearer tokens and credentials in URLs taken out."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}…", text)


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
    # The outermost of the HTTP client's errors decides: what it was handling itself may be a first address that failed.
    cause = next((each for each in chain if isinstance(each, httpx2.HTTPError | httpx2.InvalidURL)), chain[0])
    match cause:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout() | httpx2.ProxyError():
            kind = Untrusted if any(isinstance(each, SSLCertVerificationError) for each in chain) else ConnectionFailed
            return kind(f"no connection to OpenRouter: {_said(cause)}; nothing was sent, nothing was billed")
        case httpx2.LocalProtocolError() | httpx2.InvalidURL() | httpx2.UnsupportedProtocol():
            return UsageError(f"the request cannot be sent: {_said(cause)}")
        case httpx2.TimeoutException():
            return OutcomeUnknown(
                f"time-out after the request was sent ({type(cause).__name__}): it may have been carried out and billed"
            )
        case _:
            return OutcomeUnknown(
                f"the connection broke after the request was sent ({_said(cause)}): it may have been carried out and billed"
            )


def _said(error: BaseException) -> str:
    words = redacted(str(error).split("\n")[0])[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
