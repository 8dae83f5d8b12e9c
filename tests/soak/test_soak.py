"""A few streams for a moment: what `make soak` does for an hour."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter
from agentkit.sessions import Sessions
from tests.postgres import database_url, postgres_server, postgres_url
from tests.soak.gauges import Gauge, read
from tests.soak.streams import Tally, User

__all__ = ["database_url", "postgres_server", "postgres_url"]


async def test_streams_lose_and_double_nothing(
    database_url: str, client: OpenRouter, tmp_path: Path
) -> None:
    store, tally = FileImageStore(tmp_path / "store"), Tally()
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(size="64x64")], client=client,
                  store=store, checks=False)  # fmt: skip
    async with Sessions(database_url, store=store) as sessions:
        until = asyncio.get_running_loop().time() + 1.0
        users = [User(f"user {number}", 7, agent, sessions, tally) for number in range(5)]
        await asyncio.gather(*(user.live(until) for user in users))
    assert tally.errors == {}
    assert not list((tmp_path / "store").rglob("*.part"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
async def test_the_gauge_reads_this_process() -> None:
    gauge = Gauge()
    gauge.readings += [read()] * 20
    assert gauge.drift() == 0
    assert gauge.readings[0].megabytes > 10
    assert gauge.readings[0].descriptors > 2
