"""Replies of both dialects, on events made by hand: streamed or not, whole or hostile, they read the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import APIError, BadRequest, ProviderFailed, RateLimited
from agentkit.values import Invocation, Reasoning, Text, ToolCall, Usage
from agentkit.wire import decoder
from agentkit.wire.chat_reply import ChatReply
from agentkit.wire.model import Preview, Reply, ServerCall, Sighting, Signal, Words
from agentkit.wire.responses_reply import ResponsesReply
from agentkit.wire.text import UnreadableJson, read, read_object, write

URL = "https://images.openrouter.ai/fox.png"
DRAW = "openrouter:image_generation"
USAGE = {
    "prompt_tokens": 5, "completion_tokens": 7, "cost": 0.25, "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2, "image_tokens": 3},
}  # fmt: skip
READ = Usage(5, 7, 1, 2, 3, requests=1, priced_requests=1, cost_usd=0.25)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "gen-abc", "model": "a/b", "choices": choices, **more}


def streamed(*chunks: dict[str, Any], tools: tuple[str, ...] = ()) -> Reply:
    reply = ChatReply(tools)
    for each in chunks:
        reply.feed(each)
    return reply.reply()


def buffered(
    message: dict[str, Any], *, finish: str | None = "stop", tools: tuple[str, ...] = (), **more: Any
) -> Reply:
    reply = ChatReply(tools)
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    reply.whole({"id": "gen-abc", "model": "a/b", "choices": [choice], **more})
    assert reply.finished
    return reply.reply()


def raw(reply: Reply) -> list[Any]:
    return [json.loads(item) for item in reply.raw]


def text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def sightings(reply: Reply) -> list[Sighting]:
    return [part for part in reply.parts if isinstance(part, Sighting)]


# --- chat ---


def test_chat_streamed_equals_buffered() -> None:
    details = [{"type": "reasoning.text", "text": "hm, so", "index": 0, "format": "f", "signature": "sig"}]
    call = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}
    message = {"content": "Hello", "reasoning": "hm, so", "reasoning_details": details, "images": [image],
               "tool_calls": [call], "annotations": [{"type": "url_citation"}]}  # fmt: skip
    whole = buffered(message, finish="tool_calls", usage=USAGE)
    parts = streamed(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning": "hm, ", "reasoning_details": [{"type": "reasoning.text", "text": "hm, ", "index": 0, "format": "f"}]}),
        chunk({"reasoning": "so", "reasoning_details": [{"type": "reasoning.text", "text": "so", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "sig", "index": 0}]}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo", "annotations": [{"type": "url_citation"}]}),
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "w", "arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}], "images": [image]}, "tool_calls"),
        chunk({"content": ""}, "tool_calls", usage=USAGE),
        chunk(usage=USAGE),
    )  # fmt: skip
    assert parts == whole
    assert whole.parts == (
        Reasoning("hm, so"),
        Text("Hello", ({"type": "url_citation"},)),
        Sighting("images:0", "images", ("data:image/png;base64,AAAA",)),
        ToolCall("c1", "w", '{"a":1}'),
    )
    assert whole.usage == READ
    assert raw(whole) == [
        {"role": "assistant", "content": "Hello", "tool_calls": [call], "reasoning_details": details, "images": [image]}
    ]


def test_two_chunks_with_a_finish_and_usage_with_empty_choices() -> None:
    reply = streamed(
        chunk({"content": "a"}), chunk({}, "stop"), chunk({"content": ""}, "stop"), chunk(usage=USAGE), chunk()
    )
    assert (text(reply), reply.finish, reply.usage) == ("a", "stop", READ)


def test_an_absent_cost_is_not_known() -> None:
    for usage in ({}, {"prompt_tokens": 1}, {"cost": None}, {"cost": "1"}, {"cost": True}, {"cost": -1}):
        assert buffered({"content": "a"}, usage=usage).usage.cost_usd is None
    assert buffered({"content": "a"}, usage={"cost": 0}).usage.cost_usd == 0.0


def test_another_choice_is_passed_over() -> None:
    assert text(streamed(chunk({"content": "a"}), {"choices": [{"index": 1, "delta": {"content": "b"}}]})) == "a"


def test_what_is_not_known_is_kept_and_echoed() -> None:
    details = [{"type": "reasoning.new", "secret": {"a": [1]}}, {"type": "reasoning.encrypted", "data": "xyz"}]
    content = [
        {"type": "text", "text": "a"},
        {"type": "hologram", "url": "https://x.ai/h"},
        {"type": "text", "text": "b"},
    ]
    reply = buffered({"content": content, "reasoning_details": details, "new_field": 1})
    assert text(reply) == "ab"
    assert sightings(reply) == []
    assert raw(reply)[0]["content"] == content
    assert raw(reply)[0]["reasoning_details"] == details
    assert text(streamed({"object": "chat.completion.ping"}, {"choices": "none"}, {"choices": [5]}, chunk({"content": "a"}))) == "a"  # fmt: skip


def test_details_of_different_kinds_with_one_index_stay_apart() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "index": 0},
    ]
    assert raw(buffered({"content": "", "reasoning_details": details}))[0]["reasoning_details"] == details


def test_reasoning_without_words_of_its_own_is_read_from_the_details() -> None:
    reply = buffered(
        {"content": "a", "reasoning_details": [{"type": "reasoning.summary", "summary": "short", "index": 0}]}
    )
    assert reply.parts[0] == Reasoning("short")


def test_pictures_in_content_parts_stand_between_the_words() -> None:
    content = [
        {"type": "text", "text": "One "}, {"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": " two "},
        {"type": "output_image", "image_url": "data:image/png;base64,AAAA"},
    ]  # fmt: skip
    cited = [{"type": "url_citation"}]
    whole = buffered({"content": content, "annotations": cited})
    assert whole.parts == (
        Text("One "), Sighting("content:0", "content", (URL,)), Text(" two ", (cited[0],)),
        Sighting("content:1", "content", ("data:image/png;base64,AAAA",)),
    )  # fmt: skip
    assert streamed(*(chunk({"content": [part]}) for part in content), chunk({"annotations": cited}, "stop")) == whole


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "image_url", "image_url": {"url": URL}, "index": 0},
        {"image_url": {"url": URL}},
        {"image_url": URL},
        {"url": URL},
        {"type": "image_url", "imageUrl": URL},
    ],
)
@pytest.mark.parametrize("content", ["", None, "words"])
def test_pictures_beside_the_content(entry: dict[str, Any], content: str | None) -> None:
    assert [each.values for each in sightings(buffered({"content": content, "images": [entry]}))] == [(URL,)]
    reply = ChatReply()
    signals = reply.feed(chunk({"content": content, "images": [entry]}, "stop"))
    assert [each for each in signals if isinstance(each, Sighting)] == sightings(reply.reply())


def test_the_same_picture_in_two_chunks_is_seen_once() -> None:
    entry = {"image_url": {"url": URL}}
    assert len(sightings(streamed(chunk({"images": [entry]}), chunk({"images": [entry]}, "stop")))) == 1


def server_detail(result: str | None = None, **more: Any) -> dict[str, Any]:
    detail = {"type": "reasoning.server_tool_call", "tool_name": DRAW, "tool_call_id": "t1", "index": 0,
              "arguments": '{"prompt":"a fox"}', **more}  # fmt: skip
    return detail if result is None else {**detail, "result": result}


def test_a_server_tools_call_in_the_details() -> None:
    result = json.dumps({"status": "ok", "imageUrl": URL, "revisedPrompt": "a red fox"})
    reply = buffered({"content": "Here.", "reasoning_details": [server_detail(result)]}, tools=(DRAW,))
    (call,) = reply.server_calls
    assert call == Invocation("t1", DRAW, {"prompt": "a fox"}, "server", "completed", result)
    assert sightings(reply) == [
        Sighting(
            "server:t1", "reasoning_details", (URL,), prompt="a fox", revised_prompt="a red fox", invocation_id="t1"
        )
    ]
    assert raw(reply)[0]["reasoning_details"] == [server_detail(result)]


@pytest.mark.parametrize("at", [1, 20, 45])
def test_a_server_tools_result_that_comes_in_fragments_is_seen_when_it_is_whole(at: int) -> None:
    result = json.dumps({"status": "ok", "imageUrl": URL})
    reply, signals = ChatReply((DRAW,)), list[Signal]()
    fragment = {"type": "reasoning.server_tool_call", "index": 0}
    for detail in (server_detail(), {**fragment, "result": result[:at]}, {**fragment, "result": result[at:]}):
        signals += reply.feed(chunk({"reasoning_details": [detail]}))
    signals += reply.feed(chunk({"content": "Done."}, "stop"))
    assert [each.values for each in signals if isinstance(each, Sighting)] == [(URL,)]
    assert [each.values for each in sightings(reply.reply())] == [(URL,)]
    whole = buffered({"content": "Done.", "reasoning_details": [server_detail(result)]}, tools=(DRAW,))
    assert reply.reply().server_calls == whole.server_calls


def test_a_server_tool_that_failed_is_a_failure_with_its_words() -> None:
    detail = server_detail('{"status":"error","error":"no credits"}')
    reply = buffered({"content": "", "reasoning_details": [detail]})
    assert (reply.server_calls[0].status, reply.server_calls[0].error) == ("failed", "no credits")
    assert sightings(reply)[0].error == "no credits"
    assert sightings(reply)[0].values == ()


def test_several_server_calls_without_ids_are_told_apart() -> None:
    details = [
        {"type": "reasoning.server_tool_call", "tool_name": DRAW, "result": json.dumps({"imageUrl": f"{URL}?{n}"})}
        for n in range(2)
    ]
    reply = buffered({"content": "", "reasoning_details": details})
    assert len({call.id for call in reply.server_calls}) == 2
    assert [each.values[0][-1] for each in sightings(reply)] == ["0", "1"]


def test_server_calls_of_which_only_the_number_is_known() -> None:
    usage = {**USAGE, "server_tool_use_details": {"tool_calls_requested": 3, "tool_calls_executed": 3}}
    reply = buffered({"content": "a"}, usage=usage, tools=("openrouter:datetime",))
    (call,) = reply.server_calls
    assert (call.name, call.count, call.arguments, call.executor) == ("openrouter:datetime", 3, None, "server")
    assert reply.usage.server_tool_calls == 3
    searched = {**USAGE, "server_tool_use_details": {"web_search_requests": 1}}
    assert buffered({"content": "a"}, usage=searched, tools=(DRAW, "x")).server_calls[0].name == "openrouter:web_search"


def test_refusals() -> None:
    assert buffered({"content": None, "refusal": "I will not."}).refusal == "I will not."
    assert streamed(chunk({"refusal": "I will "}), chunk({"refusal": "not."}, "stop")).refusal == "I will not."
    assert "content filter" in (buffered({"content": "a"}, finish="content_filter").refusal or "")
    assert buffered({"content": "a", "refusal": None}).refusal is None


MALFORMED = {"index": 0, "delta": {}, "finish_reason": "error", "native_finish_reason": "MALFORMED_FUNCTION_CALL"}
CHAT_ERRORS: dict[str, tuple[list[dict[str, Any]], type[APIError], str]] = {
    "alone": ([{"error": {"code": 429, "message": "slow down"}}], RateLimited, "slow down"),
    "in the choice": (
        [{"id": "g", "choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]}],
        ProviderFailed, "x",
    ),
    "in a chunk, with usage and no finish": (
        [{"id": "g", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}], "usage": USAGE,
          "error": {"code": 400, "message": "bad"}}], BadRequest, "bad",
    ),
    "in a chunk after a finish": (
        [chunk({}, "length"), {"choices": [], "error": {"code": 502, "message": "late"}}], ProviderFailed, "late",
    ),
    "no error object at all": ([{"id": "g", "choices": [MALFORMED]}], ProviderFailed, "MALFORMED_FUNCTION_CALL"),
}  # fmt: skip


@pytest.mark.parametrize("form", CHAT_ERRORS)
def test_a_200_that_is_an_error(form: str) -> None:
    chunks, kind, words = CHAT_ERRORS[form]
    decoder = ChatReply()
    for each in (chunk({"content": "Once upon"}), *chunks, chunk({"content": ""}, "stop")):
        decoder.feed(each)
    reply = decoder.reply()
    assert decoder.finished
    assert isinstance(reply.error, kind)
    assert words in str(reply.error)
    assert reply.error.generation_id == "gen-abc"
    assert text(reply) == "Once upon"


def test_a_buffered_200_that_is_an_error() -> None:
    reply = ChatReply()
    reply.whole({"error": {"code": 403, "message": "no"}, "user_id": "u"})
    assert reply.finished
    assert str(reply.reply().error) == "no"
    choice = {"message": {"content": "half"}, "finish_reason": "error", "error": {"code": 502, "message": "broke"}}
    assert str(buffered({}, finish="error").error).startswith("the provider broke off")
    reply = ChatReply()
    reply.whole({"choices": [choice]})
    assert (str(reply.reply().error), text(reply.reply())) == ("broke", "half")


def test_a_call_cut_by_length_is_marked_and_never_echoed_broken() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "w", "arguments": '{"city":"Os'}}
    reply = streamed(chunk({"tool_calls": [call]}), chunk({}, "length"))
    (part,) = reply.parts
    assert isinstance(part, ToolCall)
    assert part.fault is not None
    assert raw(reply)[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_calls_are_calls_whatever_the_finish_says() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "w", "arguments": "{}"}}
    for finish in ("stop", "tool_calls", "length", "brand_new"):
        (part,) = streamed(chunk({"tool_calls": [call]}, finish)).parts
        assert isinstance(part, ToolCall)
        assert part.fault is None


def test_a_stream_that_was_cut_is_not_finished_and_keeps_what_came() -> None:
    reply = ChatReply()
    reply.feed(chunk({"content": "Once"}))
    reply.feed(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "w", "arguments": '{"a'}}]}))
    assert not reply.finished
    assert text(reply.reply()) == "Once"
    assert [part.fault is not None for part in reply.reply().parts if isinstance(part, ToolCall)] == [True]


halves = st.lists(st.sampled_from(["a", "é", "\ud83d", "\ude00", "\ud83d\ude00", "z"]), max_size=8)


def mended(words: str) -> str:
    return words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(halves)
def test_surrogates_split_over_chunks_are_joined_and_halves_replaced(pieces: list[str]) -> None:
    events = [read_object(json.dumps(chunk({"content": piece, "reasoning": piece})).encode()) for piece in pieces]
    reply = ChatReply()
    signals: list[Signal] = []
    for event in events:
        signals += reply.feed(event)
    result = reply.reply()
    assert text(result) == mended("".join(pieces))
    "".join(each.text for each in signals if isinstance(each, Words)).encode()
    assert result.raw[0].decode()
    assert text(buffered({"content": "".join(pieces)})) == mended("".join(pieces))


# --- responses ---


def message_item(words: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part], **more}


def body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 7, "cost": 0.25, "input_tokens_details": {"cached_tokens": 1},
             "output_tokens_details": {"reasoning_tokens": 2, "image_tokens": 3}}  # fmt: skip
    return {"id": "resp-abc", "model": "a/b", "status": "completed", "output": [*items], "usage": usage, **more}


def whole_responses(*items: dict[str, Any], tools: tuple[str, ...] = (), **more: Any) -> Reply:
    reply = ResponsesReply(tools)
    reply.whole(body(*items, **more))
    assert reply.finished
    return reply.reply()


def events_of(
    *items: dict[str, Any], final: dict[str, Any] | None = None, rotate: bool = False
) -> list[dict[str, Any]]:
    """The events in which a provider streams these items."""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**body(), "status": "in_progress", "usage": None}}
    ]
    for index, item in enumerate(items):
        at = {"output_index": index, "item_id": f"other{index}" if rotate else item.get("id")}
        started = {**item, "content": [], "arguments": "", "result": None, "status": "in_progress"}
        if rotate:
            started["id"] = f"first{index}"
        events.append({"type": "response.output_item.added", "item": started, **at})
        if item["type"] == "message":
            for part in item["content"]:
                events += [
                    {"type": "response.output_text.delta", "delta": letter, **at} for letter in part.get("text", "")
                ]
                events.append({"type": "response.output_text.done", "text": part.get("text", ""), **at})
        if item["type"] == "reasoning":
            for part in item.get("summary", []):
                events.append({"type": "response.reasoning_summary_text.delta", "delta": part["text"], **at})
        if item["type"] == "function_call":
            events += [
                {"type": "response.function_call_arguments.delta", "delta": each, **at} for each in item["arguments"]
            ]
        events.append(
            {"type": "response.output_item.done", "item": {**item, **({"id": f"last{index}"} if rotate else {})}, **at}
        )
    events.append({"type": "response.completed", "response": body(*items) if final is None else final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def fed(events: list[dict[str, Any]], tools: tuple[str, ...] = ()) -> tuple[Reply, list[Signal]]:
    reply, signals = ResponsesReply(tools), list[Signal]()
    for event in events:
        signals += reply.feed(event)
    return reply.reply(), signals


THOUGHT = {
    "type": "reasoning",
    "id": "rs1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "secret",
}
CALL = {
    "type": "function_call",
    "id": "fc1",
    "call_id": "c1",
    "name": "w",
    "arguments": '{"a":1}',
    "status": "completed",
}
PICTURE = {
    "type": DRAW,
    "id": "ig1",
    "status": "completed",
    "imageUrl": URL,
    "prompt": "a fox",
    "revisedPrompt": "a red fox",
}
OWN = {"type": "image_generation_call", "id": "ig2", "status": "completed", "result": "data:image/png;base64,AAAA"}
UNKNOWN = {"type": "hologram", "id": "h1", "new": {"a": [1]}}
ITEMS = (THOUGHT, PICTURE, OWN, message_item("Here it is."), UNKNOWN, CALL)


def test_responses_streamed_equals_buffered() -> None:
    whole = whole_responses(*ITEMS, tools=(DRAW,))
    assert fed(events_of(*ITEMS), (DRAW,))[0] == whole
    assert raw(whole) == list(ITEMS)
    assert whole.usage == READ
    assert [type(part) for part in whole.parts] == [Reasoning, Sighting, Sighting, Text, ToolCall]
    assert whole.parts[0] == Reasoning("hm")
    assert whole.parts[-1] == ToolCall("c1", "w", '{"a":1}')
    assert (whole.id, whole.model, whole.finish) == ("resp-abc", "a/b", "completed")


def test_the_words_are_told_as_they_come_and_once() -> None:
    _, signals = fed(events_of(*ITEMS), (DRAW,))
    assert "".join(each.text for each in signals if isinstance(each, Words) and each.what == "text") == "Here it is."
    assert "".join(each.text for each in signals if isinstance(each, Words) and each.what == "reasoning") == "hm"


def test_both_dialects_give_equal_parts() -> None:
    chat = buffered({"content": "Hi", "tool_calls": [{"id": "c1", "function": {"name": "w", "arguments": '{"a":1}'}}]})
    assert chat.parts == whole_responses(message_item("Hi"), CALL).parts


def test_rotated_ids_change_nothing_but_ids() -> None:
    reply, signals = fed(events_of(*ITEMS, rotate=True), (DRAW,))
    assert text(reply) == "Here it is."
    assert [type(part) for part in reply.parts] == [Reasoning, Sighting, Sighting, Text, ToolCall]
    server = {each.invocation.id for each in signals if isinstance(each, ServerCall)}
    assert server == {call.id for call in reply.server_calls} == {"first1", "first2"}
    assert {each.invocation_id for each in sightings(reply)} == server


@pytest.mark.parametrize(
    "final", [{"status": "completed"}, {"status": "completed", "output": []}, {"output": None, "status": "completed"}]
)
def test_completed_without_output_keeps_what_was_streamed(final: dict[str, Any]) -> None:
    reply, _ = fed(events_of(*ITEMS, final=final), (DRAW,))
    assert raw(reply) == list(ITEMS)
    assert text(reply) == "Here it is."


def test_only_the_final_event_has_the_items() -> None:
    reply, signals = fed([{"type": "response.completed", "response": body(*ITEMS)}], (DRAW,))
    assert reply == whole_responses(*ITEMS, tools=(DRAW,))
    assert [each.text for each in signals if isinstance(each, Words)] == ["hm", "Here it is."]


def test_a_picture_that_is_missing_at_first_is_taken_from_the_final_event() -> None:
    events = events_of({**PICTURE, "imageUrl": None}, final=body(PICTURE))
    reply, signals = fed(events, (DRAW,))
    assert [each.values for each in signals if isinstance(each, Sighting)] == [(URL,)]
    assert [each.values for each in sightings(reply)] == [(URL,)]


@given(st.data())
def test_sequence_numbers_that_were_seen_are_passed_over(data: st.DataObject) -> None:
    events = events_of(*ITEMS)
    again: list[dict[str, Any]] = []
    for number, event in enumerate(events):
        again += [event, *(events[data.draw(st.integers(0, number))] for _ in range(data.draw(st.integers(0, 1))))]
    assert fed(again, (DRAW,))[0] == fed(events, (DRAW,))[0]


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
    ("texts", "read"), [(("a", "b"), "a\n\nb"), (("", "b"), "b"), (("a", ""), "a"), (("", "", "c"), "c")]
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
    reply = whole_responses(CALL, CALL, cut, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert [(part.id, part.fault is None) for part in reply.parts if isinstance(part, ToolCall)] == [
        ("c1", True),
        ("c2", False),
    ]
    assert reply.finish == "length"
    assert [(item["call_id"], item["arguments"]) for item in raw(reply)] == [("c1", '{"a":1}'), ("c2", "{}")]


def test_each_call_that_is_answered_is_echoed_even_if_its_item_never_came_whole() -> None:
    final = body(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = [event for event in events_of(CALL, final=final) if event["type"] != "response.output_item.done"]
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
def test_pictures_in_output_items(item: dict[str, Any], values: tuple[str, ...], place: str) -> None:
    (seen,) = sightings(whole_responses({"id": "i1", "status": "completed", **item}, tools=(DRAW,)))
    assert (seen.values, seen.place, seen.invocation_id, seen.error) == (values, place, "i1", None)
    streamed_reply, _ = fed(events_of({"id": "i1", "status": "completed", **item}), (DRAW,))
    assert sightings(streamed_reply) == [seen]


def test_provenance_of_a_server_tools_item() -> None:
    reply = whole_responses(PICTURE, tools=(DRAW,))
    assert reply.server_calls == (Invocation("ig1", DRAW, {"prompt": "a fox"}, "server", "completed"),)
    assert (sightings(reply)[0].prompt, sightings(reply)[0].revised_prompt) == ("a fox", "a red fox")


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_server_tools_item_without_a_picture_is_a_failure(status: str) -> None:
    reply = whole_responses(
        {"type": DRAW, "id": "i", "status": status, "error": {"message": "moderated"}}, tools=(DRAW,)
    )
    assert (reply.server_calls[0].status, reply.server_calls[0].error) == ("failed", "moderated")
    assert (sightings(reply)[0].values, sightings(reply)[0].error) == ((), "moderated")


def test_a_model_that_draws_by_itself_calls_no_tool() -> None:
    reply = whole_responses(OWN)
    assert reply.server_calls == ()
    assert sightings(reply)[0].invocation_id is None


def test_other_server_tools_items_are_tracked() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "fox"}}
    (call,) = whole_responses(item, message_item("a")).server_calls
    assert (call.name, call.arguments, call.executor) == ("web_search_call", {"action": item["action"]}, "server")


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
    reply, signals = fed([{**event, "sequence_number": number} for number, event in enumerate(events)], (DRAW,))
    assert [each for each in signals if isinstance(each, Preview)] == [Preview("item:0", 1, "AAAA")]
    assert len(sightings(reply)) == 1
    assert "generating" in [each.phase for each in signals if isinstance(each, ServerCall)]


@given(halves)
def test_surrogates_split_over_events_are_joined_and_halves_replaced(pieces: list[str]) -> None:
    events = [{"type": "response.output_text.delta", "output_index": 0, "delta": piece} for piece in pieces]
    reply, _ = fed([dict(read_object(json.dumps(event).encode())) for event in events])
    assert text(reply) == mended("".join(pieces))
    assert text(whole_responses(message_item("".join(pieces)))) == mended("".join(pieces))


# --- both, hostile ---

KEYS = ["id", "choices", "delta", "message", "content", "images", "reasoning_details", "tool_calls", "function", "name",
        "arguments", "usage", "error", "code", "type", "item", "output", "response", "output_index", "delta", "text",
        "image_url", "url", "result", "index", "finish_reason", "cost", "annotations", "status", "sequence_number"]  # fmt: skip
KINDS = ["response.completed", "response.output_item.done", "response.output_item.added", "response.output_text.delta",
         "error", "reasoning.server_tool_call", "function_call", "message", DRAW, "image_generation_call",
         "response.function_call_arguments.delta", "response.image_generation_call.generating"]  # fmt: skip
wild = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(["", "x", "\ud83d", "{}", '{"a":1}', *KINDS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
wild_events = st.lists(st.dictionaries(st.sampled_from(KEYS), wild, max_size=6), max_size=4)


@given(st.sampled_from(["chat", "responses"]), wild_events, st.booleans())
def test_nothing_that_is_json_breaks_a_decoder(api: Any, events: list[dict[str, Any]], stream: bool) -> None:
    reply = decoder(api, (DRAW,))
    for event in events:
        (reply.feed if stream else reply.whole)(read_object(json.dumps(event).encode()))
    result = reply.reply()
    for item in result.raw:
        json.loads(item, parse_constant=lambda name: pytest.fail(name))
    for part in result.parts:
        if isinstance(part, Text | Reasoning):
            part.text.encode()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}), (b'{"a":"\\ud83d"}', {"a": "\ud83d"}), (b'{"a":NaN}', {"a": None}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}), (b'{"a":1,"a":2}', {"a": 2}),
    ],
)  # fmt: skip
def test_json_as_providers_write_it(data: bytes, value: Any) -> None:
    assert read_object(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"[1]", b"5", b"null", b"\xff", b"[" * 10_000 + b"]" * 10_000,
                                  b'{"a":"\\ud83d","b":' + b"[" * 500 + b"]" * 500 + b"}", b'{"a":' + b"9" * 9999 + b"}"])  # fmt: skip
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(UnreadableJson):
        read_object(data)


def test_what_is_written_is_always_json() -> None:
    assert read(write({"a": [float("inf"), float("nan"), "\ud83d", "\ud83d\ude00"]})) == {
        "a": [None, None, "\ufffd", "😀"]
    }
