"""The type hints of a function: resolved where they are text (`from __future__ import annotations`)
and name local types, searched and changed.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from agentkit.errors import ToolDefinitionError


def plain(function: Callable[..., object]) -> Callable[..., object]:
    """The Python function behind partials, bound methods and objects with `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    function = inspect.unwrap(function)
    return getattr(function, "__func__", function)


def resolve(owner: str, function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    """The type that a parameter is annotated with. Raises `ToolDefinitionError` where there is no
    annotation, or where it names nothing that can be found.
    """
    if parameter.annotation is parameter.empty:
        raise ToolDefinitionError(
            f"{owner}: its parameter {parameter.name!r} has no type; write one, "
            f"for example {parameter.name}: str"
        )
    behind = plain(function)
    module: Mapping[str, object] = getattr(behind, "__globals__", {})
    found: dict[str, object] = {}
    while True:
        holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        try:
            return get_type_hints(holder, dict(module), found, include_extras=True)[parameter.name]
        except NameError as error:
            if error.name is None or error.name in found or not _find(error.name, behind, found):
                raise _unresolved(
                    owner, parameter, f"{error}; is it imported at run time?"
                ) from None
        except (TypeError, SyntaxError, AttributeError, ValueError) as error:
            raise _unresolved(owner, parameter, str(error)) from None


def _unresolved(owner: str, parameter: inspect.Parameter, why: str) -> ToolDefinitionError:
    return ToolDefinitionError(
        f"{owner}: the type {parameter.annotation!r} of its parameter "
        f"{parameter.name!r} means nothing: {why}"
    )


def _find(name: str, function: Callable[..., object], found: dict[str, object]) -> bool:
    """Look a name up where the function was defined: in what it closes over, and in the calls that
    enclose it.
    """
    if inspect.isfunction(function):
        enclosed = inspect.getclosurevars(function).nonlocals
        if name in enclosed:
            found[name] = enclosed[name]
            return True
    qualified = getattr(function, "__qualname__", "")
    frame = inspect.currentframe()
    while frame is not None:
        encloses = (
            qualified.startswith(f"{frame.f_code.co_qualname}.")
            and frame.f_globals.get("__name__") == function.__module__
        )
        if encloses and name in frame.f_locals:
            found[name] = frame.f_locals[name]
            return True
        frame = frame.f_back
    return False


def is_optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint in (Any, object, None, type(None)) or (
        get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint)
    )


def optional(hint: Any) -> Any:
    """`hint | None`, for a parameter whose default is None although its hint does not say so."""
    if is_optional(hint):
        return hint
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return Annotated[(optional(inner), *metadata)]
    return Union[hint, None]  # noqa: UP007 — `|` does not take every hint, forward references above all


def mentions(hint: Any, kind: type) -> bool:
    """Whether a hint is `kind`, or holds it in its arguments: `list[Image]`, `Image | None`."""
    return (
        hint is kind
        or get_origin(hint) is kind
        or any(mentions(each, kind) for each in _arguments(hint))
    )


def either(hint: Any, one: type, other: type) -> bool:
    """Whether somewhere in a hint a value may be `one` or `other`: `Image | str`."""
    inside = _arguments(hint)
    if get_origin(hint) in (Union, UnionType):
        bare = [get_args(each)[0] if get_origin(each) is Annotated else each for each in inside]
        if one in bare and other in bare:
            return True
    return any(either(each, one, other) for each in inside)


def replaced(hint: Any, kind: type, by: object) -> Any:
    """The hint with each `kind` in it replaced by `by`."""
    if hint is kind:
        return by
    old = _arguments(hint)
    new = tuple(replaced(each, kind, by) for each in old)
    if all(one is other for one, other in zip(old, new, strict=True)):
        return hint
    origin: Any = get_origin(hint)
    if origin is Annotated:
        return Annotated[(new[0], *hint.__metadata__)]
    if origin in (Union, UnionType):
        return Union[new]  # noqa: UP007
    return origin[new]


def is_value(hint: Any) -> bool:
    """Whether an annotation is a plain value and no type: `5`, `[int]`."""
    return isinstance(hint, int | float | bytes | list | tuple | dict | set)


def of_pillow(hint: Any) -> bool:
    """Whether a hint is a picture of Pillow's, or holds one in its arguments. Pillow itself is not
    loaded for this.
    """
    is_one = (
        isinstance(hint, type)
        and hint.__module__.startswith("PIL.")
        and hint.__name__.endswith("Image")
    )
    return is_one or any(of_pillow(each) for each in _arguments(hint))


def _arguments(hint: Any) -> tuple[Any, ...]:
    origin = get_origin(hint)
    if origin is Literal:
        return ()
    return get_args(hint)[:1] if origin is Annotated else get_args(hint)
