"""What every test of the agent needs: a running emulator, a client for it, a store in memory, and
the four ways to ask.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import PIL.Image
import pytest
import structlog
from hypothesis import settings

from agentkit import Agent, Answer, OpenRouter
from agentkit.emulator import Emulator
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from tests.clock import SteppedLoop
from tests.failure_list import FailureList
from tests.judge import Judge, told

# No deadline: properties are about what comes out, and a busy machine must not fail them.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("quick")


def examples(quick: int) -> int:
    """How many examples a property is tried with: `quick` in `make test`, eight times as many in
    `make test-all`.
    """
    return quick if settings.default.max_examples == 25 else 8 * quick


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait for a server or another process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def judge() -> Iterator[Judge]:
    """Hears what is asked of any emulator, and what it answers."""
    listening = Judge()
    listening.listen()
    yield listening
    listening.leave()


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest, judge: Judge) -> Iterator[None]:
    """Fails a test whose bodies OpenRouter's own types refuse, unless it is marked `unjudged`."""
    judge.taken()
    yield
    if request.node.get_closest_marker("unjudged"):
        judge.taken()
    elif found := judge.verdict():
        pytest.fail(told(found), pytrace=False)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """`structlog.testing.capture_logs` leaves structlog configured, which would keep the logs of
    later tests from the standard library's logger.
    """
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"stepped": SteppedLoop}


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell starts what runs in its background, and the programs of tests would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # the process that the workers of xdist report to
        config.pluginmanager.register(FailureList(), "failure-list")
        _leave_the_users_folders_alone(config)


def _leave_the_users_folders_alone(config: pytest.Config) -> None:
    """Tests keep their chats, pictures and keys in a folder that goes with them, and read none of
    the user's. The workers, and all programs that tests start, inherit where it is.
    """
    folder = tempfile.TemporaryDirectory(prefix="agentkit-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        os.environ[name] = str(Path(folder.name) / name.lower())


def pytest_collectstart() -> None:
    """Until all tests are collected nothing of them is garbage."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that runs in the four ways, three are left to `make test-all`. Which one stays
    changes from test to test, and from case to case. What is equal in all four is shown in all of
    them: by the table of scenarios, which has no `way`.
    """
    for item in items:
        way = item.callspec.params.get("way") if hasattr(item, "callspec") else None
        if not isinstance(way, Way):
            continue
        named = item.nodeid.replace(str(way), "")
        if WAYS.index(way) != crc32(named.encode()) % len(WAYS):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Whatever ten thousand tests consist of stays: no collection of garbage need look at it
    again. Collections are rarer than Python has them: they took a tenth of the processor's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def spread(cases: Iterable[Any], quick: int) -> list[Any]:
    """Cases to parametrise with: so many of them, from the first to the last at equal distances,
    are in `make test`; the others are slow.
    """
    known = list(cases)
    kept = {number * (len(known) - 1) // max(quick - 1, 1) for number in range(quick)}
    return [case if at in kept else _slow(case) for at, case in enumerate(known)]


def _slow(case: Any) -> Any:
    if hasattr(case, "marks"):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.slow])
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)


@dataclass(frozen=True)
class Way:
    """One of the four ways to run the same content."""

    api: str
    stream: bool

    def __str__(self) -> str:
        return f"{self.api}-{'streamed' if self.stream else 'buffered'}"


WAYS = [Way(api, stream) for api in ("chat", "responses") for stream in (False, True)]


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[OpenRouter]:
    async with OpenRouter(
        api_key="sk-or-test-key", base_url=emulator.base_url, timeouts=Timeouts(lookup=1)
    ) as connected:
        yield connected


@pytest.fixture
def store() -> MemoryImageStore:
    return MemoryImageStore()


@dataclass
class Bench:
    """Makes agents for one way, and asks them."""

    way: Way
    emulator: Emulator
    client: OpenRouter
    store: MemoryImageStore

    def agent(self, **options: Any) -> Agent[Any]:
        given = {
            "model": "openai/gpt-5.2", "api": self.way.api, "client": self.client, "store": self.store, "checks": False, **options
        }  # fmt: skip
        return Agent(given.pop("model"), **given)

    async def ask(self, chat: Any, prompt: Any, **options: Any) -> Answer[Any]:
        """One turn of an agent or a conversation, in this way."""
        if self.way.stream:
            async with chat.stream(prompt, **options) as stream:
                return await stream.finish()
        send = chat.send if hasattr(chat, "send") else chat.run
        return await send(prompt, **options)


@pytest.fixture
def bench(way: Way, emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> Bench:
    return Bench(way, emulator, client, store)


def picture(
    colour: str = "red", size: tuple[int, int] = (40, 30), format: str = "PNG", noise: int = 0
) -> bytes:
    """The bytes of a small picture; with `noise`, a seed, of one too large to be left alone by the
    spool.
    """
    if noise:
        grains = Random(noise).randbytes(size[0] * size[1])
        image = PIL.Image.frombytes("L", size, grains).convert("RGB")
    else:
        image = PIL.Image.new("RGB", size, colour)
    file = BytesIO()
    image.save(file, format)
    return file.getvalue()
