"""Each way in which a connection fails, over either transport: what is told, and that nothing is
sent twice.

`ConnectionFailed` says that a request may be sent again. It is told only where the request surely
was not accepted.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from typing import Any

import pytest

from agentkit.errors import (
    APIError,
    ConnectionFailed,
    OutcomeUnknown,
    ProtocolError,
    RunError,
    Untrusted,
)
from agentkit.openrouter.retry import times_more
from tests.clock import GUARD, advance, turns
from tests.unit.openrouter.conftest import Connect, ask
from tests.unit.openrouter.peer import (
    END,
    OK,
    Handler,
    Line,
    answers,
    chunk,
    event,
    reply,
    serving,
    stream,
)


async def refused(
    url: str, open_client: Connect, kind: type[RunError] = ConnectionFailed, **waits: float
) -> RunError:
    """The error of a request to this address, and nothing of the key or of the libraries in it."""
    with pytest.raises(RunError) as caught:
        await asyncio.wait_for(ask(open_client(url, **waits)), GUARD)
    error = caught.value
    assert type(error) is kind, repr(error)
    assert "sk-or" not in str(error)
    assert error.__cause__ is None
    return error


async def test_refused(connect: Connect) -> None:
    with socket.socket() as nobody:  # bound, but not listening
        nobody.bind(("127.0.0.1", 0))
        error = await refused(f"http://127.0.0.1:{nobody.getsockname()[1]}/api/v1", connect)
    assert "nothing was sent" in str(error)


async def test_a_name_that_does_not_resolve(connect: Connect) -> None:
    error = await refused("http://nobody.invalid/api/v1", connect)
    assert times_more(error) == 2


async def test_a_certificate_that_nobody_trusts(connect: Connect) -> None:
    async with serving(answers, tls=True) as peer:
        error = await refused(peer.url, connect, Untrusted)
        assert peer.requests == []
    assert "certificate" in str(error).lower()
    assert times_more(error) == 0  # it would be the same again


async def test_a_tls_handshake_that_never_ends(connect: Connect) -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    async with serving(silent, tls=True, mute=True) as peer:
        await refused(peer.url, connect, connect=0.2)
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)


async def test_a_tls_handshake_that_is_reset(connect: Connect) -> None:
    async def rude(line: Line) -> None:
        await line.reader.read(1)
        line.reset()

    async with serving(rude, tls=True, mute=True) as peer:
        await refused(peer.url, connect)


async def test_a_connection_that_is_never_accepted(connect: Connect) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:  # until the line of those who wait is full
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        await asyncio.sleep(0.05)
        await refused(f"http://127.0.0.1:{full.getsockname()[1]}/api/v1", connect, connect=0.2)
        for caller in callers:
            caller.close()


async def hang_up(line: Line) -> None:
    await line.request()


async def hang_up_politely(line: Line) -> None:
    await line.request()
    line.writer.close()


async def hang_up_in_the_request(line: Line) -> None:
    await line.head()


async def reset(line: Line) -> None:
    await line.request()
    line.reset()


async def break_off_in_the_headers(line: Line) -> None:
    await line.request()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Ty")


async def reset_in_the_headers(line: Line) -> None:
    await line.request()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    await asyncio.sleep(0.05)
    line.reset()


async def speak_gibberish(line: Line) -> None:
    await line.request()
    await line.send(b"SMTP ready\r\n\r\n")


async def break_off_in_the_body(line: Line) -> None:
    await line.request()
    await line.send(reply(OK[:9], length=len(OK)))


async def reset_in_the_body(line: Line) -> None:
    await line.request()
    await line.send(reply(OK[:9], "X-Generation-Id: gen-7", length=len(OK)))
    await asyncio.sleep(0.05)
    line.reset()


async def break_off_in_a_stream(line: Line) -> None:
    await line.request()
    await line.send(stream(), event(1))


async def reset_in_a_stream(line: Line) -> None:
    await line.request()
    await line.send(stream(), event(1))
    await asyncio.sleep(0.05)
    line.reset()


AFTER = [
    hang_up, hang_up_politely, hang_up_in_the_request, reset, break_off_in_the_headers, reset_in_the_headers, speak_gibberish,
    break_off_in_the_body, reset_in_the_body, break_off_in_a_stream, reset_in_a_stream,
]  # fmt: skip


@pytest.mark.parametrize("handler", AFTER, ids=lambda handler: handler.__name__)
async def test_after_the_request_was_sent_the_outcome_is_unknown(
    handler: Handler, connect: Connect
) -> None:
    async with serving(handler) as peer:
        error = await refused(peer.url, connect, OutcomeUnknown)
        assert len(peer.requests) == 1
        assert times_more(error) == 0
    if handler is reset_in_the_body:
        assert error.generation_id == "gen-7"


@pytest.mark.parametrize("handler", AFTER[:4], ids=lambda handler: handler.__name__)
async def test_the_same_over_tls(handler: Handler, connect: Connect, trusted: None) -> None:
    async with serving(handler, tls=True) as peer:
        await refused(peer.url, connect, OutcomeUnknown)
        assert len(peer.requests) == 1


async def test_a_body_without_a_length_that_is_reset(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + OK[:9])
        await asyncio.sleep(0.05)
        line.reset()

    async with serving(handler) as peer:
        with pytest.raises(
            (OutcomeUnknown, ProtocolError)
        ) as caught:  # either way it is not sent again
            await ask(connect(peer.url))
        assert times_more(caught.value) == 0
        assert len(peer.requests) == 1


async def test_what_had_arrived_before_the_break_was_told(connect: Connect) -> None:
    async with serving(break_off_in_a_stream) as peer:
        told: list[Any] = []
        with pytest.raises(OutcomeUnknown):
            await ask(connect(peer.url), into=told)
    assert told == [{"number": 1}]


# --- time-outs ---------------------------------------------------------------------------------------------------


def quiet(*pieces: bytes, pause: float = 5.0) -> Handler:
    """Sends these pieces, with a pause before each but the first, and then waits for the client to
    go.
    """

    async def handler(line: Line) -> None:
        await line.request()
        for number, piece in enumerate(pieces):
            await asyncio.sleep(pause if number else 0)
            await line.send(piece)
        await line.gone()

    return handler


def late(first: bytes, second: bytes) -> Handler:
    """Sends `second` 1000 seconds after `first`."""

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(first)
        await turns()
        advance(1000)
        await line.send(second)
        await line.gone()

    return handler


SILENT = {
    "no headers": (quiet(), {"first_byte": 0.2}),
    "no end of the headers": (quiet(b"HTTP/1.1 200 OK\r\n"), {"first_byte": 0.2}),
    "no first byte of the body": (quiet(reply(b"", length=10)), {"first_byte": 0.2}),
    "no first byte of the stream": (quiet(stream()), {"first_byte": 0.2}),
    "no more of the body": (quiet(reply(OK[:9], length=len(OK))), {"idle": 0.2}),
    "no more of the stream": (quiet(stream() + event(1)), {"idle": 0.2}),
    "no more after a while": (
        quiet(stream() + event(1), *[chunk(b": hold\n\n")] * 3, pause=0.1),
        {"idle": 0.3},
    ),
}


@pytest.mark.parametrize("case", SILENT)
async def test_a_silence(case: str, connect: Connect) -> None:
    handler, waits = SILENT[case]
    async with serving(handler) as peer:
        began = time.monotonic()
        await refused(peer.url, connect, OutcomeUnknown, **waits)
        assert time.monotonic() - began > 0.15
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)
        assert len(peer.requests) == 1


async def test_the_first_byte_may_take_longer_than_a_pause_later(connect: Connect) -> None:
    async with serving(late(stream(), event(1) + END)) as peer:
        assert await ask(connect(peer.url, idle=400, first_byte=2000)) == [{"number": 1}]


async def test_a_pause_may_take_longer_than_the_first_byte(connect: Connect) -> None:
    async with serving(late(stream() + event(1), event(2) + END)) as peer:
        assert await ask(connect(peer.url, idle=2000, first_byte=400)) == [
            {"number": 1},
            {"number": 2},
        ]


async def test_comments_keep_a_stream_alive(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(stream())
        for _ in range(8):
            await turns()
            advance(200)
            await line.send(chunk(b": OPENROUTER PROCESSING\n\n"))
        await turns()
        await line.send(event(1) + END)

    async with serving(handler) as peer:
        assert await ask(connect(peer.url, idle=300, first_byte=300)) == [{"number": 1}]


async def test_a_server_that_reads_no_more_of_the_request(connect: Connect) -> None:
    held = asyncio.Event()

    async def handler(line: Line) -> None:
        line.writer.transport.pause_reading()
        await held.wait()

    async with serving(handler) as peer:
        client = connect(peer.url, idle=0.3)
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(ask(client, (b"x" * (24 << 20),)), GUARD)
        held.set()


# --- errors with a body ------------------------------------------------------------------------------------------


async def test_an_error_body_of_300_megabytes_is_not_read(connect: Connect) -> None:
    sent = 0

    async def handler(line: Line) -> None:
        nonlocal sent
        await line.request()
        await line.send(reply(b"", "X-Generation-Id: gen-3", status="500 Broken", length=300 << 20))
        for _ in range(300):
            await line.send(b"x" * (1 << 20))
            sent += 1

    async with serving(handler) as peer:
        with pytest.raises(APIError) as caught:
            await ask(connect(peer.url))
    assert (caught.value.status, caught.value.generation_id) == (500, "gen-3")
    assert sent < 60  # what the systems' buffers hold
    assert len(str(caught.value)) < 70_000


@pytest.mark.parametrize(
    "broken", ["stalls", "trickles", "is cut", "is reset", "is no gzip", "is a bomb"]
)
async def test_an_error_whose_body(broken: str, connect: Connect) -> None:
    # Made before the clock runs: to pack it takes longer than to refuse it.
    bomb = gzip.compress(b"the kiln is cold" + b" " * (80 << 20)) if broken == "is a bomb" else b""

    async def handler(line: Line) -> None:
        await line.request()
        packed = "Content-Encoding: gzip"
        if broken == "is a bomb":
            await line.send(reply(bomb, packed, "X-Generation-Id: gen-3", status="503 Busy"))
            return
        also = (packed,) if broken == "is no gzip" else ()
        await line.send(
            reply(
                b"the kiln is cold", *also, "X-Generation-Id: gen-3", status="503 Busy", length=500
            )
        )
        if broken == "is reset":
            await asyncio.sleep(0.05)
            line.reset()
        while broken in {"stalls", "trickles"}:
            await asyncio.sleep(0.05)
            if broken == "trickles":
                await line.send(b".")

    async with serving(handler) as peer:
        with pytest.raises(APIError) as caught:
            await asyncio.wait_for(ask(connect(peer.url, idle=0.4)), GUARD)
    assert (caught.value.status, caught.value.generation_id) == (503, "gen-3")
    if broken != "is no gzip":
        assert "the kiln is cold" in str(caught.value)


async def test_an_error_before_the_request_was_read(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.head()
        await line.send(reply(b'{"error":{"message":"too large"}}', status="413 Too Large"))
        await line.gone()

    async with serving(handler) as peer:
        with pytest.raises(APIError, match="too large") as caught:
            await ask(connect(peer.url), (b"x" * (8 << 20),))
    assert caught.value.status == 413


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(
            reply(
                b"",
                f"Location: {peer.origin}/elsewhere?key=sk-or-v1-secretsecret",
                status=f"{status} Go",
            )
        )

    async with serving(handler) as peer:
        with pytest.raises(APIError, match="was not followed") as caught:
            await ask(connect(peer.url))
        assert len(peer.requests) == 1
        assert "secretsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "target", ["http://[", "http://\u2603:port/", "//", "javascript:alert(1)", ""]
)
async def test_a_redirect_to_no_address_is_the_same_error(target: str, connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(b"", f"Location: {target}", status="307 Go"))

    async with serving(handler) as peer:
        with pytest.raises(APIError, match="was not followed") as caught:
            await ask(connect(peer.url))
        assert caught.value.status == 307
        assert len(peer.requests) == 1
