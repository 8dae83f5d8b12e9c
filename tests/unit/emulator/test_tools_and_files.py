"""The catalogue of server tools, items of tools that leave pictures and files, and values that came
later than the spec of August.
"""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.emulator import Draw, Reply, UseServerTool

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])


def items(wire, *, stream: bool) -> list[dict[str, Any]]:
    found = wire.responses("hi", stream=stream)
    if not stream:
        return found["output"]
    done = [event for event in found if event.get("type") == "response.output_item.done"]
    last = next(event for event in found if event.get("type") == "response.completed")
    assert [event["item"] for event in done] == last["response"]["output"]
    return last["response"]["output"]


def test_the_tools_are_listed(wire) -> None:
    whole = wire.get("/tools").json()
    ids = [each["id"] for each in whole["data"]]
    assert whole["total_count"] == len(ids) == len(set(ids))
    assert {"openrouter:web_search", "openrouter:shell"} <= set(ids)
    page = wire.get("/tools?offset=1&limit=2").json()
    assert [each["id"] for each in page["data"]] == ids[1:3]
    assert page["links"]["next"] == "/api/v1/tools?offset=3&limit=2"
    chat = wire.get("/tools?api_format=chat-completions").json()
    assert len(chat["data"]) < len(ids)
    search = wire.get("/tools/web_search").json()["data"]
    assert search == {
        **next(each for each in whole["data"] if each["id"] == "openrouter:web_search"),
        "native_support": search["native_support"],
    }
    assert "x_search" in search["parameters_schema"]["properties"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/tools/none", 404), ("/tools?limit=0", 400), ("/tools?limit=x", 400), ("/tools?api_format=x", 400)],
)  # fmt: skip
def test_a_tool_that_is_not_there(wire, path: str, status: int) -> None:
    assert wire.get(path).status_code == status


def test_a_key_is_needed(wire) -> None:
    wire.emulator.play(Reply([UseServerTool("openrouter:bash", files={"a.txt": b"x"})]))
    (file,) = wire.responses("hi")["output"][0]["files"]
    path = f"/containers/{file['container_id']}/files/{file['file_id']}/content"
    for each in ("/tools", path):
        assert wire.get(each, headers={"authorization": ""}).status_code == 401


