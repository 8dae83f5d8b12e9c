"""One map from the errors of the SDK and of the HTTP client to ours.

Whether a request was surely not accepted is judged by the root cause of an error, never by the name
of the one that wraps it: only a failure to connect proves that nothing was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ssl import SSLCertVerificationError

from agentkit._redact import redacted
from agentkit.errors import AgentkitError, ConnectionFailed, OutcomeUnknown, Untrusted, UsageError
from agentkit.wire import headers

GENERATION_ID = "x-generation-id"
SDK_HEADERS = (
    "X-Stainless-Lang",
    "X-Stainless-Package-Version",
    "X-Stainless-OS",
    "X-Stainless-Arch",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Async",
    "X-Stainless-Retry-Count",
    "X-Stainless-Read-Timeout",
)
"""What the SDK adds to each request: told to leave them out, it need not make what `StrictClient`
passes over.
"""


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """`wire.headers.retry_after`, for now."""
    return headers.retry_after(value, now or datetime.now(UTC))


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


def translated(error: Exception, handled: BaseException | None) -> AgentkitError:
    """Our error for whatever the SDK or the HTTP client raised. `handled` is what was handled when
    the request began.
    """
    import httpx2

    chain = list(_causes(error, handled))
    for cause in chain:
        if isinstance(cause, AgentkitError):
            cause.__context__ = None  # the SDK's error, which holds the request and its headers
            return cause.with_traceback(None)
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
            kind = (
                Untrusted
                if any(isinstance(each, SSLCertVerificationError) for each in chain)
                else ConnectionFailed
            )
            return kind(
                f"no connection to OpenRouter: {_said(cause)}; nothing was sent, nothing was billed"
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
