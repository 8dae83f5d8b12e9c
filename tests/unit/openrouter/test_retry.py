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
    UsageError,
)
from agentkit.openrouter import OpenRouter, Retry
from agentkit.openrouter.retry import Retrying, Stakes
from agentkit.wire.generation import Generation


def status(
    code: int, after: float | None = None, generation_id: str | None = None, **more: bool
) -> APIError:
    """An error in the service's own words, or, with `from_service=False`, in a gateway's."""
    return ProviderFailed("no", status=code, retry_after=after, generation_id=generation_id, **more)


USUAL = Retry()


async def attempts(
    outcomes: Sequence[BaseException | str],
    *,
    server_tools: bool = False,
    draws: bool = False,
    seconds: float = 900,
    billed: bool | None = None,
    policy: Retry = USUAL,
    affordable: int = 9,
) -> tuple[Exception | str, int, list[float]]:
    """What comes of a request that ends like this, one after another: the end, how many were sent,
    the pauses.
    """
    sent, naps, held = 0, list[float](), 0

    async def may_draw() -> bool:
        return draws or server_tools

    async def hold_again() -> bool:
        nonlocal held
        held += 1
        return held <= affordable

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
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def asked() -> str:
        async for attempt in Retrying(
            policy,
            Stakes(may_draw, server_tools),
            seconds_left=lambda: seconds,
            look_up=look_up,
            hold_again=hold_again,
            sleep=sleep,
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


GATEWAYS = [
    *(status(code) for code in (408, 500, 504, 524)),
    *(status(code, from_service=False) for code in (502, 503, 504, 529)),
]
"""The service may be at work behind these."""


@pytest.mark.parametrize("error", GATEWAYS, ids=lambda error: f"{error.status}{error.from_service}")
async def test_behind_a_gateway_a_picture_may_be_drawn(error: APIError) -> None:
    """Words alone go again, once, if the budget covers both."""
    assert (await attempts([error], draws=True))[1] == 1
    assert (await attempts([error]))[1] == 2
    assert (await attempts([error], affordable=0))[1] == 1
    error.generation_id = "gen-1"
    for billed, times in ((None, 1), (True, 1), (False, 2)):
        assert (await attempts([error], draws=True, billed=billed))[1] == times


@pytest.mark.parametrize("code", [499, 501, 505, 520, 521, 522, 523, 525, 526, 530, 599])
async def test_a_status_that_says_nothing_is_final(code: int) -> None:
    assert (await attempts([status(code, from_service=False)]))[1] == 1


async def test_in_the_service_s_own_words_nothing_was_drawn() -> None:
    for code in (429, 502, 503, 529):
        assert (await attempts([status(code)], draws=True, affordable=0))[1] == 3
    assert (await attempts([status(429, from_service=False)], draws=True))[1] == 3


@pytest.mark.parametrize(
    ("policy", "times"), [(Retry(attempts=1), (1, 1)), (Retry(2), (2, 2)), (Retry(6), (6, 2))]
)
async def test_as_often_as_the_user_says(policy: Retry, times: tuple[int, int]) -> None:
    assert (await attempts([status(503)], policy=policy))[1] == times[0]
    assert (await attempts([ConnectionFailed("no")], policy=policy))[1] == times[0]
    assert (await attempts([status(504)], policy=policy))[1] == times[1]
    assert (await attempts([OutcomeUnknown("?")], policy=policy))[1] == 1
    assert (await attempts([status(504)], policy=policy, draws=True))[1] == 1


async def test_as_long_as_the_user_says() -> None:
    assert (await attempts([status(503, 7)], policy=Retry(total=5)))[1] == 1
    assert (await attempts([status(503, 3)], policy=Retry(total=5)))[1] == 3  # no time has passed
    assert (await attempts([status(504)], policy=Retry(total=0), affordable=1))[1] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"attempts": 0}, r"Retry\(attempts=0\): accepted is"),
        ({"attempts": 1.5}, r"Retry\(attempts=1\.5\): accepted is"),
        ({"total": -1}, r"Retry\(total=-1\): accepted is .* or None"),
        ({"total": "5"}, r"Retry\(total='5'\): accepted is"),
    ],
)
def test_a_policy_that_is_none(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Retry(**given)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"OpenRouter\(retry=3\): accepted is Retry\(…\)"):
        OpenRouter(retry=3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("after", "seconds", "naps"), [(0, 900, [0]), (7, 900, [7]), (121, 900, []), (30, 20, [])]
)
async def test_the_wait_that_is_asked_for(after: float, seconds: float, naps: list[float]) -> None:
    assert (await attempts([status(500, after)], seconds=seconds))[2] == naps


async def test_what_is_no_error_of_ours_passes_through() -> None:
    for strange in (asyncio.CancelledError(), ZeroDivisionError()):
        with pytest.raises(type(strange)):
            await attempts([strange])
