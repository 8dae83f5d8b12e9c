"""Event loops and processes of the application's own."""

from __future__ import annotations

import sys
from pathlib import Path

from agentkit.emulator import Emulator
from tests.embedding.programs import printed

POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from agentkit import Agent

agent = Agent("openai/gpt-5.2")

def ask(number):
    return agent.run_sync(f"What is 2 + {number}?").text

if __name__ == "__main__":
    print(ask(0))  # the background loop and its connections are there before the fork
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        print(*pool.map(ask, range(1, 5)), sep="\\n")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(*pool.map(ask, range(5, 7)), sep="\\n")
    print(ask(7))
"""
AGAIN = """
import asyncio
from agentkit import Agent, ImageGeneration, ImageReady

agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(size="64x64")])
chat = agent.conversation()

async def draw(number):
    async with chat.stream(f"Draw a fox number {number}") as stream:
        async for event in stream:
            if isinstance(event, ImageReady):
                print(event.image.name)
    return stream.answer.status

for number in range(3):
    print(asyncio.run(draw(number)))
print(len(chat.images), chat.send_sync("What is 2 + 2?").text)
"""
THREADS = """
import asyncio, threading
from agentkit import Agent

agent = Agent("openai/gpt-5.2")
said = {}

def on_a_loop_of_its_own(number):
    async def twice():
        for each in range(2):
            said[number, each] = (await agent.run(f"What is {number} + {each}?")).text
    asyncio.run(twice())

def in_a_sync_form(number):
    for each in range(2):
        said[number, each] = agent.run_sync(f"What is {number} + {each}?").text

threads = [
    threading.Thread(target=target, args=(number,))
    for number, target in enumerate([on_a_loop_of_its_own, in_a_sync_form] * 3)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert all(text == f"{a} + {b} = {a + b}" for (a, b), text in said.items()), said
print(len(said))
"""


def test_a_pool_of_forked_processes(emulator: Emulator, tmp_path: Path) -> None:
    # From 3.12 on, Python warns of any fork while threads run: here that is the point.
    quiet = ["-W", "ignore::DeprecationWarning"] if sys.version_info >= (3, 12) else []
    said = printed(POOL, emulator, tmp_path, "-W", "error", *quiet)
    assert said == [f"2 + {each} = {2 + each}" for each in range(8)]
    assert len(emulator.posts) == 8


def test_asyncio_run_again_and_again(emulator: Emulator, tmp_path: Path) -> None:
    """One conversation over three loops, each closed behind it, and then in a sync form."""
    said = printed(AGAIN, emulator, tmp_path)
    assert said == ["img_1", "completed", "img_2", "completed", "img_3", "completed", "3 2 + 2 = 4"]


def test_threads_with_loops_of_their_own(emulator: Emulator, tmp_path: Path) -> None:
    assert printed(THREADS, emulator, tmp_path) == ["12"]
    assert len(emulator.posts) == 12
    assert not emulator.repeats
