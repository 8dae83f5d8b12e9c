"""Types that users give to parameters and answers, each with a JSON value that pydantic takes."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired
from uuid import UUID

from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    JsonValue,
    RootModel,
    SecretStr,
)
from typing_extensions import TypedDict


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: int = 0


class Inner(BaseModel):
    x: int
    note: str = "none"


class Described(BaseModel):
    one: Inner = Field(description="the first")
    two: Inner = Field(Inner(x=1), description="the second")


class Node(BaseModel):
    name: str
    next: Node | None = Field(None, description="the next one")
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    größe: int  # noqa: PLC2401


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Odd(BaseModel):
    größe: int  # noqa: PLC2401
    long: int = Field(3, alias="x" * 70)
    at: str = Field("", alias="@type")
    gro_e: int = 1
    city: dict[str, int] = Field({}, alias="城市")


class Counts(BaseModel):
    counts: dict[str, int]
    nested: dict[str, list[dict[str, Inner]]] = {}
    anything: Any = None


class Options(TypedDict):
    loud: NotRequired[bool]
    name: str


@dataclass
class Size:
    width: int
    unit: Literal["cm", "in"] = "cm"


class Expression(BaseModel):
    left: int | Expression
    right: int | Expression
    sign: Literal["+", "-"] = "+"


Tree = RootModel[list["Tree"] | int]

KINDS: tuple[tuple[Any, Any], ...] = (
    (int, 3),
    (float, 1.5),
    (bool, True),
    (str, "a"),
    (None, None),
    (int | None, None),
    (int | str | None, "a"),
    (Decimal, "1.10"),
    (date, "2026-01-02"),
    (datetime, "2026-01-02T03:04:05Z"),
    (time, "03:04:05"),
    (timedelta, "PT1H"),
    (UUID, "12345678-1234-5678-1234-567812345678"),
    (Path, "/tmp/x"),
    (bytes, "abc"),
    (AnyUrl, "https://example.org/a"),
    (IPv4Address, "127.0.0.1"),
    (IPv6Network, "::/64"),
    (SecretStr, "secret"),
    (Json[list[int]], "[1]"),
    (Colour, "red"),
    (Level, 2),
    (Literal["a", 1, None, True], 1),  # noqa: PYI061
    (Literal[1], 1),
    (Annotated[int, Field(gt=0, lt=9, multiple_of=2)], 4),
    (Annotated[float, Field(gt=0, le=9.5)], 0.5),
    (Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]+$")], "abc"),
    (Annotated[str, Field(pattern=r"^\bab?\b")], "ab"),
    (list[int], [1, 2]),
    (list, [1, "a", None]),
    (Annotated[list[str], Field(min_length=2, max_length=3)], ["a", "b"]),
    (tuple[int, str], [1, "a"]),
    (tuple[int, ...], [1, 2, 3]),
    (tuple[Inner, Inner | None], [{"x": 1}, None]),
    (Point, [1, 2]),
    (set[str], ["a"]),
    (frozenset[int], [1]),
    (deque[int], [1]),
    (Sequence[str], ["a"]),
    (dict[str, int], {"a": 1}),
    (dict[int, str], {"1": "a"}),
    (dict, {"a": [1, {"b": None}]}),
    (dict[Literal["a", "b"], int], {"a": 1}),
    (dict[Annotated[str, Field(pattern="^x")], int], {"xa": 1}),
    (Mapping[str, list[Inner]], {"a": [{"x": 1}]}),
    (OrderedDict[str, dict[str, float]], {"a": {"b": 1.5}}),
    (Any, {"a": [1]}),
    (JsonValue, [1, {"a": "b"}]),
    (object, "text"),
    (Inner, {"x": 1}),
    (Described, {"one": {"x": 1}}),
    (Node, {"name": "a", "children": [{"name": "b", "next": {"name": "c"}}]}),
    (Pet, {"kind": "dog", "größe": 3}),
    (list[Pet], [{"kind": "cat"}, {"kind": "dog", "größe": 3}]),
    (Open, {"name": "a"}),
    (Odd, {"größe": 3, "x" * 70: 4, "@type": "t", "城市": {"Oslo": 1}}),
    (Counts, {"counts": {"a": 1}, "nested": {"b": [{"c": {"x": 1}}]}, "anything": {"d": 2}}),
    (Options, {"name": "a"}),
    (Size, {"width": 3}),
    (Expression, {"left": 1, "right": {"left": 2, "right": 3, "sign": "-"}}),
    (Tree, [1, [2, []]]),
    (Inner | list[Inner] | str, [{"x": 1}]),
    (dict[str, int] | list[int] | None, {"a": 1}),
)
