"""Never twice behind a gateway that nobody here wrote.

`tests/faults/test_gateway.py` has the same cases on a stub.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import fsum
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Budget, FetchPolicy, ImageGeneration, OpenRouter
from agentkit.emulator import Draw, Emulator, Fault, Reply, Say, Socket
from agentkit.errors import OutcomeUnknown, ProviderFailed, RunError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.openrouter.transport import TRANSPORTS, Transport
from agentkit.studio import Studio
from tests.clock import until
from tests.conftest import picture
from tests.stacks.gateways import GATEWAYS, Gateway

pytestmark = pytest.mark.stacks
FOX = picture(size=(60, 50), noise=3)


@dataclass(frozen=True)
class Phase:
    """When the gateway gives up, and what it says then."""

    mode: str
    said: tuple[int, ...]
    """The statuses that it may answer with. None: the reply breaks off."""
    fault: Fault | None = None


def stall(at: Any, **more: Any) -> Fault:
    return Fault(socket=Socket("stall", at=at, seconds=2, **more), billed=True)


PHASES = {
    "nobody is there": Phase("dead", (502, 503)),
    "it is busy": Phase("busy", (503,)),
    "killed while it draws": Phase("plain", (502,), Fault(socket=Socket("reset"), billed=True)),
    "closed while it draws": Phase("plain", (502,), Fault(socket=Socket("cut"), billed=True)),
    "too slow": Phase("slow", (504,), stall("response")),
    "too slow in the body": Phase("slow", (), stall("body", byte=60)),
}
WHAT = [
    (api, stream, what)
    for api in ("chat", "responses", "images")
    for stream in (False, True)
    for what in (("words", "server tool", "model") if api != "images" else ("model",))
]


@contextmanager
def before_the_emulator(name: str, folder: Path) -> Iterator[tuple[Emulator, Gateway]]:
    with Emulator() as emulator:
        upstream = int(emulator.origin.rpartition(":")[2])
        with GATEWAYS[name](upstream, folder) as gateway:
            yield emulator, gateway


async def ask(api: str, stream: bool, what: str, client: OpenRouter, budget: Budget) -> None:
    store = MemoryImageStore()
    if api == "images":
        studio = Studio(client=client, store=store, budget=budget)
        if stream:
            async with studio.stream("a fox") as watched:
                await watched.finish()
        else:
            await studio.draw("a fox")
        return
    agent: Agent[Any] = Agent(
        "openai/gpt-5-image" if what == "model" else "openai/gpt-5.2",
        api=api,  # type: ignore[arg-type]
        client=client,
        tools=[ImageGeneration()] if what == "server tool" else [],
        store=store,
        budget=budget,
        fetch=FetchPolicy(private=True),  # the emulator's pictures are not on the gateway's origin
    )
    if stream:
        async with agent.stream("A fox") as running:
            await running.finish()
    else:
        await agent.run("A fox")


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_that_may_draw_is_sent_twice(
    name: str, phase: Phase, transport: Transport, tmp_path: Path
) -> None:
    with before_the_emulator(name, tmp_path) as (emulator, gateway):
        if phase.fault is not None:
            emulator.faults.add(phase.fault)
        async with OpenRouter(
            api_key=emulator.api_key,
            base_url=gateway.base_url(phase.mode),
            timeouts=Timeouts(lookup=0.3),
            transport=transport,
        ) as client:
            all_lost = 0.0
            for api, stream, what in WHAT:
                cell = f"{api} {'streamed' if stream else 'buffered'} {what}"
                drawing = [] if what == "words" else [Draw("a fox", data=FOX)]
                if phase.fault is not None:
                    emulator.play([Reply([Say("Here."), *drawing])] * (1 + (what == "words")))
                had, budget = len(emulator.posts), Budget(1)
                gateway.begin()
                with pytest.raises(RunError) as caught:
                    await ask(api, stream, what, client, budget)
                posts = max(await gateway.posts(), len(emulator.posts) - had)
                if phase.fault is not None:  # it goes on after the gateway has given up
                    await until(partial(all_billed, emulator, had))
                lost = fsum(post.cost_usd for post in emulator.posts[had:])
                assert posts == 1 or (posts == 2 and what == "words"), cell
                all_lost += lost
                assert budget.uncertain_usd + budget.spent_usd >= lost, cell
                assert budget.reserved_usd == 0, cell
                told(phase, caught.value, cell)
            # A busy machine may be so slow that one of them does not reach the service at all.
            assert (all_lost > 0) == (phase.fault is not None)


def all_billed(emulator: Emulator, had: int) -> bool:
    return all(post.billed for post in emulator.posts[had:])


def told(phase: Phase, error: RunError, cell: str) -> None:
    """HAProxy hangs up without a word, and without a line in its log, where the service does so on
    a request over a connection that was kept.
    """
    assert error.billed is not False, cell
    if phase.said and not (phase.mode == "plain" and isinstance(error, OutcomeUnknown)):
        assert isinstance(error, ProviderFailed), cell
        assert error.status in phase.said, cell
        assert not error.from_service, cell


@pytest.mark.parametrize("name", GATEWAYS)
async def test_what_passes_is_whole(name: str, tmp_path: Path) -> None:
    """Words and pictures, buffered and streamed, through each gateway as it is."""
    with before_the_emulator(name, tmp_path) as (emulator, gateway):
        async with OpenRouter(
            api_key=emulator.api_key, base_url=gateway.base_url("plain")
        ) as client:
            for api, stream, what in WHAT:
                drawing = [] if what == "words" else [Draw("a fox", data=FOX)]
                emulator.play([Reply([Say("Here."), *drawing])])
                budget = Budget(1)
                gateway.begin()
                await ask(api, stream, what, client, budget)
                assert (await gateway.posts(), budget.uncertain_usd) == (1, 0)
        assert sum(len(post.delivered) for post in emulator.posts) == 10
