"""Replies of Chat Completions on events made by hand: streamed or not, they read the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from agentkit.errors import APIError, BadRequest, ProviderFailed, RateLimited
from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire.chat.decode import ChatReply
from agentkit.wire.json import read_object
from agentkit.wire.types import ImageKey, ImageRef, Signal, Words
from tests.unit.wire.replies import (
    DRAW,
    READ,
    URL,
    USAGE,
    buffered,
    chunk,
    halves,
    mended,
    raw,
    sightings,
    streamed,
    text,
)


def test_chat_streamed_equals_buffered() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm, so", "index": 0, "format": "f", "signature": "sig"}
    ]
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
        ImageRef(ImageKey("images", "0"), "images", ("data:image/png;base64,AAAA",)),
        ToolCall("c1", "w", '{"a":1}'),
    )
    assert whole.usage == READ
    assert raw(whole) == [
        {
            "role": "assistant",
            "content": "Hello",
            "tool_calls": [call],
            "reasoning_details": details,
            "images": [image],
        }
    ]


def test_two_chunks_with_a_finish_and_usage_with_empty_choices() -> None:
    reply = streamed(
        chunk({"content": "a"}),
        chunk({}, "stop"),
        chunk({"content": ""}, "stop"),
        chunk(usage=USAGE),
        chunk(),
    )
    assert (text(reply), reply.finish, reply.usage) == ("a", "stop", READ)


def test_an_absent_cost_is_not_known() -> None:
    for usage in (
        {},
        {"prompt_tokens": 1},
        {"cost": None},
        {"cost": "1"},
        {"cost": True},
        {"cost": -1},
    ):
        assert buffered({"content": "a"}, usage=usage).usage.cost_usd is None
    assert buffered({"content": "a"}, usage={"cost": 0}).usage.cost_usd == 0.0


def test_another_choice_is_passed_over() -> None:
    assert (
        text(
            streamed(
                chunk({"content": "a"}), {"choices": [{"index": 1, "delta": {"content": "b"}}]}
            )
        )
        == "a"
    )


def test_what_is_not_known_is_kept_and_echoed() -> None:
    details = [
        {"type": "reasoning.new", "secret": {"a": [1]}},
        {"type": "reasoning.encrypted", "data": "xyz"},
    ]
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
    assert (
        raw(buffered({"content": "", "reasoning_details": details}))[0]["reasoning_details"]
        == details
    )


def test_reasoning_without_words_of_its_own_is_read_from_the_details() -> None:
    reply = buffered(
        {
            "content": "a",
            "reasoning_details": [{"type": "reasoning.summary", "summary": "short", "index": 0}],
        }
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
        Text("One "), ImageRef(ImageKey("content", "0"), "content", (URL,)), Text(" two ", (cited[0],)),
        ImageRef(ImageKey("content", "1"), "content", ("data:image/png;base64,AAAA",)),
    )  # fmt: skip
    assert (
        streamed(
            *(chunk({"content": [part]}) for part in content), chunk({"annotations": cited}, "stop")
        )
        == whole
    )


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
    assert [
        each.values for each in sightings(buffered({"content": content, "images": [entry]}))
    ] == [(URL,)]
    reply = ChatReply()
    signals = reply.feed(chunk({"content": content, "images": [entry]}, "stop"))
    assert [each for each in signals if isinstance(each, ImageRef)] == sightings(reply.reply())


def test_the_same_picture_in_two_chunks_is_seen_once() -> None:
    entry = {"image_url": {"url": URL}}
    assert (
        len(sightings(streamed(chunk({"images": [entry]}), chunk({"images": [entry]}, "stop"))))
        == 1
    )


def server_detail(result: str | None = None, **more: Any) -> dict[str, Any]:
    detail = {"type": "reasoning.server_tool_call", "tool_name": DRAW, "tool_call_id": "t1", "index": 0,
              "arguments": '{"prompt":"a fox"}', **more}  # fmt: skip
    return detail if result is None else {**detail, "result": result}


def test_a_server_tools_call_in_the_details() -> None:
    result = json.dumps({"status": "ok", "imageUrl": URL, "revisedPrompt": "a red fox"})
    reply = buffered(
        {"content": "Here.", "reasoning_details": [server_detail(result)]}, tools=(DRAW,)
    )
    (call,) = reply.server_calls
    assert call == Invocation("t1", DRAW, {"prompt": "a fox"}, "server", "completed", result)
    assert sightings(reply) == [
        ImageRef(
            ImageKey("server", "0"),
            "reasoning_details",
            (URL,),
            prompt="a fox",
            revised_prompt="a red fox",
            invocation_id="t1",
        )
    ]
    assert raw(reply)[0]["reasoning_details"] == [server_detail(result)]


BLUE = "https://images.openrouter.ai/blue.png"


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        ({"status": "ok", "imageUrl": URL}, [(URL,)]),
        (json.dumps({"status": "ok", "images": [{"imageUrl": URL}, {"url": BLUE}]}), [(URL,), (BLUE,)]),
        (json.dumps({"status": "ok", "imageUrls": [URL, BLUE]}), [(URL,), (BLUE,)]),
        (json.dumps({"data": [{"b64_json": "iVBORw0K", "url": URL}]}), [("iVBORw0K", URL)]),
        (json.dumps([{"type": "image_url", "image_url": {"url": URL}}]), [(URL,)]),
        (json.dumps(URL), [(URL,)]),
        (json.dumps(json.dumps({"imageUrl": URL})), [(URL,)]),
        ([URL], [(URL,)]),
        (URL, [(URL,)]),
    ],
)  # fmt: skip
def test_pictures_of_a_drawing_are_found_in_any_form_of_its_result(
    result: Any, seen: list[tuple[str, ...]]
) -> None:
    """Streamed and buffered alike, and with no failure beside them."""
    message = {"content": "Here.", "reasoning_details": [server_detail(result)]}
    whole = buffered(message, tools=(DRAW,))
    for reply in (whole, streamed(chunk(message, "stop"), tools=(DRAW,))):
        assert [(each.values, each.error) for each in sightings(reply)] == [
            (values, None) for values in seen
        ]
        assert len({each.key for each in sightings(reply)}) == len(seen)
        (call,) = reply.server_calls
        assert (call.arguments, call.status) == ({"prompt": "a fox"}, "completed")
        assert URL in (call.result or "")
    assert raw(whole)[0]["reasoning_details"] == message["reasoning_details"]


def test_arguments_of_a_server_tool_may_come_as_an_object() -> None:
    detail = server_detail(json.dumps({"imageUrl": URL}), arguments={"prompt": "a fox"})
    reply = buffered({"content": "", "reasoning_details": [detail]}, tools=(DRAW,))
    assert reply.server_calls[0].arguments == {"prompt": "a fox"}
    assert sightings(reply)[0].prompt == "a fox"


@pytest.mark.parametrize("at", [1, 20, 45])
def test_a_server_tools_result_that_comes_in_fragments_is_seen_when_it_is_whole(at: int) -> None:
    result = json.dumps({"status": "ok", "imageUrl": URL})
    reply, signals = ChatReply((DRAW,)), list[Signal]()
    fragment = {"type": "reasoning.server_tool_call", "index": 0}
    for detail in (
        server_detail(),
        {**fragment, "result": result[:at]},
        {**fragment, "result": result[at:]},
    ):
        signals += reply.feed(chunk({"reasoning_details": [detail]}))
    signals += reply.feed(chunk({"content": "Done."}, "stop"))
    assert [each.values for each in signals if isinstance(each, ImageRef)] == [(URL,)]
    assert [each.values for each in sightings(reply.reply())] == [(URL,)]
    whole = buffered(
        {"content": "Done.", "reasoning_details": [server_detail(result)]}, tools=(DRAW,)
    )
    assert reply.reply().server_calls == whole.server_calls


def test_a_server_tool_that_failed_is_a_failure_with_its_words() -> None:
    detail = server_detail('{"status":"error","error":"no credits"}')
    reply = buffered({"content": "", "reasoning_details": [detail]})
    assert (reply.server_calls[0].status, reply.server_calls[0].error) == ("failed", "no credits")
    assert sightings(reply)[0].error == "no credits"
    assert sightings(reply)[0].values == ()


def test_several_server_calls_without_ids_are_told_apart() -> None:
    details = [
        {
            "type": "reasoning.server_tool_call",
            "tool_name": DRAW,
            "result": json.dumps({"imageUrl": f"{URL}?{n}"}),
        }
        for n in range(2)
    ]
    reply = buffered({"content": "", "reasoning_details": details})
    assert len({call.id for call in reply.server_calls}) == 2
    assert [each.values[0][-1] for each in sightings(reply)] == ["0", "1"]


def test_server_calls_of_which_only_the_number_is_known() -> None:
    usage = {
        **USAGE,
        "server_tool_use_details": {"tool_calls_requested": 3, "tool_calls_executed": 3},
    }
    reply = buffered({"content": "a"}, usage=usage, tools=("openrouter:datetime",))
    (call,) = reply.server_calls
    assert (call.name, call.count, call.arguments, call.executor) == (
        "openrouter:datetime",
        3,
        None,
        "server",
    )
    assert reply.usage.server_tool_calls == 3
    searched = {**USAGE, "server_tool_use_details": {"web_search_requests": 1}}
    assert (
        buffered({"content": "a"}, usage=searched, tools=(DRAW, "x")).server_calls[0].name
        == "openrouter:web_search"
    )


def test_refusals() -> None:
    assert buffered({"content": None, "refusal": "I will not."}).refusal == "I will not."
    assert (
        streamed(chunk({"refusal": "I will "}), chunk({"refusal": "not."}, "stop")).refusal
        == "I will not."
    )
    assert "content filter" in (buffered({"content": "a"}, finish="content_filter").refusal or "")
    assert buffered({"content": "a", "refusal": None}).refusal is None


MALFORMED = {
    "index": 0,
    "delta": {},
    "finish_reason": "error",
    "native_finish_reason": "MALFORMED_FUNCTION_CALL",
}
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
    choice = {
        "message": {"content": "half"},
        "finish_reason": "error",
        "error": {"code": 502, "message": "broke"},
    }
    assert str(buffered({}, finish="error").error).startswith("the provider broke off")
    reply = ChatReply()
    reply.whole({"choices": [choice]})
    assert (str(reply.reply().error), text(reply.reply())) == ("broke", "half")


@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("arguments", ["", '{"a'])
def test_a_call_that_was_cut_is_marked_whatever_cut_it(finish: str, arguments: str) -> None:
    """A filter stops a reply where it stands, as in Responses: no arguments yet are not no
    arguments.
    """
    function = {"name": "w", "arguments": arguments}
    for reply in (
        streamed(
            chunk({"tool_calls": [{"index": 0, "id": "c1", "function": function}]}),
            chunk({}, finish),
        ),
        buffered(
            {
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            finish=finish,
        ),
    ):
        (call,) = (part for part in reply.parts if isinstance(part, ToolCall))
        assert call.fault is not None


def test_a_call_cut_by_length_is_marked_and_never_echoed_broken() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "w", "arguments": '{"city":"Os'}}
    reply = streamed(chunk({"tool_calls": [call]}), chunk({}, "length"))
    (part,) = reply.parts
    assert isinstance(part, ToolCall)
    assert part.fault is not None
    assert raw(reply)[0]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("finish", "native", "standard"),
    [
        ("MAX_TOKENS", None, "length"),
        ("max_tokens", "max_tokens", "length"),
        ("max_output_tokens", None, "length"),
        ("stop", "MAX_TOKENS", "length"),
        ("SAFETY", None, "content_filter"),
        ("IMAGE_SAFETY", "IMAGE_SAFETY", "content_filter"),
        ("FinishReason.PROHIBITED_CONTENT", None, "content_filter"),
        ("content-filter", None, "content_filter"),
        ("guardrail_intervened", None, "content_filter"),
        ("refusal", "refusal", "content_filter"),
        ("tool_calls", "max_tokens", "tool_calls"),
        ("end_turn", None, "end_turn"),
        ("stop", "STOP", "stop"),
    ],
)
def test_finish_reasons_of_providers_have_their_standard_name(
    finish: str, native: str | None, standard: str
) -> None:
    message = {"content": "half a"}
    last = chunk(message, finish)
    last["choices"][0]["native_finish_reason"] = native
    whole = ChatReply()
    whole.whole({**last, "choices": [{**last["choices"][0], "message": message}]})
    for reply in (streamed(last), whole.reply()):
        assert reply.finish == standard
        words = native or finish
        told = reply.refusal is not None and ("filter" in words or words in reply.refusal)
        assert told == (standard == "content_filter")


@pytest.mark.parametrize("native", ["MALFORMED_FUNCTION_CALL", "unexpected_tool_call"])
def test_a_call_that_went_wrong_at_the_provider_is_no_empty_answer(native: str) -> None:
    last = chunk({"content": ""}, "stop")
    last["choices"][0]["native_finish_reason"] = native
    error = streamed(last).error
    assert isinstance(error, ProviderFailed)
    assert native in str(error)
    assert streamed(chunk({"content": "words"}), last).error is None


@pytest.mark.parametrize("index", [None, 0, "0", 1])
def test_the_one_choice_is_read_whatever_its_index(index: object) -> None:
    parts = [{"index": index, "delta": {"content": each}} for each in ("Hel", "lo")]
    last = {"index": index, "delta": {}, "finish_reason": "stop"}
    stream = streamed(*[{"id": "g", "choices": [each]} for each in (*parts, last)])
    whole = ChatReply()
    message = {"index": index, "message": {"content": "Hello"}, "finish_reason": "stop"}
    whole.whole({"id": "g", "choices": [message]})
    assert (text(stream), text(whole.reply()), stream.finish) == ("Hello", "Hello", "stop")


def test_of_several_choices_the_first_is_read() -> None:
    choices = [{"index": each, "message": {"content": f"{each}"}} for each in (1, 0)]
    whole = ChatReply()
    whole.whole({"id": "g", "choices": choices})
    assert text(whole.reply()) == "0"


@pytest.mark.parametrize("delta", [{}, {"delta": {}}, {"delta": None}])
def test_a_stream_of_one_whole_message_is_read(delta: dict[str, Any]) -> None:
    """Of gateways that only pretend to stream. Behind deltas the message says nothing new."""
    call = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": "Hello", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", **delta}
    last = {"id": "gen-abc", "choices": [choice]}
    for reply in (streamed(last), streamed(chunk(message), last)):
        assert reply.parts == (Text("Hello"), ToolCall("c1", "w", '{"a":1}'))


@pytest.mark.parametrize(
    "content",
    [["Hel", "lo"], ["Hel", {"type": "text", "text": "lo"}], {"type": "text", "text": "Hello"}],
)
def test_words_in_a_content_of_any_form_are_read(content: Any) -> None:
    for reply in (buffered({"content": content}), streamed(chunk({"content": content}, "stop"))):
        assert text(reply) == "Hello"
        assert raw(reply)[0]["content"] == "Hello"


def test_reasoning_in_both_fields_is_read_once_and_goes_back_in_both() -> None:
    """Gateways give both; DeepSeek's own API asks for `reasoning_content`."""
    call = {"index": 0, "id": "c1", "function": {"name": "w", "arguments": "{}"}}
    thoughts = [{"reasoning": each, "reasoning_content": each} for each in ("I see", " it.")]
    stream = streamed(*map(chunk, thoughts), chunk({"tool_calls": [call]}, "tool_calls"))
    both = {"reasoning": "I see it.", "reasoning_content": "I see it."}
    for reply in (stream, buffered({"content": None, "tool_calls": [call], **both})):
        assert reply.parts[0] == Reasoning("I see it.")
        assert raw(reply)[0].items() >= both.items()
    assert "reasoning_content" not in raw(buffered({"tool_calls": [call], "reasoning": "a"}))[0]


