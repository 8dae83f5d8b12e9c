"""What a client posts: read into what it asks for, or refused in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Message, Text
from agentkit.errors import UsageError
from agentkit.run import Run
from agentkit.run.state import Waiting
from agentkit.tools import Denied, Edited
from agentkit.values import Invocation
from agentkit.web.asked import (
    AlreadyAnswered,
    Answers,
    FilePart,
    NewMessage,
    Retry,
    read_asked,
    resumption,
)
from agentkit.web.told_calls import Verdict

TEXT = {"type": "text", "text": "Draw"}
FILE = {"type": "file", "mediaType": "image/png", "url": "images/abc"}


def said(*parts: object, role: str = "user", **more: object) -> dict[str, Any]:
    return {"id": "ada", "messages": [{"id": "m", "role": role, "parts": list(parts)}], **more}


def test_a_message_is_its_words_and_pictures_in_order() -> None:
    known = {"type": "data-picture", "id": "picture-1", "data": {}}
    asked = read_asked(said(FILE, known, TEXT, api="chat", model="m", else_="passed over"))
    assert (asked.chat, asked.model, asked.api) == ("ada", "m", "chat")
    assert asked.what == NewMessage((FilePart("images/abc", "image/png"), "Draw"), "m")


def test_only_the_last_message_is_read() -> None:
    body = said(TEXT)
    body["messages"] = [{"role": "system", "parts": "nonsense"}, 7, *body["messages"]]
    assert read_asked(body).what == NewMessage(("Draw",), "m")


@pytest.mark.parametrize("message_id", [None, "run_1"])
def test_another_try(message_id: str | None) -> None:
    body = {"id": "ada", "trigger": "regenerate-message", "messageId": message_id, "messages": []}
    assert read_asked(body).what == Retry(message_id)


def part(state: str, **more: object) -> dict[str, Any]:
    return {"type": "dynamic-tool", "toolCallId": "c", "toolName": "t", "state": state, **more}


def test_answers_of_a_person() -> None:
    asked = read_asked(
        said(
            TEXT,
            part("approval-responded", approval={"id": "c~1", "approved": False, "reason": "no"}),
            {**part("output-available", output=7), "toolCallId": "d"},
            role="assistant",
            edited={"c": {"copies": 1}},
        )
    )
    verdict = Verdict(approved=False, reason="no")
    assert asked.what == Answers({"c~1": verdict}, {"d": 7}, {"c": {"copies": 1}})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "the body: given is NoneType"),
        ([], "the body: given is list"),
        ({}, "id=None"),
        ({**said(TEXT), "id": " "}, "id=' '"),
        ({**said(TEXT), "id": "a" * 201}, "1 to 200 characters"),
        ({**said(TEXT), "id": 7}, "id=7"),
        ({"id": "ada"}, "messages: given is NoneType"),
        ({"id": "ada", "messages": []}, "the new message at its end"),
        ({"id": "ada", "messages": ["hi"]}, "the last message: given is str"),
        ({"id": "ada", "messages": [{"role": "user"}]}, "parts: given is NoneType"),
        (said(TEXT, role="system"), "role='system'"),
        (said(), "the message is empty"),
        (said({"type": "text", "text": " \n"}), "the message is empty"),
        (said({"type": "text"}), "text=None"),
        (said({"type": "file", "url": 7}), "url=7"),
        (said({"type": "tool-x"}), "type='tool-x'"),
        (said({}), "type=None"),
        (said("hi"), "a part: given is str"),
        (said(*[TEXT] * 1001), "at most 1000"),
        (said(*[FILE] * 33), "more than 32 files"),
        (said(TEXT, trigger="delete"), "trigger='delete'"),
        (said(TEXT, api="telnet"), "api='telnet'"),
        (said(TEXT, model=7), "model=7"),
        (said(TEXT, role="assistant"), "no call in it is answered"),
        (said(part("approval-responded"), role="assistant"), "approval: given is NoneType"),
        (said(part("approval-responded", approval={}), role="assistant"), "approval.id"),
        (
            said(part("approval-responded", approval={"id": "c", "approved": 1}), role="assistant"),
            "approved=1",
        ),
        (
            said(
                part("approval-responded", approval={"id": "c", "approved": True}),
                role="assistant",
                edited={"c": 7},
            ),
            "edited['c']: given is int",
        ),
    ],
)
def test_what_is_refused(body: object, told: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_asked(body)
    assert told in str(refusal.value)


def waiting(*questions: Waiting) -> Run:
    calls = tuple(Invocation(each.call_id, "t", {}) for each in questions)
    prompt = Message("user", (Text("hi"),))
    return Run("run_1", "m", "chat", (prompt,), 0, invocations=calls, waiting=questions).replace(
        status="paused"
    )


ASKED = Waiting("c", "approval", "f" * 64)
OUTSIDE = Waiting("d", "result", "e" * 64)
MARK = f"c~{'f' * 12}"


@pytest.mark.parametrize(
    ("verdict", "edited", "wanted"),
    [
        (Verdict(approved=True), {}, True),
        (Verdict(approved=True), {"c": {"n": 1}}, Edited({"n": 1})),
        (Verdict(approved=True), {MARK: {"n": 1}}, Edited({"n": 1})),
        (Verdict(approved=False), {"c": {"n": 1}}, False),
        (Verdict(approved=False, reason="no"), {}, Denied("no")),
    ],
)
def test_what_a_run_is_resumed_with(
    verdict: Verdict, edited: dict[str, Any], wanted: object
) -> None:
    answers = Answers({MARK: verdict, "c~older": Verdict(approved=True)}, {}, edited)
    found = resumption(waiting(ASKED, OUTSIDE), answers)
    assert found.approve == {"c": wanted}
    assert found.verdicts == {"c": verdict}
    assert not found.results


def test_a_result_from_outside_and_an_unknown_outcome() -> None:
    unknown = Waiting("q", "outcome", key="run_1/1")
    answers = Answers({"q~run_1/1": Verdict(approved=False)}, {"d": {"city": "Oslo"}, "c": "no"})
    found = resumption(waiting(ASKED, OUTSIDE, unknown), answers)
    assert not found.approve
    assert found.results == {"d": {"city": "Oslo"}}
    assert found.outcomes == {"q": "give_up"}


@pytest.mark.parametrize(
    "run", [waiting(Waiting("c", "approval", "a" * 64)), waiting(OUTSIDE).replace(status="running")]
)
def test_an_answer_that_nobody_waits_for(run: Run) -> None:
    with pytest.raises(AlreadyAnswered, match="nobody waits for this answer any more"):
        resumption(run, Answers({MARK: Verdict(approved=True)}, {"d": 1}))
