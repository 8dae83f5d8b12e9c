"""Every error that agentkit raises, and what the caller can do about each.

    AgentkitError
    ├── UsageError (a ValueError)   an argument is wrong: nothing was sent; correct the call
    │   ├── MissingKey              no API key: set OPENROUTER_API_KEY, or start the emulator
    │   ├── ToolDefinitionError     a function cannot become a tool: change its signature or name
    │   ├── Unsupported             the model does not take this: see `accepted` and `models`
    │   ├── BudgetExceeded          the `Budget` does not cover this: raise it, or ask for less
    │   ├── ConversationBusy        a turn is running on this conversation: wait, or `fork()`
    │   └── RunBusy                 another process goes on with this run: it is left to that one
    ├── ImageError                  these bytes, this file or this URL are no usable picture
    ├── FileError                   these bytes, this path or this URL are no file for a model
    ├── StoreError                  the image store cannot be read or written: free the disk
    │   └── LedgerError             the call ledger cannot be read or written: nothing was sent
    ├── SessionError                the database of conversations cannot be used: see its address
    └── RunError                    a run stopped; `run` holds all that had arrived
        ├── ConnectionFailed        nothing was sent or billed: try again when the network is back
        │   ├── ProxyFailed         a proxy or a gateway refuses: check the environment
        │   └── Untrusted           the server's certificate cannot be trusted: check the address
        ├── NotRecorded (an AssertionError)  a test's cassette lacks this request: record it
        ├── OutcomeUnknown          it may have been billed: look at `generation_id` first
        ├── StreamInterrupted       the stream was cut; `answer_so_far` holds what had arrived
        ├── ProtocolError           the reply is not the service's (a proxy's page, cut JSON)
        ├── DeadlineExceeded        `Limits.seconds`, or a time-out of the client, was reached
        ├── HookFailed (a UsageError)  a hook raised: correct it, then `resume(error.run)`
        ├── OutputInvalid           the reply does not fit `output=`, even after one repair
        └── APIError                the service, or a provider behind it, refused
            ├── BadRequest          400, 404, 405, 409, 413, 414, 415, 422: change the request
            ├── AuthenticationFailed   401: the key is wrong or revoked
            ├── InsufficientCredits    402: add credits, or lower `max_tokens`, which reserves them
            ├── PermissionRefused      403: moderation, a guardrail or a region; see `reasons`
            ├── RateLimited            429: wait `retry_after` seconds
            ├── Redirected             3xx, never followed: correct `base_url`, see `location`
            └── ProviderFailed         408, 5xx, an error inside a 200, any other status

No error holds a key, a header or a request body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from agentkit._redact import redacted

__all__ = [
    "APIError",
    "AgentkitError",
    "AuthenticationFailed",
    "BadRequest",
    "BudgetExceeded",
    "ConnectionFailed",
    "ConversationBusy",
    "DeadlineExceeded",
    "FileError",
    "HookFailed",
    "ImageError",
    "InsufficientCredits",
    "LedgerError",
    "MissingKey",
    "NotRecorded",
    "OutcomeUnknown",
    "OutputInvalid",
    "PermissionRefused",
    "ProtocolError",
    "ProviderFailed",
    "ProxyFailed",
    "RateLimited",
    "Redirected",
    "RunBusy",
    "RunError",
    "SessionError",
    "StoreError",
    "StreamInterrupted",
    "ToolDefinitionError",
    "Unsupported",
    "Untrusted",
    "UsageError",
]


class StoppedRun(Protocol):
    """The run that an error carries: an `agentkit.Run`, which `resume` and `adopt` take as it
    is.
    """

    @property
    def id(self) -> str:
        """The id of the run, which its log lines carry."""
        ...

    @property
    def messages(self) -> Sequence[Any]:
        """The whole messages so far (`agentkit.Message`)."""
        ...

    @property
    def images(self) -> Sequence[Any]:
        """The pictures of the conversation so far (`agentkit.Image`)."""
        ...

    @property
    def invocations(self) -> Sequence[Any]:
        """The tool calls so far (`agentkit.Invocation`)."""
        ...

    @property
    def usage(self) -> Any:
        """What was used so far (`agentkit.Usage`)."""
        ...

    def to_json(self) -> str:
        """The run as text, to be kept; `Run.from_json` reads it."""
        ...


class PartialAnswer(Protocol):
    """What had arrived when a run stopped: an `agentkit.Answer`."""

    @property
    def text(self) -> str:
        """The words so far."""
        ...

    @property
    def parts(self) -> Sequence[Any]:
        """Words and pictures in order (`agentkit.Text`, `agentkit.Image`)."""
        ...

    @property
    def images(self) -> Sequence[Any]:
        """The pictures so far (`agentkit.Image`)."""
        ...

    @property
    def failures(self) -> Sequence[Any]:
        """The pictures that could not be obtained (`agentkit.ImageFailure`)."""
        ...

    @property
    def usage(self) -> Any:
        """What was used so far (`agentkit.Usage`)."""
        ...

    @property
    def status(self) -> str:
        """`interrupted`, or what else the answer is."""
        ...


class LookedUp(Protocol):
    """What `GET /generation` told of a request: the result of `OpenRouter.generation`."""

    @property
    def id(self) -> str:
        """The id of the request."""
        ...

    @property
    def billed(self) -> bool | None:
        """Whether somebody paid for it; None where the record does not say."""
        ...

    @property
    def cost_usd(self) -> float | None:
        """What the account was billed; None where it is not told."""
        ...


class PartialDrawing(Protocol):
    """The pictures of a request to the Image API that had arrived: an `agentkit.studio.Drawing`."""

    @property
    def images(self) -> Sequence[Any]:
        """The pictures so far (`agentkit.Image`)."""
        ...

    @property
    def failures(self) -> Sequence[Any]:
        """The pictures that came and cannot be used (`agentkit.ImageFailure`)."""
        ...

    @property
    def usage(self) -> Any:
        """What was used so far (`agentkit.Usage`)."""
        ...


class AgentkitError(Exception):
    """The base of every error that agentkit raises on purpose. Its words hold no secret."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(each) if isinstance(each, str) else each for each in args))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the class, the words and the attributes, so that an error survives the way from
        another process whatever its constructor takes.
        """
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[AgentkitError], args: tuple[object, ...]) -> AgentkitError:
    error = kind.__new__(kind)
    error.args = args
    return error


class UsageError(AgentkitError, ValueError):
    """An argument is wrong. Raised at once, before anything is sent."""


class MissingKey(UsageError):
    """There is no API key. The emulator needs one too: any will do."""


class ToolDefinitionError(UsageError):
    """A function, a name or a schema cannot become a tool."""


class Unsupported(UsageError):
    """The model does not accept a parameter, as the catalogue says. `checks=False` sends the
    request all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        parameter: str,
        accepted: str | None = None,
        models: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.model = model
        self.parameter = parameter
        """The first parameter that is not accepted; the message names all."""
        self.accepted = accepted
        """What the model accepts for it, in words; None if it has no such parameter."""
        self.models = models
        """Slugs of models that accept the whole request."""


