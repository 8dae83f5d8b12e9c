"""Each expectation can fail, and says what was expected and what came."""

from typing import Any

import pytest
from PIL import Image as Pillow

from agentkit import Invocation, Text
from agentkit.demo.colours import colours_of
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
        ({"prompt": ["A fox", "/called img_[12]/"]}, answered(drawn("img_1"))),
        (
            {"prompt": ["owl", "oil"]},
            answered(drawn("img_1", prompt="an owl"), drawn("img_2", revised_prompt="in oil")),
        ),
        ({"colours": "orange"}, answered(drawn("img_1"))),
        (
            {"colours": ["blue", "green"]},
            answered(drawn("img_1", "blue"), drawn("img_2", "green")),
        ),
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
        (
            {"prompt": "owl"},
            answered(drawn("img_1"), drawn("img_2", prompt=None)),
            "expected an image drawn from 'owl', came images drawn from 'a fox called img_1'",
        ),
        (
            {"colours": ["blue", "orange"]},
            answered(drawn("img_1"), drawn("img_2", "white")),
            "expected blue in an image, came orange, white",
        ),
        ({"colours": "red"}, answered(), "expected red in an image, came nothing"),
        ({}, answered(failures=(failed_picture("404"),)), "expected 0 failed images, came 1: 404"),
    ],
)
def test_not_met(expect: dict[str, Any], answer: Any, problem: str) -> None:
    assert problems(Expect(**expect), answer) == (problem,)


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((0, 0, 0), "black"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"),
        ((200, 30, 20), "red"), ((230, 120, 20), "orange"), ((110, 65, 20), "brown"),
        ((250, 220, 40), "yellow"), ((40, 160, 60), "green"), ((30, 60, 160), "blue"),
        ((120, 30, 200), "purple"), ((255, 105, 180), "pink"), ((255, 192, 203), "pink"),
    ],
)  # fmt: skip
def test_colours_have_the_names_that_people_use(pixel: tuple[int, int, int], name: str) -> None:
    assert colours_of(Pillow.new("RGB", (4, 4), pixel)) == {name: 1.0}


def test_a_colour_counts_by_its_share() -> None:
    picture = Pillow.new("RGBA", (100, 100), "white")
    picture.paste("red", (0, 0, 10, 10))
    assert colours_of(picture)["red"] == pytest.approx(0.01)
