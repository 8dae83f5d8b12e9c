"""OpenAI as far as it draws, on a loopback socket: Chat Completions, Responses with the tool
`image_generation`, and the Image API, in the shapes that it publishes.

    stub.play(Draw(PNG), Say("There it is."))     # the next reply
    stub.asked                                     # what was sent

What it does not know, it refuses with 400, and draws nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.stubs import openai_types as types
from tests.stubs.openai_replies import Call, Draw, Fail, Item, Message, Say, chat, images, responses
from tests.stubs.openai_types import Json, Refused

__all__ = ["Asked", "Call", "Draw", "Fail", "Message", "OpenAIStub", "Say", "serving_openai"]


@dataclass(frozen=True)
class Asked:
    """One POST: its path, its fields, its files, and the bytes of its body."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: Json = field(default_factory=dict[str, Any])
    files: tuple[tuple[str, str, str, bytes], ...] = ()
    """Field, name, media type and bytes of each file of a form."""


@dataclass
class OpenAIStub:
    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    gets: list[str] = field(default_factory=list[str])
    drawn: int = 0
    """How many pictures were drawn, and so billed."""
    replies: list[tuple[Item, ...]] = field(default_factory=list[tuple[Item, ...]])
    ignores: bool = False
    """Whether the tool that draws is dropped without a word, as some gateways do."""
    cut: bool = False
    """Whether the connection breaks in the middle of the next replies."""
    status: int = 200
    page: bytes = b""
    """What a gateway says in place of OpenAI, with `status`, to the next requests."""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Pictures by their path, for replies that name them."""

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/v1")

    def play(self, *items: Item) -> None:
        """The next reply."""
        self.replies.append(items)

    def posts(self, path: str) -> list[Asked]:
        return [each for each in self.asked if each.path.endswith(path)]

    def _answered(self, asked: Asked) -> tuple[str, list[bytes]]:
        """The media type of the answer, and its pieces. Raises `Refused`."""
        path = asked.path.removeprefix("/v1")
        if path in {"/images/generations", "/images/edits"}:
            _check_images(asked, edits=path.endswith("edits"))
            make = images
        elif path == "/responses":
            _check_responses(asked.body)
            make = responses
        elif path == "/chat/completions":
            _check_chat(asked.body)
            make = chat
        else:
            raise Refused("", f"Invalid URL (POST {asked.path})", "unknown_url")
        items = self.replies.pop(0)
        for item in items:
            if isinstance(item, Fail) and item.status:
                self.status = item.status
                return "application/json", [json.dumps(item.body).encode()]
        if make is responses and not _has_image_tool(asked.body):
            items = tuple([item for item in items if not isinstance(item, Draw | Fail)])
        self.drawn += sum(isinstance(item, Draw) for item in items)
        sent = replace(asked, body=_without_image_tool(asked.body)) if self.ignores else asked
        return make(sent.body, items, edits=path.endswith("edits"))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            method, path, _ = first.split(" ")
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            if method == "GET":
                self.gets.append(path)
                found = self.files.get(path)
                if found is None:
                    found = b'{"error":{"message":"Invalid URL"}}'
                    writer.write(_reply(404, "application/json", [found]))
                else:
                    writer.write(_reply(200, "image/png", [found]))
                return
            asked = _parsed(Asked(path, headers, raw))
            self.asked.append(asked)
            if self.page:
                writer.write(_reply(self.status, "text/html", [self.page]))
                return
            self.status = 200
            try:
                kind, pieces = self._answered(asked)
            except Refused as error:
                self.status = 400
                kind, pieces = "application/json", [json.dumps(error.body).encode()]
            reply = _reply(self.status, kind, pieces)
            if self.cut:
                reply = reply[: len(reply) * 2 // 3]
            for start in range(0, len(reply), 5000):
                writer.write(reply[start : start + 5000])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving_openai() -> AsyncIterator[OpenAIStub]:
    """The server for the block."""
    stub = OpenAIStub()
    server = await asyncio.start_server(stub.handle, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.close()


def _reply(status: int, kind: str, pieces: list[bytes]) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = (
        f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n"
        "x-request-id: req_1\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def _parsed(asked: Asked) -> Asked:
    """With its fields. Those of a form are text, so numbers and truths are read out of it."""
    kind = asked.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return replace(asked, body=json.loads(asked.raw))
    found = re.search("boundary=([^;]+)", kind)
    assert found is not None
    body: Json = {}
    files: list[tuple[str, str, str, bytes]] = []
    for name, headers, data in _parts(asked.raw, found[1]):
        if filename := re.search(r'filename="([^"]*)"', headers):
            media_type = headers.partition("Content-Type: ")[2].strip()
            files.append((name, filename[1], media_type, data))
        else:
            text = data.decode()
            body[name] = json.loads(text) if re.fullmatch(r"\d+|true|false", text) else text
    return replace(asked, body=body, files=tuple(files))


def _parts(raw: bytes, boundary: str) -> Iterator[tuple[str, str, bytes]]:
    mark = f"--{boundary}".encode()
    assert raw.startswith(mark + b"\r\n")
    assert raw.endswith(mark + b"--\r\n")
    for part in raw.split(mark)[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = re.search(rb'form-data; name="([^"]*)"', head)
        assert found is not None
        assert data.endswith(b"\r\n")
        yield found[1].decode(), head.decode(), data[:-2]


def _check_images(asked: Asked, *, edits: bool) -> None:
    body = dict(asked.body)
    if not edits:
        types.check(types.GENERATION, body)
    else:
        fields = {name.removesuffix("[]") for name, *_ in asked.files}
        types.check(types.EDIT, {**dict.fromkeys(fields), **body})
        if not asked.files:
            raise Refused("image", "Missing required parameter: 'image'.", "missing")
        for name, filename, media_type, _ in asked.files:
            if media_type not in {"image/png", "image/jpeg", "image/webp"} or "." not in filename:
                raise Refused(name, f"Invalid file {filename!r}: {media_type}", "invalid_image")
    _check_model(body.get("model"))
    if body.get("response_format") and str(body["model"]).startswith("gpt-image"):
        words = "Unknown parameter: 'response_format'."
        raise Refused("response_format", words, "unknown_parameter")
    _check_size(body.get("size"), str(body["model"]), "size")


def _check_model(model: object) -> None:
    if not isinstance(model, str) or "/" in model:
        raise Refused("model", f"Invalid value: {model!r}.", "invalid_value")


def _check_size(size: object, model: str, where: str) -> None:
    if size in {None, "auto", "1024x1024", "1536x1024", "1024x1536"}:
        return
    width, _, height = str(size).partition("x")
    any_size = not model.startswith("gpt-image-1")
    if not any_size or not width.isdigit() or int(width) % 16 or int(height) % 16:
        raise Refused(where, f"Invalid value: {size!r}.", "invalid_value")


def _check_responses(body: Json) -> None:
    types.check_names(types.RESPONSES, body)
    for number, tool in enumerate(body.get("tools", ())):
        where = f"tools[{number}]."
        if tool["type"] == "image_generation":
            types.check(types.IMAGE_TOOL, _without_stream(tool), where=where)
            _check_size(tool.get("size"), tool.get("model") or "gpt-image-2", f"{where}size")
            if tool.get("model"):
                _check_model(tool["model"])
        elif tool["type"] != "function":
            raise Refused(f"{where}type", f"Invalid value: {tool['type']!r}.", "invalid_value")
    for number, item in enumerate(body["input"]):
        if item.get("type") == "image_generation_call":
            types.check(types.IMAGE_CALL, _without_stream(item), where=f"input[{number}].")
            if str(item["result"]).startswith("data:"):
                where = f"input[{number}].result"
                raise Refused(where, f"Invalid '{where}': expected base64.", "invalid_value")
        elif str(item.get("type")).startswith("openrouter:"):
            where = f"input[{number}].type"
            raise Refused(where, f"Invalid value: {item['type']!r}.", "invalid_value")


def _without_stream(body: Json) -> Json:
    if "stream" in body:
        raise Refused("stream", "Unknown parameter: 'stream'.", "unknown_parameter")
    return body


def _check_chat(body: Json) -> None:
    types.check_names(types.CHAT, body)
    for number, tool in enumerate(body.get("tools", ())):
        if tool["type"] not in {"function", "custom"}:
            where = f"tools[{number}].type"
            raise Refused(where, f"Invalid value: {tool['type']!r}.", "invalid_value")


def _has_image_tool(body: Json) -> bool:
    return any(each["type"] == "image_generation" for each in body.get("tools", ()))


def _without_image_tool(body: Json) -> Json:
    tools = [each for each in body.get("tools", ()) if each["type"] != "image_generation"]
    return {**body, "tools": tools}
