"""What is taken out of recorded traffic: of words, of JSON, of streams however they are cut."""

from __future__ import annotations

import json
import random
from base64 import b64decode, b64encode
from typing import Any

import pytest

from agentkit._redact import Secret
from agentkit.testing import scrub, trimming
from agentkit.testing.placeholders import encoded_placeholder, loose_summary, summary
from tests.conftest import picture, spread

ORIGIN = "https://openrouter.test"
LOCAL = "http://127.0.0.1:5001"
KEY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"your key is {KEY}.", "your key is redacted."),
        ("Authorization: Bearer abc.def-ghi", "Authorization: redacted"),
        ("user_2abcdefghijklmnopqrst and org_2abcdefghijklmnopqrst", "redacted and redacted"),
        (
            "https://bucket.example/a.png?X-Amz-Credential=AKIA7%2Fus&X-Amz-Signature=5f&size=2",
            "https://bucket.example/a.png?X-Amz-Credential=redacted&X-Amz-Signature=redacted&size=2",
        ),
        (
            "![a](https://x.blob.example/a.png?se=2026&sig=ab%2Bc) b",
            "![a](https://x.blob.example/a.png?se=redacted&sig=redacted) b",
        ),
        ("https://me:secret@host.example/", "https://host.example/"),
        ("gen-1795239448-abc", "gen-0-abc"),
        ("a token of thanks, the key= of life", "a token of thanks, the key= of life"),
        (f"{LOCAL}/a {LOCAL}2/a", f"{ORIGIN}/a {LOCAL}2/a"),
    ],
)
def test_a_text(given: str, kept: str) -> None:
    assert scrub.text(given, {LOCAL: ORIGIN}) == kept
    assert scrub.text(kept, {LOCAL: ORIGIN}) == kept


def test_a_key_that_looks_like_none_is_known_by_its_value() -> None:
    secret = Secret("correct horse battery staple")
    assert scrub.text("it is correct horse battery staple!", {}) == "it is redacted!"
    assert secret


def test_accounts_dates_and_random_ids_of_a_body() -> None:
    body = {
        "id": "gen-1795239448-abc",
        "created": 1795239448,
        "user_id": "somebody",
        "session_id": "s-1",
        "nested": [{"organization_id": "org-7", "email": "me@example.org"}],
        "n": 3,
    }
    assert json.loads(scrub.body(json.dumps(body).encode(), {})) == {
        "id": "gen-0-abc",
        "created": 0,
        "user_id": "redacted",
        "session_id": "redacted",
        "nested": [{"organization_id": "redacted", "email": "redacted"}],
        "n": 3,
    }


def test_credentials_of_other_services() -> None:
    server = {
        "type": "mcp",
        "headers": {"Authorization": "token 7", "X-Api-Key": "k"},
        "authorization": "t",
        "logprobs": [{"token": "a"}],
        "schema": {"password": {"type": "string"}},
    }
    kept = json.loads(scrub.body(json.dumps({"tools": [server]}).encode(), {}))["tools"][0]
    hidden = {"Authorization": "redacted", "X-Api-Key": "redacted"}
    assert kept == {**server, "headers": hidden, "authorization": "redacted"}


def test_only_headers_that_agentkit_reads_are_kept() -> None:
    given = {
        "Authorization": f"Bearer {KEY}",
        "Set-Cookie": ["id=7"],
        "Date": "today",
        "X-Account": "7",
        "Content-Type": ["application/json"],
        "X-Generation-Id": "gen-1795239448-a",
        "X-RateLimit-Reset": "7",
        "Location": f"{LOCAL}/b?token=abcdef",
    }
    assert scrub.headers(given, {LOCAL: ORIGIN}) == {
        "content-type": ["application/json"],
        "x-generation-id": "gen-0-a",
        "x-ratelimit-reset": "7",
        "location": f"{ORIGIN}/b?token=redacted",
    }


def streamed(pieces: list[str], **fields: object) -> bytes:
    events = [{**fields, "choices": [{"delta": {"content": piece}}]} for piece in pieces]
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return f": WAIT\n\n{lines}data: [DONE]\n\n".encode()


def told(stream: bytes) -> list[Any]:
    lines = stream.decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def content(event: Any) -> str:
    return event["choices"][0]["delta"]["content"]


@pytest.mark.parametrize("seed", range(20))
def test_what_must_go_goes_however_a_stream_cuts_it(seed: int) -> None:
    link = f"{LOCAL}/i/a.png?token=secret-token"
    said = f"Look: ![a fox]({link}) and [again]({link}), {KEY} and Bearer abcdefgh – The end"
    cuts = sorted(random.Random(seed).sample(range(1, len(said)), 12))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]

    kept = scrub.body(streamed(pieces, id="gen-1795239448-abc"), {LOCAL: ORIGIN, KEY: "redacted"})

    assert kept.startswith(b": WAIT\n\ndata: {")
    assert kept.endswith(b"\n\ndata: [DONE]\n\n")
    assert len(told(kept)) == len(pieces)
    assert {event["id"] for event in told(kept)} == {"gen-0-abc"}
    link = f"{ORIGIN}/i/a.png?token=redacted"
    assert "".join(map(content, told(kept))) == (
        f"Look: ![a fox]({link}) and [again]({link}), redacted and redacted – The end"
    )


@pytest.mark.parametrize("size", spread([7, 100, 5000], 1))
def test_a_picture_that_a_stream_cuts_becomes_one_placeholder(size: int) -> None:
    data = b64encode(picture(size=(300, 200), noise=50)).decode()
    said = f"Here: ![a](data:image/png;base64,{data}) and done"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    kept = told(scrub.body(streamed(pieces), {}))
    flat = str(encoded_placeholder(b64decode(data)))
    assert "".join(map(content, kept)) == said.replace(data, flat)
    assert len(kept) <= 8  # events that say nothing any more are gone


