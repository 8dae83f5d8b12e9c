"""Sync tools in their threads, and processes that fork."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from agentkit import OpenRouter, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore
from agentkit.tools.threads import MOST, in_thread
from tests.clock import FOREVER, GUARD, turns
from tests.conftest import Bench

word: ContextVar[str] = ContextVar("word")

SLOW_TOOL = """
import time
from agentkit import Agent, OpenRouter, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore

@tool(timeout=0.1)
def sleep() -> str:
    "Sleeps."
    time.sleep(3600)
    return "late"

with Emulator() as emulator:
    emulator.play([Reply([CallTool("sleep")]), Reply([Say("Well.")])])
    client = OpenRouter(api_key="sk-or-test-key", base_url=emulator.base_url)
    agent = Agent("openai/gpt-5.2", tools=[sleep], client=client, store=MemoryImageStore())
    answer = agent.run_sync("Go")
print(answer.text, answer.invocations[0].status)
"""

FORKS = """
import os, sys
from agentkit import Agent, OpenRouter, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.images.store import MemoryImageStore

@tool
def look() -> str:
    "Looks."
    return "seen"

client = OpenRouter(api_key="sk-or-test-key", base_url=sys.argv[1])
agent = Agent("openai/gpt-5.2", tools=[look], client=client, store=MemoryImageStore())
def tell(words):  # in one piece: two processes write
    os.write(1, f"{words}\\n".encode())

tell(agent.run_sync("Go").text)
child = os.fork()
tell(agent.run_sync("Go").text)
if child:
    tell(os.waitpid(child, 0)[1])
"""


HELD = """
import os, signal, threading
from agentkit import Budget

class Slow(str):
    "A shape whose look-up takes as long as the parent likes."
    def __hash__(self):
        looking.set()
        done.wait()
        return 1

looking, done = threading.Event(), threading.Event()
budget = Budget(cost_usd=1.0)
threading.Thread(target=budget.highest_cost, args=(Slow("x"),)).start()
looking.wait()
child = os.fork()
if not child:
    signal.alarm(60)  # a lock that nobody gives back is waited for without end
    print(budget.remaining_usd, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
done.set()
"""


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    # From 3.12 on, Python warns of any fork while threads run: here that is the point.
    warnings = ["-W", "error::ResourceWarning", "-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *warnings, "-c", code, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=False)


def test_a_tool_that_outlives_its_time_out_does_not_keep_the_program() -> None:
    done = python(SLOW_TOOL)
    assert (done.stdout, done.stderr) == ("Well. failed\n", "")


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_the_sync_forms_work_after_a_fork(emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("look")]), Reply([Say("Fine.")])] + [Reply([Say("Fine.")])] * 2)
    done = python(FORKS, emulator.base_url)
    assert (done.stdout.split(), done.stderr) == (["Fine."] * 3 + ["0"], "")


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_budget_works_after_a_fork_in_the_middle_of_a_hold() -> None:
    done = python(HELD)
    assert (done.stdout.split(), done.stderr) == (["1.0", "0"], "")


async def test_context_variables_and_errors_go_through(bench: Bench) -> None:
    @tool
    def tell() -> str:
        """Tells."""
        return f"{word.get()} in {threading.current_thread().name}"

    @tool
    def stop() -> str:
        """Stops."""
        raise StopIteration("here")

    word.set("kept")
    bench.emulator.play([Reply([CallTool("tell"), CallTool("stop")]), Reply([Say("x")])])
    answer = await bench.ask(bench.agent(tools=[tell, stop]), "Go")
    assert answer.invocations[0].result == "kept in agentkit-tool"
    assert "StopIteration" in (answer.invocations[1].error or "")


async def test_threads_are_used_again_and_lost_ones_are_replaced() -> None:
    release = threading.Event()
    names = {await in_thread(threading.get_ident) for _ in range(20)}
    assert len(names) < 20  # on a busy machine a thread may come back too late for the next call
    stuck = [asyncio.create_task(in_thread(release.wait)) for _ in range(MOST + 3)]
    await turns()
    late = asyncio.create_task(in_thread(lambda: "done"))
    await turns()
    assert not late.done()
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    assert await asyncio.wait_for(late, GUARD) == "done"
    release.set()


async def test_a_loop_that_is_gone_is_nobodys_error(
    client: OpenRouter, store: MemoryImageStore
) -> None:
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(GUARD)

    def other() -> None:
        async def leave() -> None:
            task = asyncio.create_task(in_thread(work))
            await asyncio.to_thread(begun.wait)
            task.cancel()

        asyncio.run(leave())

    await asyncio.to_thread(other)
    release.set()
    assert await in_thread(lambda: 7) == 7


WAKE = threading.Event()


@tool(timeout=0.05)
def naps() -> str:
    """Naps."""
    WAKE.wait(GUARD)
    return "late"


@tool(timeout=0.05)
async def dawdles() -> str:
    """Dawdles."""
    await asyncio.sleep(FOREVER)
    return "late"


@tool
async def fetches() -> str:
    """Fetches."""
    raise TimeoutError("api.example.com did not answer")


@tool(timeout=30)
def reads() -> str:
    """Reads."""
    raise TimeoutError("the disk did not answer")


async def test_a_time_out_is_told_from_an_error_of_the_same_name(bench: Bench) -> None:
    names = ("naps", "dawdles", "fetches", "reads")
    bench.emulator.play([Reply([CallTool(name) for name in names]), Reply([Say("Well.")])])
    WAKE.clear()
    try:
        answer = await bench.ask(bench.agent(tools=[naps, dawdles, fetches, reads]), "Go")
    finally:
        WAKE.set()
    said = {each.name: each.error or "" for each in answer.invocations}
    assert "time-out of 0.05 s" in said["naps"]
    assert "was given up" in said["naps"]
    assert "thread may still be running" in said["naps"]
    assert "was stopped" not in said["naps"]
    assert said["dawdles"] == "the tool took longer than its time-out of 0.05 s and was stopped"
    assert said["fetches"] == "TimeoutError: api.example.com did not answer"
    assert said["reads"] == "TimeoutError: the disk did not answer"
