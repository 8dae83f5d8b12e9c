"""What OpenRouter turns down, the emulator turns down, in OpenRouter's form and before anything is
billed.
"""

import json

import pytest

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
FLAT = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "hi"}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    ],
}
PICTURE = {
    "role": "user",
    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
}

CHAT = [
    ("unknown model", {"model": "nobody/nothing"}, 400, "nobody/nothing is not a valid model ID"),
    ("model of the wrong type", {"model": 7}, 400, "model"),
    ("image model", {"model": "recraft/recraft-v4-vector"}, 400, "not a valid model ID"),
    ("unknown fallback", {"models": ["nobody/nothing"]}, 400, "not a valid model ID"),
    ("too many models", {"models": ["openai/gpt-5.2"] * 4}, 400, "3 items or fewer"),
    ("no messages", {"messages": []}, 400, "messages"),
    ("messages of the wrong type", {"messages": "hi"}, 400, "messages"),
    ("unknown role", {"messages": [{"role": "robot", "content": "hi"}]}, 400, "messages.0"),
    (
        "unknown part",
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        400,
        "messages.0",
    ),
    ("long session id", {"session_id": "x" * 257}, 400, "256"),
    ("long function name", {"tools": [{**TOOL, "function": {"name": "x" * 65}}]}, 400, "64"),
    ("bad function name", {"tools": [{**TOOL, "function": {"name": "a b"}}]}, 400, "a b"),
    ("flat tool", {"tools": [FLAT]}, 400, "function"),
    ("unknown tool type", {"tools": [{"type": "openrouter:teleport"}]}, 400, "openrouter:teleport"),
    ("plain image tool", {"tools": [{"type": "image_generation"}]}, 400, "image_generation"),
    (
        "flat tool choice",
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}},
        400,
        "tool_choice",
    ),
    (
        "choice of a missing tool",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        400,
        None,
    ),
    (
        "choice of a missing server tool",
        {"tools": [TOOL], "tool_choice": {"type": "openrouter:web_search"}},
        400,
        None,
    ),
    ("choice without tools", {"tool_choice": "required"}, 400, None),
    ("unknown choice", {"tools": [TOOL], "tool_choice": "maybe"}, 400, "tool_choice"),
    (
        "missing modality",
        {"modalities": ["image", "text"]},
        404,
        "No endpoints found that support the requested output modalities: image, text",
    ),
    ("unknown modality", {"modalities": ["smell"]}, 400, "modalities"),
    (
        "picture for a blind model",
        {"model": "openai/gpt-oss-20b", "messages": [PICTURE]},
        404,
        "image input",
    ),
    (
        "tools for a model without",
        {"model": "google/gemini-2.5-flash-image", "tools": [TOOL]},
        404,
        "support tool use",
    ),
    (
        "orphaned result",
        {"messages": [USER, {"role": "tool", "tool_call_id": "call_9", "content": "x"}]},
        400,
        None,
    ),
    ("call without result", {"messages": [USER, CALLING, USER]}, 400, None),
    ("call without result at the end", {"messages": [USER, CALLING]}, 400, None),
    ("too much metadata", {"metadata": {str(n): "x" for n in range(17)}}, 400, "16"),
    ("temperature", {"temperature": 3}, 400, None),
    ("stop conditions", {"stop_server_tools_when": []}, 400, "stop_server_tools_when"),
]


@pytest.mark.parametrize(
    ("fields", "status", "words"), [case[1:] for case in CHAT], ids=[case[0] for case in CHAT]
)
def test_chat_turns_down(wire, fields, status: int, words: str | None) -> None:
    found, error = wire.error(
        "/chat/completions", {"model": "openai/gpt-5.2", "messages": [USER], **fields}
    )
    assert found == status
    assert (words or "") in error["message"]
    assert wire.emulator.ledger == []


def test_the_provider_is_quoted(wire) -> None:
    _, error = wire.error("/chat/completions", {"messages": [USER, CALLING]})
    assert error["message"] == "Provider returned error"
    assert error["metadata"]["provider_name"] == "OpenAI"
    assert "call_1" in json.loads(error["metadata"]["raw"])["error"]["message"]


