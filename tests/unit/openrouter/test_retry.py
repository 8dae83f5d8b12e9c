"""What is sent again, how often and when: the money law's table, without a socket and without
waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agentkit.errors import (
    AgentkitError,
    APIError,
    ConnectionFailed,
    OutcomeUnknown,
    ProtocolError,
    ProviderFailed,
    Untrusted,
)
from agentkit.openrouter.retry import retrying
from agentkit.wire.generation import Generation


def status(
    code: int, after: float | None = None, generation_id: str | None = None, **more: bool
) -> APIError:
    return ProviderFailed("no", status=code, retry_after=after, generation_id=generation_id, **more)


async def attempts(
    outcomes: Sequence[Exception | str],
    *,
    server_tools: bool = False,
    seconds: float = 900,
    billed: bool | None = None,
) -> tuple[Exception | str, int, list[float]]:
    """What comes of a request that ends like this, one after another: the end, how many were sent,
    the pauses.
    """
    sent, naps = 0, []

    async def sleep(pause: float) -> None:
        naps.append(pause)

    async def look_up(generation_id: str) -> Generation | None:
        return (
            None if billed is None else Generation(generation_id, cost_usd=0.04 if billed else 0.0)
        )

    async def send() -> str:
        nonlocal sent
        sent += 1
        outcome = outcomes[min(sent, len(outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def asked() -> str:
        async for attempt in retrying(
            server_tools=server_tools, seconds_left=lambda: seconds, look_up=look_up, sleep=sleep
        ):
            with attempt:
                return await send()
        raise AssertionError("unreachable")

    try:
        return await asked(), sent, naps
    except AgentkitError as error:
        return error, sent, naps


TABLE = [
    (ConnectionFailed("no"), 3), (Untrusted("no"), 1), (OutcomeUnknown("?"), 1), (ProtocolError("?"), 1),
    *((status(code), 3) for code in (429, 502, 503, 529)),
    *((status(code), 2) for code in (408, 425, 500, 504, 524)),
    *((status(code), 1) for code in (400, 401, 402, 403, 404, 409, 413, 422)),
    (status(503, retryable=False), 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "times"), TABLE, ids=lambda value: str(getattr(value, "status", value))[:20]
)
async def test_how_often(error: AgentkitError, times: int) -> None:
    raised, sent, naps = await attempts([error])
    assert raised is error
    assert (sent, len(naps)) == (times, times - 1)


async def test_the_last_error_is_the_one_that_is_raised() -> None:
    last = status(402)
    assert await attempts([status(503), last]) == (last, 2, [pytest.approx(0.5, abs=0.5)])


async def test_one_that_helps() -> None:
    raised, sent, _ = await attempts([ConnectionFailed("no"), status(429), "here"])
    assert (raised, sent) == ("here", 3)


@pytest.mark.parametrize(("billed", "times"), [(False, 3), (True, 1), (None, 1)])
async def test_with_server_tools_only_what_was_not_billed(billed: bool | None, times: int) -> None:
    error = status(503, generation_id="gen-1")
    assert (await attempts([error], server_tools=True, billed=billed))[1] == times
    assert (await attempts([status(503)], server_tools=True, billed=billed))[
        1
    ] == 1  # no id, no proof
    assert (await attempts([ConnectionFailed("no")], server_tools=True, billed=billed))[1] == 3


@pytest.mark.parametrize(
    ("after", "seconds", "naps"), [(0, 900, [0]), (7, 900, [7]), (121, 900, []), (30, 20, [])]
)
async def test_the_wait_that_is_asked_for(after: float, seconds: float, naps: list[float]) -> None:
    assert (await attempts([status(500, after)], seconds=seconds))[2] == naps


async def test_what_is_no_error_of_ours_passes_through() -> None:
    for strange in (asyncio.CancelledError(), ZeroDivisionError()):
        with pytest.raises(type(strange)):
            async for attempt in retrying(server_tools=False, seconds_left=lambda: 9.0):
                with attempt:
                    raise strange
