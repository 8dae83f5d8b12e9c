"""What became of a request: the record of `GET /generation`, asked for again until it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agentkit.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ProviderFailed,
)
from agentkit.openrouter.retry import look_up
from agentkit.wire.generation import Generation, generation_of

UNKNOWN = BadRequest("not found", status=404)


class Told:
    """Answers one after another, the last again and again; an error is raised."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self.answers, self.asked = list(answers), []

    async def get(self, path: str) -> Mapping[str, Any]:
        self.asked.append(path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def record(**more: Any) -> dict[str, Any]:
    return {
        "data": {"id": "gen-1", "total_cost": 0.04, "finish_reason": "stop", "model": "a/b", **more}
    }


class Sleeps:
    def __init__(self) -> None:
        self.naps: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)


async def test_a_404_means_not_yet_known() -> None:
    told, sleeps = Told(UNKNOWN, UNKNOWN, record()), Sleeps()
    found = await look_up(told, "gen-1", seconds=30, sleep=sleeps)
    assert found == Generation("gen-1", "a/b", None, 0.04, None, "stop")
    assert found.billed
    assert told.asked == ["/generation?id=gen-1"] * 3
    assert len(sleeps.naps) == 2


async def test_the_id_is_quoted() -> None:
    told = Told(record())
    await look_up(told, "gen 1&x=/../key", sleep=Sleeps())
    assert told.asked == ["/generation?id=gen%201%26x%3D%2F..%2Fkey"]


@pytest.mark.parametrize(
    "error",
    [
        UNKNOWN,
        ProviderFailed("broken", status=500),
        ConnectionFailed("refused"),
        APIError("?", status=429),
    ],
)
async def test_patience_ends(error: Exception) -> None:
    told = Told(error)
    assert await look_up(told, "gen-1", seconds=0.05) is None
    assert told.asked


@pytest.mark.parametrize("error", [AuthenticationFailed("no", status=401)])
async def test_a_key_that_is_refused_is_not_tried_again(error: Exception) -> None:
    told = Told(error)
    assert await look_up(told, "gen-1", seconds=30, sleep=Sleeps()) is None
    assert len(told.asked) == 1


async def test_a_record_whose_cost_is_not_known_yet_is_asked_for_again() -> None:
    told = Told(record(total_cost=None, usage=None), record())
    found = await look_up(told, "gen-1", seconds=30, sleep=Sleeps())
    assert found is not None
    assert found.cost_usd == 0.04


@pytest.mark.parametrize(
    ("more", "billed"),
    [
        ({"total_cost": 0}, False),
        ({"total_cost": 0.0, "usage": 0}, False),
        ({"total_cost": 1e-9}, True),
        ({"total_cost": 0, "is_byok": True, "upstream_inference_cost": 0.02}, True),
        ({"total_cost": 0, "is_byok": False, "upstream_inference_cost": 0.02}, False),
        ({"total_cost": None}, None),
        ({"total_cost": "0"}, None),
        ({"total_cost": True}, None),
        ({"total_cost": -1}, None),
        ({"total_cost": float("nan")}, None),
        ({"total_cost": float("inf")}, None),
        ({"total_cost": 10**400}, None),
    ],
)
def test_what_was_billed(more: Mapping[str, Any], billed: bool | None) -> None:
    found = generation_of(record(**more))
    assert found is not None
    assert found.billed is billed


@pytest.mark.parametrize(
    "body", [{}, {"data": None}, {"data": []}, {"data": {"id": 7}}, {"data": {"id": ""}}]
)
def test_what_is_no_record(body: Mapping[str, Any]) -> None:
    assert generation_of(body) is None
