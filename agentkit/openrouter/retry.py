"""When a request is sent again: only if it was surely not accepted, or surely not billed.

| what came back | words alone | what may draw |
|---|---|---|
| no connection (nothing was sent) | twice more | twice more |
| a certificate that cannot be trusted, a proxy that refuses | never | never |
| 429; 502, 503, 529 in the service's own words | twice more | twice more; with server tools, if it was not billed |
| 408, 500, 504, 524; 502, 503, 529 of a gateway | once more, the first held as uncertain | as often, if it was not billed |
| 425 | once more | once more |
| anything else, a broken connection above all | never | never |

What may draw has a server tool, asks for pictures, or goes to the Image API. A gateway (a proxy, a
load balancer) may give up a request on which the service is still at work. Whether a request was
billed is what the look-up says. `Retry` says how often "twice more" is. `Retry-After` is obeyed up
to 120 s and up to the time that the run has left; where `availability.retryable` is false, nothing
is sent again, whatever the table says.
"""  # noqa: E501 - a table

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, cast
from urllib.parse import quote

from agentkit._check import argument, check_number
from agentkit._log import logger
from agentkit.errors import (
    AgentkitError,
    APIError,
    AuthenticationFailed,
    ConnectionFailed,
    PermissionRefused,
    ProxyFailed,
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
GoingAgain = Callable[[BaseException], Awaitable[None]]
Failed = tuple[type[Exception], Exception, TracebackType | None]
LookUp = Callable[[str], Awaitable[Generation | None]]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is sent again that was surely not accepted, or surely not billed. Nothing
    else is sent again, whatever is set here. Raises `UsageError` for a wrong value.
    """

    attempts: int = 3
    """How often one request is sent at most, the first time included. 1: never again."""
    total: float | None = None
    """Seconds within which it may be sent again, since it was first sent; None: as long as the run
    has time.
    """

    def __post_init__(self) -> None:
        where = argument("Retry", "attempts")
        check_number(where, self.attempts, whole=True, least=1)
        if self.total is not None:
            check_number("Retry(total={!r})", self.total, least=0, unit="seconds", also=", or None")


@dataclass(frozen=True, slots=True)
class Stakes:
    """What may be paid for twice if a request is sent again."""

    draws: Callable[[], Awaitable[bool]]
    """Whether it may bring pictures. Asked once something has gone wrong."""
    server_tools: bool = False
    """Whether it has such tools, which bill even where the reply fails."""
    all_or_nothing: bool = False
    """Whether a reply that fails without a picture is not billed, as the Image API has it."""


def times_more(error: BaseException, attempts: int = 3) -> int:
    """How many more times a request that ended with this error may be sent, if it was surely not
    billed, of so many attempts in all.
    """
    if isinstance(error, ConnectionFailed):
        return 0 if isinstance(error, Untrusted | ProxyFailed) else attempts - 1
    if not isinstance(error, APIError) or error.retryable is False:
        return 0
    if error.status == 429 or (error.status in _BUSY and error.from_service):
        return attempts - 1
    return min(attempts - 1, 1) if error.status in _BUSY | {408, 425, 500, 504, 524} else 0


_BUSY = frozenset({502, 503, 529})
"""In the service's own words: no provider took the request, or it failed there, not billed."""


def may_be_at_work(error: BaseException) -> bool:
    """Whether the request may have been carried out behind this error, or is so still: time-outs,
    and whatever a gateway says when the service does not answer it.
    """
    if not isinstance(error, APIError) or error.status is None:
        return False
    if error.status in _BUSY:
        return not error.from_service
    return error.status >= 500 or error.status in {408, 499}


def may_have_billed(error: BaseException) -> bool:
    """Whether a server tool may have run before this error, which is billed even if the reply
    failed. A refusal comes before any tool runs; a time-out (408), a 5xx or a provider's 429 may
    come after one.
    """
    if not isinstance(error, APIError):
        return False
    return error.status is None or error.status >= 500 or error.status in {408, 429, 499}


async def needs_proof(error: BaseException, stakes: Stakes) -> bool:
    """Whether only a look-up can tell that the request was not billed."""
    if stakes.server_tools and may_have_billed(error):
        return True
    return may_be_at_work(error) and await stakes.draws()


class Retrying:
    """Attempts at one request, as the table says; the last error is raised as it is, with what the
    look-up told.

        async for attempt in Retrying(…):
            with attempt:
                return await …
    """

    def __init__(
        self,
        policy: Retry,
        stakes: Stakes,
        *,
        seconds_left: Callable[[], float],
        look_up: LookUp,
        hold_again: Callable[[], Awaitable[bool]],
        going_again: GoingAgain | None = None,
        sleep: Sleep = asyncio.sleep,
        began: float = 0.0,
        first: Exception | None = None,
    ) -> None:
        """`hold_again` keeps the price of what was sent as uncertain, and tells whether the budget
        covers it once more. `going_again` hears of an error after which it is sent again, before
        the pause. `first` is how a first attempt has ended, which `began` then by the loop's clock:
        most do not fail, so the others are prepared for after that.
        """
        self._policy, self._stakes = policy, stakes
        self._seconds_left, self._sleep = seconds_left, sleep
        self._look_up, self._hold_again, self._going_again = look_up, hold_again, going_again
        self._began = began
        self._attempt = 0 if first is None else 1
        self._failed: Failed | None = None
        """How the last attempt ended."""
        if first is not None:
            self._failed = (type(first), first, first.__traceback__)
        self._tenacity: AsyncRetrying | None = None
        self._state: RetryCallState
        """What tenacity knows of the attempts, where one has failed."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Self:
        if self._failed is not None:
            await self._go_again(self._failed)
        elif self._attempt:
            raise StopAsyncIteration
        else:
            self._began = _now()
        self._attempt += 1
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._failed = (type(error), error, error.__traceback__)
        return True

    async def _go_again(self, failed: Failed) -> None:
        """Wait as long as it takes before the next attempt; raise the error where there is to be
        none.
        """
        from tenacity import RetryCallState

        self._failed = None
        if self._tenacity is None:
            self._tenacity = self._retrying()
            self._tenacity.begin()
            self._state = RetryCallState(self._tenacity, None, (), {})
        else:
            self._state.prepare_for_next_attempt()
        self._state.set_exception(failed)
        await self._sleep(cast("float", await self._tenacity.iter(self._state)))

    def _retrying(self) -> AsyncRetrying:
        """What decides after an attempt that failed. Most do not, so it is made then."""
        from tenacity import AsyncRetrying, wait_random_exponential

        backoff, pause = wait_random_exponential(multiplier=0.5, max=8), 0.0

        async def may_go_again(state: RetryCallState) -> bool:
            nonlocal pause
            error = state.outcome.exception() if state.outcome is not None else None
            if error is None or state.attempt_number > times_more(error, self._policy.attempts):
                return False
            asked_for = error.retry_after if isinstance(error, APIError) else None
            pause = backoff(state) if asked_for is None else asked_for
            if asked_for is not None and asked_for > min(MAX_WAIT, self._seconds_left()):
                return False
            total = self._policy.total
            if total is not None and _now() - self._began + pause > total:
                return False
            return await self._may_go_again(error)

        return AsyncRetrying(retry=may_go_again, wait=lambda _: pause, reraise=True)

    async def _may_go_again(self, error: BaseException) -> bool:
        if await needs_proof(error, self._stakes):
            goes_again = await _was_not_billed(error, self._look_up)
        else:
            goes_again = not may_be_at_work(error) or await self._hold_again()
        if goes_again and self._going_again is not None:
            await self._going_again(error)
        return goes_again


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _was_not_billed(error: BaseException, look_up: LookUp) -> bool:
    """Whether the look-up proves it. Without an id, or without an answer, nothing is proved."""
    if not isinstance(error, APIError) or not error.generation_id:
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
