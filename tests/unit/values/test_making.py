"""Values made and changed the quick way are those that `dataclasses` makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import weakref
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Generic, TypeVar

import pytest

from agentkit import Message, Run, Text, Usage
from agentkit.values import fast_init, replace

T = TypeVar("T")


@fast_init
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    kind: str = "point"
    near: list[int] = field(default_factory=list[int])
    self_: int = 0


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    kind: str = "point"
    near: list[int] = field(default_factory=list[int])
    self_: int = 0


@fast_init
@dataclass(frozen=True, slots=True)
class Checked(Generic[T]):
    value: T
    seen: tuple[T, ...] = ()

    def __post_init__(self) -> None:
        if not self.value:
            raise ValueError("nothing")
        object.__setattr__(self, "seen", (self.value,))


class Named(Point):
    """A user's own, with room for more."""

    def __init__(self, x: int, name: str) -> None:
        super().__init__(x)
        object.__setattr__(self, "name", name)

    name: str


def test_an_object_is_the_one_that_dataclasses_make() -> None:
    for given, named in (((1,), {}), ((1, "a", [3]), {"self_": 2}), ((), {"x": 4, "near": [1]})):
        ours, plain = Point(*given, **named), Plain(*given, **named)
        assert dataclasses.astuple(ours) == dataclasses.astuple(plain)
        assert type(ours) is Point
        assert repr(ours) == repr(plain).replace("Plain", "Point")
        assert hash(replace(ours, near=())) == hash(replace(ours, near=()))
    assert Point(1).near is not Point(1).near


@pytest.mark.parametrize(
    "value",
    [Point(1), replace(Point(1), x=2), copy.copy(Point(1)), Message("user", ()), Usage()],
    ids=repr,
)
def test_it_is_frozen(value: object) -> None:
    for name in type(value).__dataclass_fields__:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 3)
        with pytest.raises(FrozenInstanceError):
            delattr(value, name)


def test_it_is_called_as_it_says() -> None:
    Point(1)  # from here on it has the quick `__init__`
    assert inspect.signature(Point) == inspect.signature(Plain)
    assert inspect.signature(Run).parameters["limits"].annotation == "Limits"
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'x'"):
        Point()
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        Point(1, y=2)


def test_a_value_is_changed_and_copied() -> None:
    before = Point(1, near=[5])
    after = replace(before, x=2, kind="other")
    assert (after.x, after.kind, after.near, before.x) == (2, "other", [5], 1)
    assert type(after) is Point
    assert after == dataclasses.replace(before, x=2, kind="other")
    assert pickle.loads(pickle.dumps(after)) == copy.deepcopy(after) == after
    with pytest.raises(AttributeError):
        replace(before, y=3)


def test_what_checks_itself_is_checked() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Checked("")
    assert Checked("a").seen == ("a",)


def test_a_subclass_has_room_of_its_own() -> None:
    named = Named(3, "three")
    assert (named.x, named.kind, named.name) == (3, "point", "three")
    assert type(named) is Named
    changed = replace(named, x=4)
    assert (changed.x, type(changed)) == (4, Named)


def test_messages_can_be_referred_to_weakly() -> None:
    message = replace(Message("user", (Text("Hello"),)), model="m")
    assert weakref.ref(message)() is message
    assert message.calls is message.calls


def test_sums_and_saved_runs_have_the_same_class() -> None:
    run = Run("run_1", "m", "chat", (Message("user", (Text("Hello"),)),), 0)
    run = run.replace(spent=(Usage(requests=1), Usage(requests=2)))
    again = Run.from_json(run.to_json())
    assert again == run
    assert type(again) is type(run) is Run
    assert run.usage.requests == 3