def test_calls_are_calls_whatever_the_finish_says() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "w", "arguments": "{}"}}
    for finish in ("stop", "tool_calls", "length", "brand_new"):
        (part,) = streamed(chunk({"tool_calls": [call]}, finish)).parts
        assert isinstance(part, ToolCall)
        assert part.fault is None


def test_a_stream_that_was_cut_is_not_finished_and_keeps_what_came() -> None:
    reply = ChatReply()
    reply.feed(chunk({"content": "Once"}))
    reply.feed(
        chunk(
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "w", "arguments": '{"a'}}]}
        )
    )
    assert not reply.finished
    assert text(reply.reply()) == "Once"
    assert [
        part.fault is not None for part in reply.reply().parts if isinstance(part, ToolCall)
    ] == [True]


@given(halves)
def test_surrogates_split_over_chunks_are_joined_and_halves_replaced(pieces: list[str]) -> None:
    events = [
        read_object(json.dumps(chunk({"content": piece, "reasoning": piece})).encode())
        for piece in pieces
    ]
    reply = ChatReply()
    signals: list[Signal] = []
    for event in events:
        signals += reply.feed(event)
    result = reply.reply()
    assert text(result) == mended("".join(pieces))
    "".join(each.text for each in signals if isinstance(each, Words)).encode()
    assert result.raw[0].decode()
    assert text(buffered({"content": "".join(pieces)})) == mended("".join(pieces))
