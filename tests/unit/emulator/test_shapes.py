"""What is sent fits OpenRouter's spec, says the same in all four ways, and comes in the recorded
order.
"""

import json

import pytest

from agentkit.emulator import CallTool, Draw, Reply, Say, Think

CITED = ({"url": "https://example.com/a", "title": "A", "start_index": 0, "end_index": 3},)
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def scenario(png: bytes) -> Reply:
    return Reply(
        [
            Think("I should look.", signature="sig"),
            Say("Here you are, in naïve 日本 🦊 words.", CITED),
            Draw("a fox", data=png),
            CallTool("weather", {"city": "Oslo"}, id="call_1"),
            CallTool("weather", {"city": "Bergen"}, id="call_2"),
        ],
        chunk=5,
    )


def plain_items(output: list[dict]) -> list[dict]:
    """The spec's base schema knows no server tool items, although its union of items does."""
    return [item for item in output if not item["type"].startswith("openrouter:")]


def test_chat_results_fit_the_spec(wire, spec, png) -> None:
    wire.emulator.play(scenario(png))
    result = wire.chat("hello")
    spec("ChatResult", result)
    assert result["choices"][0]["finish_reason"] == "tool_calls"


def test_chat_chunks_fit_the_spec_and_end_twice(wire, spec, png) -> None:
    wire.emulator.play(scenario(png))
    chunks = wire.chat("hello", stream=True)
    for chunk in chunks:
        spec("ChatStreamChunk", chunk)
    finishing = [chunk for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert len(finishing) == 2
    assert "usage" not in finishing[0]
    assert finishing[1]["usage"]["cost"] > 0


def test_responses_fit_the_spec(wire, spec, png) -> None:
    wire.emulator.play(scenario(png))
    result = wire.responses("hello")
    for item in result["output"]:
        spec("OutputItems", item)
    spec("OpenResponsesResult", {**result, "output": plain_items(result["output"])})
    assert result["status"] == "completed"


def test_responses_events_fit_the_spec_in_unbroken_sequence(wire, spec, png) -> None:
    wire.emulator.play(scenario(png))
    events = wire.responses("hello", stream=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        if event.get("item", {}).get("type", "").startswith("openrouter:"):
            spec("OutputItems", event["item"])
            continue
        if event.get("part", {}).get("type") == "reasoning_text":
            continue  # recorded traffic sends these, the spec has no form for them
        if "response" in event:
            response = {**event["response"], "output": plain_items(event["response"]["output"])}
            spec("StreamEvents", {**event, "response": response})
            continue
        spec("StreamEvents", event)


def test_the_same_reply_says_the_same_in_four_ways(wire, fold, png) -> None:
    wire.emulator.play([scenario(png)] * 4)
    message = wire.message("hello")
    streamed = fold(wire.chat("hello", stream=True))
    output = wire.responses("hello")["output"]
    completed = wire.responses("hello", stream=True)[-1]["response"]["output"]

    said = "Here you are, in naïve 日本 🦊 words."
    assert message["content"].startswith(said)
    assert streamed["content"].startswith(said)
    for items in (output, completed):
        text = next(item for item in items if item["type"] == "message")["content"][0]
        assert text["text"] == said
        assert text["annotations"][0]["url"] == "https://example.com/a"
    assert message["annotations"][0]["url_citation"]["title"] == "A"

    wanted = [
        ("call_1", "weather", '{"city": "Oslo"}'),
        ("call_2", "weather", '{"city": "Bergen"}'),
    ]
    assert [
        (c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]
    ] == wanted
    assert [(c["id"], c["name"], c["arguments"]) for c in streamed["tool_calls"].values()] == wanted
    for items in (output, completed):
        calls = [item for item in items if item["type"] == "function_call"]
        assert [(c["call_id"], c["name"], c["arguments"]) for c in calls] == wanted

    assert message["reasoning"] == streamed["reasoning"] == "I should look."
    assert (
        message["reasoning_details"][0]["signature"]
        == streamed["reasoning_details"][0]["signature"]
        == "sig"
    )
    assert output[0]["content"][0]["text"] == completed[0]["content"][0]["text"] == "I should look."


def test_usage_is_the_same_in_four_ways(wire, png) -> None:
    wire.emulator.play(
        [
            Reply(
                [Say("Twelve chars"), Draw("a fox", data=png, places=("server_tool_call",))],
                chunk=5,
            )
        ]
        * 4
    )
    wire.chat("hello")
    wire.chat("hello", stream=True)
    wire.responses("hello")
    wire.responses("hello", stream=True)
    assert len({(charge.cost_usd, charge.images) for charge in wire.emulator.ledger}) == 1


def test_images_in_responses_streams_come_in_the_recorded_order(wire, png) -> None:
    wire.emulator.play(
        Reply([Draw("a fox", data=png, places=("image_generation_call",), preview_count=2)])
    )
    events = wire.responses("hello", stream=True)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.partial_image",
        "image_generation_call.partial_image",
        "image_generation_call.completed",
        "output_item.done",
        "completed",
    ]
    assert "result" not in events[7]
    assert events[-2]["item"] == events[-1]["response"]["output"][0]


def test_streams_begin_with_a_comment(wire) -> None:
    answer = wire.post("/responses", {"input": "hi", "stream": True})
    assert answer.text.startswith(": OPENROUTER PROCESSING\n\ndata: ")
    assert answer.headers["x-generation-id"].startswith("gen-")


def test_function_calls_stream_their_arguments(wire) -> None:
    wire.emulator.play(Reply([CallTool("weather", {"city": "Oslo"})], chunk=4))
    events = wire.responses("hello", stream=True)
    deltas = [
        event["delta"]
        for event in events
        if event["type"] == "response.function_call_arguments.delta"
    ]
    assert len(deltas) > 2
    assert json.loads("".join(deltas)) == {"city": "Oslo"}
    assert next(e for e in events if e["type"].endswith("arguments.done"))["arguments"] == "".join(
        deltas
    )


def test_encrypted_reasoning_comes_only_when_asked_for(wire) -> None:
    wire.emulator.play([Reply([Think("hm", encrypted="gAAAA"), Say("x")])] * 3)
    assert "encrypted_content" not in wire.responses("hi")["output"][0]
    asked = wire.responses("hi", include=["reasoning.encrypted_content"])
    assert asked["output"][0]["encrypted_content"] == "gAAAA"
    kinds = [detail["type"] for detail in wire.message("hi")["reasoning_details"]]
    assert kinds == ["reasoning.summary", "reasoning.encrypted"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_image_api_fits_the_spec(wire, spec, stream: bool) -> None:
    found = wire.images("a red fox", stream=stream, n=1)
    if not stream:
        spec("ImageGenerationResponse", found)
        return
    for event in found:
        spec("ImageStreamingResponse", {"data": event})
    assert [event["type"] for event in found] == ["image_generation.partial_image"] * 2 + [
        "image_generation.completed"
    ]


def test_discovery_fits_the_spec(wire, spec) -> None:
    spec("ImageModelsListResponse", wire.get("/images/models").json())
    for model in wire.get("/images/models").json()["data"]:
        record = wire.http.get(wire.emulator.origin + model["endpoints"]).json()
        spec("ImageModelEndpointsResponse", record)
        assert record["id"] == model["id"]
    spec("ModelsListResponse", wire.get("/models?output_modalities=all").json())
    spec("/key", wire.get("/key").json())


def test_a_generation_fits_the_spec(wire, spec) -> None:
    found = wire.get(f"/generation?id={wire.chat('hi')['id']}").json()
    spec("GenerationResponse", found)
    assert found["data"]["total_cost"] == wire.emulator.ledger[0].cost_usd


def test_requests_echo_in_responses(wire, spec) -> None:
    tools = [
        {"type": "function", "name": "weather", "parameters": WEATHER},
        {"type": "openrouter:image_generation"},
    ]
    result = wire.responses(
        "hi",
        tools=tools,
        temperature=0.2,
        metadata={"a": "b"},
        reasoning={"effort": "low"},
        text={"format": {"type": "text"}},
    )
    spec("OpenResponsesResult", result)
    assert result["temperature"] == 0.2
    assert result["metadata"] == {"a": "b"}
    assert [tool["name"] for tool in result["tools"]] == ["weather"]
