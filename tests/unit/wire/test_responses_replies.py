"""Replies of the Responses API on events made by hand: streamed or not, they read the same."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import APIError, BadRequest, ProviderFailed, RateLimited
from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire.json import read_object
from agentkit.wire.responses.decode import ResponsesReply
from agentkit.wire.types import ImageRef, Preview, ServerCall, Words
from tests.unit.wire.replies import (
    CALL,
    DRAW,
    ITEMS,
    OWN,
    PICTURE,
    READ,
    THOUGHT,
    URL,
    body,
    buffered,
    events_of,
    fed,
    halves,
    mended,
    message_item,
    raw,
    sightings,
    text,
    whole_responses,
)


def test_responses_streamed_equals_buffered() -> None:
    whole = whole_responses(*ITEMS, tools=(DRAW,))
    assert fed(events_of(*ITEMS), (DRAW,))[0] == whole
    assert raw(whole) == list(ITEMS)
    assert whole.usage == READ
    assert [type(part) for part in whole.parts] == [Reasoning, ImageRef, ImageRef, Text, ToolCall]
    assert whole.parts[0] == Reasoning("hm")
    assert whole.parts[-1] == ToolCall("c1", "w", '{"a":1}')
    assert (whole.id, whole.model, whole.finish) == ("resp-abc", "a/b", "completed")


def test_the_words_are_told_as_they_come_and_once() -> None:
    _, signals = fed(events_of(*ITEMS), (DRAW,))
    assert (
        "".join(each.text for each in signals if isinstance(each, Words) and each.what == "text")
        == "Here it is."
    )
    assert (
        "".join(
            each.text for each in signals if isinstance(each, Words) and each.what == "reasoning"
        )
        == "hm"
    )


def test_both_dialects_give_equal_parts() -> None:
    chat = buffered(
        {
            "content": "Hi",
            "tool_calls": [{"id": "c1", "function": {"name": "w", "arguments": '{"a":1}'}}],
        }
    )
    assert chat.parts == whole_responses(message_item("Hi"), CALL).parts


def test_rotated_ids_change_nothing_but_ids() -> None:
    reply, signals = fed(events_of(*ITEMS, rotate=True), (DRAW,))
    assert text(reply) == "Here it is."
    assert [type(part) for part in reply.parts] == [Reasoning, ImageRef, ImageRef, Text, ToolCall]
    server = {each.invocation.id for each in signals if isinstance(each, ServerCall)}
    assert server == {call.id for call in reply.server_calls} == {"first1", "first2"}
    assert {each.invocation_id for each in sightings(reply)} == server


def test_an_item_is_said_and_echoed_once_whatever_places_it_is_given() -> None:
    once = message_item("Hello.")
    for final in ([once], [message_item("Hello.", id="other")], [THOUGHT, once]):
        events = [
            {"type": "response.output_item.done", "output_index": 3, "item": once},
            {"type": "response.completed", "response": body(*final)},
        ]
        reply, signals = fed(events)
        assert text(reply) == "Hello."
        assert [
            each.text for each in signals if isinstance(each, Words) and each.what == "text"
        ] == ["Hello."]
        assert [item["type"] for item in raw(reply)].count("message") == 1


@pytest.mark.parametrize("same", [True, False])
def test_deltas_go_to_the_item_with_their_id_then_to_their_place(same: bool) -> None:
    """Some providers give all items one place; others give all of them one id."""
    items = [message_item(words, id="m" if same else f"m{words}") for words in ("one", "two")]
    events: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        at = {"output_index": number if same else 0, "item_id": item["id"]}
        started = {**item, "content": [], "status": "in_progress"}
        events.append({"type": "response.output_item.added", "item": started, **at})
        events.append(
            {
                "type": "response.output_text.delta",
                "delta": item["content"][0]["text"],
                "content_index": 0,
                **at,
            }
        )
        events.append({"type": "response.output_item.done", "item": item, **at})
    events.append({"type": "response.completed", "response": body(*items)})
    reply, signals = fed(events)
    told = "".join([each.text for each in signals if isinstance(each, Words)])
    assert text(reply) == told == "one\n\ntwo"
    assert raw(reply) == items


def test_several_parts_of_reasoning_are_the_same_words_streamed_or_not() -> None:
    parts = [{"type": "summary_text", "text": each} for each in ("First.", "Then.", "Last.")]
    item = {"type": "reasoning", "id": "rs", "summary": parts, "encrypted_content": "secret"}
    at = {"output_index": 0, "item_id": "rs"}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "item": {**item, "summary": []}, **at}
    ]
    for number, part in enumerate(parts[:2]):  # the last comes with the whole item alone
        for piece in (part["text"][:2], part["text"][2:]):
            delta = {"type": "response.reasoning_summary_text.delta", "delta": piece, **at}
            events.append({**delta, "summary_index": number})
    events.append({"type": "response.output_item.done", "item": item, **at})
    events += events_of(item, message_item("Hi"))[-3:]
    reply, signals = fed(events)
    told = "".join(
        [each.text for each in signals if isinstance(each, Words) and each.what == "reasoning"]
    )
    assert reply.parts[0] == whole_responses(item, message_item("Hi")).parts[0]
    assert reply.parts[0] == Reasoning("First.\n\nThen.\n\nLast.") == Reasoning(told)


@pytest.mark.parametrize(
    "final",
    [
        {"status": "completed"},
        {"status": "completed", "output": []},
        {"output": None, "status": "completed"},
    ],
)
def test_completed_without_output_keeps_what_was_streamed(final: dict[str, Any]) -> None:
    reply, _ = fed(events_of(*ITEMS, final=final), (DRAW,))
    assert raw(reply) == list(ITEMS)
    assert text(reply) == "Here it is."


@pytest.mark.parametrize("whole", [True, False], ids=["all once more", "completed without output"])
def test_items_that_all_came_under_one_index_are_all_kept(whole: bool) -> None:
    """Neither a call nor a picture that was paid for is lost, and what comes twice is one."""
    other = {**CALL, "id": "fc2", "call_id": "c2", "arguments": '{"a":2}'}
    drawn = {**OWN, "id": "ig3", "result": "data:image/png;base64,BBBB"}
    items = (CALL, other, OWN, drawn)
    final = body(*items) if whole else {"status": "completed", "output": []}
    done = [
        {"type": "response.output_item.done", "output_index": 0, "item": each}
        for each in items
        for _ in range(2)
    ]
    reply, signals = fed([*done, {"type": "response.completed", "response": final}], (DRAW,))
    assert [part.id for part in reply.parts if isinstance(part, ToolCall)] == ["c1", "c2"]
    values = [("data:image/png;base64,AAAA",), ("data:image/png;base64,BBBB",)]
    assert [each.values for each in sightings(reply)] == values
    assert [each.values for each in signals if isinstance(each, ImageRef)] == values
    assert raw(reply) == [*items]


def test_very_many_under_one_index_take_no_time_that_grows_with_their_square() -> None:
    decoder, began = ResponsesReply(), time.process_time()
    for number in range(6_000):
        item = {**CALL, "call_id": f"c{number}"}
        decoder.feed({"type": "response.output_item.done", "output_index": 0, "item": item})
    assert len(decoder.reply().parts) == 6_000
    assert time.process_time() - began < 20


def test_only_the_final_event_has_the_items() -> None:
    reply, signals = fed([{"type": "response.completed", "response": body(*ITEMS)}], (DRAW,))
    assert reply == whole_responses(*ITEMS, tools=(DRAW,))
    assert [each.text for each in signals if isinstance(each, Words)] == ["hm", "Here it is."]


def test_a_picture_that_is_missing_at_first_is_taken_from_the_final_event() -> None:
    events = events_of({**PICTURE, "imageUrl": None}, final=body(PICTURE))
    reply, signals = fed(events, (DRAW,))
    assert [each.values for each in signals if isinstance(each, ImageRef)] == [(URL,)]
    assert [each.values for each in sightings(reply)] == [(URL,)]


@given(st.data())
def test_sequence_numbers_that_were_seen_are_passed_over(data: st.DataObject) -> None:
    events = events_of(*ITEMS)
    again: list[dict[str, Any]] = []
    for number, event in enumerate(events):
        again += [
            event,
            *(
                events[data.draw(st.integers(0, number))]
                for _ in range(data.draw(st.integers(0, 1)))
            ),
        ]
    assert fed(again, (DRAW,))[0] == fed(events, (DRAW,))[0]


def test_a_picture_that_comes_twice_says_no_words_twice() -> None:
    """The spool gives each its own reference, so that the two events differ."""
    events = events_of(OWN, message_item("Hi you"), final={"status": "completed"})
    twice: list[dict[str, Any]] = []
    for number, event in enumerate(event for event in events for _ in range(2)):
        drawn = {**event.get("item", {}), "result": f"agentkit-blob:0af:{number}"}
        twice.append({**event, "item": drawn} if event.get("output_index") == 0 else event)
    reply, signals = fed(twice, (DRAW,))
    assert (
        "".join(each.text for each in signals if isinstance(each, Words)) == text(reply) == "Hi you"
    )
    assert len(sightings(reply)) == 1


def test_a_body_without_a_status_is_whole() -> None:
    reply = ResponsesReply()
    reply.whole({"id": "r", "output": [message_item("a"), CALL]})
    assert reply.finished
    assert [part.fault for part in reply.reply().parts if isinstance(part, ToolCall)] == [None]


def test_events_that_are_not_known_say_nothing() -> None:
    events: list[dict[str, Any]] = [
        {"type": "response.new_thing.delta", "delta": "x"},
        {"type": None},
        {},
        {"type": "keepalive"},
    ]
    reply, signals = fed([*events, *events_of(message_item("a"))])
    assert (text(reply), reply.error) == ("a", None)
    assert "".join(each.text for each in signals if isinstance(each, Words)) == "a"


@pytest.mark.parametrize(
    ("texts", "read"),
    [(("a", "b"), "a\n\nb"), (("", "b"), "b"), (("a", ""), "a"), (("", "", "c"), "c")],
)
def test_messages_of_one_reply_are_a_blank_line_apart(texts: tuple[str, ...], read: str) -> None:
    items = [message_item(words, id=f"m{number}") for number, words in enumerate(texts)]
    reply, signals = fed(events_of(*items))
    assert text(reply) == text(whole_responses(*items)) == read
    assert "".join(each.text for each in signals if isinstance(each, Words)) == read


def test_words_without_an_item_are_kept() -> None:
    reply, _ = fed([{"type": "response.output_text.delta", "output_index": 0, "delta": "Once"}])
    assert text(reply) == "Once"


def test_a_message_that_never_came_whole_gives_the_words_that_were_streamed() -> None:
    decoder = ResponsesReply()
    for event in events_of(message_item("Once upon"))[:6]:
        decoder.feed(event)
    assert not decoder.finished
    assert text(decoder.reply()) == "Once"


def test_responses_refusals() -> None:
    part = {"type": "refusal", "refusal": "I will not."}
    assert whole_responses(message_item("", content=[part])).refusal == "I will not."
    incomplete = whole_responses(
        message_item("a"), status="incomplete", incomplete_details={"reason": "content_filter"}
    )
    assert "content filter" in (incomplete.refusal or "")
    assert whole_responses(message_item("a")).refusal is None


RESPONSES_ERRORS: dict[str, tuple[dict[str, Any], type[APIError], str]] = {
    "failed": (
        {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "x"}}},
        ProviderFailed, "x",
    ),
    "failed without an object": (
        {"type": "response.failed", "response": {"id": "r", "status": "failed", "error_type": "provider_down"}},
        ProviderFailed, "provider_down",
    ),
    "error": ({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, RateLimited, "slow"),
    "error with an object": ({"type": "error", "error": {"code": 429, "message": "slow"}}, RateLimited, "slow"),
    "response.error": ({"type": "response.error", "error": {"code": "invalid_prompt", "message": "bad"}}, BadRequest, "bad"),
    "error in words": ({"type": "error", "error": "overloaded"}, ProviderFailed, "overloaded"),
    "response.error in words": ({"type": "response.error", "error": "overloaded"}, ProviderFailed, "overloaded"),
    "a top-level error in words": ({"error": "overloaded"}, ProviderFailed, "overloaded"),
    "a top-level error": ({"error": {"code": 502, "message": "broke"}, "id": "r"}, ProviderFailed, "broke"),
}  # fmt: skip


@pytest.mark.parametrize("form", RESPONSES_ERRORS)
def test_a_responses_200_that_is_an_error(form: str) -> None:
    event, kind, words = RESPONSES_ERRORS[form]
    decoder = ResponsesReply()
    for each in [*events_of(message_item("Once upon"))[:-1], event]:
        decoder.feed(each)
    reply = decoder.reply()
    assert decoder.finished
    assert isinstance(reply.error, kind)
    assert words in str(reply.error)
    assert text(reply) == "Once upon"


def test_a_buffered_responses_200_that_is_an_error() -> None:
    for failed in (
        {"error": {"code": "invalid_prompt", "message": "bad"}, "metadata": None},
        body(status="failed", error={"code": "invalid_prompt", "message": "bad"}),
    ):
        decoder = ResponsesReply()
        decoder.whole(failed)
        assert decoder.finished
        assert isinstance(decoder.reply().error, BadRequest)


def test_responses_calls_that_are_cut_or_double() -> None:
    cut = {**CALL, "call_id": "c2", "arguments": '{"a'}
    reply = whole_responses(
        CALL, CALL, cut, status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    )
    assert [
        (part.id, part.fault is None) for part in reply.parts if isinstance(part, ToolCall)
    ] == [
        ("c1", True),
        ("c2", False),
    ]
    assert reply.finish == "length"
    assert [(item["call_id"], item["arguments"]) for item in raw(reply)] == [
        ("c1", '{"a":1}'),
        ("c2", "{}"),
    ]


@pytest.mark.parametrize("reason", ["max_tokens", "MAX_TOKENS", "length"])
def test_a_reply_that_reached_its_limit_is_cut_however_that_is_spelt(reason: str) -> None:
    reply = whole_responses(status="incomplete", incomplete_details={"reason": reason})
    assert reply.finish == "length"
    assert reply.refusal is None


def test_arguments_of_a_call_may_come_as_an_object() -> None:
    item = {**CALL, "arguments": {"a": 1}}
    streamed_reply, _ = fed(events_of(item))
    for reply in (whole_responses(item), streamed_reply):
        (call,) = [part for part in reply.parts if isinstance(part, ToolCall)]
        assert json.loads(call.arguments) == {"a": 1}
        assert json.loads(raw(reply)[0]["arguments"]) == {"a": 1}


@pytest.mark.parametrize("deltas", [["Once", " upon"], []])
def test_what_only_the_done_events_tell_is_read_once(deltas: list[str]) -> None:
    """Of gateways that send no deltas, and leave the items out of the whole response."""
    place: dict[str, Any] = {"output_index": 0, "item_id": "m1", "content_index": 0}
    of_call: dict[str, Any] = {"output_index": 1, "item_id": "fc1"}
    begun = {**CALL, "id": "fc1", "arguments": ""}
    events: list[dict[str, Any]] = [
        *[{"type": "response.output_text.delta", **place, "delta": each} for each in deltas],
        {"type": "response.output_text.done", **place, "text": "Once upon"},
        {"type": "response.output_item.added", "output_index": 1, "item": begun},
        {"type": "response.function_call_arguments.done", **of_call, "arguments": '{"a":1}'},
        {"type": "response.completed", "response": body()},
    ]
    reply, signals = fed(events)
    assert text(reply) == "Once upon"
    assert "".join([each.text for each in signals if isinstance(each, Words)]) == "Once upon"
    assert [part.arguments for part in reply.parts if isinstance(part, ToolCall)] == ['{"a":1}']


@pytest.mark.parametrize(
    "content", [["Hello"], "Hello", {"type": "output_text", "text": "Hello", "annotations": []}]
)
def test_words_of_a_message_of_any_form_are_read(content: Any) -> None:
    item = {"type": "message", "id": "m1", "role": "assistant", "content": content}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    streamed_reply, signals = fed([done, {"type": "response.completed", "response": body(item)}])
    assert text(streamed_reply) == text(whole_responses(item)) == "Hello"
    assert "".join([each.text for each in signals if isinstance(each, Words)]) == "Hello"


def test_each_call_that_is_answered_is_echoed_even_if_its_item_never_came_whole() -> None:
    final = body(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = [
        event
        for event in events_of(CALL, final=final)
        if event["type"] != "response.output_item.done"
    ]
    reply, _ = fed(events)
    (call,) = (part for part in reply.parts if isinstance(part, ToolCall))
    assert [item["call_id"] for item in raw(reply)] == [call.id]


def test_different_calls_with_one_id_are_echoed_under_ids_of_their_own() -> None:
    other = {**CALL, "arguments": '{"a":2}'}
    last = {**CALL, "call_id": "c9", "arguments": '{"a":3}'}
    reply = whole_responses(CALL, other, other, last)
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    assert [(call.arguments, call.fault is None) for call in calls] == [
        ('{"a":1}', False),
        ('{"a":2}', False),
        ('{"a":3}', True),
    ]
    assert [item["call_id"] for item in raw(reply)] == [call.id for call in calls]


SERVER_ITEMS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"type": DRAW, "imageUrl": URL}, (URL,), "server_tool"),
    ({"type": DRAW, "imageB64": "iVBOR", "imageUrl": URL, "result": None}, ("iVBOR", URL), "server_tool"),
    ({"type": DRAW, "result": "data:image/png;base64,AA"}, ("data:image/png;base64,AA",), "server_tool"),
    ({"type": "image_generation_call", "result": "data:image/png;base64,AA"}, ("data:image/png;base64,AA",), "image_generation_call"),
    ({"type": "image_generation_call", "result": "iVBORw0K"}, ("iVBORw0K",), "image_generation_call"),
    ({"type": "image_generation_call", "result": URL}, (URL,), "image_generation_call"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "values", "place"), SERVER_ITEMS)
def test_pictures_in_output_items(
    item: dict[str, Any], values: tuple[str, ...], place: str
) -> None:
    (seen,) = sightings(whole_responses({"id": "i1", "status": "completed", **item}, tools=(DRAW,)))
    assert (seen.values, seen.place, seen.invocation_id, seen.error) == (values, place, "i1", None)
    streamed_reply, _ = fed(events_of({"id": "i1", "status": "completed", **item}), (DRAW,))
    assert sightings(streamed_reply) == [seen]


@pytest.mark.parametrize("kind", [DRAW, "image_generation_call"])
@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"result": json.dumps({"status": "ok", "imageUrl": URL})}, [URL]),
        ({"result": {"imageUrl": URL}}, [URL]),
        ({"result": [URL, f"{URL}?2"]}, [URL, f"{URL}?2"]),
        ({"result": None, "images": [{"image_url": {"url": URL}}]}, [URL]),
        ({"imageUrls": [URL, f"{URL}?2"]}, [URL, f"{URL}?2"]),
    ],
)
def test_pictures_of_a_drawing_are_found_in_any_form_of_its_item(
    kind: str, fields: dict[str, Any], seen: list[str]
) -> None:
    item = {"id": "i1", "status": "completed", "type": kind, "prompt": "a fox", **fields}
    whole = whole_responses(item, tools=(DRAW,))
    streamed_reply, _ = fed(events_of(item), (DRAW,))
    for reply in (whole, streamed_reply):
        found = sightings(reply)
        assert [(*each.values, each.error) for each in found] == [(url, None) for url in seen]
        assert {(each.invocation_id, each.prompt) for each in found} == {("i1", "a fox")}
        assert len({each.key for each in found}) == len(seen)


def test_provenance_of_a_server_tools_item() -> None:
    reply = whole_responses(PICTURE, tools=(DRAW,))
    assert reply.server_calls == (
        Invocation("ig1", DRAW, {"prompt": "a fox"}, "server", "completed"),
    )
    assert (sightings(reply)[0].prompt, sightings(reply)[0].revised_prompt) == (
        "a fox",
        "a red fox",
    )


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_server_tools_item_without_a_picture_is_a_failure(status: str) -> None:
    reply = whole_responses(
        {"type": DRAW, "id": "i", "status": status, "error": {"message": "moderated"}},
        tools=(DRAW,),
    )
    assert (reply.server_calls[0].status, reply.server_calls[0].error) == ("failed", "moderated")
    assert (sightings(reply)[0].values, sightings(reply)[0].error) == ((), "moderated")


def test_a_model_that_draws_by_itself_calls_no_tool() -> None:
    reply = whole_responses(OWN)
    assert reply.server_calls == ()
    assert sightings(reply)[0].invocation_id is None


def test_other_server_tools_items_are_tracked() -> None:
    item = {
        "type": "web_search_call",
        "id": "ws",
        "status": "completed",
        "action": {"type": "search", "query": "fox"},
    }
    (call,) = whole_responses(item, message_item("a")).server_calls
    assert (call.name, call.arguments, call.executor) == (
        "web_search_call",
        {"action": item["action"]},
        "server",
    )


def test_previews_are_no_pictures() -> None:
    at = {"output_index": 0, "item_id": "ig2"}
    events = events_of(OWN)
    events.insert(2, {"type": "response.image_generation_call.generating", **at})
    events.insert(
        3,
        {
            "type": "response.image_generation_call.partial_image",
            "partial_image_index": 1,
            "partial_image_b64": "AAAA",
            **at,
        },
    )
    reply, signals = fed(
        [{**event, "sequence_number": number} for number, event in enumerate(events)], (DRAW,)
    )
    assert [each for each in signals if isinstance(each, Preview)] == [Preview("item:0", 1, "AAAA")]
    assert len(sightings(reply)) == 1
    assert "generating" in [each.phase for each in signals if isinstance(each, ServerCall)]


@given(halves)
def test_surrogates_split_over_events_are_joined_and_halves_replaced(pieces: list[str]) -> None:
    events = [
        {"type": "response.output_text.delta", "output_index": 0, "delta": piece}
        for piece in pieces
    ]
    reply, _ = fed([dict(read_object(json.dumps(event).encode())) for event in events])
    assert text(reply) == mended("".join(pieces))
    assert text(whole_responses(message_item("".join(pieces)))) == mended("".join(pieces))


@pytest.mark.parametrize("number", [0, True, 7])
def test_one_number_for_all_events_loses_none_of_them(number: int) -> None:
    events = [*events_of(*ITEMS)]
    numbered = [{**event, "sequence_number": number} for event in events]
    assert fed(numbered, (DRAW,)) == fed(events, (DRAW,))


def test_words_that_come_twice_under_one_number_for_all_are_said_twice() -> None:
    events = events_of(message_item("ha ha "))
    delta = {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "delta": "ha ",
    }
    others = [each for each in events if not each["type"].endswith(".delta")]
    at = 1 + next(
        index for index, each in enumerate(others) if each["type"] == "response.output_item.added"
    )
    stream = [*others[:at], delta, delta, *others[at:]]
    reply, signals = fed([{**each, "sequence_number": 1} for each in stream])
    assert text(reply) == "ha ha "
    assert [signal.text for signal in signals if isinstance(signal, Words)] == ["ha ", "ha "]
