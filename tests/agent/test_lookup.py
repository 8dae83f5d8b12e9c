"""A connection that breaks after the request was sent: the look-up by the generation id."""

from __future__ import annotations

import pytest

from agentkit.emulator import Reply, Say
from agentkit.errors import OutcomeUnknown, StreamInterrupted
from tests.conftest import Bench


async def test_what_became_of_a_request_whose_reply_broke_off(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("A long story. " * 400)], cut_after=600)])
    with pytest.raises((OutcomeUnknown, StreamInterrupted)) as caught:
        await bench.ask(bench.agent(), "Go")
    found = caught.value.generation
    assert found is not None
    assert found.id == caught.value.generation_id
    assert caught.value.run is not None
    assert caught.value.run.usage.cost_usd == found.cost_usd  # a cost that only the look-up told is counted
    assert len([request for request in bench.emulator.requests if request.method == "POST"]) == 1
