"""Event loops of the user's own, which end without `close()`: nothing is printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentkit.emulator import Emulator
from agentkit.openrouter.transport import TRANSPORTS
from tests.clock import GUARD
from tests.conftest import spread

SCRIPT = """
import asyncio, gc, sys
from agentkit import Agent, OpenRouter
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio

def make():
    client = OpenRouter(api_key="k", base_url=sys.argv[1], transport=sys.argv[2])
    return Agent("openai/gpt-5.2", client=client, store=MemoryImageStore(), checks=False)

def asked(agent, *, close=True):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(agent.run("Go"))
    if close:
        loop.close()
    return loop

def closed_and_another_one_begun():
    agent = make()
    asked(agent)
    asked(agent)

def dropped_before_the_client():
    agent = make()
    asked(agent, close=False)

def ended_in_the_middle():
    agent = make()
    loop = asked(agent, close=False)
    async def begin():
        asyncio.ensure_future(agent.run("Go"))
        await asyncio.sleep(0.01)
    loop.run_until_complete(begin())
    loop.run_until_complete(asyncio.sleep(0))
    for task in asyncio.all_tasks(loop):
        task.cancel()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
    loop.close()

def entered(make_stream, *, drop):
    loop = asyncio.new_event_loop()
    async def begin():
        stream = make_stream()
        await stream.__aenter__()
        async for _ in stream:
            break
        return stream
    stream = loop.run_until_complete(begin())
    if drop:
        del stream
    loop.close()

def closed_inside_a_stream():
    entered(lambda: make().stream("Tell a long story"), drop=False)

def closed_behind_a_dropped_stream():
    entered(lambda: make().stream("Tell a long story"), drop=True)

def closed_inside_a_drawing():
    client = OpenRouter(api_key="k", base_url=sys.argv[1], transport=sys.argv[2])
    studio = Studio(client=client, store=MemoryImageStore())
    entered(lambda: studio.stream("A fox"), drop=False)

for end in (
    closed_and_another_one_begun, dropped_before_the_client, ended_in_the_middle,
    closed_inside_a_stream, closed_behind_a_dropped_stream, closed_inside_a_drawing,
):
    end()
    gc.collect()
    gc.collect()
left_open = make()
loop = asked(left_open, close=False)
closed = make()
asked(closed)
"""


@pytest.mark.parametrize("transport", spread(TRANSPORTS, 1))
def test_a_loop_that_ends_prints_nothing(transport: str, emulator: Emulator) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, emulator.base_url, transport],
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
