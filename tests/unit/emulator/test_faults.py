"""Each fault, as it shows on a raw socket or to a plain HTTP client."""

import base64
import hashlib
import json
import re
import time
from itertools import product

import pytest

from agentkit.emulator import (
    Body,
    Draw,
    Endless,
    Fault,
    Reply,
    ReplyError,
    Say,
    Socket,
    Status,
    When,
)
from tests.conftest import spread
from tests.unit.emulator.faulty import BODIES, HELLO, body_of, raw, until

# The socket


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
@pytest.mark.parametrize("byte", [0, 1, 15, 40, 300])
def test_a_response_ends_at_a_byte(emulator, action: str, ending: str, byte: int) -> None:
    emulator.faults.add(Fault(socket=Socket(action, byte=byte)))
    received, how = raw(emulator)
    assert (len(received), how) == (byte, ending)


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_ends_at_a_byte(emulator, action: str, ending: str, stream: bool) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="body", byte=57)))
    received, how = raw(emulator, {**HELLO, "stream": stream})
    assert (len(body_of(received)), how) == (57, ending)


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
def test_a_connection_ends_as_soon_as_it_stands(emulator, action: str, ending: str) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="accept"), when=When(times=1)))
    assert raw(emulator) == (b"", ending)
    assert emulator.requests == emulator.posts == []
    assert raw(emulator)[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("action", "ending"), [("cut", "fin"), ("reset", "rst"), ("stall", "silence")]
)
def test_a_request_breaks_off_on_its_way(emulator, action: str, ending: str) -> None:
    emulator.faults.add(Fault(socket=Socket(action, at="request", byte=20)))
    received, how = raw(emulator, sent=30)
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
    assert [(len(body_of(text)), how) for text, how in (raw(emulator), raw(emulator))] == [
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


@pytest.mark.parametrize(
    ("kind", "api", "stream"),
    spread(
        product(["line", "base64", "comments", "empty_events", "events"], BODIES, [False, True]), 10
    ),
)
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
