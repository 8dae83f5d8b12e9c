"""No body, however odd, is answered with a 5xx, and every refusal has OpenRouter's form."""

import json
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import examples, spread

PATHS = ["/chat/completions", "/responses", "/images"]
BYTES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"3",
    b'"x"',
    b"\xff\xfe",
    b'{"model": NaN}',
    b"[" * 100_000,
    b'{"input":"draw a fox","tools":[{"type":"openrouter:image_generation","parameters":{"seed":1e999}}]}',
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b'{"messages":[{"role":"user","content":"\\ud83d"}]}',
    b'{"input":"\\ud83d draw a fox"}',
    b'{"input":[[]]}',
    b'{"messages":[null]}',
    b'{"messages":[{"role":[]}]}',
    b'{"input":[{"type":{}}]}',
]


@pytest.mark.parametrize(
    ("path", "body"),
    spread(product(PATHS, BYTES), 20),
    ids=lambda each: each[:24].decode("latin-1") if isinstance(each, bytes) else each,
)
def test_odd_bytes(wire, path: str, body: bytes) -> None:
    answer = wire.http.post(wire.emulator.base_url + path, content=body)
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert answer.json()["error"]["code"] == 400


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [
    "model",
    "models",
    "messages",
    "input",
    "tools",
    "tool_choice",
    "response_format",
    "text",
    "modalities",
    "image_config",
    "max_tokens",
    "stop",
    "reasoning",
    "stream",
    "metadata",
    "session_id",
    "stop_server_tools_when",
    "max_tool_calls",
    "n",
    "size",
    "resolution",
    "aspect_ratio",
    "background",
    "output_format",
    "seed",
    "prompt",
    "input_references",
    "provider",
    "include",
]
message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "tool"]),
        "content": st.text(max_size=40) | values,
    },
    optional={
        "tool_calls": values,
        "tool_call_id": values,
        "reasoning_details": values,
        "images": values,
    },
)
tool = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": st.just("f"), "parameters": values}),
    }
)
body = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6).flatmap(
    lambda odd: st.fixed_dictionaries(
        {
            "messages": st.lists(message, min_size=1, max_size=3),
            "input": st.text(max_size=30),
            "prompt": st.just("a fox"),
        },
        optional={"tools": st.lists(tool, max_size=2), "model": st.just("openai/gpt-5.2")},
    ).map(lambda sane: {**sane, **odd, "size": "64x64"})
)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=body, path=st.sampled_from(PATHS))
def test_odd_values(wire, body, path: str) -> None:
    answer = wire.http.post(wire.emulator.base_url + path, content=json.dumps(body).encode())
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        assert isinstance(error["message"], str)


prompts = st.text(max_size=80) | st.lists(
    st.sampled_from(
        [
            "draw",
            "paint",
            "a",
            "the",
            "two",
            "pictures",
            "of",
            "one",
            "and",
            "another",
            "fox",
            "it",
            "now",
            "at",
            "night",
            "img_1",
            "img_9",
            "put",
            "hat",
            "on",
            "remove",
            "make",
            "what",
            "is",
            "my",
            "name",
            "weather",
            "in",
            "Oslo",
            ",",
            ".",
            ":",
            "?",
            "!",
            "2",
            "+",
            "3",
            "*",
            "(",
            ")",
            "/",
            "0",
            "first",
            "twice",
            "second",
            "again",
            "same",
            "but",
        ]
    ),
    max_size=14,
).map(" ".join)
schemas = st.dictionaries(
    st.sampled_from(["city", "count", "kind", "image", "date", "tags", "deep", "when"]),
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer", "minimum": 2, "maximum": 5},
            {"enum": ["a", "b"]},
            {"type": "array", "items": {"type": "string"}},
            {"type": "boolean"},
            {"anyOf": [{"type": "number"}, {"type": "null"}]},
            {"type": "object", "properties": {"x": {"type": "string"}}},
            {"$ref": "#/$defs/Gone"},
            {"type": ["string", "null"], "format": "date"},
            {"type": "string", "pattern": "("},
            True,
            {},
        ]
    ),
    max_size=4,
)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(prompts=st.lists(prompts, min_size=1, max_size=3), properties=schemas, forced=st.booleans())
def test_odd_prompts(wire, prompts: list[str], properties, forced: bool) -> None:
    function = {
        "name": "weather",
        "parameters": {"type": "object", "properties": properties, "required": sorted(properties)},
    }
    body = {
        "messages": [{"role": "user", "content": prompt} for prompt in prompts],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required" if forced else "auto",
    }
    answer = wire.post("/chat/completions", body)
    assert answer.status_code == 200, answer.text
    calls = answer.json()["choices"][0]["message"].get("tool_calls", [])
    assert calls or not forced
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
