"""A reply that repeats the client's key, written to a ledger and read from there: the key is in no
file, whatever pieces it came in, and no call is run with what is left of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentkit import Answer, OpenRouter, tool
from agentkit._redact import RUN
from agentkit.emulator import CallTool, Fault, Reply, Say, Socket
from tests.conftest import Bench, spread
from tests.unit.loop.dying import Dying

KEY = "zq_or_v1_" + hashlib.sha256(b"a key").hexdigest()
"""It begins like no key of other tests, whose clients may be there still: short ones, of which few
letters are masked already, wherever they come.
"""
HEAD = len('{"token": "')
PLACES = [1, 2, 3, 5, 9, *range(HEAD, HEAD + len(KEY))]
"""Sizes of the pieces, so that the key is cut at every place."""


@pytest.fixture
async def client(bench_url: str) -> AsyncIterator[OpenRouter]:
    async with OpenRouter(api_key=KEY, base_url=bench_url) as connected:
        yield connected


@pytest.fixture
def bench_url(emulator: Any) -> str:
    return emulator.base_url


@pytest.fixture
def dying(bench: Bench, tmp_path: Path) -> Dying:
    return Dying(bench, tmp_path / "calls")


def noting() -> tuple[list[str], Any]:
    called: list[str] = []

    @tool
    def note(token: str) -> str:
        called.append(token)
        return "noted"

    return called, note


def parts_of(words: str) -> set[str]:
    return {KEY[at : at + RUN] for at in range(len(KEY) - RUN + 1) if KEY[at : at + RUN] in words}


def said(answer: Answer[Any]) -> str:
    """All that the model said, and what it asked for."""
    calls = [call.arguments for message in answer.messages for call in message.calls]
    return "\n".join([*(each.text for each in answer.messages), *calls])


@pytest.mark.parametrize("size", spread(PLACES, 5))
async def test_a_call_is_not_run_from_a_masked_reply(dying: Dying, size: int) -> None:
    called, note = noting()
    emulator = dying.bench.emulator
    asks = [CallTool("note", {"token": KEY}), CallTool("note", {"token": "b"})]
    emulator.play([Reply([Say(f"It is {KEY}."), *asks], chunk=size), Reply([Say("Done.")])])
    if not dying.bench.way.stream:
        emulator.faults.add(Fault(socket=Socket("slice", at="body", size=size + 20)))
    first = await dying.bench.ask(dying.agent(tools=[note]), "Note it")
    assert called == [KEY, "b"]
    assert parts_of(said(first))
    called.clear()
    again = await dying.resume(dying.run(0), tools=[note])
    assert (again.text.split("\n")[-1], called, len(emulator.posts)) == ("Done.", ["b"], 2)
    failed, noted = again.invocations
    assert (failed.status, noted.status) == ("failed", "completed")
    assert "held a key" in (failed.error or "")
    assert not parts_of(said(again))
    assert not parts_of("\n".join(each.read_text("latin-1") for each in dying.files))


async def test_a_reply_without_a_key_is_read_as_it_was(dying: Dying) -> None:
    called, note = noting()
    emulator = dying.bench.emulator
    emulator.play([Reply([CallTool("note", {"token": "*** b"})]), Reply([Say("Done.")])])
    await dying.bench.ask(dying.agent(tools=[note]), "Note it")
    await dying.resume(dying.run(0), tools=[note])
    assert called == ["*** b", "*** b"]
