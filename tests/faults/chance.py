"""Random replies and random faults, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, get_args

from agentkit.emulator import (
    QUIRKS,
    Body,
    CallTool,
    Draw,
    Endless,
    Fault,
    Lookup,
    Reply,
    ReplyError,
    Say,
    Socket,
    Status,
    Think,
    When,
)
from agentkit.emulator.faults import Action, BodyKind, Where
from tests.conftest import picture

SIZE = 40
PICTURES = [picture(size=(SIZE, SIZE + number), noise=number) for number in range(1, 9)]
"""Small ones, but larger than what the spool leaves alone; the tenth is tiny."""
TINY = picture("blue", (6, 6))
CODES = (
    301,
    307,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    413,
    422,
    425,
    429,
    500,
    502,
    503,
    504,
    524,
    529,
)


def script_of(chance: random.Random, api: str, turns: int) -> list[Reply]:
    """What the model says in all turns, and more than enough behind it, so that no rule has to
    paint.
    """
    if api == "images":
        return [_drawing(chance) for _ in range(turns * 4)]
    found: list[Reply] = []
    for _ in range(turns):
        found += [
            _reply(chance, api, calls=chance.randint(1, 2))
            for _ in range(chance.choice([0, 0, 1, 1, 2]))
        ]
        found.append(_reply(chance, api, calls=0))
    return [*found, *[Reply([Say("That is all. (end)")])] * 12]


def _drawing(chance: random.Random) -> Reply:
    draws = [
        Draw("a fox", data=chance.choice(PICTURES), preview_count=chance.randint(0, 2))
        for _ in range(2)
    ]
    return Reply(draws)


def _reply(chance: random.Random, api: str, *, calls: int) -> Reply:
    items: list[Any] = []
    if chance.random() < 0.3:
        items.append(Think("I think of a 🦊.", signature="c2ln" if api == "chat" else None))
    items.append(Say(chance.choice(["Here: ", "A naïve 🦊 follows. ", "\u2028odd\u0085 "])))
    for _ in range(chance.choice([0, 1, 1, 2])):
        items.append(_draw(chance, api))
        items.append(Say("There it is. "))
    names = [chance.choice(["note", "weather"]) for _ in range(calls)]
    texts = {"note": "text", "weather": "city"}
    items += [CallTool(name, {texts[name]: f"Oslo {chance.randrange(10**6)}"}) for name in names]
    if not calls:
        items.append(Say("That is all. (end)"))
    return Reply(items, chunk=chance.choice([None, 1, 7, 200]))


def _draw(chance: random.Random, api: str) -> Draw:
    data = chance.choice([*PICTURES, TINY])
    if api == "chat":
        place, shape = chance.choice(
            [("message_images", None), ("message_images", "url"), ("content_parts", None), ("markdown", None),
             ("server_tool_call", None), ("bare_link", None)]
        )  # fmt: skip
    else:
        place, shape = chance.choice(
            [("image_generation_call", "result_data_url"), ("image_generation_call", "result_base64"),
             ("image_generation_call", "result_url"), ("server_tool_item", "imageUrl"), ("server_tool_item", "imageB64"),
             ("markdown", None)]
        )  # fmt: skip
    places: Sequence[Any] = (place,) if chance.random() < 0.8 else (place, "markdown")
    return Draw("a fox", places, data=data, shape=shape if len(places) == 1 else None)  # type: ignore[arg-type]


def faults_of(chance: random.Random, *, server_tools: bool, draws: bool = False) -> list[Fault]:
    """None to three faults of any kind, at random requests. `draws`: all of these may draw."""
    kinds: list[Callable[..., Fault | None]] = [
        _status,
        _status,
        *([_page] if draws else []),
        _socket,
        _socket,
        _socket,
        _body,
        _error,
        _quirks,
        _endless,
        _picture,
    ]
    found: list[Fault] = []
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3])):
        fault = chance.choice(kinds)(chance, server_tools)
        if fault is not None:
            found.append(fault)
    if chance.random() < 0.3:
        answer: Any = chance.choice(["unknown", "error"])
        found.append(Fault(lookup=Lookup(answer, polls=chance.choice([None, 1, 2]))))
    if chance.random() < 0.05:
        found.append(
            Fault(
                socket=Socket("reset", at="body", byte=3),
                when=When(api="generation", probability=0.5),
            )
        )
    return found


def _when(chance: random.Random, **more: Any) -> When:
    kind = chance.randrange(4)
    if kind == 0:
        return When(nth=(chance.randint(1, 4),), **more)
    if kind == 1:
        return When(times=chance.randint(1, 2), **more)
    return When(probability=chance.choice([0.3, 0.6, 1.0]), **more)


def _status(chance: random.Random, server_tools: bool) -> Fault:
    """Without server tools an error status says that nothing was billed; with them it may have
    been.
    """
    wait = chance.choice([0, 0, 0.02, "nan", "Wed, 21 Oct 2015 07:28:00 GMT", 500, None])
    availability = chance.choice([None, None, None, {"retryable": False}, {"retryable": True}])
    status = Status(
        chance.choice(CODES), retry_after=wait, generation_id=chance.random() < 0.7, availability=availability,
        fill=chance.choice([0, 0, 200_000]),
    )  # fmt: skip
    may_bill = (
        server_tools and status.code >= 400 and status.code != 425
    )  # which says that it was not accepted
    billed = True if may_bill and chance.random() < 0.5 else None
    broken = Socket("cut", at="body", byte=chance.randrange(60)) if chance.random() < 0.15 else None
    return Fault(status=status, billed=billed, socket=broken, when=_when(chance))


def _page(chance: random.Random, server_tools: bool) -> Fault:
    """A gateway's page, while the service behind it bills."""
    text = "<html><body>nginx</body></html>"
    status = Status(
        chance.choice([408, 500, 502, 503, 504, 520, 524, 529]),
        text=text,
        content_type="text/html",
        generation_id=chance.random() < 0.3,
        retry_after=chance.choice([None, 0]),
    )
    return Fault(status=status, billed=chance.choice([True, True, None]), when=_when(chance))


