"""Nothing is imported on the event loop during a turn: an import takes milliseconds to a second, in
which every other stream of the program stands still.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product

import pytest

from agentkit.emulator import Emulator
from tests.clock import GUARD
from tests.conftest import spread

SCRIPT = """
import asyncio, json, sys, threading
from agentkit import Agent, OpenRouter, tool
from agentkit.images import MemoryImageStore

@tool
def weather(city: str) -> str:
    "Tells the weather."
    return "rain"

found = []

class Watcher:
    "Is asked first for every module that is not there yet."
    def find_spec(self, name, path=None, target=None):
        if watching and threading.current_thread() is threading.main_thread():
            found.append(name)

async def main(base_url, transport, streamed):
    async with OpenRouter(api_key="k", base_url=base_url, transport=transport) as client:
        agent = Agent("openai/gpt-5.2", client=client, tools=[weather], store=MemoryImageStore())
        chat = agent.conversation()
        watching.append(True)
        for _ in range(2):
            told.append(len(found))
            if streamed:
                async with chat.stream("Hello") as stream:
                    async for _ in stream:
                        pass
            else:
                await chat.send("Hello")
        watching.clear()

watching, told = [], []
sys.meta_path.insert(0, Watcher())
with asyncio.Runner() as runner:
    runner.run(main(sys.argv[1], sys.argv[2], sys.argv[3] == "True"))
print(json.dumps([found[: told[1]], found[told[1] :]]))
"""


@pytest.mark.parametrize(
    ("transport", "streamed"), spread(product(["aiohttp", "httpx2"], [True, False]), 2)
)
def test_a_turn_imports_nothing_on_the_loop(
    transport: str, streamed: bool, emulator: Emulator
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, emulator.base_url, transport, str(streamed)],
        capture_output=True,
        text=True,
        check=True,
        timeout=GUARD,
    )
    first, second = json.loads(done.stdout)
    assert (first, second) == ([], [])
