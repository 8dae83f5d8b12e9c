"""No connection is free: nothing was sent, so the request may go again."""

from __future__ import annotations

import httpx2

from agentkit.errors import ConnectionFailed
from agentkit.openrouter.errors import translated
from agentkit.openrouter.retry import times_more


def test_a_pool_that_is_exhausted() -> None:
    error = translated(
        httpx2.PoolTimeout("no connection is free"), None, "https://gateway.example/v1"
    )
    assert isinstance(error, ConnectionFailed)
    assert "nothing was billed" in str(error)
    assert times_more(error) == 2
