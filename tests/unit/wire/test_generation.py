"""What the record of a request says of money."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.errors import RateLimited
from agentkit.openrouter.retry import Retry, Retrying, Stakes
from agentkit.values import Usage
from agentkit.wire.generation import Generation, completed, generation_of

OPEN = {"total_cost": 0, "is_byok": True, "upstream_inference_cost": None}
"""With a key of the user's own, the account pays nothing; what the provider billed to that key is
not told.
"""


def record(**told: Any) -> Generation:
    found = generation_of({"data": {"id": "gen-1", **told}})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("told", "billed"),
    [
        (OPEN, None),
        ({"total_cost": 0, "is_byok": True}, None),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": "a lot"}, None),
        ({"total_cost": 0.01, "is_byok": True}, True),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": 0.02}, True),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": 0}, False),
        ({"total_cost": 0, "is_byok": False, "upstream_inference_cost": None}, False),
        ({"total_cost": 0}, False),
    ],
)
def test_whether_somebody_paid(told: dict[str, Any], billed: bool | None) -> None:
    assert record(**told).billed is billed


def test_what_is_open_is_said_to_be_open() -> None:
    assert str(record(**OPEN)) == "its cost is not known yet"


OWN = {"total_cost": 0.05, "is_byok": True, "upstream_inference_cost": 0.25}


@pytest.mark.parametrize(
    ("told", "total", "words"),
    [
        (OWN, 0.3, "cost $0.3"),
        ({**OWN, "upstream_inference_cost": None}, None, "cost at least $0.05"),
        ({**OWN, "is_byok": False}, 0.05, "cost $0.05"),
        ({"total_cost": 0}, 0.0, "not billed"),
        ({}, None, "not known yet"),
    ],
)
def test_what_it_cost_in_all(told: dict[str, Any], total: float | None, words: str) -> None:
    found = record(**told)
    assert found.total_usd == (None if total is None else pytest.approx(total))
    assert words in str(found)


def test_what_a_reply_did_not_tell_the_record_does() -> None:
    unknown, own = Usage(requests=1), record(**OWN)
    whole = completed(unknown, own)
    assert (whole.cost_usd, whole.upstream_cost_usd) == (pytest.approx(0.3), 0.25)
    assert whole.cost_is_whole
    part = Usage(requests=1, cost_usd=0.05)  # what a stream told before it broke
    assert completed(part, own).cost_usd == pytest.approx(0.3)
    told = Usage(requests=1, priced_requests=1, cost_usd=0.2)
    assert completed(told, own) == told
    assert completed(unknown, None) == completed(unknown, record(**OPEN)) == unknown


@pytest.mark.parametrize(("told", "sent"), [(OPEN, 1), ({**OPEN, "upstream_inference_cost": 0}, 3)])
async def test_with_a_server_tool_it_is_sent_again_only_where_surely_nobody_paid(
    told: dict[str, Any], sent: int
) -> None:
    times = 0

    async def look_up(_: str) -> Generation:
        return record(**told)

    async def draws() -> bool:
        return True

    async def never() -> bool:
        return False

    async def nap(_: float) -> None:
        return None

    with pytest.raises(RateLimited):
        async for attempt in Retrying(
            Retry(),
            Stakes(draws, server_tools=True),
            seconds_left=lambda: 60,
            look_up=look_up,
            hold_again=never,
            sleep=nap,
        ):
            with attempt:
                times += 1
                raise RateLimited("busy", status=503, generation_id="gen-1")
    assert times == sent
