"""Requests in both dialects: what is said, called, returned and drawn is all in them, however the
conversation came about.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.run.history import History, MessageView
from agentkit.run.planner import plan
from agentkit.settings import ModelSettings
from agentkit.values import (
    Api,
    BlobRef,
    Image,
    ImageFailure,
    Message,
    Pieces,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from agentkit.wire import encode
from agentkit.wire.body import Encoded, cut, joined
from agentkit.wire.types import FunctionSpec, OutputSchema, Request

APIS: tuple[Api, ...] = ("chat", "responses")
both = pytest.mark.parametrize("api", APIS)
SPEC = FunctionSpec("weather", "The weather.", {"type": "object", "properties": {}})
DRAW = {"type": "openrouter:image_generation"}


def picture(letter: str, name: str = "") -> Image:
    return Image(
        letter * 64,
        "image/png",
        3,
        name=name or f"img_{ord(letter) - 96}",
        sources=(Source("images"),),
    )


def joined_bytes(pieces: Pieces) -> bytes:
    """The body as it is sent; the bytes of a picture are the first letter of its digest, thrice."""
    sent = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            sent += piece
        else:
            head = f"data:{piece.media_type};base64," if piece.form == "data_url" else ""
            sent += head.encode() + base64.b64encode(piece.sha256[:3].encode())
    return sent


def url(letter: str) -> str:
    return f"data:image/png;base64,{base64.b64encode((letter * 3).encode()).decode()}"


def body(api: Api, request: Request, encoded: Encoded | None = None) -> Any:
    return json.loads(joined_bytes(encode(api, request, encoded or Encoded())[1]))


def request(*messages: Message, **more: Any) -> Request:
    return Request("a/b", messages or (Message("user", (Text("hi"),)),), **more)


def planned(api: Api, *messages: Message, **more: Any) -> Request:
    """The request for a conversation whose last message is its prompt's, as an agent makes it."""
    images = [image for message in messages for image in message.images]
    policy = more.pop("policy", History(images=None))
    sent = plan(
        messages, len(messages) - 1, policy, api=api, images=images, sees=more.pop("sees", True)
    )
    return request(*sent.messages, shown=sent.shown, **more)


def user(*parts: Any) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def test_the_paths() -> None:
    assert [encode(api, request(), Encoded())[0] for api in APIS] == [
        "/chat/completions",
        "/responses",
    ]


def test_users_words_and_pictures_in_order() -> None:
    message = user("Mix ", picture("a"), " and ", picture("b"))
    assert body("chat", request(message))["messages"] == [
        {"role": "user", "content": [
            {"type": "text", "text": "Mix "}, {"type": "image_url", "image_url": {"url": url("a")}},
            {"type": "text", "text": " and "}, {"type": "image_url", "image_url": {"url": url("b")}},
        ]}
    ]  # fmt: skip
    assert body("responses", request(message))["input"] == [
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Mix "}, {"type": "input_image", "detail": "auto", "image_url": url("a")},
            {"type": "input_text", "text": " and "}, {"type": "input_image", "detail": "auto", "image_url": url("b")},
        ]}
    ]  # fmt: skip


def test_words_alone_are_a_plain_string_in_chat() -> None:
    assert body("chat", request())["messages"] == [{"role": "user", "content": "hi"}]