CALL_ITEM = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT_ITEM = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
RESPONSES = [
    ("stored", {"store": True}, "store"),
    ("previous response", {"previous_response_id": "resp_1"}, "previous_response_id"),
    ("in the background", {"background": True}, "background"),
    ("no input", {"input": []}, "input"),
    ("orphaned output", {"input": [USER, OUTPUT_ITEM]}, None),
    ("call without output", {"input": [USER, CALL_ITEM]}, None),
    ("reasoning alone", {"input": [USER, THOUGHT]}, None),
    ("reasoning before a user", {"input": [USER, THOUGHT, USER]}, None),
    ("unknown item", {"input": [{"type": "hologram"}]}, "hologram"),
    ("item without a type", {"input": [{"text": "x"}]}, "input.0"),
    ("item reference", {"input": [{"type": "item_reference", "id": "rs_1"}]}, "rs_1"),
    ("nested tool", {"tools": [TOOL]}, "tools"),
    (
        "nested tool choice",
        {"tools": [FLAT], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        "tool_choice",
    ),
    (
        "server tool choice",
        {
            "tools": [{"type": "openrouter:image_generation"}],
            "tool_choice": {"type": "openrouter:image_generation"},
        },
        "tool_choice",
    ),
]


@pytest.mark.parametrize(
    ("fields", "words"), [case[1:] for case in RESPONSES], ids=[case[0] for case in RESPONSES]
)
def test_responses_turns_down(wire, fields, words: str | None) -> None:
    status, error = wire.error("/responses", {"model": "openai/gpt-5.2", "input": "hi", **fields})
    assert status == 400
    assert (words or "") in error["message"]
    assert wire.emulator.ledger == []


def test_what_belongs_together_is_accepted(wire) -> None:
    items = [USER, THOUGHT, CALL_ITEM, OUTPUT_ITEM]
    assert wire.responses(items, tools=[FLAT])["status"] == "completed"
    messages = [USER, CALLING, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    assert wire.text(messages, tools=[TOOL])


IMAGE_TOOL = [
    {"background": "transparent", "output_format": "jpeg"},
    {"output_compression": 101},
    {"quality": "superb"},
    {"size": "huge"},
    {"size": 1024},
    {"aspect_ratio": "wide"},
    {"model": "openai/gpt-5.2"},
]


@pytest.mark.parametrize("parameters", IMAGE_TOOL, ids=str)
def test_bad_parameters_of_the_image_tool(wire, parameters) -> None:
    tools = [{"type": "openrouter:image_generation", "parameters": parameters}]
    assert wire.error("/chat/completions", {"messages": [USER], "tools": tools})[0] == 400
    assert wire.error("/responses", {"input": "draw a fox", "tools": tools})[0] == 400


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc"])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/images"])
def test_without_a_key_nothing_is_done(wire, path: str, header: str | None) -> None:
    wire.http.headers.pop("authorization")
    if header is not None:
        wire.http.headers["authorization"] = header
    assert wire.error(path, {"messages": [USER]}) == (
        401,
        {"message": "No auth credentials found", "code": 401},
    )


def test_unknown_paths_and_methods(wire) -> None:
    assert wire.get("/teapot").json() == {"error": {"message": "Not Found", "code": 404}}
    answer = wire.get("/chat/completions")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, 405)
    assert answer.headers["allow"] == "POST"


def test_models_out_of_service(wire_to) -> None:
    from agentkit.emulator import Emulator

    with Emulator(unavailable=["openai/gpt-5.2"]) as emulator:
        wire = wire_to(emulator)
        status, error = wire.error(
            "/chat/completions", {"model": "openai/gpt-5.2", "messages": [USER]}
        )
        assert status == 503
        assert error["availability"]["requested_models"] == ["openai/gpt-5.2"]
        found = wire.chat("hi", models=["anthropic/claude-sonnet-4.6"])
        assert found["model"] == emulator.ledger[0].model == "anthropic/claude-sonnet-4.6"


@pytest.mark.parametrize(
    "model",
    ["@preset/mine", "openai/gpt-5.2@preset/mine", "openai/gpt-5.2:nitro", None, "openrouter/auto"],
)
def test_other_names_of_a_model(wire, model: str | None) -> None:
    assert wire.chat("hi", model=model)["model"] == "openai/gpt-5.2"
