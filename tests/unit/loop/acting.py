"""What a model is made to say in the state machine: turns as small values that Hypothesis draws,
and the replies that play them on the emulator. Every word, call and piece of reasoning is marked by
a word of its own, so that it is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from zlib import crc32

from hypothesis import strategies as st

from agentkit import Image, Invocation, Run, tool
from agentkit.emulator import CallTool, Draw, Failure, Raw, Reply, Say, Think
from tests.conftest import picture

UNKNOWN = "img_999"
"""A handle that no conversation here ever has."""
DEAD = "nowhere.png"
"""Part of each URL that leads nowhere."""


@cache
def paint(pick: int) -> bytes:
    """Some pictures: too small for the spool, of a few KB, of tens of KB."""
    if pick < 2:
        return picture(("red", "blue")[pick], (8, 8))
    return picture(size=(48, 36) if pick < 5 else (120, 90), noise=pick)


PICTURES = 6


def mirrored(png: bytes, note: str) -> bytes:
    """Another picture made of one: the same with a comment in front of its last chunk."""
    comment = b"tEXt" + f"n\0{note}".encode()
    return (
        png[:-12]
        + (len(comment) - 4).to_bytes(4)
        + comment
        + crc32(comment).to_bytes(4)
        + png[-12:]
    )


@tool
def look(note: str) -> str:
    """Looks."""
    return f"saw {note}"


@tool
def camera(note: str, pick: int) -> list[object]:
    """Takes a picture."""
    return [f"took {note}", Image.from_bytes(paint(pick))]


@tool
def album(note: str, first: int, second: int) -> list[object]:
    """Gives two pictures, which may be one."""
    return [Image.from_bytes(paint(first)), f"an album of {note}", Image.from_bytes(paint(second))]


@tool
def mirror(note: str, image: Image) -> Image:
    """Makes a picture of a picture."""
    return Image.from_bytes(mirrored(image.bytes(), note))


@tool
def show(note: str, image: Image) -> list[object]:
    """Gives back the picture that it is given."""
    return [f"there is {note}", image]


@tool
def fail(note: str) -> str:
    """Fails."""
    raise ValueError(f"no luck with {note}")


@tool(approve=True)
def buy(note: str) -> str:
    """Buys something, if a person agrees."""
    return f"bought {note}"


@tool(external=True)
def ask_ada(note: str) -> str:
    """Asks a person."""
    raise AssertionError("never run here")


TOOLS: list[Any] = [look, camera, album, mirror, show, fail, buy, ask_ada]
PLAIN = (
    "look",
    "camera",
    "album",
    "mirror",
    "show",
    "fail",
    "buy",
    "ask_ada",
    "nonsense",
    "broken",
)
POSTING = ("draw_image", "edit_image", "refused_image", "paint", "shop")
"""Calls that make requests of their own: one in a round, or nobody could say which reply is
whose.
"""
WAITING = {"buy", "ask_ada", "shop"}

Place = Literal[
    "message_images", "server_tool_call", "markdown", "bare_link", "content_parts", "server_tool_item",
    "image_generation_call",
]  # fmt: skip
PLACES: tuple[Place, ...] = Place.__args__  # type: ignore[attr-defined]
IN_ITEMS = {"message_images", "server_tool_call", "server_tool_item", "image_generation_call"}
"""Places that are an item of their own in Responses."""


@dataclass(frozen=True)
class Drawing:
    """A picture that the model or its server tool draws; or one that was announced and is not to be
    had.
    """

    places: tuple[Place, ...]
    shape: Literal["url", "data_url", "base64"] | None
    pick: int
    fate: Literal["drawn", "failed", "dead"] = "drawn"

    @property
    def wire_shape(self) -> Any:
        return None if {"markdown", "bare_link"} & set(self.places) else self.shape


@dataclass(frozen=True)
class Round:
    """One reply of the model, with calls or without."""

    calls: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    thought: bool = False
    said: bool = False
    said_last: bool = False
    picks: tuple[int, int] = (0, 0)

    @property
    def waits(self) -> bool:
        return not WAITING.isdisjoint(self.calls)


fates = st.sampled_from(["drawn", "drawn", "drawn", "drawn", "failed", "dead"])
drawings = st.builds(
    Drawing,
    st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True).map(tuple),
    st.sampled_from([None, "url", "data_url", "base64"]),
    st.integers(0, PICTURES - 1),
    fates,
)
endings = st.builds(
    Round,
    drawings=st.just(()) | st.tuples(drawings) | st.lists(drawings, max_size=3).map(tuple),
    thought=st.booleans(),
    said=st.booleans(),
    said_last=st.booleans(),
)
_plain, _posting = st.sampled_from(PLAIN), st.sampled_from(POSTING)
_calls = (
    st.tuples(_plain)
    | st.tuples(_posting)
    | st.tuples(_plain, _posting)
    | st.tuples(_plain, _plain)
    | st.tuples(_plain, _plain, _posting)
)
rounds = st.builds(
    Round,
    calls=_calls,
    drawings=st.lists(drawings, max_size=1).map(tuple),
    thought=st.booleans(),
    said=st.booleans(),
    picks=st.tuples(st.integers(0, PICTURES - 1), st.integers(0, PICTURES - 1)),
)
quick_rounds = st.builds(
    Round,
    calls=st.tuples(_plain) | st.tuples(_plain, _plain),
    drawings=st.lists(drawings, max_size=1).map(tuple),
    thought=st.booleans(),
    said=st.booleans(),
)


@dataclass
class Writer:
    """Writes replies, and remembers what it wrote."""

    origin: str
    count: int = 0
    said: int = 0
    """Characters, no less than were ever said."""
    followers: dict[str, str] = field(default_factory=dict)
    """The secret of each piece of reasoning → a word of what follows it."""
    pictures_behind: dict[str, str] = field(default_factory=dict)
    """The same, where a picture follows that is an item of its own in Responses."""

    def word(self, kind: str) -> str:
        self.count += 1
        self.said += 200
        return f"{kind}{self.count}w"

    def reply(self, round: Round, handle: str, **more: Any) -> Reply:
        """One reply. `handle` is the picture that calls which take one are given."""
        items: list[Any] = []
        if round.said or not (round.calls or round.drawings):
            items.append(Say(f"I say {self.word('say')}. "))
        drawn = [self._drawn(each) for each in round.drawings]
        items = [*drawn, *items] if round.said_last else [*items, *drawn]
        items += [self.call(kind, handle, round.picks) for kind in round.calls]
        if round.thought:
            items.insert(0, self._thought(items[0], round))
        return Reply(items, **more)

    def _thought(self, before: Any, round: Round) -> Think:
        secret = self.word("secret")
        match before:
            case Say(text=text):
                self.followers[secret] = text.split()[-1].strip(".")
            case CallTool(id=str(call_id)):
                self.followers[secret] = call_id
            case Draw(status="ok", places=places, prompt=prompt) if places[0] in IN_ITEMS:
                self.pictures_behind[secret] = prompt.split()[-1]
            case Raw(responses=item) if item is not None:
                self.pictures_behind[secret] = str(item["id"])
            case _:
                pass
        return Think(
            secret,
            encrypted=f"e{secret}" if round.picks[0] % 2 else None,
            signature="sig" if round.picks[1] % 2 else None,
        )

    def _drawn(self, drawing: Drawing) -> Any:
        prompt = f"a drawing of {self.word('fox')}"
        if drawing.fate == "dead":
            url = f"{self.origin}/{self.word('dead')}/{DEAD}"
            item = {
                "type": "image_generation_call",
                "id": self.word("ig"),
                "status": "completed",
                "result": url,
            }
            return Raw(
                chat={"images": [{"type": "image_url", "image_url": {"url": url}}]}, responses=item
            )
        if drawing.fate == "failed":
            places = [each for each in drawing.places if each in IN_ITEMS] or ["server_tool_call"]
            return Draw(prompt, places=places, status="error", error="the brush broke")
        return Draw(
            prompt, places=drawing.places, shape=drawing.wire_shape, data=paint(drawing.pick)
        )

    def call(self, kind: str, handle: str, picks: tuple[int, int]) -> CallTool:
        note, call_id = self.word("note"), self.word("call")
        arguments: dict[str, Any] | str = {"note": note}
        match kind:
            case "camera":
                arguments = {"note": note, "pick": picks[0]}
            case "album":
                arguments = {"note": note, "first": picks[0], "second": picks[1]}
            case "mirror" | "show":
                arguments = {"note": note, "image": handle}
            case "broken":
                kind, arguments = "look", f'{{"note": "{note}'
            case "draw_image" | "refused_image":
                kind, arguments = "draw_image", {"prompt": note}
            case "edit_image":
                arguments = {"prompt": note, "images": [handle]}
            case "paint" | "shop":
                arguments = {"prompt": note, "pictures": [] if handle == UNKNOWN else [handle]}
            case _:
                pass
        return CallTool(kind, arguments, id=call_id)

    def asides(self, round: Round, handle: str) -> list[Reply]:
        """The replies to requests that the calls of a round make."""
        found: list[Reply] = []
        for kind in round.calls:
            data = paint(round.picks[1])
            if kind == "draw_image" or (kind == "edit_image" and handle != UNKNOWN):
                found.append(Reply([Draw(self.word("art"), data=data)]))
            elif kind == "refused_image":
                found.append(Reply(error=Failure(f"no {self.word('art')}", 403)))
            elif kind == "paint":
                found.append(Reply([Say(self.word("painted")), Draw(self.word("art"), data=data)]))
            elif kind == "shop":
                found.append(Reply([self.call("buy", handle, round.picks)]))
        return found

    def script(self, turn: Sequence[Round], handle: str) -> tuple[list[Reply], tuple[Round, ...]]:
        """The replies until the run ends or waits, and the rounds that are left then."""
        replies: list[Reply] = []
        for index, each in enumerate(turn):
            replies += [self.reply(each, handle), *self.asides(each, handle)]
            if each.waits:
                return replies, tuple(turn[index + 1 :])
        return replies, ()


def given_by(invocation: Invocation, run: Run) -> set[str]:
    """The sha256 of the pictures that a call of a tool above has given, by its arguments."""
    arguments = invocation.arguments or {}
    if invocation.status != "completed":
        return set()
    match invocation.name:
        case "camera":
            return {_digest(paint(arguments["pick"]))}
        case "album":
            return {_digest(paint(arguments["first"])), _digest(paint(arguments["second"]))}
        case "mirror":
            return {_digest(mirrored(run.image(arguments["image"]).bytes(), arguments["note"]))}
        case "show":
            return {run.image(arguments["image"]).sha256}
        case _:
            return set()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