def test_instructions() -> None:
    asked = request(instructions="Be brief.")
    assert body("chat", asked)["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body("responses", asked)["instructions"] == "Be brief."
    assert "instructions" not in body("responses", request())
    assert body("chat", request())["messages"][0]["role"] == "user"


def test_tool_results_with_pictures() -> None:
    calls = Message("assistant", (ToolCall("c1", "chart", "{}"), ToolCall("c2", "weather", "{}")))
    results = Message("tool", (
        ToolResult("c1", "chart", (Text("drawn"), picture("a"))), ToolResult("c2", "weather", (Text("rain"),), error=True),
    ))  # fmt: skip
    chat = body("chat", request(user("x"), calls, results))["messages"][2:]
    assert chat[:2] == [
        {"role": "tool", "tool_call_id": "c1", "content": "drawn"},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
    ]
    assert chat[2]["role"] == "user"
    assert "chart" in chat[2]["content"][0]["text"]
    assert "img_1" in chat[2]["content"][0]["text"]
    assert chat[2]["content"][1] == {"type": "image_url", "image_url": {"url": url("a")}}
    assert body("responses", request(user("x"), calls, results))["input"][3:] == [
        {"type": "function_call_output", "call_id": "c1", "output": [
            {"type": "input_text", "text": "drawn"}, {"type": "input_image", "detail": "auto", "image_url": url("a")}]},
        {"type": "function_call_output", "call_id": "c2", "output": "rain"},
    ]  # fmt: skip


@both
def test_notes_stand_beside_their_message(api: Api) -> None:
    results = Message(
        "tool",
        (
            ToolResult("c1", "chart", (Text("drawn"), picture("a"))),
            ToolResult("c2", "w", (Text("x"),)),
        ),
    )
    calls = Message("assistant", (ToolCall("c1", "chart", "{}"), ToolCall("c2", "w", "{}")))
    sent = body(
        api,
        request(
            user("x"),
            calls,
            results,
            user("y"),
            shown={0: MessageView("[note 0]"), 2: MessageView("[note 2]")},
        ),
    )
    items = [json.dumps(item) for item in sent["messages" if api == "chat" else "input"]]
    assert "[note 0]" in items[0]
    assert sum("[note 2]" in item for item in items) == 1
    assert "[note 2]" in items[-2]


@both
def test_raw_items_of_the_same_dialect_are_echoed_byte_for_byte(api: Api) -> None:
    item = b'{"type": "new",  "encrypted_content":"\\u00e9x", "image":"'
    raw: tuple[Pieces, ...] = ((item, BlobRef("a" * 64, "image/png"), b'"}'), (b'{"second":1}',))
    message = Message("assistant", (Text("said"),), raw, api)
    sent = joined_bytes(encode(api, request(user("x"), message, user("y")), Encoded())[1])
    assert item + url("a").encode() + b'"},{"second":1}' in sent
    assert b"said" not in sent


@both
def test_messages_of_the_other_dialect_are_written_anew_from_their_parts(api: Api) -> None:
    other: Api = "responses" if api == "chat" else "chat"
    parts = (
        Reasoning("hidden"),
        Text("One "),
        picture("a"),
        Text("two"),
        ToolCall("c1", "weather", '{"city":"Oslo"}'),
    )
    message = Message("assistant", parts, ((b'{"foreign":1}',),), other)
    sent = body(
        api,
        planned(
            api,
            user("x"),
            message,
            Message("tool", (ToolResult("c1", "weather", (Text("rain"),)),)),
        ),
    )
    if api == "chat":
        assert sent["messages"][1] == {
            "role": "assistant", "content": "One two",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}],
        }  # fmt: skip
        assert sent["messages"][3]["content"] == [
            {"type": "text", "text": '[picture img_1 (for "x"):]'}, {"type": "image_url", "image_url": {"url": url("a")}},
        ]  # fmt: skip
    else:
        said, call, result, drawn = sent["input"][1:]
        assert said == {"type": "message", "role": "assistant", "content": "One two"}
        assert (result["type"], result["output"]) == ("function_call_output", "rain")
        assert drawn["content"] == [
            {"type": "input_text", "text": '[picture img_1 (for "x"):]'},
            {"type": "input_image", "detail": "auto", "image_url": url("a")},
        ]
        assert (call["call_id"], call["name"], call["arguments"]) == (
            "c1",
            "weather",
            '{"city":"Oslo"}',
        )


