"""What agentkit's typed surface names, by area: asked of the code, where that can be."""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import agentkit
from agentkit import Datetime, Image, ImageGeneration, ModelSettings, WebFetch, WebSearch
from agentkit.values import Api, Message, Text
from agentkit.wire import chat, images, responses
from agentkit.wire.images import ImageRequest
from agentkit.wire.types import FunctionSpec, JsonObject, OutputSchema, Request

ENCODE = {"chat": chat.encode, "responses": responses.encode}
PICTURE = Image("0" * 64, "image/png", 1, name="img_1")
SETTINGS = ModelSettings(
    temperature=1, top_p=1, max_tokens=1, seed=1, stop=("x",), top_k=1, frequency_penalty=1,
    presence_penalty=1, reasoning="low", tool_choice="look", parallel_tool_calls=True,
    provider={"sort": "price"}, models=("a/b",), plugins=({"id": "web"},), preset="x",
    modalities=("text",), image_config={"a": "b"}, session_id="x", service_tier="flex",
    cache_control="1h", prompt_cache_key="x", user="x", trace={"trace_id": "x"}, metadata={"a": "b"},
    deferred_tools={"protocol": "v1"},
)  # fmt: skip


@cache
def body(api: Api) -> dict[str, Any]:
    """A request in which everything is set that has a name."""
    request = Request(
        "a/b",
        (Message("user", (Text("x"), PICTURE)),),
        SETTINGS,
        instructions="x",
        functions=(FunctionSpec("look", "x", {"type": "object"}, strict=True, defer_loading=True),),
        server_tools=({"type": "openrouter:datetime"},),
        output=OutputSchema("x", {"type": "object"}),
        stream=True,
        tool_choice="look",
        server_calls_left=1,
    )
    return read(ENCODE[api](request))


def image_body() -> dict[str, Any]:
    return read(
        images.encode(
            ImageRequest(
                "a/b", "x", (PICTURE,), n=1, aspect_ratio="1:1", resolution="1K", size="1K",
                quality="low", output_format="png", background="auto", output_compression=1, seed=1,
                user="x", session_id="x", trace={"a": "b"}, provider={"sort": "price"}, stream=True,
            )
        )
    )  # fmt: skip


def read(pieces: Any) -> dict[str, Any]:
    return json.loads(b"".join(each if isinstance(each, bytes) else b"x" for each in pieces))


def arguments(kind: type) -> set[str]:
    return {*inspect.signature(kind.__init__).parameters} - {"self", "extra", "others"}


@cache
def wire_words() -> frozenset[str]:
    """The words that the code of the wire holds in quotes: what it reads of replies."""
    folder = Path(agentkit.__file__).parent / "wire"
    texts = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    return frozenset(word for text in texts for word in re.findall(r'"([\w:.]+)"', text))


def is_kept(kind: str) -> bool:
    """Whether an item of this type leaves something in an answer."""
    item: JsonObject = {
        "type": kind, "id": "x", "call_id": "x", "status": "completed", "name": "look",
        "arguments": "{}", "summary": [{"type": "summary_text", "text": "x"}],
        "content": [{"type": "output_text", "text": "x", "annotations": []}],
    }  # fmt: skip
    decoder = responses.ResponsesReply()
    decoder.whole({"id": "x", "status": "completed", "output": [item]})
    reply = decoder.reply()
    return bool(reply.parts or reply.server_calls)


def names(theirs: dict[str, set[str]]) -> dict[str, set[str]]:
    """The names of each area; of what is read, those of theirs that the code reads."""
    (chat_tool, _), (flat_tool, _) = body("chat")["tools"], body("responses")["tools"]
    chat_parts = body("chat")["messages"][1]["content"]
    (_, flat_picture) = body("responses")["input"][0]["content"]
    sent: dict[str, set[str]] = {
        "chat": {*body("chat")},
        "responses": {*body("responses")},
        "images": {*image_body()},
        "chat.tool": {*chat_tool},
        "chat.tool.function": {*chat_tool["function"]},
        "responses.tool": {*flat_tool},
        "web_search": arguments(WebSearch),
        "web_fetch": arguments(WebFetch),
        "datetime": arguments(Datetime),
        "image_generation": arguments(ImageGeneration),
        "tools": {
            "function",
            *(each().type for each in (Datetime, ImageGeneration, WebFetch, WebSearch)),
        },
        "items": {kind for kind in theirs["items"] if is_kept(kind)},
        "part.chat.text": {*chat_parts[0]},
        "part.chat.image": {*chat_parts[1]},
        "part.responses.image": {*flat_picture},
    }
    read_areas = {area: known & wire_words() for area, known in theirs.items() if area not in sent}
    return {**sent, **read_areas}
