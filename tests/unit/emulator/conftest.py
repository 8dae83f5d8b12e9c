"""A running emulator, a plain HTTP client for it, and OpenRouter's spec where it is at hand."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from agentkit.emulator import Emulator
from tests.clock import GUARD

SPEC = Path(__file__).resolve().parents[4] / "shared" / "openrouter" / "openapi.yaml"


class Wire:
    """Speaks to an emulator as a client would, without any of agentkit."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.http = httpx2.Client(headers={"authorization": "Bearer sk-test"}, timeout=GUARD)

    def post(self, path: str, body, **options):
        return self.http.post(self.emulator.base_url + path, json=body, **options)

    def get(self, path: str, **options):
        return self.http.get(self.emulator.base_url + path, **options)

    def chat(self, prompt, **fields):
        messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
        return self._ok(
            "/chat/completions", {"model": "openai/gpt-5.2", "messages": messages, **fields}
        )

    def responses(self, prompt, **fields):
        return self._ok("/responses", {"model": "openai/gpt-5.2", "input": prompt, **fields})

    def images(self, prompt: str, **fields):
        return self._ok(
            "/images",
            {"model": "openai/gpt-5-image", "prompt": prompt, "size": "1024x1024", **fields},
        )

    def message(self, prompt, **fields):
        return self.chat(prompt, **fields)["choices"][0]["message"]

    def text(self, prompt, **fields) -> str:
        return self.message(prompt, **fields)["content"]

    def calls(self, prompt, tools, **fields) -> list[tuple[str, dict]]:
        tools = [{"type": "function", "function": tool} for tool in tools]
        found = self.message(prompt, tools=tools, **fields).get("tool_calls", [])
        return [
            (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in found
        ]

    def drawn(self, prompt, *, tool: dict | None = None, **fields) -> list[str]:
        """The prompts of the pictures that the image generation tool drew."""
        fields.setdefault(
            "tools",
            [
                {
                    "type": "openrouter:image_generation",
                    "parameters": {"size": "64x64", **(tool or {})},
                }
            ],
        )
        details = self.message(prompt, **fields).get("reasoning_details", [])
        return [
            json.loads(one["arguments"])["prompt"]
            for one in details
            if one["type"] == "reasoning.server_tool_call"
        ]

    def _ok(self, path: str, body):
        answer = self.post(path, body)
        assert answer.status_code == 200, answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            return events(answer.text)
        return answer.json()

    def error(self, path: str, body) -> tuple[int, dict]:
        answer = self.post(path, body)
        assert answer.headers["content-type"] == "application/json"
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        return answer.status_code, error


def events(text: str) -> list[dict]:
    """The data of a stream, which has to end with `[DONE]`."""
    lines = [line for line in text.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith(("data: ", ": ")) for line in lines)
    return [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ")]


def folded(chunks: list[dict]) -> dict:
    """A chat message put together from the deltas of a stream."""
    message: dict = {
        "content": "",
        "parts": [],
        "reasoning": "",
        "reasoning_details": {},
        "images": [],
        "tool_calls": {},
    }
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            content = delta.get("content") or ""
            if isinstance(content, str):
                message["content"] += content
            else:
                message["parts"] += content
            message["reasoning"] += delta.get("reasoning") or ""
            message["images"] += delta.get("images", [])
            for detail in delta.get("reasoning_details", []):
                old = message["reasoning_details"].setdefault(detail["index"], {})
                for key, value in detail.items():
                    old[key] = old.get(key, "") + value if key in ("text", "summary") else value
            for call in delta.get("tool_calls", []):
                old = message["tool_calls"].setdefault(
                    call["index"], {"id": call.get("id"), "name": "", "arguments": ""}
                )
                old["name"] += call["function"].get("name", "")
                old["arguments"] += call["function"].get("arguments", "")
    return message


@pytest.fixture
def sse():
    return events


@pytest.fixture
def fold():
    return folded


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def wire(emulator: Emulator) -> Iterator[Wire]:
    client = Wire(emulator)
    with client.http:
        yield client


@pytest.fixture
def wire_to():
    """A wire to an emulator that a test made itself."""
    opened: list[Wire] = []

    def connect(emulator: Emulator) -> Wire:
        opened.append(Wire(emulator))
        return opened[-1]

    yield connect
    for one in opened:
        one.http.close()


@pytest.fixture(scope="session")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def decode():
    def decoded(data_url: str) -> bytes:
        head, _, text = data_url.partition(",")
        assert head.startswith("data:image/")
        assert head.endswith(";base64")
        return base64.b64decode(text, validate=True)

    return decoded


@pytest.fixture(scope="session")
def spec():
    """Checks a value against a schema of the spec: `spec("ChatResult", value)` raises where it does
    not fit.
    """
    if not SPEC.exists():
        pytest.skip("OpenRouter's spec is not at hand")
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    yaml = pytest.importorskip("yaml")
    loaded = yaml.load(
        SPEC.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    validators: dict[str, object] = {}

    def check(name: str, value) -> None:
        if name not in validators:
            schema = (
                {"$ref": f"#/components/schemas/{name}"}
                if not name.startswith("/")
                else _answer_of(loaded, name)
            )
            validators[name] = jsonschema_rs.Draft202012Validator(
                {**schema, "components": loaded["components"]}
            )
        validators[name].validate(value)

    return check


def _answer_of(loaded: dict, path: str) -> dict:
    method = "get" if "get" in loaded["paths"][path] else "post"
    return loaded["paths"][path][method]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