@both
def test_a_model_that_sees_nothing_gets_lines(api: Api) -> None:
    results = Message("tool", (ToolResult("c1", "chart", (Text("drawn: img_2"), picture("b"))),))
    calls = Message("assistant", (ToolCall("c1", "chart", "{}"),))
    asked = planned(api, user("Look", picture("a")), calls, results, user("And img_1?"), sees=False)
    sent = json.dumps(body(api, asked))
    assert "data:image" not in sent
    assert sent.count("cannot see") == 1
    assert "[img_1]" in sent
    assert "drawn: img_2" in sent


@both
def test_broken_arguments_are_never_sent(api: Api) -> None:
    calls = tuple(
        ToolCall(f"c{n}", "w", text)
        for n, text in enumerate(['{"a', "", '"{\\"a\\":1}"', '{"a":NaN}'])
    )
    sent = body(api, request(user("x"), Message("assistant", calls)))
    written = (
        [call["function"]["arguments"] for call in sent["messages"][1]["tool_calls"]]
        if api == "chat"
        else [item["arguments"] for item in sent["input"][1:]]
    )
    assert [json.loads(text) for text in written] == [{}, {}, {"a": 1}, {"a": None}]


CHOICES: list[tuple[str, Any, Any]] = [
    ("auto", "auto", "auto"), ("none", "none", "none"), ("required", "required", "required"),
    ("weather", {"type": "function", "function": {"name": "weather"}}, {"type": "function", "name": "weather"}),
    ("openrouter:image_generation", DRAW, "required"),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "chat", "responses"), CHOICES)
def test_tool_choice(choice: str, chat: Any, responses: Any) -> None:
    asked = request(tool_choice=choice, functions=(SPEC,), server_tools=(DRAW,))
    assert body("chat", asked)["tool_choice"] == chat
    assert body("responses", asked)["tool_choice"] == responses


@both
def test_without_tools_there_is_nothing_to_choose(api: Api) -> None:
    assert (
        not {"tool_choice", "tools", "stop_server_tools_when"}
        & body(api, request(tool_choice="required")).keys()
    )


def test_tools_of_both_kinds() -> None:
    asked = request(functions=(replace(SPEC, strict=True),), server_tools=(DRAW,))
    assert body("chat", asked)["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather.",
                "parameters": SPEC.schema,
                "strict": True,
            },
        },
        DRAW,
    ]
    assert body("responses", asked)["tools"] == [
        {"type": "function", "name": "weather", "description": "The weather.", "parameters": SPEC.schema, "strict": True}, DRAW,
    ]  # fmt: skip


@both
def test_the_closing_turn_has_no_tool_that_can_be_called(api: Api) -> None:
    sent = body(
        api,
        request(
            functions=(SPEC,),
            server_tools=(DRAW,),
            tool_choice="required",
            closing=True,
            cost_left=1.0,
        ),
    )
    assert sent["tool_choice"] == "none"
    assert [tool["type"] for tool in sent["tools"]] == ["function"]
    assert "stop_server_tools_when" not in sent
    assert (
        not {"tools", "tool_choice"} & body(api, request(server_tools=(DRAW,), closing=True)).keys()
    )


def test_the_schema_of_the_output() -> None:
    asked = request(output=OutputSchema("Fox", {"type": "object"}))
    assert body("chat", asked)["response_format"] == {
        "type": "json_schema", "json_schema": {"name": "Fox", "strict": True, "schema": {"type": "object"}},
    }  # fmt: skip
    assert body("responses", asked)["text"] == {
        "format": {
            "type": "json_schema",
            "name": "Fox",
            "strict": True,
            "schema": {"type": "object"},
        }
    }


@both
def test_limits_are_told_while_server_tools_run(api: Api) -> None:
    sent = body(api, request(server_tools=(DRAW,), server_calls_left=3, cost_left=0.5))
    assert sent["stop_server_tools_when"] == [
        {"type": "step_count_is", "step_count": 3}, {"type": "max_cost", "max_cost_in_dollars": 0.5},
    ]  # fmt: skip
    assert (
        body(api, request(server_tools=(DRAW,), server_calls_left=0))["stop_server_tools_when"][0][
            "step_count"
        ]
        == 1
    )
    assert "stop_server_tools_when" not in body(
        api, request(functions=(SPEC,), server_calls_left=3)
    )


