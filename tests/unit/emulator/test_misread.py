"""Prompts that the rules once misread."""

import json
from datetime import UTC, datetime

import pytest

from agentkit.emulator import Failure

IMAGE = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("My name is Ada, what is 2 + 2?", "Nice to meet you, Ada. 2 + 2 = 4"),
        (
            "I am Ada and what is the capital of France?",
            "Nice to meet you, Ada. The capital of France is Paris.",
        ),
        (
            "Hello, my name is Eve and can you tell me about owls?",
            "Nice to meet you, Eve. Owls fly",
        ),
        ("I'm Ada, a painter", "Nice to meet you, Ada. What shall we do?"),
    ],
)
def test_a_name_and_a_question_in_one_sentence(wire, prompt: str, answer: str) -> None:
    assert wire.text(prompt).startswith(answer)


@pytest.mark.parametrize(
    "prompt",
    [
        "What makes a good picture?",
        "Can you tell me what a picture costs?",
        "Give me an example of when a picture is better than text?",
        "Show me how an image is made",
    ],
)
def test_a_question_about_pictures_is_none_about_ours(wire, prompt: str) -> None:
    said = wire.message(prompt, tools=IMAGE)
    assert "reasoning_details" not in said
    assert "no picture in our conversation" not in said["content"]


@pytest.mark.parametrize(
    "prompt",
    [
        "Show me a picture of a fox",
        "Give me an image of an owl",
        "Draw an example of a good picture",
        "Make a poster",
    ],
)
def test_a_wish_for_a_picture_is_still_one(wire, prompt: str) -> None:
    assert len(wire.drawn(prompt)) == 1


def test_a_later_picture_does_not_inherit_a_change(wire) -> None:
    turns: list[dict] = []
    drawn = []
    for prompt in ("Draw a fox", "Make it at night", "Draw the fox on a beach"):
        turns.append({"role": "user", "content": prompt})
        said = wire.message(turns, tools=IMAGE)
        drawn.append(json.loads(said["reasoning_details"][0]["arguments"])["prompt"])
        turns.append(said)
    assert drawn[:2] == ["a fox", "a fox at night"]
    assert "night" not in drawn[2]
    assert "fox" in drawn[2]


@pytest.mark.parametrize(
    ("prompt", "date"),
    [
        ("What is the weather in Oslo in the evening?", "today"),
        ("What is the weather in Oslo on Friday evening?", "friday"),
    ],
)
def test_an_evening_is_no_date(wire, prompt: str, date: str) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "date": {"type": "string"}},
        "required": ["city"],
    }
    tool = {"name": "weather", "description": "The weather in a city", "parameters": schema}
    assert wire.calls(prompt, [tool]) == [("weather", {"city": "Oslo", "date": date})]
    assert wire.calls("What is the weather in Oslo?", [tool]) == [("weather", {"city": "Oslo"})]
    schema["properties"]["date"]["format"] = "date"
    ((_, arguments),) = wire.calls(prompt, [tool])
    assert datetime.fromisoformat(arguments["date"]).year >= datetime.now(UTC).year


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((402, "x"), "the text comes first"),
        (("x", "402"), "code: '402' was given"),
        (("x", 42), "from 200 to 599"),
    ],
)
def test_a_failure_is_checked_when_it_is_made(given: tuple, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        Failure(*given)
