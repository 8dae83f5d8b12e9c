"""The recorded replies: raw bodies with the status and the headers that came with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentkit.values import Api

WIRE = Path(__file__).parents[3] / "shared" / "wire"
PASSED_ON = ("content-type", "x-generation-id", "x-provider-name", "retry-after")


@dataclass(frozen=True)
class Recording:
    """One recorded reply of Chat Completions or of the Responses API."""

    name: str
    api: Api
    status: int
    headers: dict[str, str]
    body: bytes
    is_stream: bool
    from_openrouter: bool

    def __str__(self) -> str:
        return self.name

    @property
    def documents(self) -> list[Any]:
        """The one JSON document of a buffered body, or those of all events, read line by line."""
        if not self.is_stream:
            return [json.loads(self.body)]
        lines = self.body.replace(b"\r\n", b"\n").split(b"\n")
        data = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
        return [json.loads(each) for each in data if each != b"[DONE]"]


def recordings() -> list[Recording]:
    return [each for meta in sorted(WIRE.glob("*/*.meta.json")) for each in _of(meta)]


def image_bodies() -> list[Path]:
    """Bodies of image APIs, OpenRouter's and others': base64 in any place of a JSON document."""
    folders = ("ruby_llm-image-apis", "ruby_llm-openrouter")
    return [
        path for folder in folders for path in sorted((WIRE / folder).glob("image_*.response.json"))
    ]


def _of(meta_path: Path) -> Iterator[Recording]:
    meta = json.loads(meta_path.read_text())
    request = json.loads(
        meta_path.with_name(meta_path.name.replace(".meta.json", ".request.json")).read_text()
    )
    path = str(request.get("path")).partition("?")[0]
    if path.endswith("/chat/completions"):
        api: Api = "chat"
    elif path.endswith("/responses") or "/responses/resp_" in path:
        api = "responses"
    else:
        return
    file = meta_path.with_name(meta["response_file"])
    is_stream = file.suffix == ".sse"
    headers = {name.lower(): value for name, value in meta["response_headers"].items()}
    headers = {name: value for name, value in headers.items() if name in PASSED_ON}
    headers.setdefault("content-type", "text/event-stream" if is_stream else "application/json")
    name = f"{meta_path.parent.name}/{meta_path.name.removesuffix('.meta.json')}"
    openrouter = request.get("host") == "openrouter.ai"
    whole = Recording(name, api, meta["status"], headers, file.read_bytes(), is_stream, openrouter)
    yield from _replies(whole)


def _replies(recording: Recording) -> Iterator[Recording]:
    """One fixture holds the streams of several turns in a row, one behind the other."""
    mark = b'data: {"type":"response.created"'
    pieces = recording.body.split(mark)
    if len(pieces) <= 2:
        yield recording
        return
    for number, piece in enumerate(pieces[1:], 1):
        yield replace(recording, name=f"{recording.name}#{number}", body=mark + piece)
