"""No user of a chat server reaches what is another's: neither by its id nor by its digest, neither
with a cookie of their own nor with one that they made up.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from starlette.requests import Request

from agentkit import Image, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from tests.conftest import picture
from tests.security.web_users import TRIES, Try
from tests.unit.web.talking import Gate, Talker, chat_server, message
from tests.web_server import Reply as Answer

KEYS = {"key-of-ada-0123456789": "ada", "key-of-bob-0123456789": "bob"}
KINDS = list(dict.fromkeys(each.kind for each in TRIES))
MISSPELT = {
    "a path to it in code",
    "a path to it",
    "a pattern",
    "a slash at its end",
    "by a longer path",
    "capitals",
    "in code",
    "of the turn that goes on",
    "the start of its digest",
}
"""What nobody reaches, and the stream that has no end while the turn goes on."""
SECRETS = (b"axolotl", b"order_print", b"theirs")
"""Words of hers that no answer to anybody else has."""


def login(request: Request) -> str | None:
    """By a cookie, as an application may have it."""
    return KEYS.get(request.cookies.get("login", ""))


@tool(approve=True)
def order_print(picture: Image) -> str:
    """Order a print.

    Args:
        picture: Of what.
    """
    return f"{picture.name} is ordered"


@dataclass
class House:
    """A server with what Ada has, and the two who use it."""

    ada: Talker
    bob: Talker
    emulator: Emulator
    facts: dict[str, str]

    def make(self, attempt: Try) -> Answer:
        """The request that Bob makes."""
        body = (
            b"" if attempt.body is None else json.dumps(_filled(attempt.body, self.facts)).encode()
        )
        given = [(name, value.format(**self.facts)) for name, value in attempt.headers]
        names = {name.lower() for name, _ in given}
        if "cookie" not in names:
            given.append(("cookie", self.facts["cookie"]))
        if attempt.body is not None:
            given.append(("content-type", "application/json"))
        path = attempt.path.format(**self.facts)
        return self.bob.served.ask(attempt.method, path, given, body)

    def hers(self) -> list[Any]:
        """All that Ada sees."""
        pictures = [
            self.ada.ask("GET", path.format(**self.facts)).status
            for path in ("/images/{picture}", "/images/{unsent}", "/previews/{preview}/0")
        ]
        names = ("chat", "live", "held")
        return [
            self.ada.get("/api/chats"),
            pictures,
            *(self.ada.history(self.facts[each]) for each in names),
        ]


def _filled(value: Any, facts: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**facts)
    if isinstance(value, dict):
        return {name: _filled(each, facts) for name, each in value.items()}
    return [_filled(each, facts) for each in value] if isinstance(value, list) else value


def begin(ada: Talker, emulator: Emulator) -> dict[str, str]:
    """Let Ada have a conversation of each kind, and what it takes to ask for it."""
    emulator.play(Reply([Say("An axolotl: "), Draw("an axolotl", size=(300, 200))]))
    (drawn,) = [each for each in ada.say("theirs", "Draw an axolotl") if each["type"] == "file"]
    emulator.play(Reply([CallTool("order_print", {"picture": "img_1"})]))
    url = drawn["url"]
    asked = ada.open(
        "POST", "/api/chat", message("theirs-held", "Order a print of this axolotl", url)
    )
    (question,) = [each for each in asked.chunks() if each["type"] == "tool-approval-request"]
    unsent = ada.ask("POST", "/api/images", picture(), **{"content-type": "image/png"}).json()
    drawing = Draw("an axolotl at night", size=(64, 48), preview_count=2)
    emulator.play(Reply([drawing, CallTool("wait", {"city": "Oslo"})]))
    live = ada.begin("theirs-live", "Draw an axolotl at night", api="responses")
    seen = live.until("file")
    previews = [
        each["data"]["previewUrl"]
        for each in seen
        if each["type"] == "data-picture" and each["data"].get("previewUrl")
    ]
    return {
        "chat": "theirs",
        "live": "theirs-live",
        "held": "theirs-held",
        "picture": url.removeprefix("images/"),
        "PICTURE": url.removeprefix("images/").upper(),
        "unsent": unsent["sha256"],
        "drawing": seen[-1]["url"].removeprefix("images/"),
        "preview": previews[0].split("/")[1],
        "message": ada.history("theirs")["messages"][-1]["id"],
        "approval": question["approvalId"],
        "call": question["toolCallId"],
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    gate = Gate()
    with (
        Emulator() as emulator,
        chat_server(
            emulator,
            tmp_path_factory.mktemp("house"),
            tools=[order_print, gate.tool()],
            web={"user": login},
        ) as page,
    ):
        keys = {name: key for key, name in KEYS.items()}
        ada = Talker(page.served, {"cookie": f"login={keys['ada']}"}, page.streams)
        bob = Talker(page.served, {"cookie": f"login={keys['bob']}"}, page.streams)
        facts = begin(ada, emulator)
        emulator.play(Reply([Say("Hello, Bob.")]))
        bob.say("of-bob", "Hello")
        facts |= {
            "mine": "of-bob",
            "cookie": f"login={keys['bob']}",
            "key": keys["ada"],
            "left": sha256(keys["ada"].encode()).hexdigest(),
            "port": str(page.served.port),
        }
        yield House(ada, bob, emulator, facts)
        gate.opened.set()


def test_the_list_is_long_and_of_all_kinds() -> None:
    names = [each.name for each in TRIES]
    assert len(names) == len(set(names)) >= 80
    assert set(KINDS) >= {
        "conversation",
        "picture",
        "preview",
        "stop",
        "approval",
        "fork",
        "search",
        "thumbnail",
        "upload",
        "go on",
        "rename",
        "delete",
        "cookie",
        "stream",
        "reference",
        "drop",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_hers_is_reached(house: House, kind: str) -> None:
    before, asked = house.hers(), len(house.emulator.posts)
    for attempt in (each for each in TRIES if each.kind == kind):
        reply = house.make(attempt)
        if kind in {"list", "search", "about"}:
            assert reply.status in {200, 400, 404}, attempt
        elif reply.status == 204:
            assert kind == "stream", "as for a conversation that is not there"
        else:
            assert reply.status in {400, 401, 404, 405, 409}, attempt
        for secret in (*SECRETS, house.facts["picture"].encode(), house.facts["unsent"].encode()):
            assert secret not in reply.body, attempt
        assert not reply.body.startswith((b"\x89PNG", b"RIFF", b"\xff\xd8")), attempt
    assert house.hers() == before
    assert len(house.emulator.posts) == asked, "nothing was paid for"


def test_she_reaches_it_herself(house: House) -> None:
    """The same requests with her login: so none was refused for another reason."""
    hers = ("cookie", house.ada.headers["cookie"])
    for attempt in TRIES:
        is_plain = not attempt.headers and "user=" not in attempt.path
        if attempt.method == "GET" and is_plain and attempt.what not in MISSPELT:
            path = attempt.path.format(**house.facts).replace("of-bob", "theirs")
            reply = house.ada.served.ask("GET", path, [hers])
            assert reply.status == (204 if attempt.what == "of one that is over" else 200), attempt


def test_one_of_the_same_name_is_another_for_each(house: House) -> None:
    """An id that is taken says nothing: it is as if it could not be used."""
    refused = house.bob.ask("POST", "/api/chat", message("theirs", "Hello"))
    missing = house.bob.ask("GET", "/api/chat/not-there-at-all")
    assert (refused.status, missing.status) == (404, 404)