def test_the_lower_of_the_token_limits_is_sent() -> None:
    for settings, left, sent in (
        (100, 50, 50),
        (50, 100, 50),
        (None, 7, 7),
        (7, None, 7),
        (None, None, None),
    ):
        asked = request(settings=ModelSettings(max_tokens=settings), output_tokens_left=left)
        assert body("chat", asked).get("max_tokens") == sent
        assert body("responses", asked).get("max_output_tokens") == sent


SETTINGS = ModelSettings(
    temperature=0.0, top_p=0.5, provider={"order": ["x"]}, models=("c/d",), plugins=({"id": "web"},), preset="mine",
    modalities=("image", "text"), image_config={"aspect_ratio": "1:1"}, session_id="mine", parallel_tool_calls=False,
    reasoning="high", seed=7, stop=("END",), extra={"top_k": 5, "stream": False}, service_tier="ultrafast",
    cache_control="1h", prompt_cache_key="k", user="u-1", trace={"trace_id": "t"}, metadata={"a": "b"}, top_k=9,
    frequency_penalty=-0.5, presence_penalty=1, deferred_tools={"protocol": "v1"},
)  # fmt: skip


@both
def test_settings_by_their_names(api: Api) -> None:
    sent = body(api, request(settings=SETTINGS, session_id="other", functions=(SPEC,), stream=True))
    expected = {
        "model": "a/b", "temperature": 0.0, "top_p": 0.5, "provider": {"order": ["x"]}, "models": ["c/d"],
        "plugins": [{"id": "web"}], "preset": "@preset/mine", "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "1:1"}, "session_id": "mine", "parallel_tool_calls": False,
        "reasoning": {"effort": "high"}, "top_k": 5, "stream": False, "stop": ["END"], "service_tier": "ultrafast",
        "cache_control": {"type": "ephemeral", "ttl": "1h"}, "prompt_cache_key": "k", "user": "u-1",
        "trace": {"trace_id": "t"}, "metadata": {"a": "b"}, "frequency_penalty": -0.5, "presence_penalty": 1,
        "deferred_tools": {"protocol": "v1"},
    }  # fmt: skip
    assert {name: sent[name] for name in expected} == expected
    assert ("seed" in sent) == (api == "chat")


@both
def test_further_keys_of_a_tool(api: Api) -> None:
    spec = replace(SPEC, defer_loading=True, extra={"async": True, "type": "function"})
    (sent,) = body(api, request(functions=(spec,)))["tools"]
    assert (sent["defer_loading"], sent["async"], sent["type"]) == (True, True, "function")
    (plain,) = body(api, request(functions=(SPEC,)))["tools"]
    assert {"defer_loading", "async"}.isdisjoint(plain)


@both
def test_server_tools_as_each_api_takes_them(api: Api) -> None:
    tools = (
        {"type": "openrouter:shell"}, {"type": "openrouter:advisor", "parameters": {"model": "a/b"}},
        {"type": "web_search", "max_results": 3}, {"type": "mcp", "server_label": "x"},
    )  # fmt: skip
    mcp = tools[3] if api == "responses" else {"type": "mcp", "parameters": {"server_label": "x"}}
    assert body(api, request(server_tools=tools))["tools"] == [*tools[:3], mcp]


@both
def test_what_is_not_set_is_not_sent(api: Api) -> None:
    sent = body(api, request())
    assert sent.keys() - {"include"} == {"model", "messages" if api == "chat" else "input"}
    assert body(api, request(settings=ModelSettings(reasoning={"max_tokens": 5})))["reasoning"] == {
        "max_tokens": 5
    }


