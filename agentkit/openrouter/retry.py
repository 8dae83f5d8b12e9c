"""When a request is sent again: only if it was surely not accepted, or surely not billed.

| what came back | without server tools | with server tools |
|---|---|---|
| no connection (nothing was sent) | twice more | twice more |
| a certificate that cannot be trusted | never | never |
| 429, 502, 503, 529 before any output | twice more | twice more, if it was not billed |
| 408, 500, 504, 524 | once more | once more, if it was not billed |
| 425 | once more | once more |
| anything else, a broken connection above all | never | never |

Whether it was billed is what the look-up says. `Retry-After` is obeyed up to 120 s and up to the
time that the run has left; where `availability.retryable` is false, nothing is sent again, whatever
the table says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from agentkit._log import logger
from agentkit.errors import (
    AgentkitError,
    APIError,
    AuthenticationFailed,
    ConnectionFailed,
    PermissionRefused,
    Untrusted,
)
from agentkit.wire.generation import PATH, Generation, generation_of
from agentkit.wire.types import JsonObject

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

MAX_WAIT = 120.0
"""The longest `Retry-After`, in seconds, that is waited for."""
PATIENCE = 30.0
"""Seconds for which an unknown generation is asked about again."""
Sleep = Callable[[float], Awaitable[None]]
LookUp = Callable[[str], Awaitable[Generation | None]]


def times_more(error: BaseException) -> int:
    """How many more times a request that ended with this error may be sent, if it was surely not
    billed.
    """
    if isinstance(error, ConnectionFailed):
        return 0 if isinstance(error, Untrusted) else 2
    if not isinstance(error, APIError) or error.retryable is False:
        return 0
    if error.status in {429, 502, 503, 529}:
        return 2
    return 1 if error.status in {408, 425, 500, 504, 524} else 0


def may_have_billed(error: BaseException) -> bool:
    """Whether a server tool may have run before this error, which is billed even if the reply
    failed. A refusal comes before any tool runs; a time-out (408), a 5xx or a provider's 429 may
    come after one.
    """
    if not isinstance(error, APIError):
        return False
    return error.status is None or error.status >= 500 or error.status in {408, 429}


def retrying(
    *,
    server_tools: bool,
    seconds_left: Callable[[], float],
    look_up: LookUp | None = None,
    sleep: Sleep = asyncio.sleep,
) -> AsyncRetrying:
    """Attempts at one request, as the table says; the last error is raised as it is, with what the
    look-up told.

    `async for attempt in retrying(…): with attempt: return await …`
    """
    # Imported here: a program that sends no request does not need it.
    from tenacity import AsyncRetrying, wait_random_exponential

    backoff = wait_random_exponential(multiplier=0.5, max=8)

    async def may_go_again(state: RetryCallState) -> bool:
        error = _error(state)
        if error is None or state.attempt_number > times_more(error):
            return False
        if server_tools and may_have_billed(error) and not await _was_not_billed(error, look_up):
            return False
        return (_pause_asked_for(error) or 0.0) <= min(MAX_WAIT, seconds_left())

    def pause(state: RetryCallState) -> float:
        asked_for = _pause_asked_for(_error(state))
        return backoff(state) if asked_for is None else asked_for

    return AsyncRetrying(retry=may_go_again, wait=pause, sleep=sleep, reraise=True)


def _pause_asked_for(error: BaseException | None) -> float | None:
    return error.retry_after if isinstance(error, APIError) else None


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None and state.outcome.failed else None


async def _was_not_billed(error: BaseException, look_up: LookUp | None) -> bool:
    """Whether the look-up proves it. Without an id, or without an answer, nothing is proved."""
    if not isinstance(error, APIError) or not error.generation_id or look_up is None:
        return False
    error.generation = await look_up(error.generation_id)
    return error.generation is not None and error.generation.billed is False


class Gets(Protocol):
    """The one method of `OpenRouter` that a look-up needs."""

    async def get(self, path: str) -> JsonObject: ...


async def look_up(
    client: Gets,
    generation_id: str,
    *,
    seconds: float = PATIENCE,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Generation | None:
    """The record of this generation, or None if there is none within these seconds. Raises no error
    of its own.
    """
    from tenacity import AsyncRetrying, retry_if_result, stop_before_delay, wait_exponential

    attempts = AsyncRetrying(
        retry=retry_if_result(lambda found: found is None),
        wait=wait_exponential(multiplier=0.25, max=4),
        stop=stop_before_delay(seconds),
        sleep=sleep,
        retry_error_callback=lambda _: "refused",
    )
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            found: Generation | Literal["refused"] | None = await attempts(
                _asked, client, generation_id
            )
    except TimeoutError:
        return None
    return None if found == "refused" else found


async def _asked(client: Gets, generation_id: str) -> Generation | Literal["refused"] | None:
    """The record; None where it is worth asking again."""
    try:
        found = generation_of(await client.get(f"{PATH}?id={quote(generation_id, safe='')}"))
    except (AuthenticationFailed, PermissionRefused) as error:
        logger().warning("generation_lookup_refused", generation=generation_id, reason=str(error))
        return "refused"
    except AgentkitError as error:
        if not (isinstance(error, APIError) and error.status == 404):
            logger().info("generation_lookup_failed", generation=generation_id, reason=str(error))
        return None
    return found if found is not None and found.billed is not None else None
