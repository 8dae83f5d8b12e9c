"""One run against a server that never ends, in a process of its own whose memory is its own too.

    python -m tests.security.bounded ORIGIN API STREAM SECONDS

A first request, which the server answers decently, warms everything up. Then one line of JSON tells
of the second: how it ended, the seconds it took, and the megabytes by which the process grew at
most.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from typing import Literal

from agentkit import Agent, Limits, OpenRouter
from agentkit.errors import AgentkitError
from agentkit.images import FileImageStore
from agentkit.openrouter.transport import Timeouts
from tests.benchmarks.measure import peak_memory, reset_peak

MB = 1 << 20


async def ask(agent: Agent, *, stream: bool) -> str:
    try:
        if stream:
            async with agent.stream("Go") as running:
                answer = await running.finish()
        else:
            answer = await agent.run("Go")
    except AgentkitError as error:
        return f"{type(error).__name__}: {error}"
    return (
        "; ".join(failure.reason for failure in answer.failures) or f"completed: {answer.text[:60]}"
    )


async def main(
    origin: str, api: Literal["chat", "responses"], stream: bool, seconds: float, folder: str
) -> None:
    timeouts = Timeouts(first_byte=60, idle=60, lookup=0)
    store = FileImageStore(folder)
    async with OpenRouter(
        api_key="sk-or-v1-0123", base_url=f"{origin}/api/v1", timeouts=timeouts
    ) as client:
        await ask(Agent("a/b", api=api, client=client, store=store), stream=stream)
        before, began = reset_peak(), time.monotonic()
        limits = Limits(seconds=seconds)
        told = await ask(
            Agent("a/b", api=api, client=client, store=store, limits=limits), stream=stream
        )
        took = time.monotonic() - began
    print(
        json.dumps(
            {
                "told": told,
                "seconds": round(took, 2),
                "megabytes": round((peak_memory() - before) / MB),
            }
        )
    )


if __name__ == "__main__":
    _, where, dialect, way, most = sys.argv
    with tempfile.TemporaryDirectory() as pictures:
        asyncio.run(
            main(
                where,
                "responses" if dialect == "responses" else "chat",
                way == "stream",
                float(most),
                pictures,
            )
        )
