"""What cannot be a tool: each refusal names the parameter, the name or the setting, and says what
is accepted.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any, Literal

import PIL.Image
import pytest
from pydantic import BaseModel, Field

from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.tools import Context, tool
from agentkit.values import Image


class Place(BaseModel):
    title: str


class Folder(BaseModel):
    pictures: list[Image]


class Database:
    """Something that has no schema."""


def kept(city: str) -> str:
    return city


def _bad(annotation: Any) -> Any:
    def bad(city: str, thing: Any): ...

    bad.__annotations__["thing"] = annotation
    return bad


def _no_type(city: str, thing): ...
def _stars(city: str, *thing: str): ...
def _kwargs(city: str, **thing: str): ...
def _positional(thing: str, /): ...
def _second_context(city: str, thing: Context[int]): ...
def _generator(city: str) -> Iterator[str]:
    yield city


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_no_type, "'thing' has no type"),
        (_stars, r"\*thing"),
        (_kwargs, r"\*\*thing"),
        (_positional, "'thing' is positional-only"),
        (_second_context, "'thing' is a Context; only the first"),
        (_bad(Context[int] | None), "'thing' is a Context"),
        (_bad(Database), "'thing' cannot be told to the model"),
        (_bad(list[Database]), "'thing' cannot be told"),
        (_bad(threading.Lock), "'thing'"),
        (_bad("Missing"), "'thing' means nothing: name 'Missing' is not defined"),
        (_bad("1 +"), "'thing' means nothing"),
        (_bad(Image | str), "'thing' is an Image or a str"),
        (_bad(list[Annotated[Image, "x"] | str | None]), "'thing' is an Image or a str"),
        (_bad(Callable[[int], int]), "'thing' cannot be told to the model"),
        (_bad(Folder), "'thing' cannot be told to the model: an Image inside another type"),
        (_generator, "sync generator"),
        (lambda: None, "'<lambda>' is not accepted"),
        (Place, "this is a class"),
        ("weather", "accepted are functions"),
        (3, "accepted are functions"),
        (classmethod(_no_type), "classmethod"),
        (tool(kept), "a tool already"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, said: str):
    with pytest.raises(ToolDefinitionError, match=said) as caught:
        tool(function)
    assert isinstance(caught.value, UsageError)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, "openrouter:x", "naïve", "a\n", 3])
def test_names(name: Any):
    with pytest.raises(ToolDefinitionError, match="64"):
        tool(name=name or "!")(lambda: None)
    with pytest.raises((ToolDefinitionError, TypeError)):
        dataclasses.replace(tool(name="ok")(lambda: None), name=name)
    assert tool(name="x" * 64)(lambda: None).name == "x" * 64


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": "3"},
        {"timeout": True},
        {"approve": "yes"},
        {"approve": None},
        {"external": 1},
        {"strict": "yes"},
        {"description": 3},
    ],
)
def test_settings_are_checked(settings: dict[str, Any]):
    (option,) = settings
    with pytest.raises(ToolDefinitionError, match=rf"tool\({option}="):
        tool(name="x", **settings)(lambda: None)


@pytest.mark.parametrize("annotation", [5, 3.5, [int], {"a": int}, (int, str), b"x"])
def test_a_value_in_the_place_of_a_type(annotation: Any):
    with pytest.raises(ToolDefinitionError, match="'thing' is a value, not a type"):
        tool(_bad(annotation))


def _with_default(annotation: Any, default: Any) -> Any:
    def bad(thing: Any = default): ...

    bad.__annotations__["thing"] = annotation
    return bad


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, "no"),
        (str, 5),
        (int, 1.5),
        (list[str], "a"),
        (list[int], ["x"]),
        (int | float, "x"),
        (dict[str, int], []),
    ],
)
def test_a_default_of_another_type(annotation: Any, default: Any):
    with pytest.raises(
        ToolDefinitionError, match=r"the tool bad: the default .* of its parameter 'thing'"
    ):
        tool(_with_default(annotation, default))


_UNSET: Any = object()


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, None),
        (int, _UNSET),
        (int, ...),
        (int, float("inf")),
        (float, float("inf")),
        (float, 1),
        (list[str], ()),
        (Literal["a", "b"], ""),
        (Annotated[int, Field(ge=1)], 0),
        (date, "2026-01-01"),
        (Image, "img_1"),
        (Place, {"title": "x"}),
    ],
)
def test_a_default_that_may_be_meant_is_kept(annotation: Any, default: Any):
    assert tool(_with_default(annotation, default)).check({}) == {}


def test_a_picture_of_pillow_is_told_the_type_to_use():
    for annotation in (PIL.Image.Image, list[PIL.Image.Image], PIL.Image.Image | None):
        with pytest.raises(ToolDefinitionError, match=r"'thing'.*annotate agentkit\.Image"):
            tool(_bad(annotation))
