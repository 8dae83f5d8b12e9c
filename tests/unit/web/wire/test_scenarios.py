"""Turns of every kind, told while they go on and retold later: the same message, in both APIs."""

from __future__ import annotations

import json

import pytest

from agentkit import OpenRouter
from agentkit.emulator import Emulator
from agentkit.images.store import MemoryImageStore
from agentkit.run import Run
from agentkit.web.retelling import assistant_message
from agentkit.web.ui_message import UIMessage
from tests.unit.web.wire.turns import SCENARIOS, Scenario, agent_for, played


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_a_turn_that_is_told_and_retold_is_the_same_message(
    scenario: Scenario, api: str, emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    agent = agent_for(scenario, api, client, store)
    async for told in played(scenario, agent, emulator):
        assert assistant_message(told.run, told.notes) == told.message
        assert without_approvals(told.whole) == without_approvals(told.message)
        saved = Run.from_json(told.run.to_json(), blobs=store)
        assert assistant_message(saved, told.notes) == told.message
        assert bare_parts(assistant_message(saved)) == bare_parts(told.message)
    scenario.check(told.message)


def without_approvals(message: UIMessage) -> UIMessage:
    """The message without what only the client knows that answered."""
    kept = [{k: v for k, v in part.items() if k != "approval"} for part in message["parts"]]
    return {**message, "parts": kept}


def bare_parts(message: UIMessage) -> list[str]:
    """The parts without what only the notes know: their order, where words are cut, what a person
    was asked, and since when a picture had a placeholder.
    """
    unknown = {"approval", "id", "state", "errorText"}
    asked = {"why", "approvalId", "approved", "reason", "question"}
    bare: list[str] = []
    for part in message["parts"]:
        kept = {name: value for name, value in part.items() if name not in unknown}
        if part["type"] == "data-call":
            kept["data"] = {k: v for k, v in part["data"].items() if k not in asked}
        if part["type"] == "data-picture":
            kept["data"] = {**part["data"], "startedAt": None}
        if part["type"] not in {"text", "reasoning", "step-start"}:
            bare.append(json.dumps(kept, sort_keys=True))
    return sorted(bare)
