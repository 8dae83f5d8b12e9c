"""Each expectation can fail, and says what was expected and what came."""

from typing import Any

import pytest

from agentkit import Invocation, Text
from agentkit.demo.expect import problems
from agentkit.demo.script import Expect
from tests.unit.demo.hand_made import answered, drawn, failed_picture


def called(
    name: str,
    *,
    status: str = "completed",
    executor: str = "client",
    count: int = 1,
    error: str | None = None,
) -> Invocation:
    return Invocation(
        f"id_{name}", name, {}, executor=executor, status=status, count=count, error=error
    )  # type: ignore[arg-type]


BOTH = (called("weather"), called("sunset"))


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        ({}, answered(Text("anything"))),
        ({"text": "THE fox"}, answered(Text("It is the Fox."))),
        ({"text": [r"/it .* fox/", "fox."]}, answered(Text("It is\nthe fox."))),
        ({"images": 1, "parents": "img_1"}, answered(drawn("img_2", parents=("img_1",)))),
        (
            {"tools": {"weather": 1, "sunset": 1}, "together": True},
            answered(invocations=BOTH, rounds=(2,)),
        ),
        ({"tools": {}}, answered(Text("no tools"))),
        ({"server_tools": 3}, answered(invocations=(called("draw", executor="server", count=3),))),
        ({"status": "limited"}, answered(status="limited")),
        ({"failures": 1}, answered(failures=(failed_picture(),))),
    ],
)
def test_met(expect: dict[str, Any], answer: Any) -> None:
    assert problems(Expect(**expect), answer) == ()


@pytest.mark.parametrize(
    ("expect", "answer", "problem"),
    [
        ({}, answered(status="limited"), "expected status completed, came limited"),
        ({"text": "owl"}, answered(Text("the fox")), "expected the text 'owl', came 'the fox'"),
        (
            {"text": "/^fox/"},
            answered(Text("the fox")),
            "expected the text '/^fox/', came 'the fox'",
        ),
        ({"images": 2}, answered(drawn("img_1")), "expected 2 images, came 1"),
        ({"images": 0}, answered(drawn("img_1")), "expected 0 images, came 1"),
        (
            {"parents": "img_1"},
            answered(drawn("img_2")),
            "expected an image made from img_1, came images made from nothing",
        ),
        (
            {"tools": {"weather": 2}},
            answered(invocations=(called("weather"),)),
            "expected 2 calls of weather, came 1",
        ),
        (
            {"tools": {}},
            answered(invocations=(called("weather"),)),
            "expected 0 calls of weather, came 1",
        ),
        (
            {"tools": {}},
            answered(invocations=(called("w", status="failed", error="no"),)),
            "expected 0 calls of w, came 0 and failed: no",
        ),
        (
            {"tools": {"w": 1}},
            answered(invocations=(called("w", status="failed", error="no"),)),
            "expected 1 calls of w, came 0 and failed: no",
        ),
        (
            {"together": True},
            answered(invocations=BOTH, rounds=(1, 1)),
            "expected all tools to be called in one reply, came 1, 1 calls in 2 replies",
        ),
        ({"server_tools": 1}, answered(), "expected 1 server-tool calls, came 0"),
        ({}, answered(failures=(failed_picture("404"),)), "expected 0 failed images, came 1: 404"),
    ],
)
def test_not_met(expect: dict[str, Any], answer: Any, problem: str) -> None:
    assert problems(Expect(**expect), answer) == (problem,)
