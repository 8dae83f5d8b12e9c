"""Errors that keep a turn, or anything else, from beginning: with which status and words they are
told to a browser. What they say of this machine stays in the log.
"""

from __future__ import annotations

from agentkit._log import logger
from agentkit._redact import redacted
from agentkit.errors import (
    AgentkitError,
    APIError,
    AuthenticationFailed,
    BudgetExceeded,
    ConnectionFailed,
    ConversationBusy,
    DeadlineExceeded,
    FileError,
    ImageError,
    InsufficientCredits,
    MissingKey,
    OutcomeUnknown,
    ProtocolError,
    ProviderFailed,
    RateLimited,
    RunBusy,
    SessionError,
    StoreError,
    StreamInterrupted,
    Unsupported,
    UsageError,
)
from agentkit.web.refusal import Refused


def refusal_of(error: AgentkitError) -> Refused:
    """What a browser is told of an error that was raised before a turn began."""
    match error:
        case ConversationBusy() | RunBusy():
            return Refused(
                409,
                "A turn of this conversation is going on.",
                "a message when it has ended",
            )
        case BudgetExceeded():
            return Refused(402, "Your budget is used up.")
        case MissingKey() | AuthenticationFailed():
            return _logged(error, 503, "This server has no valid key for its model.")
        case ImageError():
            return Refused(400, f"A picture cannot be used: {error}")
        case FileError():
            return Refused(400, f"A file cannot be used: {error}")
        case Unsupported():
            return Refused(400, redacted(str(error)))
        case SessionError() | StoreError():
            return _logged(error, 503, "What was said cannot be kept now; try again in a moment.")
        case UsageError():
            return _logged(error, 409, "This is not possible in this conversation now.")
        case _:
            return _logged(error, 500, "This failed on the server; its log says why.")


def _logged(error: AgentkitError, status: int, words: str) -> Refused:
    logger().warning("web_failed", reason=f"{type(error).__name__}: {error}")
    return Refused(status, words)


_WORDS: tuple[tuple[type[AgentkitError] | tuple[type[AgentkitError], ...], str], ...] = (
    ((MissingKey, AuthenticationFailed), "This server has no valid key for its model."),
    (BudgetExceeded, "Your budget is used up: a request of this turn would have gone beyond it."),
    (InsufficientCredits, "The account of this server has no credit left."),
    (RateLimited, "The model is asked too often now. Try again in a moment."),
    (ConnectionFailed, "The model cannot be reached; nothing was billed. Try again."),
    (
        (OutcomeUnknown, StreamInterrupted),
        "The connection to the model broke off. What came is kept; it may have been billed.",
    ),
    (DeadlineExceeded, "It took too long, and was ended. What came is kept."),
    (
        (SessionError, StoreError),
        "What was said cannot be kept now; the server's log says why.",
    ),
    ((ConversationBusy, RunBusy), "A turn of this conversation is going on elsewhere."),
    (ProviderFailed, "The provider of the model failed. Try again."),
)
"""The first row that fits counts: the classes overlap."""
_SHOWN = (APIError, Unsupported, ImageError, FileError, ProtocolError)
"""What these say is of the model and of the prompt, and nothing of this machine."""


def words_of(error: Exception) -> str:
    """What a person is told of an error that ended a turn, and what one can do about it."""
    for kinds, words in _WORDS:
        if isinstance(error, kinds):
            return words
    if isinstance(error, _SHOWN):
        return redacted(str(error))
    return "This turn failed on the server; its log says why. What came is kept."