def test_responses_keeps_no_state_there() -> None:
    sent = body("responses", request())
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert not {"store", "previous_response_id"} & sent.keys()


@both
def test_what_was_encoded_once_is_the_same_bytes_later(api: Api) -> None:
    encoded = Encoded()
    history = (user("Draw", picture("a")), Message("assistant", (Text("Here"), picture("b"))))
    first = encode(api, request(*history, shown={0: MessageView("[n]")}), encoded)[1]
    kept = dict(encoded.items)
    longer = encode(api, request(*history, user("More"), shown={0: MessageView("[n]")}), encoded)[1]
    before, after = joined_bytes(first), joined_bytes(longer)
    assert after.startswith(before[: -len(b"]}")])
    assert all(encoded.items[key][2] is items for key, (_, _, items) in kept.items())
    assert (
        joined_bytes(encode(api, request(*history, shown={0: MessageView("[n]")}), Encoded())[1])
        == before
    )


@both
def test_a_note_that_changes_is_not_taken_from_what_was_kept(api: Api) -> None:
    encoded, message = Encoded(), user("x")
    sent = [
        json.dumps(body(api, request(message, shown=shown), encoded))
        for shown in ({}, {0: MessageView("[one]")}, {0: MessageView("[two]")})
    ]
    assert [("[one]" in each, "[two]" in each) for each in sent] == [
        (False, False),
        (True, False),
        (False, True),
    ]


@both
def test_equal_messages_of_two_turns_are_both_sent(api: Api) -> None:
    sent = body(api, request(user("again"), Message("assistant", (Text("ok"),)), user("again")))
    assert json.dumps(sent).count("again") == 2


@pytest.mark.parametrize(
    "words", ["\ufdd1blob:0", '"\ufdd1blob:0"', 'say "\ufdd10000000000000000:0"', '\\"', "\u2028x"]
)
@both
def test_words_cannot_pass_for_a_picture(api: Api, words: str) -> None:
    sent = json.dumps(body(api, request(user(words, picture("a")))), ensure_ascii=False)
    assert json.dumps(words, ensure_ascii=False) in sent
    assert sent.count("data:image/png") == 1


def test_references_are_cut_out_at_any_depth_of_quotes() -> None:
    refs = {
        b"ref:1": BlobRef("a" * 64, "image/png"),
        b"ref:11": BlobRef("b" * 64, "image/png", "base64"),
    }
    inner = json.dumps({"image": "ref:11"})
    data = json.dumps({"a": "ref:1", "b": "see ref:1", "c": inner, "d": "ref:11"}).encode()
    assert json.loads(joined_bytes(cut(data, refs))) == {
        "a": url("a"), "b": "see ref:1", "c": json.dumps({"image": "YmJi"}), "d": "YmJi",
    }  # fmt: skip
    assert cut(data, {}) == (data,)


def test_neighbouring_bytes_are_joined() -> None:
    ref = BlobRef("a" * 64, "image/png")
    assert joined([(b"a", b"b"), (b"c", ref), (b"",), (b"d",)]) == (b"abc", ref, b"d")


said = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", "\ufdd1blob:0", '{"a":1}', "\ud83d", "é😀"]
)
drawn = st.sampled_from("abcd").map(picture)
call_ids = st.sampled_from(["c1", "c2", "call_é"])
arguments = st.dictionaries(
    st.sampled_from("xyz"), st.integers() | st.sampled_from(["é", "q"]), max_size=2
).map(json.dumps)
assistants = st.lists(
    st.one_of(
        st.builds(Text, said), drawn, st.builds(Reasoning, said), st.builds(ToolCall, call_ids, st.just("w"), arguments),
        st.just(ImageFailure(Source("images"), None, "gone")),
    ), max_size=5,
).map(lambda parts: Message("assistant", tuple(parts)))  # fmt: skip
assistants = assistants.filter(
    lambda said: len({call.id for call in said.calls}) == len(said.calls)
)
results = st.builds(
    ToolResult,
    call_ids,
    st.just("w"),
    st.lists(st.builds(Text, said) | drawn, max_size=3).map(tuple),
)
tools = st.lists(results, min_size=1, max_size=3).map(lambda parts: Message("tool", tuple(parts)))
users = st.lists(st.builds(Text, said) | drawn, max_size=4).map(
    lambda parts: Message("user", tuple(parts))
)
histories = st.lists(users | assistants | tools, min_size=1, max_size=5)