def _socket(chance: random.Random, server_tools: bool) -> Fault | None:
    action: Any = chance.choice(get_args(Action))
    at: Any = chance.choice(get_args(Where))
    ends = action in ("cut", "reset", "stall")
    if (at in ("accept", "request") and not ends) or (action == "end" and at == "response"):
        return None
    socket = Socket(
        action, at=at, byte=chance.choice([0, 0, chance.randrange(200), chance.randrange(5_000)]),
        event=chance.randrange(20) if at == "event" else 0,
        seconds=chance.choice([None, 0.05]) if action == "stall" else None,
        size=chance.randint(40, 900), rate=chance.choice([12_000.0, 100_000.0]),
    )  # fmt: skip
    if at == "accept":
        return Fault(socket=socket, when=When(nth=(chance.randint(1, 2),)))
    billed = (
        chance.choice([None, True, False])
        if ends and at == "response" and socket.byte == 0 and not socket.seconds
        else None
    )
    return Fault(socket=socket, billed=billed, when=_when(chance))


def _body(chance: random.Random, server_tools: bool) -> Fault:
    kind: Any = chance.choice(get_args(BodyKind))
    return Fault(body=Body(kind), when=_when(chance))


def _error(chance: random.Random, server_tools: bool) -> Fault:
    form: Any = chance.choice(["body", "choice", "stream", "silent"])
    event: Any = chance.choice(["response.failed", "response.error", "error"])
    code = chance.choice([400, 402, 403, 429, 500, 502, 503])
    return Fault(
        error=ReplyError(form, code, event=event, content=chance.random() < 0.6), when=_when(chance)
    )


def _quirks(chance: random.Random, server_tools: bool) -> Fault:
    names = [name for name in QUIRKS if name != "arguments.large"]
    return Fault(quirks=tuple(chance.sample(names, chance.randint(1, 2))), when=_when(chance))  # type: ignore[arg-type]


def _endless(chance: random.Random, server_tools: bool) -> Fault:
    kind: Any = chance.choice(["line", "base64", "comments", "empty_events", "events"])
    return Fault(endless=Endless(kind, bytes=chance.choice([200, 30_000])), when=_when(chance))


def _picture(chance: random.Random, server_tools: bool) -> Fault:
    when = _when(chance, api="pictures")
    kind = chance.randrange(4)
    if kind == 0:
        return Fault(
            status=Status(chance.choice([403, 404, 429, 500, 503]), retry_after=0), when=when
        )
    if kind == 1:
        return Fault(
            socket=Socket(
                chance.choice(["cut", "reset", "stall"]), at="body", byte=chance.randrange(900)
            ),
            when=when,
        )  # type: ignore[arg-type]
    if kind == 2:
        return Fault(body="html", when=when)  # type: ignore[arg-type]
    return Fault(socket=Socket("slice", size=chance.randint(50, 500)), when=when)
