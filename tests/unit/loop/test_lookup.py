"""A connection that breaks after the request was sent: the look-up by the generation id."""

from __future__ import annotations

import pytest

from agentkit.emulator import Fault, Lookup, Reply, Say, Socket, When
from agentkit.errors import OutcomeUnknown, StreamInterrupted
from tests.conftest import WAYS, Bench, Way

STORY = Reply([Say("A long story. " * 400)])
STREAMED = [way for way in WAYS if way.stream]


def posts(bench: Bench) -> int:
    return len([request for request in bench.emulator.requests if request.method == "POST"])


async def test_what_became_of_a_request_whose_reply_broke_off(bench: Bench) -> None:
    bench.emulator.play([STORY])
    bench.emulator.faults.add(Fault(socket=Socket("reset", at="body", byte=600)))
    with pytest.raises((OutcomeUnknown, StreamInterrupted)) as caught:
        await bench.ask(bench.agent(), "Go")
    found = caught.value.generation
    assert found is not None
    assert found.id == caught.value.generation_id
    assert str(found) in str(caught.value)
    assert caught.value.run is not None
    assert (
        caught.value.run.usage.cost_usd == found.cost_usd
    )  # a cost that only the look-up told is counted
    assert posts(bench) == 1


async def test_a_look_up_that_never_knows(bench: Bench) -> None:
    bench.emulator.play([STORY])
    bench.emulator.faults.add(
        Fault(socket=Socket("cut", at="body", byte=600)), Fault(lookup=Lookup("unknown"))
    )
    with pytest.raises((OutcomeUnknown, StreamInterrupted)) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.generation is None
    assert caught.value.generation_id
    assert caught.value.run is not None
    assert caught.value.run.usage.cost_usd is None
    assert posts(bench) == 1


@pytest.mark.parametrize("way", STREAMED, ids=str)
async def test_the_id_of_the_body_where_no_header_tells_it(way: Way, bench: Bench) -> None:
    bench.emulator.play([Reply([Say("A long story. " * 400)], headers={"X-Generation-Id": ""})])
    bench.emulator.faults.add(Fault(socket=Socket("cut", at="event", event=5)))
    with pytest.raises(StreamInterrupted) as caught:
        await bench.ask(bench.agent(), "Go")
    asked = [request.path for request in bench.emulator.requests if "/generation" in request.path]
    if way.api == "chat":
        assert caught.value.generation_id is not None
        assert caught.value.generation_id.startswith("gen-")
        assert asked[0].endswith(caught.value.generation_id)


async def test_without_an_id_nothing_is_asked(bench: Bench) -> None:
    bench.emulator.faults.add(
        Fault(socket=Socket("reset", at="response"), billed=True, when=When(times=1))
    )
    with pytest.raises(OutcomeUnknown) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.generation_id is None
    assert posts(bench) == len(bench.emulator.requests) == 1