def mended(words: str) -> str:
    return words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def strings(value: Any) -> list[str]:
    """Every string in a JSON value, in order."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in strings(each)]


def paired(api: Api, items: list[dict[str, Any]], messages: list[Message]) -> None:
    """Each call has an id of its own that providers take, and each result that of its call."""
    if api == "chat":
        calls = [call["id"] for item in items for call in item.get("tool_calls", ())]
    else:
        calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    kinds = {"function_call_output"} if api == "responses" else {"tool"}
    name = "tool_call_id" if api == "chat" else "call_id"
    answers = [item[name] for item in items if item.get("type", item.get("role")) in kinds]
    assert len(set(calls)) == len(calls) == sum(len(message.calls) for message in messages)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,40}", each) for each in calls)
    left, results = iter(calls), iter(answers)
    sent: dict[str, str] = {}
    for message in messages:
        if message.role == "assistant":
            sent = {call.id: next(left) for call in message.calls}
        for part in message.parts:
            if isinstance(part, ToolResult):
                assert next(results) == sent.get(part.call_id, part.call_id)


@given(st.sampled_from(APIS), st.sampled_from([None, *APIS]), histories)
def test_any_conversation_written_anew_keeps_everything(
    api: Api, came: Api | None, history: list[Message]
) -> None:
    foreign = None if came == api else came
    messages = [replace(message, api=foreign) for message in history]
    sent = body(api, planned(api, *messages, user("x")))
    items = sent["messages" if api == "chat" else "input"]
    everything = strings(items)
    whole = "".join(everything)
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text):
                assert mended(part.text) in whole or not part.text.strip()
            elif isinstance(part, Image):
                assert url(part.sha256[0]) in everything
            elif isinstance(part, ToolCall):
                assert part.arguments in everything
            elif isinstance(part, ToolResult):
                assert mended(part.text) in whole or all(
                    mended(each.text) in whole or not each.text.strip()
                    for each in part.parts
                    if isinstance(each, Text)
                )
    paired(api, items, messages)
    pictures = {image.sha256 for message in messages for image in message.images}
    assert sum(text.startswith("data:image/png;base64,") for text in everything) == len(pictures)


@both
def test_a_long_conversation_is_joined_from_what_was_joined_before(api: Api) -> None:
    """Its bytes are those that are encoded anew; what lies far back is asked for once."""
    history: list[Message] = []
    encoded = Encoded()
    for turn in range(150):
        history += (
            user(f"Draw {turn}"),
            Message("assistant", (Text("Here"), picture(chr(97 + turn % 26)))),
        )
        sent = request(*history, user("And now?"), shown={2 * turn: MessageView("[n]")})
        anew = joined_bytes(encode(api, sent, Encoded())[1])
        assert joined_bytes(encode(api, sent, encoded)[1]) == anew
    assert len(encoded.chunks) == 1
    assert len(encoded.items) < 400
    other = encoded.copy()
    assert other.chunks is encoded.chunks
    shorter = request(*history[:70], user("Back"))
    assert joined_bytes(encode(api, shorter, other)[1]) == joined_bytes(
        encode(api, shorter, Encoded())[1]
    )
    changed = request(*history, user("Now"), shown={3: MessageView("[other]")})
    assert joined_bytes(encode(api, changed, encoded)[1]) == joined_bytes(
        encode(api, changed, Encoded())[1]
    )
