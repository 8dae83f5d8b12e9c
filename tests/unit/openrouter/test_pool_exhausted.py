"""No connection is free: nothing was sent, so the request may go again, twice at most."""

from __future__ import annotations

import httpx2
import pytest

from agentkit.errors import ConnectionFailed
from agentkit.openrouter.errors import translated
from agentkit.openrouter.retry import retrying


async def no_pause(seconds: float) -> None:
    assert seconds >= 0


@pytest.mark.parametrize(("crowded", "sent"), [(0, 1), (1, 2), (2, 3), (9, 3)])
@pytest.mark.parametrize("server_tools", [False, True])
async def test_a_pool_that_is_exhausted(crowded: int, sent: int, server_tools: bool) -> None:
    asked = 0

    async def ask() -> str:
        nonlocal asked
        async for attempt in retrying(
            server_tools=server_tools, seconds_left=lambda: 60.0, sleep=no_pause
        ):
            with attempt:
                asked += 1
                if asked <= crowded:
                    raise translated(httpx2.PoolTimeout("no connection is free"), None)
                return "well"
        raise AssertionError("unreachable: the last attempt returns or raises")

    if crowded < sent:
        assert await ask() == "well"
    else:
        with pytest.raises(ConnectionFailed, match="nothing was billed"):
            await ask()
    assert asked == sent