@pytest.mark.parametrize("kind", ["openrouter:shell", "openrouter:bash", "openrouter:tool_search"])
def test_chat_takes_every_tool_by_its_type(wire, kind: str) -> None:
    tool = {"type": kind, "parameters": {}}
    assert wire.chat("hello", tools=[tool])["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("kind", ["mcp", "code_interpreter", "openrouter:hologram", "custom"])
def test_chat_takes_no_tools_of_responses_alone(wire, kind: str) -> None:
    body = {"model": "openai/gpt-5.2", "messages": [{"role": "user", "content": "hi"}]}
    refused = wire.post("/chat/completions", {**body, "tools": [{"type": kind, "parameters": {}}]})
    assert (refused.status_code, kind in refused.text) == (400, True)


def test_a_tool_that_has_to_be_used_is_used(wire) -> None:
    tools = [{"type": "openrouter:bash"}]
    kinds = [
        item["type"] for item in wire.responses("hi", tools=tools, tool_choice="required")["output"]
    ]
    assert kinds == ["openrouter:bash", "message"]


@BOTH
@pytest.mark.parametrize("shape", [None, "url", "file"])
def test_a_picture_of_the_code_interpreter(wire, png, decode, stream: bool, shape) -> None:
    places = ("code_interpreter_call",)
    wire.emulator.play(Reply([Draw("a plot", places=places, data=png, shape=shape)]))
    (item,) = items(wire, stream=stream)
    (output,) = item["outputs"]
    assert (item["type"], item["status"]) == ("code_interpreter_call", "completed")
    if shape == "file":
        assert (output["type"], output["media_type"]) == ("file", "image/png")
        assert wire.http.get(output["download_url"]).content == png
    elif shape == "url":
        assert wire.http.get(output["url"]).content == png
    else:
        assert decode(output["url"]) == png


@BOTH
def test_a_screenshot(wire, png, decode, stream: bool) -> None:
    wire.emulator.play(Reply([Draw("a page", places=("browser_use",), data=png)]))
    (item,) = items(wire, stream=stream)
    assert item["type"] == "openrouter:browser_use"
    assert decode(f"data:image/png;base64,{item['screenshotB64']}") == png


@BOTH
def test_files_of_a_container(wire, png, stream: bool) -> None:
    bash = UseServerTool("openrouter:bash", {"command": "ls"}, {"a.txt": b"x", "b.png": png})
    wire.emulator.play(Reply([Draw("a plot", places=("container_file",), data=png), bash]))
    shell, ran = items(wire, stream=stream)
    assert (shell["type"], ran["type"], ran["command"]) == (
        "openrouter:shell", "openrouter:bash", "ls",
    )  # fmt: skip
    contents = []
    for file in (*shell["files"], *ran["files"]):
        assert file["type"] == "container_file_citation"
        path = f"/containers/{file['container_id']}/files/{file['file_id']}"
        found = wire.get(f"{path}/content")
        contents.append((file["filename"], found.content))
        record = wire.get(path).json()
        assert (record["id"], record["bytes"]) == (file["file_id"], len(found.content))
    assert contents == [("plot.png", png), ("a.txt", b"x"), ("b.png", png)]
    listed = wire.get(f"/containers/{ran['container_id']}/files").json()
    assert [each["path"] for each in listed["data"]] == ["/mnt/data/a.txt", "/mnt/data/b.png"]
    for missing in ("cntr_x/files", "cntr_x/files/y/content", f"{ran['container_id']}/files/y"):
        assert wire.get(f"/containers/{missing}").status_code == 404


@BOTH
@pytest.mark.parametrize("place", ["code_interpreter_call", "browser_use", "container_file"])
def test_a_tool_that_failed(wire, stream: bool, place) -> None:
    wire.emulator.play(Reply([Draw("a plot", places=(place,), status="error", error="no disk")]))
    (item,) = items(wire, stream=stream)
    assert item["status"] in {"failed", "incomplete"}
    assert "no disk" in str(item)


@BOTH
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("mcp_call", {"name": "look", "arguments": "{}", "server_label": "x", "output": "seen"}),
        ("mcp_list_tools", {"server_label": "x", "tools": []}),
        ("mcp_approval_request", {"name": "look", "arguments": "{}", "server_label": "x"}),
        ("custom_tool_call", {"call_id": "c1", "name": "look", "input": "x"}),
        (
            "openrouter:armor_blocked",
            {"call_id": "c1", "name": "x", "arguments": "{}", "reason": "r", "explanation": "e"},
        ),
        (
            "openrouter:web_fetch",
            {"url": "https://example.com", "status": "incomplete", "error": "no"},
        ),
    ],
)
def test_items_of_other_tools(wire, stream: bool, kind: str, fields: dict[str, Any]) -> None:
    wire.emulator.play(Reply([UseServerTool(kind, fields)]))
    (item,) = items(wire, stream=stream)
    assert item["type"] == kind
    assert fields.items() <= item.items()
    assert ("status" in item) == (
        kind not in {"mcp_call", "mcp_list_tools", "mcp_approval_request"}
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "openai/gpt-image-2", "quality": "max", "size": "1.5K"},
        {"model": "openai/gpt-image-2", "quality": "xhigh", "resolution": "768", "size": None},
        {"model": "openai/gpt-image-2", "aspect_ratio": "2.35:1", "size": None},
        {"user": "u", "session_id": "s", "trace": {"trace_id": "t"}},
    ],
)
def test_new_values_of_the_images_api(wire, fields: dict[str, Any]) -> None:
    given = {"size": "1024x1024", **fields}
    body = {"model": "openai/gpt-5-image", "prompt": "a fox"}
    body |= {name: value for name, value in given.items() if value is not None}
    found = wire.post("/images", body)
    assert found.status_code == 200, found.text
    assert len(found.json()["data"]) == 1


def test_new_values_of_both_apis(wire) -> None:
    fields = {
        "service_tier": "ultrafast", "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "stop": ["capital"], "user": "u", "trace": {"trace_id": "t"},
    }  # fmt: skip
    question = "What is the capital of Norway?"
    assert wire.text(question, **fields) == "The "
    (item,) = wire.responses(question, **fields)["output"]
    assert item["content"][0]["text"] == "The "
    tool = {"type": "openrouter:image_generation", "parameters": {"quality": "max", "size": "1.5K"}}
    assert "imageUrl" in str(wire.message("Draw a fox", tools=[tool]))


@pytest.mark.parametrize("model", ["google/gemini-2.5-flash-image", "openai/gpt-5-image"])
def test_a_model_that_draws_does_so_without_modalities(wire, model: str) -> None:
    assert len(wire.message("Draw a fox", model=model)["images"]) == 1
    kinds = [item["type"] for item in wire.responses("Draw a fox", model=model)["output"]]
    assert "image_generation_call" in kinds
    assert "images" not in wire.message("What is the capital of Norway?", model=model)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "status": "completed"},
        {"type": "openrouter:image_generation", "id": "x", "status": "failed", "error": "no"},
        {"type": "openrouter:shell", "id": "x", "status": "failed", "container_id": "c", "files": []},
        {"type": "code_interpreter_call", "id": "x", "status": "completed", "code": "1", "container_id": "c", "outputs": []},
    ],
    ids=lambda item: item["type"],
)  # fmt: skip
def test_items_come_back(wire, item: dict[str, Any]) -> None:
    hello = {"type": "message", "role": "user", "content": "hi"}
    assert wire.responses([hello, item, hello])["status"] == "completed"
