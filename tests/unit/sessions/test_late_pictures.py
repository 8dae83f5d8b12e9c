"""A picture that comes when its conversation has been deleted is not left in the store for ever."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import select

from agentkit.sessions import Sessions
from agentkit.sessions.database import Database
from agentkit.sessions.removal import sweep
from agentkit.sessions.tables import stored_pictures
from tests.clock import turns
from tests.conftest import Bench
from tests.unit.images.slow_host import LONG, slow_host
from tests.unit.loop.test_grace import drawn


async def test_a_sweep_removes_what_came_after_the_end(bench: Bench, database_url: str) -> None:
    sessions, database = Sessions(database_url, store=bench.store), Database(database_url)
    async with slow_host() as host:
        chat = bench.agent(fetch=LONG).conversation("ada", sessions=sessions)
        bench.emulator.play([drawn(host)])
        async with chat.stream("Draw") as stream:
            await host.both_asked()
            stream.stop()
        await sessions.delete("ada", purge=True)
        host.released.set()
        await chat.settled()
    shas = [image.sha256 for image in chat.images.values()]
    for sha256 in shas:
        bench.store.open(sha256).close()
    assert len(shas) == 2
    assert sweep(database, bench.store, time.time()) == 0
    assert sweep(database, bench.store, time.time() + 2 * 24 * 3600) == 2
    for sha256 in shas:
        with pytest.raises(FileNotFoundError):
            bench.store.open(sha256)
    database.close()
    sessions.close()


async def test_pictures_that_come_while_it_is_deleted(bench: Bench, database_url: str) -> None:
    """Whichever is first: each picture is known, and no note fails."""
    sessions = Sessions(database_url, store=bench.store)
    for number in range(5):
        async with slow_host() as host:
            chat = bench.agent(fetch=LONG).conversation("ada", sessions=sessions)
            bench.emulator.play([drawn(host)])
            async with chat.stream("Draw") as stream:
                await host.both_asked()
                stream.stop()
            host.released.set()
            await turns(10 * number)
            await asyncio.gather(sessions.delete("ada"), chat.settled())
    database = Database(database_url)
    with database.reading() as connection:
        known = set(connection.scalars(select(stored_pictures.c.sha256)))
    assert {image.sha256 for image in chat.images.values()} <= known
    database.close()
    sessions.close()
