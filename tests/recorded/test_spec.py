"""Every request of the client, and all that the emulator answers, is as OpenRouter's OpenAPI
document says, but for the gaps that `schemas.GAPS` lists; and OpenRouter's own recorded replies
need each of them, or the script of a test does."""

from __future__ import annotations

import asyncio

import pytest

from tests.recorded.recordings import WIRE
from tests.recorded.schemas import GAPS, Gap, Spec
from tests.recorded.traffic import Said, gathered, recorded


@pytest.fixture(scope="session")
def said(spec: Spec) -> list[Said]:
    assert spec
    return asyncio.run(gathered())


def faults(spec: Spec, said: list[Said], speaker: str) -> dict[str, list[str]]:
    each = (one for one in said if one.speaker == speaker)
    return {
        f"{one.about}: {one.component}": found
        for one in each
        if (found := spec.faults(one.component, one.value))
    }


@pytest.mark.parametrize("speaker", ["client", "emulator"])
def test_what_is_said_is_in_the_spec(spec: Spec, said: list[Said], speaker: str) -> None:
    assert sum(one.speaker == speaker for one in said) > 100
    assert faults(spec, said, speaker) == {}


def test_recorded_replies_are_in_the_spec_but_for_the_gaps(spec: Spec) -> None:
    if not WIRE.is_dir():
        pytest.skip(f"the recorded traffic is not there: {WIRE}")
    assert faults(spec, recorded(), "openrouter") == {}


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{gap.component}-{GAPS.index(gap)}")
def test_each_gap_is_one(spec: Spec, said: list[Said], gap: Gap) -> None:
    """Without it, something that was really said is outside the spec: no gap is listed for
    nothing.
    """
    if not WIRE.is_dir():
        pytest.skip(f"the recorded traffic is not there: {WIRE}")
    stricter = spec.without(gap)
    assert any(
        stricter.faults(one.component, one.value)
        for one in [*recorded(), *said]
        if one.speaker != "client"
    )


def test_a_fault_is_seen(spec: Spec) -> None:
    assert spec.faults("ChatRequest", {"messages": [{"role": "user"}]})
    assert spec.faults(
        "ResponsesStreamingResponse", {"data": {"type": "response.created", "sequence_number": 0}}
    )
