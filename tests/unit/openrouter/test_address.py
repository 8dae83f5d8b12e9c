"""Addresses and keys as people write them, and replies whose declared type is not theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkit import Agent, OpenRouter
from agentkit.emulator import Emulator, RawReply, Reply, Say
from agentkit.errors import APIError, BadRequest, ProtocolError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import Bench
from tests.unit.openrouter.conftest import KEY, Connect, ask
from tests.unit.openrouter.peer import END, Line, chunk, event, reply, serving, stream

OFFICIAL = "https://openrouter.ai/api/v1"
MEANT = [
    (OFFICIAL, OFFICIAL),
    (f"{OFFICIAL}/", OFFICIAL),
    (f"{OFFICIAL}//", OFFICIAL),
    (f'  "{OFFICIAL}" \n', OFFICIAL),
    (f"\ufeff{OFFICIAL}\u200b", OFFICIAL),
    (f"{OFFICIAL}/chat/completions", OFFICIAL),
    (f"{OFFICIAL}/responses/", OFFICIAL),
    (f"{OFFICIAL}/images", OFFICIAL),
    (f"{OFFICIAL}/models", OFFICIAL),
    ("https://openrouter.ai", OFFICIAL),
    ("https://openrouter.ai/", OFFICIAL),
    ("https://openrouter.ai/api", OFFICIAL),
    ("https://openrouter.ai/v1", OFFICIAL),
    ("http://openrouter.ai/api/v1", OFFICIAL),
    ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
    ("http://localhost:8000/chat/completions", "http://localhost:8000"),
    ("http://[::1]:8000/v1/", "http://[::1]:8000/v1"),
    ("https://gateway.example/v1/team/openrouter", "https://gateway.example/v1/team/openrouter"),
    ("https://gateway.example/responses/v1", "https://gateway.example/responses/v1"),
]


@pytest.mark.parametrize(("given", "meant"), MEANT)
def test_an_address_is_taken_as_it_is_meant(
    given: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OpenRouter(api_key=KEY, base_url=given).base_url == meant
    monkeypatch.setenv("OPENROUTER_BASE_URL", given)
    assert OpenRouter(api_key=KEY).base_url == meant


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (f"{OFFICIAL}?team=verysecret", f"base_url.*query.*'{OFFICIAL}'"),
        (f"{OFFICIAL}/chat/completions?api-version=verysecret", "base_url.*query"),
        (f"{OFFICIAL}#verysecret", "base_url.*fragment"),
        ("openrouter.ai/api/v1", "base_url='openrouter.ai/api/v1'.*https"),
        ("localhost:8000", "base_url='localhost:8000'.*https"),
        ("''", "base_url=''.*https"),
        ("https://gateway.example/\ud83d", r"base_url='https://gateway.example/\\ud83d'.*https"),
        ("https://gate\ud83dway.example", "base_url=.*https"),
        ("https://:8000/v1", "base_url.*https"),
    ],
)
def test_or_refused_by_name(given: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        OpenRouter(api_key=KEY, base_url=given)
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        f" {KEY}\n", f'"{KEY}"', f"'{KEY}'", f"\u201c{KEY}\u201d", f"Bearer {KEY}", f"bearer  {KEY} ",
        f'"Bearer {KEY}"', f"Bearer '{KEY}'", f"Authorization: Bearer {KEY}", f"OPENROUTER_API_KEY={KEY}",
        f'export OPENROUTER_API_KEY="{KEY}"', f"\ufeff{KEY}\u200b", f"\u00a0{KEY}",
    ],
)  # fmt: skip
async def test_a_key_is_cleaned(
    given: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    del connect  # the client is made here, with the key
    async with serving(answers_once) as peer:
        monkeypatch.setenv("OPENROUTER_API_KEY", given)
        for made in (
            OpenRouter(api_key=given, base_url=peer.url),
            OpenRouter(base_url=peer.url),
        ):
            async with made as client:
                await ask(client)
        assert [each.values("authorization") for each in peer.requests] == [[f"Bearer {KEY}"]] * 2


async def answers_once(line: Line) -> None:
    await line.request()
    await line.send(reply())


@pytest.mark.parametrize("given", [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}ü", "my key"])
def test_a_key_that_is_none_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(UsageError, match="api_key=….*one key") as caught:
        OpenRouter(api_key=given)
    assert KEY not in str(caught.value)
    assert "my key" not in str(caught.value)


async def test_an_address_that_is_not_there_is_told(bench: Bench) -> None:
    bench.emulator.play([RawReply(404, b"<html>Not Found</html>")])
    path = "/api/v1/chat/completions" if bench.way.api == "chat" else "/api/v1/responses"
    with pytest.raises(BadRequest, match=rf"404.*asked: POST http://127\.0\.0\.1:\d+{path}\)"):
        await bench.ask(bench.agent(), "Go")


async def test_and_what_it_may_lack(emulator: Emulator) -> None:
    origin = emulator.base_url.removesuffix("/api/v1")
    async with OpenRouter(api_key=KEY, base_url=origin) as client:
        agent = Agent("a/b", client=client, store=MemoryImageStore(), checks=False)
        with pytest.raises(APIError, match=r"asked: POST .*/chat/completions; .* end with /v1\)"):
            await agent.run("Go")
        with pytest.raises(APIError, match=r"asked: POST .*/images; .* end with /v1\)"):
            await Studio("a/b", client=client, store=MemoryImageStore(), checks=False).draw("Go")


TYPES = ["text/plain", "application/octet-stream", "application/x-ndjson", "text/html; charset=utf-8", ""]  # fmt: skip


@pytest.mark.parametrize("kind", [*TYPES, "application/json", "text/event-stream"])
@pytest.mark.parametrize("blank", [b"", b"\xef\xbb\xbf", b"\r\n \n"], ids=["", "BOM", "blank"])
async def test_a_reply_is_read_by_its_bytes(kind: str, blank: bytes, connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(typed(stream(), kind), *([chunk(blank)] if blank else []))
        await line.send(chunk(b": PROC"), chunk(b"ESSING\n\n"), chunk(b"da"), chunk(b'ta: {"number":1}\n\n'), END)  # fmt: skip
        await line.request()
        body = blank + json.dumps({"number": 2}).encode()
        await line.send(typed(reply(body), kind))

    async with serving(handler) as peer:
        client = connect(peer.url)
        assert await ask(client) == [{"number": 1}]
        assert await ask(client) == [{"number": 2}]


def typed(head: bytes, kind: str) -> bytes:
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Type")]
    if kind:
        lines.insert(1, b"Content-Type: " + kind.encode())
    return b"\r\n".join(lines)


@pytest.mark.parametrize("first", [b"event: x\n", b"id: 4\n", b"retry: 3\n", b":\n", b"data:\n\n"])
async def test_a_stream_may_begin_with_any_field(first: bytes, connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(typed(stream(), "text/plain"), chunk(first), event(7), END)

    async with serving(handler) as peer:
        assert await ask(connect(peer.url)) == [{"number": 7}]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!doctype html><style>p {}</style><h1>Sign in</h1>", r"HTML \('Sign in'"),
        (b"<html></html>", "HTML"),
    ],
)
async def test_a_page_is_told_by_its_first_words(
    kind: str, body: bytes, words: str, connect: Connect
) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(typed(reply(body), kind))

    async with serving(handler) as peer:
        with pytest.raises(ProtocolError, match=words):
            await ask(connect(peer.url))


async def test_words_that_are_neither_are_an_error(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(typed(reply(b"error code: 502"), "text/plain"))

    async with serving(handler) as peer:
        with pytest.raises(ProtocolError, match="error code: 502"):
            await ask(connect(peer.url))


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
async def test_an_answer_is_the_same_under_any_type(kind: str, bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Here.")], headers={"Content-Type": kind})])
    answer: Any = await bench.ask(bench.agent(), "Go")
    assert (answer.text, answer.status) == ("Here.", "completed")


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
async def test_a_whole_body_may_come_where_a_stream_was_asked_for(kind: str, bench: Bench) -> None:
    message = {"role": "assistant", "content": "Here."}
    body: dict[str, Any] = {
        "id": "gen-1",
        "choices": [{"message": message, "finish_reason": "stop"}],
    }
    if bench.way.api == "responses":
        part = {"type": "output_text", "text": "Here.", "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
        body = {"id": "resp-1", "status": "completed", "output": [item]}
    bench.emulator.play([RawReply(200, json.dumps(body).encode(), content_type=kind)])
    answer: Any = await bench.ask(bench.agent(), "Go")
    assert (answer.text, answer.status) == ("Here.", "completed")