class BudgetExceeded(UsageError):
    """A drawing was not begun: it might have cost more, or brought more pictures, than is left of
    its `Budget`. An agent does not raise this: its answer is `limited`.
    """

    def __init__(
        self,
        message: str,
        *,
        price_usd: float | None = None,
        remaining_usd: float | None = None,
        remaining_images: int | None = None,
    ) -> None:
        super().__init__(message)
        self.price_usd = price_usd
        """The highest known price of the request in USD; None if nothing is known of it."""
        self.remaining_usd = remaining_usd
        self.remaining_images = remaining_images


class ConversationBusy(UsageError):
    """A second turn was started while one is running on the same conversation."""


class RunBusy(UsageError):
    """Another process, or another task of this one, goes on with this run. When that process dies,
    the run is free.
    """


class ImageError(AgentkitError):
    """Bytes, a file or a URL that are no usable picture."""


class FileError(AgentkitError):
    """Bytes, a path or a URL that are no file which a model can be given."""


class StoreError(AgentkitError):
    """The image store cannot be read or written."""


class LedgerError(StoreError):
    """The call ledger cannot be read or written, or a newer agentkit wrote it. Nothing was sent."""


class SessionError(AgentkitError):
    """The database of conversations cannot be read or written, or is none of agentkit's. Where a
    turn came to an end and could not be written, `run` has it.
    """

    run: StoppedRun | None = None


class RunError(AgentkitError):
    """A run stopped before its answer was complete."""

    billed: bool | None = None
    """Whether the request that failed was billed; None where that is not known."""

    def __init__(self, message: str, *, generation_id: str | None = None) -> None:
        super().__init__(message)
        self.run: StoppedRun | None = None
        """The run with all that had arrived. `chat.resume(run)` continues it, `chat.adopt(run)`
        keeps it.
        """
        self.answer_so_far: PartialAnswer | None = None
        """What had arrived, as an answer; None if nothing was started."""
        self.generation_id = None if generation_id is None else redacted(generation_id)
        """OpenRouter's id of the request that failed, if it was told. `OpenRouter.generation`
        asks about it.
        """
        self.generation: LookedUp | None = None
        """What OpenRouter said when it was asked about that id: whether the request was billed,
        and its cost. None if it was not asked, or did not know.
        """
        self.call: str | None = None
        """The key of the request in the call ledger; None without one."""
        self.drawing: PartialDrawing | None = None
        """For a request to the Image API: the pictures that had arrived, without previews."""


