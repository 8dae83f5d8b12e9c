"""What the emulator keeps of the requests that faults struck: look-ups, and what was delivered."""

import base64
import hashlib
import re

import httpx2
import pytest

from agentkit.emulator import (
    Draw,
    Endless,
    Fault,
    Lookup,
    Reply,
    Say,
    Socket,
    Status,
    When,
)
from tests.unit.emulator.faulty import BODIES, HELLO, body_of, raw, until


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
