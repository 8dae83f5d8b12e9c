"""Nobody who was not let in reaches a chat server: no page of another site, no name that leads here,
no guess.
"""

from __future__ import annotations

import socket
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from agentkit.emulator import Emulator
from agentkit.web.access import cookie_value
from agentkit.web.doors import Doors
from tests.clock import GUARD
from tests.security.web_doors import TRIES, Try
from tests.unit.web.talking import Talker, chat_server
from tests.web_server import Reply, Served, serving_app

TOKEN = "a-Token-that-a-test-has-Chosen"
REFUSALS = {400, 401, 403, 404, 405, 415, 421}
KINDS = {"rebinding": 30, "origin": 20, "fetch": 12, "form": 12, "token": 25, "cookie": 20}


@dataclass
class Inside:
    """What the doors are there for. It writes down who has come in."""

    came: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came.append(f"{scope['method']} {scope['path']}")
        await PlainTextResponse("the secret")(scope, receive, send)


@dataclass
class Guarded:
    served: Served
    inside: Inside = field(default_factory=Inside)

    def make(self, attempt: Try) -> Reply:
        facts = {
            "port": str(self.served.port),
            "token": TOKEN,
            "TOKEN": TOKEN.upper(),
            "cookie": f"agentkit_{self.served.port}={cookie_value(TOKEN)}",
            "cookie_value": cookie_value(TOKEN),
            "COOKIE_VALUE": cookie_value(TOKEN).upper(),
            "other_cookie_value": cookie_value("the-token-of-another-server"),
        }
        lines = [f"{attempt.method} {attempt.path.format(**facts)} HTTP/{attempt.version}"]
        lines += [f"{name}: {value.format(**facts)}" for name, value in attempt.all_headers]
        body = b"" if attempt.method == "GET" else attempt.body
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return self.served.raw("\r\n".join(lines), body)


@pytest.fixture(scope="module")
def guarded() -> Generator[Guarded]:
    inside = Inside()
    with serving_app(Doors(inside, token=TOKEN), lifespan="off") as served:
        yield Guarded(served, inside)


def test_the_list_is_long_and_of_all_kinds() -> None:
    names = [each.name for each in TRIES]
    assert len(names) == len(set(names)) >= 120
    for kind, least in KINDS.items():
        assert sum(each.kind == kind for each in TRIES) >= least, kind


@pytest.mark.parametrize("attempt", TRIES, ids=[each.name for each in TRIES])
def test_nobody_comes_in(guarded: Guarded, attempt: Try) -> None:
    before = len(guarded.inside.came)
    reply = guarded.make(attempt)
    came = [each for each in guarded.inside.came[before:] if "/page/" not in each]
    assert came == []
    if not guarded.inside.came[before:]:  # the files of the page are the same everywhere
        assert reply.status in REFUSALS
        assert b"secret" not in reply.body
    assert TOKEN.encode() not in reply.body
    set_by_us = [value for name, value in reply.headers if name == "set-cookie"]
    assert set_by_us == []
    assert not [name for name, _ in reply.headers if name.startswith("access-control-")]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Guarded, Talker]]:
    """A whole chat server, in which somebody has said something."""
    folder = tmp_path_factory.mktemp("chat")
    with (
        Emulator() as emulator,
        chat_server(emulator, folder, web={"token": TOKEN}) as page,
    ):
        page.headers = {"authorization": f"Bearer {TOKEN}"}
        emulator.play("It is the secret.")
        page.say("x", "What is the secret?")
        yield Guarded(page.served), page


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_chat_server(chat: tuple[Guarded, Talker], kind: str) -> None:
    guarded, page = chat
    before = page.get("/api/chats"), page.history("x")
    for attempt in (each for each in TRIES if each.kind == kind):
        reply = guarded.make(attempt)
        assert reply.status in REFUSALS or "/page/" in attempt.path, attempt
        assert b"secret" not in reply.body, attempt
    assert (page.get("/api/chats"), page.history("x")) == before


def test_those_who_may_do_come_in(guarded: Guarded) -> None:
    """The same requests, each with what it lacked: so none was refused for another reason."""
    from tests.security.web_doors import BEARER, COOKIE, HOST, JSON, OWN

    for headers in ((HOST, COOKIE, OWN, JSON), (HOST, BEARER, JSON), (HOST, BEARER, OWN, JSON)):
        assert guarded.make(Try("right", "a message", headers)).status == 200
    fetch = (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"))
    assert guarded.make(Try("right", "fetched", (HOST, COOKIE, *fetch, JSON))).status == 200
    tossed = ("Cookie", "agentkit_{port}=tossed; {cookie}")
    for cookies in ((COOKIE,), (tossed,), (("Cookie", "agentkit_{port}=tossed"), COOKIE)):
        attempt = Try("right", "a read", (HOST, *cookies), "GET", "/api/chats")
        assert guarded.make(attempt).status == 200, "another server's cookie locks nobody out"


def test_the_link_leads_to_us_alone(guarded: Guarded) -> None:
    """The address without the token is our root, whatever stood in the path."""
    for path in (
        "/",
        "//",
        "//evil.example",
        "//evil.example/",
        "/\\evil.example/",
        "/%2f/x",
        "/..//x",
    ):
        reply = guarded.served.ask("GET", f"{path}?token={TOKEN}")
        assert reply.header("location") in {None, "/"}, path
    assert (
        guarded.served.ask("GET", f"/?token={TOKEN}&next=//evil.example").header("location") == "/"
    )


def test_a_websocket_is_refused(guarded: Guarded) -> None:
    before = len(guarded.inside.came)
    upgrade = (
        f"GET /api/chats HTTP/1.1\r\nHost: 127.0.0.1:{guarded.served.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://evil.example\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", guarded.served.port), timeout=GUARD) as connection:
        connection.sendall(upgrade.encode())
        assert connection.recv(100).split()[1] in {b"403", b"401", b"400"}
    assert len(guarded.inside.came) == before