def test_an_event_that_also_says_something_else_stays() -> None:
    data = b64encode(picture(size=(300, 200), noise=50)).decode()
    pieces = [data[at : at + 3000] for at in range(0, len(data), 3000)]
    events = [{"sequence_number": at, "text": piece} for at, piece in enumerate(pieces)]
    events[3]["finish"] = "stop"
    lines = "".join(f"event: x\r\ndata: {json.dumps(each)}\r\n\r\n" for each in events)
    kept = told(scrub.body(lines.encode(), {}))
    assert [each["sequence_number"] for each in kept] == [0, 3, 4]
    assert [each["text"] != "" for each in kept] == [True, False, False]


def test_previews_at_one_place_stay_apart() -> None:
    pictures = [b64encode(picture(size=(64, 48), noise=each)).decode() for each in (1, 2, 3)]
    kept = told(scrub.body(streamed(pictures), {}))
    assert [*map(content, kept)] == [encoded_placeholder(b64decode(each)) for each in pictures]


def test_a_drawing_in_svg() -> None:
    drawing = b"""<?xml version="1.0"?>
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 48" width='64' height="48">
        <path d="M0 0 L9 9"/></svg>"""
    flat = scrub.body(drawing, {})
    assert flat.startswith(
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 48" width="64"'
    )
    assert scrub.body(flat, {}) == flat
    assert flat != scrub.body(drawing + b" ", {})
    shown = summary(drawing)
    assert shown == summary(flat)
    assert str(shown).startswith('(SVG viewBox="0 0 64 48" width="64" height="48" #')
    assert loose_summary(drawing) == loose_summary(flat) != shown


def test_whole_texts_at_one_place_of_several_events_stay_apart() -> None:
    pieces = ["https://a.example/1?sig=abcdef", "https://a.example/2?sig=ghijkl"]
    kept = scrub.body(streamed(pieces), {})
    assert [*map(content, told(kept))] == [
        "https://a.example/1?sig=redacted",
        "https://a.example/2?sig=redacted",
    ]


@pytest.mark.parametrize(
    "text", [f"<html>{KEY} at {LOCAL}/x</html>", f'{{"cut": "{KEY} {LOCAL}/x', f"{KEY}\n{LOCAL}/x"]
)
def test_what_is_no_json_is_scrubbed_too(text: str) -> None:
    kept = scrub.body(text.encode(), {LOCAL: ORIGIN}).decode()
    assert kept == text.replace(KEY, "redacted").replace(LOCAL, ORIGIN)


def test_a_scrubbed_body_stays_as_it_is() -> None:
    data = b64encode(picture(size=(300, 200), noise=50)).decode()
    url = f"data:image/png;base64,{data}"
    inner = json.dumps({"imageB64": data})
    body = {"id": "gen-1795239448-a", "session_id": "x", "a": [url, {"result": inner}]}
    once = scrub.body(json.dumps(body).encode(), {})
    assert scrub.body(once, {}) == once
    assert len(once) < 1000


def test_a_lone_surrogate_and_deep_json_pass() -> None:
    odd = b'{"a":"\\ud800","b":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert scrub.body(b'{"a":"\\ud800"}', {}) == b'{"a":"\\ud800"}'
    assert scrub.body(odd, {}) == odd


class Request:
    def __init__(self, method: str, path: str, body: object = None) -> None:
        self.method, self.path, self.uri, self.query = method, path, f"https://a.test{path}", ()
        self.headers: dict[str, str] = {}
        self.body = None if body is None else json.dumps(body).encode()


def test_of_the_catalogue_only_what_requests_name_is_kept() -> None:
    tool = {"type": "openrouter:image_generation", "parameters": {"model": "c/painter"}}
    requests = [
        Request("GET", "/api/v1/images/models/f/looked-up/endpoints"),
        Request("POST", "/api/v1/chat/completions", {"model": "a/b:free", "models": ["b/second"]}),
        Request("POST", "/api/v1/chat/completions", {"tools": [tool]}),
    ]
    names = trimming.named(requests)
    slugs = ["a/b", "b/second", "c/painter", "e/of-no-use", "f/looked-up"]
    listed = json.dumps({"data": [{"id": each} for each in slugs], "total_count": 5}).encode()

    def ids(path: str, body: bytes) -> list[str]:
        found = json.loads(trimming.trimmed(Request("GET", path), body, names))
        assert found.get("total_count") in (None, len(found["data"]))
        return [each["id"] for each in found["data"]]

    named = ["a/b", "b/second", "c/painter", "f/looked-up"]
    assert ids("/api/v1/models", listed) == ids("/v1/images/models", listed) == named
    tools = [
        {"id": "openrouter:image_generation"},
        {"id": "openrouter:web_search", "aliases": [{"type": "web_search_preview"}]},
    ]
    body = json.dumps({"data": tools}).encode()
    assert ids("/api/v1/tools", body) == ["openrouter:image_generation"]
    names.add("web_search_preview")
    assert len(ids("/api/v1/tools", body)) == 2
    assert trimming.trimmed(Request("GET", "/api/v1/models/a/b/endpoints"), listed, names) == listed
    assert trimming.trimmed(Request("POST", "/api/v1/models"), listed, names) == listed
    assert trimming.trimmed(Request("GET", "/api/v1/models"), b"<html>", names) == b"<html>"