class ConnectionFailed(RunError):
    """No connection could be made, so the request was certainly not accepted."""

    billed = False


class Untrusted(ConnectionFailed):
    """The server's certificate cannot be trusted. Trying again changes nothing."""


class ProxyFailed(ConnectionFailed):
    """The proxy refuses, or does not speak as a proxy; or a gateway before the service asks for a
    login of its own. Trying again changes nothing.
    """


class NotRecorded(RunError, AssertionError):
    """In a test: the cassette that is played has no reply to this request, or none that is left.
    Nothing was sent or billed.
    """

    billed = False


class OutcomeUnknown(RunError):
    """The connection broke after the request was sent. It may have been carried out and billed, and
    was not sent again.
    """


class StreamInterrupted(RunError):
    """A stream ended before its reply was complete. No tool call of that reply is run."""


class ProtocolError(RunError):
    """The reply is not what the service sends, for example a proxy's HTML page or cut JSON."""


class DeadlineExceeded(RunError):
    """`Limits.seconds` of the run, or a time-out of the client, was reached."""


class HookFailed(RunError, UsageError):
    """A function of the user that a run calls beside the tools raised, or returned what it must
    not: a hook, or a function that makes tools. `__cause__` is its own error.
    """


class OutputInvalid(RunError):
    """The reply does not fit the `output` type, even after the model was asked to repair it."""


class APIError(RunError):
    """The service, or a provider behind it, answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | int | None = None,
        provider: str | None = None,
        raw: str | None = None,
        reasons: tuple[str, ...] = (),
        suggested_models: tuple[str, ...] = (),
        retry_after: float | None = None,
        retryable: bool | None = None,
        from_service: bool = True,
        generation_id: str | None = None,
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.status = status
        """The HTTP status; for an error inside a 200, the code it carries where that is one."""
        self.code = redacted(code) if isinstance(code, str) else code
        """The error's own code or type, as it came."""
        self.provider = None if provider is None else redacted(provider)
        self.raw = None if raw is None else redacted(raw)
        """The provider's own words (`metadata.raw`), at most 2,000 characters."""
        self.reasons = tuple(map(redacted, reasons))
        """Why moderation refused, in its words."""
        self.suggested_models = tuple(map(redacted, suggested_models))
        self.retry_after = retry_after
        """Seconds to wait, as the server asked, or until the rate limit is reset."""
        self.retryable = retryable
        """`error.availability.retryable`, where it was told; False also for a rate limit of a day
        or longer that does not say when it is reset.
        """
        self.from_service = from_service
        """Whether the body is the service's own JSON error. If not, a gateway or a proxy answered,
        and the service behind it may still be at work on the request.
        """


class BadRequest(APIError):
    """400, 404, 405, 409, 413, 414, 415, 422: the request cannot be served as it is."""

    is_unknown_model: bool = False
    """Whether the catalogue has no model of the name that was asked."""


class AuthenticationFailed(APIError):
    """401: the key is missing, wrong or revoked."""


class InsufficientCredits(APIError):
    """402: the credits do not cover the request. `max_tokens` counts as if it were used in full."""


class PermissionRefused(APIError):
    """403: moderation, a guardrail, or a region refused the request."""


class RateLimited(APIError):
    """429: too many requests. `retry_after` says how long to wait."""


class Redirected(APIError):
    """3xx: the address answers with a redirect, as a gateway does that wants a login, or one for
    http alone. It is never followed, so nothing was billed.
    """

    location: str | None = None
    """Where it leads, without secrets; None where the reply does not say."""


class ProviderFailed(APIError):
    """408, any 5xx, an error inside a 200, and any other status."""


def for_status(status: int | None) -> type[APIError]:
    """The class for an HTTP status, or for the code of an error inside a 200."""
    match status:
        case 401:
            return AuthenticationFailed
        case 402:
            return InsufficientCredits
        case 403:
            return PermissionRefused
        case 429:
            return RateLimited
        case int() if 300 <= status < 400:
            return Redirected
        case 400 | 404 | 405 | 409 | 413 | 414 | 415 | 422:
            return BadRequest
        case _:
            return ProviderFailed
