"""What was asked for and refused: one request, the words of who refused it, in all four ways."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import ImageGeneration, ModelSettings, tool
from agentkit.emulator import CallTool, Draw, Failure, Raw, Reply, Say
from agentkit.errors import PermissionRefused
from tests.conftest import Bench, picture

SAFETY = "Your request was rejected by our safety system: violence"
NO = "I cannot draw that."
BIG = picture(size=(160, 120), noise=90)


def refusal(words: str) -> Raw:
    part = {"type": "refusal", "refusal": words}
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    return Raw(chat={"refusal": words}, responses=message)


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


async def test_the_models_own_refusal(bench: Bench) -> None:
    bench.emulator.play([Reply([refusal(NO)])])
    answer = await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw something vile")
    assert (answer.status, answer.refusal, answer.images) == ("refused", NO, ())
    assert len(bench.emulator.requests) == 1


async def test_a_refusal_is_part_of_the_conversation(bench: Bench) -> None:
    bench.emulator.play([Reply([refusal(NO)]), Reply([Say("A fox, then.")])])
    chat = bench.agent().conversation()
    await bench.ask(chat, "Draw something vile")
    answer = await bench.ask(chat, "Then a fox")
    assert (answer.status, answer.refusal) == ("completed", None)
    assert NO in str(bench.emulator.requests[1].body)


async def test_a_content_filter(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Once upon")], finish_reason="content_filter")])
    answer = await bench.ask(bench.agent(), "A tale")
    assert answer.status == "refused"
    assert "content filter" in (answer.refusal or "")
    assert answer.text == "Once upon"
    assert len(bench.emulator.requests) == 1


@pytest.mark.parametrize(
    ("finish", "native"),
    [
        ("content_filter", "IMAGE_SAFETY"),
        ("stop", "NO_IMAGE"),
        ("stop", "IMAGE_OTHER"),
        ("stop", "FINISH_REASON_IMAGE_RECITATION"),
    ],
)
async def test_an_image_model_whose_filter_gave_nothing(
    bench: Bench, finish: str, native: str
) -> None:
    if bench.way.api == "responses" and finish == "stop":
        return  # this API does not tell the provider's own reason
    bench.emulator.play([Reply([], finish_reason=finish, native_finish_reason=native)])
    settings = ModelSettings(modalities=("image", "text"))
    answer = await bench.ask(
        bench.agent(model="google/gemini-2.5-flash-image", settings=settings), "Draw it"
    )
    assert answer.status == "refused"
    assert native in (answer.refusal or "") or bench.way.api == "responses"
    assert len(bench.emulator.requests) == 1


@pytest.mark.parametrize(
    "words", [SAFETY, "moderation_blocked", "This violates our usage policies."]
)
async def test_a_server_tool_whose_picture_was_refused(bench: Bench, words: str) -> None:
    """The provider's words are the refusal, the model's the text."""
    bench.emulator.play(
        [Reply([Draw("blood", status="error", error=words), Say("Sorry, they would not draw it.")])]
    )
    answer = await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw blood")
    assert (answer.status, answer.refusal) == ("refused", words)
    assert answer.text == "Sorry, they would not draw it."
    (failure,) = answer.failures
    assert failure.reason == words
    assert [each.status for each in answer.invocations] == ["failed"]
    assert len(bench.emulator.requests) == 1


async def test_a_fault_is_no_refusal(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([Draw("a fox", status="error", error="upstream timed out"), Say("It broke.")])]
    )
    answer = await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw a fox")
    assert (answer.status, answer.refusal) == ("completed", None)
    assert [each.reason for each in answer.failures] == ["upstream timed out"]


async def test_one_picture_that_came_is_an_answer(bench: Bench) -> None:
    bench.emulator.play(
        [Reply([Draw("a fox", data=BIG), Draw("blood", status="error", error=SAFETY), Say("One.")])]
    )
    answer = await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw a fox and blood")
    assert (answer.status, len(answer.images), len(answer.failures)) == ("completed", 1, 1)


async def test_calls_beside_a_refused_picture_are_run(bench: Bench) -> None:
    first = Reply([Draw("blood", status="error", error=SAFETY), CallTool("look", {"at": "it"})])
    bench.emulator.play([first, Reply([Draw("a fox", data=BIG), Say("A fox instead.")])])
    answer = await bench.ask(bench.agent(tools=[look, ImageGeneration()]), "Draw blood")
    assert (answer.status, len(answer.images)) == ("completed", 1)


@pytest.mark.parametrize("form", ["http", "body", "choice"])
async def test_moderation_of_the_request_is_an_error_with_its_reasons(
    bench: Bench, form: Any
) -> None:
    metadata = {"reasons": ["violence"], "flagged_input": "blood", "provider_name": "OpenAI"}
    failure = Failure(
        "Your input was flagged",
        403,
        form=form,
        metadata=metadata,
        error_type="content_policy_violation",
    )
    bench.emulator.play([Reply([], error=failure)])
    with pytest.raises(PermissionRefused, match="flagged") as caught:
        await bench.ask(bench.agent(), "Draw blood")
    if form == "http":
        assert (caught.value.reasons, caught.value.provider) == (("violence",), "OpenAI")
    assert len(bench.emulator.requests) == 1


async def test_output_is_not_asked_to_be_repaired(bench: Bench) -> None:
    bench.emulator.play([Reply([refusal(NO)])])
    answer = await bench.ask(bench.agent(output=list[int]), "Count the dead")
    assert (answer.status, answer.output) == ("refused", None)
    assert len(bench.emulator.requests) == 1
