"""Streams of every kind, read by npm's `ai` in each version: it refuses nothing, and its message is
the one that our own reader makes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import OpenRouter
from agentkit.emulator import Emulator
from agentkit.events import Event
from agentkit.images.store import MemoryImageStore
from agentkit.run import Run
from agentkit.web.chunks import Chunk, sse
from agentkit.web.message_facts import Ending
from agentkit.web.ui_message import UIMessage, reduced
from tests.conftest import examples
from tests.unit.web.wire.any_events import ENDINGS, EVENTS, RUNS, told
from tests.unit.web.wire.turns import SCENARIOS, Scenario, agent_for, played
from tests.web_clients.node import VERSIONS, Clients


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_a_client_has_the_message_that_we_have(
    scenario: Scenario,
    api: str,
    emulator: Emulator,
    client: OpenRouter,
    store: MemoryImageStore,
    clients: Clients,
) -> None:
    agent = agent_for(scenario, api, client, store)
    async for turn in played(scenario, agent, emulator):
        for version in VERSIONS:
            message = read(clients, version, turn.chunks, turn.before)
            assert message == as_had(turn.message, version)


@given(st.lists(EVENTS, max_size=12), RUNS, ENDINGS)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_events_are_read(
    clients: Clients, events: list[Event], run: Run, ending: Ending | None
) -> None:
    chunks = [json.loads(sse(chunk)[6:]) for chunk in told(events, run, ending)]
    for version in VERSIONS:
        assert read(clients, version, chunks) == as_had(reduced(chunks), version)


def read(
    clients: Clients, version: str, chunks: list[Chunk], before: UIMessage | None = None
) -> dict[str, Any]:
    found = clients.ask("read", version=version, chunks=chunks, before=before)
    assert found["errors"] == []
    wanted = [chunk["errorText"] for chunk in chunks if chunk["type"] == "error"]
    assert found["told"] == wanted
    message: dict[str, Any] = found["message"]
    return message


def as_had(message: UIMessage, version: str) -> UIMessage:
    """The message as this version has it: the first one gives the parts of reasoning no id."""
    if version != "first":
        return message
    bare = [
        {name: value for name, value in part.items() if name != "id"}
        if part["type"] == "reasoning"
        else part
        for part in message["parts"]
    ]
    return {**message, "parts": bare}
