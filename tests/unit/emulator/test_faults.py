"""Each fault, as it shows on a raw socket or to a plain HTTP client; and the books that the
emulator keeps of what it did.
"""

import base64
import hashlib
import json
import re
import socket
import time

import httpx2
import pytest

from agentkit.emulator import (
    QUIRKS,
    Body,
    CallTool,
    Draw,
    Emulator,
    Endless,
    Fault,
    Faults,
    Lookup,
    Reply,
    ReplyError,
    Say,
    Socket,
    Status,
    When,
)
from tests.clock import GUARD

HELLO = {"model": "openai/gpt-5.2", "messages": [{"role": "user", "content": "hello"}]}
BODIES = {
    "chat": ("/chat/completions", HELLO),
    "responses": ("/responses", {"model": "openai/gpt-5.2", "input": "hello"}),
    "images": ("/images", {"model": "openai/gpt-5-image", "prompt": "a red dot", "size": "64x64"}),
}


def raw(
    emulator: Emulator,
    body=None,
    *,
    path: str = "/chat/completions",
    wait: float = 3,
    sent: int | None = None,
):
    """All that comes over a plain socket, and how it ended: `fin`, `rst` or `silence`."""
    port = int(emulator.origin.rpartition(":")[2])
    content = json.dumps(body if body is not None else HELLO).encode()
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode()
    received = bytearray()
    with socket.socket() as connection:
        connection.settimeout(wait)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(head + content[:sent])
            while data := connection.recv(65536):
                received += data
        except TimeoutError:
            return bytes(received), "silence"
        except (ConnectionResetError, BrokenPipeError):
            return bytes(received), "rst"
    return bytes(received), "fin"


def until(condition) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def body_of(received: bytes) -> bytes:
    """The body behind the headers, without the frames of its chunks, as far as it came."""
    head, _, rest = received.partition(b"\r\n\r\n")
    if b"transfer-encoding" not in head.lower():
        return rest
    found = b""
    while match := re.match(rb"([0-9a-fA-F]+)\r\n", rest):
        size = int(match[1], 16)
        found += rest[match.end() :][:size]
        rest = rest[match.end() + size + 2 :]
    return found


# The socket


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
@pytest.mark.parametrize("byte", [0, 1, 15, 40, 300])
def test_a_response_ends_at_a_byte(emulator, action: str, ending: str, byte: int) -> None:
    emulator.faults.add(Fault(socket=Socket(action, byte=byte)))
    received, how = raw(emulator, wait=0.15 if action == "stall" else 3)
    assert (len(received), how) == (byte, ending)


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_ends_at_a_byte(emulator, action: str, ending: str, stream: bool) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="body", byte=57)))
    received, how = raw(
        emulator, {**HELLO, "stream": stream}, wait=0.15 if action == "stall" else 3
    )
    assert (len(body_of(received)), how) == (57, ending)


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
def test_a_connection_ends_as_soon_as_it_stands(emulator, action: str, ending: str) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="accept"), when=When(times=1)))
    assert raw(emulator, wait=0.15 if action == "stall" else 3) == (b"", ending)
    assert emulator.requests == emulator.posts == []
    assert raw(emulator)[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
def test_a_request_breaks_off_on_its_way(emulator, action: str, ending: str) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="request", byte=20)))
    received, how = raw(emulator, wait=0.15 if action == "stall" else 3, sent=30)
    assert (received, how) == (b"", ending)
    assert emulator.requests == []
    if action != "stall":
        until(lambda: emulator.posts)
        assert (emulator.posts[0].whole, emulator.posts[0].billed) == (False, False)


def test_a_stall_can_end(emulator) -> None:
    emulator.faults.add(Fault(socket=Socket("stall", byte=20, seconds=0.1)))
    started = time.monotonic()
    received, how = raw(emulator)
    assert time.monotonic() - started >= 0.1
    assert how == "fin"
    assert json.loads(body_of(received))["object"] == "chat.completion"


