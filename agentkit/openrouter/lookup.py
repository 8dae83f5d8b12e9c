"""What became of a request whose reply was lost: `GET /generation`, asked again until it knows or patience ends.

A 404 there means "not yet known", never "not billed": the record is written some time after the request has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol
from urllib.parse import quote

from agentkit._log import logger
from agentkit.errors import AgentkitError, APIError, AuthenticationFailed, PermissionRefused
from agentkit.wire.generation import PATH, Generation, generation_of
from agentkit.wire.types import JsonObject

PATIENCE = 30.0
"""Seconds for which an unknown id is asked for again."""


class Gets(Protocol):
    """What can be asked by GET: `OpenRouter`."""

    async def get(self, path: str) -> JsonObject: ...


async def look_up(
    client: Gets,
    generation_id: str,
    *,
    seconds: float = PATIENCE,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Generation | None:
    """The record of this generation, or None where it cannot be had within these seconds. Raises nothing of its own."""
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
            found: Generation | Literal["refused"] | None = await attempts(_asked, client, generation_id)
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
