"""Older turns replaced by a summary, which another model writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from agentkit import Agent, Budget, File, History, Image, Limits, Message, Run, tool
from agentkit.emulator import CallTool, Failure, Reply, Say
from agentkit.errors import UsageError
from agentkit.run.history import Summary
from agentkit.sessions import Sessions
from tests.conftest import Bench, picture
from tests.documents import pdf
from tests.unit.loop.cached_prompts import bodies
from tests.unit.loop.dying import Dying

WRITER = "google/gemini-2.5-flash"
LONG = "The house has many rooms, and each has its own light. " * 20
SUMMARY = "Ada draws a house with many rooms. Open: the colour of the door."


def summing(bench: Bench, **options: Any) -> Agent[Any]:
    policy = Summary(model=WRITER, after_tokens=800, keep_turns=1)
    return bench.agent(**{"history": History(summary=policy), **options})


async def talk(bench: Bench, chat: Any, turns: int, start: int = 0) -> None:
    for at in range(start, start + turns):
        bench.emulator.play(Reply([Say(f"{at}: {LONG}")]))
        await bench.ask(chat, f"Question {at}")


def asked(bench: Bench) -> list[str]:
    return [body["model"] for body in bodies(bench.emulator.requests)]


async def test_older_turns_are_replaced(bench: Bench) -> None:
    chat = summing(bench).conversation()
    await talk(bench, chat, 3)
    bench.emulator.play(Reply([Say(SUMMARY)]), Reply([Say("Green.")]))
    answer = await bench.ask(chat, "Which colour?")
    assert answer.text == "Green."
    assert answer.run.turns == 1
    assert len(answer.run.spent) == 2
    assert asked(bench)[3:] == [WRITER, "openai/gpt-5.2"]
    assert chat.usage.requests == 5
    last = str(bodies(bench.emulator.requests)[-1])
    assert "Summary of the conversation" in last
    assert "Question 0" not in last
    assert "Question 1" not in last
    assert "Question 2" in last
    # The original is kept, and what goes out is told.
    assert len(chat.messages) == 8
    assert [message.role for message in chat.sent] == [
        "user",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert "Open: the colour of the door." in chat.sent[0].text


async def test_it_is_written_once_and_goes_on_elsewhere(bench: Bench) -> None:
    chat = summing(bench).conversation()
    await talk(bench, chat, 3)
    bench.emulator.play(Reply([Say(SUMMARY)]), Reply([Say("Green.")]))
    answer = await bench.ask(chat, "Which colour?")
    saved = Run.from_json(answer.run.to_json(), blobs=bench.store)
    loaded = summing(bench).conversation(run=saved)
    for each in (chat, chat.fork(), loaded):
        bench.emulator.play(Reply([Say("Yes.")]))
        await bench.ask(each, "Sure?")
        body = str(bodies(bench.emulator.requests)[-1])
        assert SUMMARY in body
        assert "Question 1" not in body
    assert asked(bench).count(WRITER) == 1


FACTS = {
    "What was decided about the door?": "Decided: the door is green, since Ada's was.",
    "What is still open?": "Open: who pays for the roof.",
    "What was promised?": "Promised: a plan of the garden by Friday.",
    "Who wants it?": "Name: Ada Lovelace, of number twelve.",
}
"""What is said in the first turns, by the question that needs it."""


def reader_and_writer(told: str, body: Mapping[str, Any]) -> str:
    """Two models that know what they are told and nothing else. The one that writes summaries keeps
    the lines of facts and those with handles. The other one answers from what it is told.
    """
    if body["model"] == WRITER:
        lines = re.findall(rf"(?:{'|'.join(map(re.escape, FACTS.values()))})", told)
        pictures = re.findall(r"(?:img|file)_[0-9]+ shows [a-z ]+\.", told)
        return "\n".join(dict.fromkeys((*lines, *pictures)))
    question = told.rsplit("user: ", 1)[-1].strip()
    known = FACTS.get(question, "")
    return known if known and known in told else f"I was not told. {LONG}"


@pytest.mark.parametrize("turns", [24, pytest.param(200, marks=pytest.mark.slow)])
async def test_what_was_said_first_is_known_at_the_end(bench: Bench, turns: int) -> None:
    chat = summing(bench).conversation()
    bench.emulator.rules = reader_and_writer
    for fact in FACTS.values():
        await bench.ask(chat, fact)
    await bench.ask(chat, ["img_1 shows the old house.", Image.from_bytes(picture())])
    await bench.ask(chat, ["file_1 shows the bill.", File.from_bytes(pdf(), name="bill.pdf")])
    sizes: list[int] = []
    for at in range(turns):
        written = asked(bench).count(WRITER)
        answer = await bench.ask(chat, f"Question {at}")
        sizes.append(answer.run.spent[-1].input_tokens)
        assert asked(bench).count(WRITER) - written <= 1
    assert asked(bench).count(WRITER) >= turns / 8
    assert max(sizes) < 2500
    assert max(sizes[-10:]) <= max(sizes[:20])  # bounded, and not slowly growing
    for question, fact in FACTS.items():
        assert not any(question in message.text for message in chat.sent)
        answer = await bench.ask(chat, question)
        assert answer.text == fact, "the summary has lost it"
    assert "img_1 shows the old house." in chat.sent[0].text
    assert "file_1 shows the bill." in chat.sent[0].text
    # A handle that is named brings back what it stands for, from before the summary.
    await bench.ask(chat, "What is on img_1?")
    assert "image_url" in str(turns_of(bench)[-1])
    await bench.ask(chat, "What does file_1 say?")
    assert "file_data" in str(turns_of(bench)[-1])


async def test_a_summary_that_keeps_nothing_is_noticed(bench: Bench) -> None:
    """The test above fails where a summary loses what it must keep."""
    chat = summing(bench).conversation()
    bench.emulator.rules = lambda told, body: (
        "They talked." if body["model"] == WRITER else reader_and_writer(told, body)
    )
    (question, fact), *_ = FACTS.items()
    await bench.ask(chat, fact)
    for at in range(6):
        await bench.ask(chat, f"Question {at}")
    answer = await bench.ask(chat, question)
    assert answer.text.startswith("I was not told.")


def turns_of(bench: Bench) -> list[Any]:
    """The messages of the last request."""
    body = bodies(bench.emulator.requests)[-1]
    return body["messages" if bench.way.api == "chat" else "input"]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply([Say("  ")]), "empty"),
        (Reply([Say(LONG * 10)]), "no shorter"),
        (Reply([Say("img_7 img_9")]), "empty"),
        (Reply(error=Failure(code=400, message="No.")), "No."),
    ],
    ids=["empty", "long", "handles", "refused"],
)
async def test_what_fails_leaves_the_turn_as_it_was(bench: Bench, reply: Reply, why: str) -> None:
    chat = summing(bench).conversation()
    await talk(bench, chat, 3)
    bench.emulator.play(reply, Reply([Say("Green.")]))
    with structlog.testing.capture_logs() as lines:
        answer = await bench.ask(chat, "Which colour?")
    assert answer.text == "Green."
    assert "Question 0" in str(bodies(bench.emulator.requests)[-1])
    told = [each for each in lines if each["event"] == "summary_not_used"]
    assert len(told) == 1
    assert why in told[0]["reason"]
    assert len(chat.sent) == len(chat.messages)
    ledger = sum(charge.cost_usd for charge in bench.emulator.ledger)
    assert chat.usage.cost_usd == pytest.approx(ledger)


async def test_handles_that_do_not_exist_are_dropped(bench: Bench) -> None:
    chat = summing(bench).conversation()
    bench.emulator.play(Reply([Say(LONG)]))
    await bench.ask(chat, ["Look at this", Image.from_bytes(picture())])
    await talk(bench, chat, 1, 1)
    bench.emulator.play(Reply([Say("img_1 is red; img_8 is not.")]), Reply([Say("Yes.")]))
    await bench.ask(chat, "Go on")
    assert "img_1 is red;  is not." in chat.sent[0].text
    bench.emulator.play(Reply([Say("I see it.")]))
    await bench.ask(chat, "What is on img_1?")
    assert "image_url" in str(turns_of(bench))


async def test_no_money_no_summary(bench: Bench) -> None:
    chat = summing(bench, checks=True).conversation()
    await talk(bench, chat, 3)
    asked_before = len(asked(bench))
    answer = await bench.ask(chat, "Which colour?", budget=Budget(0.0000001))
    assert answer.status == "limited"
    assert len(asked(bench)) == asked_before


async def test_it_counts_against_the_limit_in_money(bench: Bench) -> None:
    chat = summing(bench, checks=True, limits=Limits(cost_usd=1.0, turns=1)).conversation()
    await talk(bench, chat, 3)
    bench.emulator.play(Reply([Say(SUMMARY)]), Reply([Say("Green.")]))
    answer = await bench.ask(chat, "Which colour?")
    assert answer.status == "completed"
    ledger = sum(charge.cost_usd for charge in bench.emulator.ledger[3:])
    assert answer.usage.cost_usd == pytest.approx(ledger)


async def test_within_a_run_nothing_is_summarised(bench: Bench) -> None:
    @tool
    def look() -> str:
        """Looks."""
        return LONG * 3

    chat = summing(bench, tools=[look]).conversation()
    bench.emulator.play(Reply([CallTool("look", {})]), Reply([Say("Seen.")]))
    await bench.ask(chat, "Look")
    assert WRITER not in asked(bench)


@pytest.mark.parametrize(
    "given",
    [{"model": ""}, {"model": "a/b", "after_tokens": 0}, {"model": "a/b", "keep_turns": -1}],
)
def test_what_is_no_summary(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Summary(**given)
    with pytest.raises(UsageError):
        History(summary=cast("Any", "a/b"))


@pytest.mark.parametrize("lost", [False, True], ids=["all is written", "the reply is lost"])
async def test_a_crash_pays_for_no_second_summary(bench: Bench, tmp_path: Path, lost: bool) -> None:
    dying = Dying(bench, tmp_path)
    policy = History(summary=Summary(model=WRITER, after_tokens=800, keep_turns=1))
    chat = dying.agent(history=policy).conversation()
    await talk(bench, chat, 3)
    bench.emulator.play(Reply([Say(SUMMARY)]), Reply([Say("Green.")]))
    first = await bench.ask(chat, "Which colour?")
    saved = dying.run()
    assert saved.messages[-1].summary is not None
    before = saved.replace(
        messages=(*saved.messages[:-1], Message("user", saved.messages[-1].parts)), spent=()
    )
    posts = len(bench.emulator.posts)
    if lost:
        own = [each for each in dying.files if each.name.startswith("0.") and each.parent.name]
        file = max(own, key=lambda each: each.stat().st_mtime_ns)
        assert "summary" not in str(file.relative_to(tmp_path))
        file.unlink()
        bench.emulator.play(Reply([Say("Green.")]))
    again = await dying.resume(before, history=policy)
    assert len(bench.emulator.posts) == posts + lost
    assert again.text == "Green."
    assert again.usage.requests == first.usage.requests
    assert again.usage.cost_usd == pytest.approx(first.usage.cost_usd)
    assert again.run.messages[again.run.start].summary == saved.messages[-1].summary


async def test_a_session_keeps_it(bench: Bench, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'chats.db'}"
    async with Sessions(address, store=bench.store) as sessions:
        chat = summing(bench).conversation("ada", sessions=sessions)
        await talk(bench, chat, 3)
        bench.emulator.play(Reply([Say(SUMMARY)]), Reply([Say("Green.")]))
        await bench.ask(chat, "Which colour?")
    async with Sessions(address, store=bench.store) as sessions:
        loaded = summing(bench).conversation("ada", sessions=sessions)
        bench.emulator.play(Reply([Say("Yes.")]))
        await bench.ask(loaded, "Sure?")
        assert loaded.sent == (*chat.sent, *loaded.messages[-2:])
        assert len(loaded.messages) == 10
    assert asked(bench).count(WRITER) == 1