def test_dripping_and_slicing_change_no_byte(emulator) -> None:
    emulator.play([Reply([Say("x")])] * 2)
    emulator.faults.add(
        Fault(socket=Socket("slice", size=7), when=When(nth=1)),
        Fault(socket=Socket("drip", at="body", rate=2000), when=When(nth=2)),
    )
    sliced, started = raw(emulator)[0], time.monotonic()
    dripped = raw(emulator)[0]
    assert time.monotonic() - started >= 0.2
    whole = [json.loads(body_of(received))["choices"] for received in (sliced, dripped)]
    assert whole[0] == whole[1]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_a_stream_ends_after_an_event(emulator, api: str, number: int) -> None:
    path, body = BODIES[api]
    emulator.faults.add(Fault(socket=Socket("cut", at="event", event=number)))
    received, how = raw(emulator, {**body, "stream": True}, path=path)
    assert how == "fin"
    assert body_of(received).count(b"data: ") == number


def test_a_stream_ends_within_an_event(emulator) -> None:
    emulator.faults.add(Fault(socket=Socket("cut", at="event", event=1, byte=9)))
    events = body_of(raw(emulator, {**HELLO, "stream": True})[0]).split(b"\n\n")
    assert events[-1].startswith(b'data: {"i')
    assert len(events[-1]) == 9


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_stream_ends_around_its_finish(emulator, api: str) -> None:
    path, body = BODIES[api]
    for at in ("finish", "done"):
        emulator.faults.clear()
        emulator.faults.add(Fault(socket=Socket("cut", at=at)))
        text = body_of(raw(emulator, {**body, "stream": True}, path=path)[0])
        finished = b'"finish_reason":"' in text or b"response.completed" in text
        assert (finished, b"[DONE]" in text) == (at == "done", False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_without_the_mark_of_its_end(emulator, stream: bool) -> None:
    emulator.faults.add(Fault(socket=Socket("cut", at="end")))
    received, _ = raw(emulator, {**HELLO, "stream": stream})
    assert not received.endswith(b"0\r\n\r\n")
    assert body_of(received).endswith(b"[DONE]\n\n" if stream else b"}")


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_ends_as_if_it_were_whole(wire, stream: bool) -> None:
    wire.emulator.faults.add(Fault(socket=Socket("end", at="body", byte=50)))
    answer = wire.post("/chat/completions", {**HELLO, "stream": stream})
    assert (answer.status_code, len(answer.content)) == (200, 50)


def test_a_cut_inside_a_character(emulator) -> None:
    emulator.faults.add(Fault(socket=Socket("cut", at="character"), quirks=("text.unicode",)))
    received = body_of(raw(emulator, {**HELLO, "stream": True})[0])
    assert received[-1] == 0xF0
    with pytest.raises(UnicodeDecodeError):
        received.decode()


def test_a_kept_connection_is_well_again(wire) -> None:
    wire.emulator.faults.add(Fault(socket=Socket("slice", size=50), when=When(times=1)))
    assert [wire.post("/chat/completions", HELLO).status_code for _ in range(3)] == [200] * 3


# Statuses


@pytest.mark.parametrize(
    "code", [400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 524, 529]
)
def test_a_status(wire, code: int) -> None:
    wire.emulator.faults.add(Fault(status=Status(code)))
    for api, (path, body) in BODIES.items():
        answer = wire.post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (code, code), api
        assert answer.headers["x-generation-id"].startswith("gen-")
    assert wire.emulator.ledger == []
    assert [(post.status, post.billed, post.known_unbilled) for post in wire.emulator.posts] == [
        (code, False, True)
    ] * 3


def test_the_details_of_a_status(wire) -> None:
    wire.emulator.faults.add(
        Fault(
            status=Status(
                429,
                raw="slow down",
                retry_after="Wed, 21 Oct 2015 07:28:00 GMT",
                generation_id=False,
            )
        ),
    )
    answer = wire.post("/responses", BODIES["responses"][1])
    assert answer.json()["error"]["metadata"]["raw"] == "slow down"
    assert answer.headers["retry-after"] == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert "x-generation-id" not in answer.headers
    wire.emulator.faults.clear()
    wire.emulator.faults.add(
        Fault(status=Status(503, availability={"code": "down", "retryable": False}))
    )
    assert (
        wire.post("/chat/completions", HELLO).json()["error"]["availability"]["retryable"] is False
    )
    wire.emulator.faults.clear()
    wire.emulator.faults.add(Fault(status=Status(403)))
    assert wire.post("/chat/completions", HELLO).json()["error"]["metadata"]["reasons"] == [
        "violence"
    ]
    wire.emulator.faults.clear()
    wire.emulator.faults.add(Fault(status=Status(307, location="http://127.0.0.1:1/x")))
    assert wire.post("/chat/completions", HELLO).headers["location"] == "http://127.0.0.1:1/x"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", BODIES)
def test_a_status_after_all_was_billed(wire, png, api: str, stream: bool) -> None:
    path, body = BODIES[api]
    wire.emulator.play(Reply([Draw("a", data=png)]))
    wire.emulator.faults.add(Fault(status=Status(504), billed=True))
    answer = wire.post(path, {**body, "stream": stream})
    assert answer.status_code == 504
    (post,) = wire.emulator.posts
    assert (post.billed, post.images, post.delivered) == (
        True,
        (hashlib.sha256(png).hexdigest(),),
        (),
    )
    assert post.generation_id == answer.headers["x-generation-id"]
    assert not post.known_unbilled
    assert wire.emulator.ledger[0].images == 1


def test_an_error_body_that_is_cut_or_stalls_or_is_large(emulator) -> None:
    emulator.faults.add(
        Fault(status=Status(502), socket=Socket("cut", at="body", byte=10), when=When(nth=1)),
        Fault(status=Status(502), socket=Socket("stall", at="body", byte=10), when=When(nth=2)),
        Fault(status=Status(502, fill=3_000_000), when=When(nth=3)),
    )
    assert [
        (len(body_of(text)), how) for text, how in (raw(emulator), raw(emulator, wait=0.15))
    ] == [
        (10, "fin"),
        (10, "silence"),
    ]
    assert len(json.loads(body_of(raw(emulator)[0]))["padding"]) == 3_000_000


# Bodies


def test_bodies_that_are_not_what_they_should_be(wire) -> None:
    def answer(kind: str, stream: bool = False):
        wire.emulator.faults.clear()
        wire.emulator.faults.add(Fault(body=Body(kind)))
        return wire.post("/chat/completions", {**HELLO, "stream": stream})

    assert answer("html").headers["content-type"] == "text/html"
    assert answer("empty").content == b""
    assert answer("null").json() is None
    assert answer("array").json() == []
    for stream in (False, True):
        assert answer("html", stream).text.startswith("<!DOCTYPE html>")
        assert answer("wrong_type", stream).headers["content-type"] == "text/plain"
        assert b"[DONE]" not in answer("cut_json", stream).content
        with pytest.raises(ValueError):
            json.loads(answer("cut_json", stream).content)
    assert answer("unstreamed", stream=True).headers["content-type"] == "application/json"
    assert all(post.billed for post in wire.emulator.posts)


@pytest.mark.parametrize("stream", [False, True])
def test_errors_inside_a_200(wire, stream: bool) -> None:
    for form in ("body", "choice", "stream", "silent"):
        wire.emulator.faults.clear()
        wire.emulator.faults.add(Fault(error=ReplyError(form, 503, "It broke")))
        for path, body in (BODIES["chat"], BODIES["responses"]):
            text = wire.post(path, {**body, "stream": stream}).text
            assert ("It broke" in text) == (form != "silent")
            assert form == "body" or '"error"' in text or "MALFORMED_FUNCTION_CALL" in text


def test_an_error_before_any_output(wire) -> None:
    wire.emulator.faults.add(Fault(error=ReplyError("stream", content=False)))
    events = wire.chat("hello", stream=True)
    assert len(events) == 1
    assert events[0]["error"]["code"] == 502


@pytest.mark.parametrize("kind", ["line", "base64", "comments", "empty_events", "events"])
@pytest.mark.parametrize("api", BODIES)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_endless_ends_where_it_is_told_to(
    wire, png, kind: str, api: str, stream: bool
) -> None:
    path, body = BODIES[api]
    body = {**body, "stream": stream}
    wire.emulator.play(Reply([Draw("a", data=png)]))
    wire.emulator.faults.add(
        Fault(endless=Endless(kind, bytes=300_000 if kind in ("line", "base64") else 3_000))
    )
    answer = wire.post(path, body)
    streamed = answer.headers["content-type"] == "text/event-stream"
    assert streamed == stream
    if not streamed:
        json.loads(answer.content)
    else:
        assert answer.text.endswith("data: [DONE]\n\n")
    if kind == "base64":
        text = re.search(rb'(?:base64,|"result":"|"b64_json":")([A-Za-z0-9+/]+)', answer.content)[1]
        assert base64.b64decode(text[: len(text) // 4 * 4]).startswith(b"\x89PNG")


def test_what_is_endless_goes_on_until_the_client_leaves(wire) -> None:
    wire.emulator.faults.add(Fault(endless="line"))
    got = 0
    with wire.http.stream(
        "POST", f"{wire.emulator.base_url}/chat/completions", json=HELLO
    ) as answer:
        for piece in answer.iter_raw():
            got += len(piece)
            if got > 5_000_000:
                break
    assert wire.chat  # and it still answers
    wire.emulator.faults.clear()
    assert wire.text("What is 2 + 2?") == "2 + 2 = 4"


# Quirks


def quirky(wire, quirk: str, reply: Reply, *, api: str = "chat", stream: bool = True):
    wire.emulator.faults.clear()
    wire.emulator.faults.add(Fault(quirks=(quirk,)))
    wire.emulator.play(reply)
    path, body = BODIES[api]
    return wire.post(path, {**body, "stream": stream})


TWO_CALLS = Reply(
    [CallTool("weather", {"city": "Oslo"}, "call_1"), CallTool("clock", {"zone": "UTC"}, "call_2")]
)


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        ("arguments.empty", lambda text: text == ""),
        ("arguments.double", lambda text: json.loads(json.loads(text)) == {"city": "Oslo"}),
        ("arguments.invalid", lambda text: text == '{"city": "Oslo",'),
        ("arguments.large", lambda text: len(json.loads(text)["padding"]) == 1_000_000),
        ("arguments.deep", lambda text: text.count("[") == 10_000),
        ("arguments.nan", lambda text: text == '{"city":NaN}'),
        ("arguments.duplicate_keys", lambda text: text.count('"city"') == 2),
        ("arguments.array", lambda text: json.loads(text) == [{"city": "Oslo"}]),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_arguments(wire, fold, sse, quirk: str, expected, api: str) -> None:
    reply = Reply([CallTool("weather", {"city": "Oslo"}, "call_1")], chunk=200_000)
    whole = quirky(wire, quirk, reply, api=api, stream=False).json()
    events = sse(quirky(wire, quirk, reply, api=api).text)
    if api == "chat":
        texts = [
            whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
            fold(events)["tool_calls"][0]["arguments"],
        ]
    else:
        texts = [whole["output"][0]["arguments"], events[-1]["response"]["output"][0]["arguments"]]
    assert all(expected(text) for text in texts)


def test_calls(wire, fold, sse) -> None:
    def deltas(quirk: str):
        chunks = sse(quirky(wire, quirk, TWO_CALLS).text)
        return [
            call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])
        ]

    def whole(quirk: str):
        return quirky(wire, quirk, TWO_CALLS, stream=False).json()["choices"][0]

    assert all(
        "id" not in call
        for call in [*deltas("calls.no_id"), *whole("calls.no_id")["message"]["tool_calls"]]
    )
    assert {call["id"] for call in whole("calls.same_id")["message"]["tool_calls"]} == {"call_1"}
    assert {call["index"] for call in deltas("calls.index_zero")} == {0}
    names = [
        call["function"]["name"]
        for call in deltas("calls.split_name")
        if "name" in call["function"]
    ]
    assert names == ["wea", "ther", "cl", "ock"]
    assert all("name" in call["function"] for call in deltas("calls.repeated_name"))
    assert (
        whole("calls.unknown_tool")["message"]["tool_calls"][0]["function"]["name"]
        == "no_such_tool"
    )
    assert (
        whole("calls.server_tool")["message"]["tool_calls"][0]["function"]["name"]
        == "openrouter:image_generation"
    )
    assert whole("calls.wrong_finish")["finish_reason"] == "stop"
    cut = whole("calls.cut")
    assert cut["finish_reason"] == "length"
    assert cut["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":'
    responses = quirky(wire, "calls.no_id", TWO_CALLS, api="responses", stream=False).json()[
        "output"
    ]
    assert all("call_id" not in item for item in responses)
    shuffled = [call["index"] for call in deltas("stream.shuffled")]
    assert sorted(shuffled) != shuffled
    one = Reply([CallTool("weather", {"city": "Oslo"}, "call_1")])
    assert (
        len(
            quirky(wire, "calls.same_id", one, stream=False).json()["choices"][0]["message"][
                "tool_calls"
            ]
        )
        == 2
    )


def test_finishes(wire) -> None:
    reply = Reply([Say("hello")])

    def finishes(quirk: str):
        return quirky(wire, quirk, reply).text

    assert finishes("stream.two_finishes").count('"finish_reason":"stop"') == 2
    one = finishes("stream.one_finish")
    assert (one.count('"finish_reason":"stop"'), '"usage"' in one, "[DONE]" in one) == (
        1,
        True,
        True,
    )
    none = finishes("stream.no_finish")
    assert ('"finish_reason":"stop"' in none, "[DONE]" in none) == (False, False)
    assert "[DONE]" not in finishes("stream.no_done")
    assert '"choices":[],"usage"' in finishes("stream.usage_apart").replace(" ", "")
    responses = quirky(wire, "stream.no_finish", reply, api="responses").text
    assert "response.completed" not in responses


def test_lines(wire) -> None:
    reply = Reply([Say("hello")])
    assert b"\r\n\r\n" in quirky(wire, "stream.crlf", reply).content
    assert b"\n" not in quirky(wire, "stream.cr", reply).content
    assert quirky(wire, "stream.bom", reply).content.startswith(b"\xef\xbb\xbf:")
    assert b'data: {\ndata: "id":' in quirky(wire, "stream.split_data", reply).content
    assert b": \n\n" in quirky(wire, "stream.comments", reply).content
    assert b"\ndata:\n\n" in quirky(wire, "stream.empty_events", reply).content
    assert (
        b"event:message\nid:1\nretry:1000\ndata:{"
        in quirky(wire, "stream.event_names", reply).content
    )


def test_texts(wire, sse) -> None:
    reply = Reply([Say("hello")])
    split = quirky(wire, "text.split_surrogates", reply).text
    assert '"\\ud83e"' in split
    assert '"\\udd8a"' in split
    assert json.loads(quirky(wire, "text.lone_surrogate", reply, stream=False).text)["choices"][0][
        "message"
    ]["content"].endswith("\ud83d!")
    assert "\u2028" in quirky(wire, "text.separators", reply).text
    assert "\\u001b[31m" in quirky(wire, "text.controls", reply, stream=False).text


def test_duplicates_and_unknown_things(wire, sse) -> None:
    reply = Reply([Say("hello")])
    events = sse(quirky(wire, "stream.duplicated", reply, api="responses").text)
    assert events[0::2] == events[1::2]
    assert any(
        event.get("type") == "response.hologram.spun"
        for event in sse(quirky(wire, "unknown.event", reply, api="responses").text)
    )
    assert (
        quirky(wire, "unknown.item", reply, api="responses", stream=False).json()["output"][-1][
            "type"
        ]
        == "openrouter:hologram"
    )
    assert "hologram" in quirky(wire, "unknown.field", reply, stream=False).json()
    assert "HOLOGRAM_COMPLETE" in quirky(wire, "unknown.enum", reply).text


@pytest.mark.parametrize(
    ("quirk", "whole"),
    [
        ("spaced", True),
        ("urlsafe", True),
        ("unpadded", True),
        ("cut", False),
        ("broken", False),
        ("wrong_type", True),
    ],
)
def test_base64(wire, png, quirk: str, whole: bool) -> None:
    reply = Reply([Draw("a", data=png, places=["message_images"])])
    url = quirky(wire, f"base64.{quirk}", reply, stream=False).json()["choices"][0]["message"][
        "images"
    ][0]["image_url"]["url"]
    head, _, text = url.partition(",")
    assert (head == "data:text/plain;base64") == (quirk == "wrong_type")
    text = re.sub(r"\s", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    if whole:
        assert base64.b64decode(text + "=" * (-len(text) % 4), validate=True) == png
    (post,) = wire.emulator.posts
    assert post.delivered == (post.images if whole else ())


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_quirk_leaves_an_answer_in_every_way(wire, png, quirk: str) -> None:
    for api in BODIES:
        for stream in (False, True):
            reply = Reply(
                [Draw("a", data=png), *([] if api == "images" else [Say("hi"), *TWO_CALLS.content])]
            )
            assert quirky(wire, quirk, reply, api=api, stream=stream).status_code == 200


# Pictures and look-ups


def test_the_file_of_a_picture(wire, png) -> None:
    wire.emulator.play(Reply([Draw("a", data=png, places=["markdown"])]))
    url = re.search(r"http://\S+?(?=\))", wire.text("hi"))[0]
    faults = wire.emulator.faults
    pictures = When(api="pictures", times=1)
    for code in (403, 404, 500, 429):
        faults.add(Fault(status=Status(code), when=pictures))
        assert wire.http.get(url).status_code == code
    faults.add(Fault(body="html", when=pictures))
    assert wire.http.get(url).headers["content-type"] == "text/html"
    faults.add(Fault(status=Status(302, location="http://127.0.0.1:1/"), when=pictures))
    assert wire.http.get(url).has_redirect_location
    faults.add(Fault(socket=Socket("cut", at="body", byte=len(png) - 1), when=pictures))
    with pytest.raises(httpx2.RemoteProtocolError):
        wire.http.get(url)
    faults.add(Fault(endless=Endless("bytes", bytes=200_000), when=pictures))
    assert len(wire.http.get(url).content) > 200_000
    assert wire.emulator.posts[0].delivered == ()
    assert wire.http.get(url).content == png
    until(lambda: wire.emulator.posts[0].delivered)
    assert wire.emulator.posts[0].delivered == (hashlib.sha256(png).hexdigest(),)


def test_look_ups(wire) -> None:
    wire.emulator.faults.add(Fault(lookup=Lookup("unknown", polls=2)))
    names = [wire.chat("hello")["id"] for _ in range(2)]
    for name in names:
        assert [wire.get(f"/generation?id={name}").status_code for _ in range(3)] == [404, 404, 200]
    assert wire.emulator.posts[0].lookups == (None, None, wire.emulator.ledger[0].cost_usd)
    wire.emulator.faults.clear()
    wire.emulator.faults.add(Fault(lookup="error"))
    assert [wire.get(f"/generation?id={names[0]}").status_code for _ in range(3)] == [500] * 3


# Which requests


def statuses(wire, *bodies) -> list[int]:
    return [
        wire.post(*BODIES[body] if isinstance(body, str) else body).status_code for body in bodies
    ]


def test_when(wire) -> None:
    faults = wire.emulator.faults
    faults.add(Fault(status=Status(503), when=When(api="chat", nth=(2, 3))))
    assert statuses(wire, "chat", "responses", "chat", "chat", "chat") == [200, 200, 503, 503, 200]
    faults.clear()
    faults.add(
        Fault(status=Status(503), when=When(model="openai/*", times=1)),
        Fault(status=Status(502), when=When(times=1)),
    )
    assert statuses(wire, "chat", "chat", "chat") == [503, 502, 200]
    faults.clear()
    faults.add(Fault(status=Status(503), when=When(path="*/responses", stream=True)))
    streamed = ("/responses", {"input": "hello", "stream": True})
    assert statuses(wire, "responses", streamed, "chat") == [200, 503, 200]
    assert [(strike.number, strike.api) for strike in faults.strikes] == [(4, "responses")]


def test_phases(wire) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = HELLO["messages"]
    after = [
        *first,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "x"},
    ]
    later = [
        *first,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "and now?"},
    ]
    for phase, wanted in {
        "first": [503, 200, 200],
        "after_tool": [200, 503, 200],
        "follow_up": [200, 200, 503],
    }.items():
        wire.emulator.faults.clear()
        wire.emulator.faults.add(Fault(status=Status(503), when=When(phase=phase)))
        assert (
            statuses(
                wire,
                *[
                    ("/chat/completions", {**HELLO, "messages": turns})
                    for turns in (first, after, later)
                ],
            )
            == wanted
        )


def test_chance_is_repeatable(wire_to) -> None:
    def run(seed: int) -> list[int]:
        with Emulator(
            faults=Faults([Fault(status=Status(503), when=When(probability=0.5))], seed=seed)
        ) as emulator:
            return statuses(wire_to(emulator), *["chat"] * 20)

    assert run(1) == run(1) != run(2)
    assert {200, 503} == set(run(1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no effect was given"),
        ({"status": Status(500), "body": Body()}, "cannot strike the same reply"),
        ({"status": {"code": 200}}, "greater than or equal to 300"),
        ({"quirks": "arguments.nan "}, "Input should be 'arguments.empty'"),
        (
            {"socket": Socket("cut", at="accept"), "when": When(model="x")},
            "nothing of the request's body is known",
        ),
        ({"body": Body(), "billed": False}, "has no reply in which"),
        ({"lookup": Lookup(), "when": When(api="chat")}, "concerns GET /generation"),
    ],
)
def test_a_fault_that_makes_no_sense(given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Fault(**given)


def test_only_faults_are_faults(emulator) -> None:
    with pytest.raises(TypeError, match="a Fault is accepted"):
        emulator.faults.add("cut")


# The books


@pytest.mark.parametrize("action", ["cut", "reset"])
def test_a_hang_up_after_the_post(emulator, action: str) -> None:
    emulator.faults.add(
        Fault(socket=Socket(action), billed=True, when=When(nth=1)),
        Fault(socket=Socket(action), billed=False, when=When(nth=2)),
    )
    for _ in range(2):
        assert raw(emulator)[0] == b""
    until(lambda: len(emulator.posts) == 2)
    assert [(post.billed, post.status, post.known_unbilled) for post in emulator.posts] == [
        (True, None, False),
        (False, None, False),
    ]
    ((first, second),) = emulator.repeats
    assert (first.number, second.number) == (0, 1)


@pytest.mark.parametrize("api", BODIES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_is_delivered_with_its_last_byte(
    wire, emulator, png, api: str, stream: bool
) -> None:
    path, body = BODIES[api]
    body, text = {**body, "stream": stream}, base64.b64encode(png)
    reply = Reply(
        [
            Draw(
                "a",
                data=png,
                places={"chat": ["message_images"], "responses": ["image_generation_call"]}.get(
                    api, ()
                ),
            )
        ]
    )
    emulator.play(reply)
    whole = wire.post(path, body).content
    end = whole.index(text) + len(text) + 1
    assert emulator.posts[0].complete
    for byte, delivered in ((end - 1, 0), (end, 1)):
        emulator.faults.clear()
        emulator.faults.add(Fault(socket=Socket("cut", at="body", byte=byte)))
        emulator.play(reply)
        received = body_of(raw(emulator, body, path=path)[0])
        until(lambda: emulator.posts[-1].billed)
        assert text in received
        assert (
            len(emulator.posts[-1].images),
            len(emulator.posts[-1].delivered),
            emulator.posts[-1].complete,
        ) == (
            1,
            delivered,
            False,
        )


def test_a_stream_that_is_cut_bills_what_was_produced(emulator, png) -> None:
    emulator.play([Reply([Say("x" * 200), Draw("a", data=png)])] * 2)
    emulator.faults.add(
        Fault(socket=Socket("cut", at="event", event=2)),
    )
    emulator.faults.add(Fault(socket=Socket("cut", at="event", event=2), billed=True))
    raw(emulator, {**HELLO, "stream": True})
    emulator.faults.remove(1)
    raw(emulator, {**HELLO, "stream": True})
    until(lambda: len(emulator.ledger) == 2)
    assert [charge.images for charge in emulator.ledger] == [0, 1]
