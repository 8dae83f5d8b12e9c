"""The exit codes of `agentkit`, and which error ends with which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentkit.errors import (
    AgentkitError,
    APIError,
    AuthenticationFailed,
    BadRequest,
    BudgetExceeded,
    ConnectionFailed,
    ConversationBusy,
    FileError,
    HookFailed,
    ImageError,
    MissingKey,
    OutcomeUnknown,
    ProtocolError,
    ProxyFailed,
    Redirected,
    RunBusy,
    SessionError,
    StreamInterrupted,
    Untrusted,
    UsageError,
)

if TYPE_CHECKING:
    from agentkit.answer import AnswerStatus

DONE = 0
FAILED = 1
"""A run, an expectation or a limit failed it, or it was refused."""
USAGE = 2
"""The command or its input is wrong."""
CONFIGURATION = 3
"""The key, an address, a proxy or a database is missing or wrong."""
PROVIDER = 4
"""OpenRouter, a provider, or the way there failed."""
WAITING = 5
"""A call waits for a person."""
INTERRUPTED = 130

_CODES: tuple[tuple[type[AgentkitError] | tuple[type[AgentkitError], ...], int], ...] = (
    ((MissingKey, AuthenticationFailed, SessionError), CONFIGURATION),
    ((ProxyFailed, Untrusted, Redirected), CONFIGURATION),
    ((BudgetExceeded, ConversationBusy, RunBusy, HookFailed), FAILED),
    ((UsageError, ImageError, FileError), USAGE),
    ((APIError, ConnectionFailed, OutcomeUnknown, StreamInterrupted, ProtocolError), PROVIDER),
)
"""The first row that fits counts: the classes overlap."""


def code_of(error: AgentkitError) -> int:
    """The exit code of an error."""
    if isinstance(error, BadRequest) and error.is_unknown_model:
        return USAGE
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILED)


def code_for(status: AnswerStatus) -> int:
    """The exit code of an answer with this status."""
    match status:
        case "completed":
            return DONE
        case "paused":
            return WAITING
        case "interrupted":
            return INTERRUPTED
        case "limited" | "refused":
            return FAILED
