"""What a function becomes: names, schema, descriptions, and the errors of a function that cannot be
a tool.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import AsyncIterator, Callable
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, Optional

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from agentkit.errors import ToolDefinitionError
from agentkit.tools import Context, Tool, tool
from agentkit.values import Image, Invocation


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """A place on earth."""

    title: str = Field(description="Its name")
    lat: float
    inside: list[Place] = []


@dataclasses.dataclass
class Size:
    width: int
    height: int = 10


class Options(TypedDict):
    loud: bool
    note: NotRequired[str]


def test_schema_of_a_simple_function():
    @tool
    def weather(city: str, days: int = 1) -> str:
        """Today's weather in a city."""
        return f"{city} {days}"

    assert weather.name == "weather"
    assert weather.description == "Today's weather in a city."
    assert weather.schema == {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert (weather.timeout, weather.approve, weather.external, weather.strict) == (
        None,
        False,
        False,
        None,
    )
    assert (weather.takes_context, weather.is_async, weather.is_generator) == (False, False, False)
    assert weather("Oslo", days=2) == "Oslo 2"


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, {"type": "string"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (date, {"type": "string", "format": "date"}),
        (Literal["c", "f"], {"type": "string", "enum": ["c", "f"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            Annotated[int, Field(ge=1, le=5, description="how many")],
            {"type": "integer", "minimum": 1, "maximum": 5, "description": "how many"},
        ),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (Any, {}),
    ],
)
def test_each_kind_of_hint(hint: Any, expected: dict[str, Any]):
    def function(value: Any): ...

    function.__annotations__["value"] = hint
    made = tool(function)
    assert made.schema["properties"]["value"] == expected
    assert made.schema["required"] == ["value"]


def test_nested_types_stand_in_defs_without_titles():
    @tool
    def plan(place: Place, size: Size, colour: Colour, options: Options) -> None: ...

    defs = plan.schema["$defs"]
    assert set(defs) == {"Place", "Size", "Colour", "Options"}
    assert defs["Place"]["properties"]["title"] == {"type": "string", "description": "Its name"}, (
        "a field called title stays"
    )
    assert defs["Place"]["description"] == "A place on earth."
    assert "title" not in {key for each in defs.values() for key in each}
    values = plan.check(
        '{"place":{"title":"Oslo","lat":59.9},"size":{"width":3},"colour":"red","options":{"loud":true}}'
    )
    assert values == {
        "place": Place(title="Oslo", lat=59.9),
        "size": Size(3),
        "colour": Colour.RED,
        "options": {"loud": True},
    }


def test_parameters_may_have_any_name():
    @tool
    def awkward(
        schema: str, model_config: int, _private: str, p0: str, copy: str = "x"
    ) -> None: ...

    assert set(awkward.schema["properties"]) == {"schema", "model_config", "_private", "p0", "copy"}
    values = awkward.check('{"schema":"a","model_config":1,"_private":"b","p0":"c"}')
    assert values == {"schema": "a", "model_config": 1, "_private": "b", "p0": "c"}


def test_defaults():
    lock = threading.Lock()

    @tool
    def keep(
        a: Any = lock,
        b: float = float("inf"),
        c: int = None,  # type: ignore[assignment]  # noqa: RUF013
        d: int = Field(3, ge=1),
        e: list[str] = [],  # noqa: B006
        f: Colour = Colour.RED,
        g: Image = Image("", "", 0),  # noqa: B008
        h: Annotated[str, "a word"] = None,  # type: ignore[assignment]  # noqa: RUF013
    ) -> None: ...

    shown = keep.schema["properties"]
    assert "default" not in shown["a"]
    assert "default" not in shown["b"]
    assert shown["c"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert shown["d"] == {"type": "integer", "minimum": 1, "default": 3}
    assert shown["e"]["default"] == []
    assert shown["f"]["default"] == "red"
    assert "default" not in shown["g"]
    assert shown["h"]["description"] == "a word"
    assert keep.check('{"h":null}') == {"d": 3, "h": None}
    assert "required" not in keep.schema
    assert keep.check("{}") == {"d": 3}, (
        "the function knows its own defaults; only pydantic's have to be passed"
    )


def test_kinds_of_function():
    @tool
    async def waits(x: int) -> int:
        return x

    @tool
    async def tells(x: int) -> AsyncIterator[int]:
        yield x

    class Adder:
        async def __call__(self, x: int) -> int:
            return x

    def power(base: int, exponent: int) -> int:
        return base**exponent

    assert (waits.is_async, waits.is_generator) == (True, False)
    assert (tells.is_async, tells.is_generator) == (False, True)
    adder = tool(Adder(), name="adder")
    assert adder.is_async
    assert adder.check('{"x":1}') == {"x": 1}
    assert tool(Adder()).name == "Adder"
    square = tool(functools.partial(power, exponent=2), name="square")
    assert square(3) == 9
    assert square.check('{"base":4}') == {"base": 4}


def test_local_types_under_postponed_annotations():
    class Local(BaseModel):
        x: int

    @tool
    def use(
        local: Local, more: list[Local], maybe: Annotated[Local | None, "perhaps"] = None
    ) -> Unknown:  # noqa: F821
        ...

    assert use.check('{"local":{"x":1},"more":[{"x":2}]}') == {
        "local": Local(x=1),
        "more": [Local(x=2)],
    }


def _maker() -> Callable[..., Any]:
    class Hidden(BaseModel):
        x: int

    def use(hidden: Hidden) -> Hidden:
        return Hidden(x=hidden.x + 1)

    return use


def test_a_local_type_that_the_function_closes_over():
    made = tool(_maker())
    assert made(**made.check('{"hidden":{"x":1}}')).x == 2


def test_a_wrapped_function_keeps_its_signature():
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    @tool
    @logged
    def paint(place: Place) -> None:
        """Paint it."""

    assert paint.description == "Paint it."
    assert paint.check('{"place":{"title":"Oslo","lat":1}}') == {
        "place": Place(title="Oslo", lat=1)
    }


def test_methods():
    class Studio:
        def __init__(self, painter: str) -> None:
            self.painter = painter

        @tool
        def paint(self, subject: str) -> str:
            """Paint it."""
            return f"{self.painter}: {subject}"

        @tool
        async def wait(self, context: Context[int], seconds: float) -> float:
            return seconds + context.deps

        @tool
        @staticmethod
        def mix(colour: str) -> str:
            return colour

        def plain(self, x: int) -> int:
            return x

    mine, other = Studio("me"), Studio("other")
    assert mine.paint.check('{"subject":"a fox"}') == {"subject": "a fox"}
    assert (mine.paint("a fox"), other.paint("a fox")) == ("me: a fox", "other: a fox")
    assert Studio.paint(mine, "a fox") == "me: a fox"
    assert list(mine.wait.schema["properties"]) == ["seconds"]
    assert mine.wait.takes_context
    assert mine.wait.is_async
    assert mine.mix("red") == "red"
    assert tool(mine.plain).check('{"x":1}') == {"x": 1}


def test_context():
    @tool
    def who(context: Context[dict[str, str]], greeting: str) -> str:
        return f"{greeting} {context.deps['name']}"

    @tool
    def bare(context: Context) -> str:
        return context.invocation.id

    assert who.takes_context
    assert list(who.schema["properties"]) == ["greeting"]
    given = Context({"name": "Ada"}, Invocation("call_1", "who"))
    assert who(given, **who.check('{"greeting":"Hi"}')) == "Hi Ada"  # type: ignore[arg-type]
    assert bare.takes_context
    assert bare.schema["properties"] == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.deps = {}  # type: ignore[misc]


def test_approval():
    async def later(arguments: Any) -> bool:
        return False

    def pay(amount: int) -> None: ...

    assert not tool(pay).needs_approval({"amount": 3})
    assert tool(pay, approve=True).needs_approval({"amount": 3})
    asks = tool(pay, approve=lambda arguments: arguments["amount"] > 100)
    assert asks.needs_approval(asks.check('{"amount":101}'))
    assert not asks.needs_approval(asks.check('{"amount":100}'))
    assert tool(pay, approve=lambda _: None).needs_approval({"amount": 3})  # type: ignore[arg-type, return-value]
    with pytest.raises(ToolDefinitionError, match="approve"):
        tool(pay, approve=later)  # type: ignore[arg-type]


def test_strict_schema():
    @tool(strict=True)
    def plan(size: Size, unit: Literal["c", "f"] = "c") -> None: ...

    assert plan.schema["required"] == ["size", "unit"]
    assert plan.schema["additionalProperties"] is False
    assert plan.schema["properties"]["unit"] == {
        "anyOf": [{"type": "string", "enum": ["c", "f"]}, {"type": "null"}],
        "description": 'default: "c"',
    }, "null stands for leaving it out"
    assert plan.check('{"size": {"width": 3, "height": null}, "unit": null}') == {"size": Size(3)}
    assert plan.schema["$defs"]["Size"]["required"] == ["width", "height"]
    assert plan.schema["$defs"]["Size"]["additionalProperties"] is False


def test_a_tool_is_a_frozen_value():
    def f(x: int) -> int:
        return x

    made = tool(f)
    assert made == tool(f)
    assert hash(made) == hash(tool(f))
    assert made != tool(f, timeout=3)
    assert isinstance(made, Tool)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "g"  # type: ignore[misc]
    assert len(repr(made)) < 300
