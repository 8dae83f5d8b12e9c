"""How frozen values are made and changed quickly.

`dataclass(frozen=True)` makes a value field by field with `object.__setattr__`, which takes ten
times as long as a plain assignment: a sixth of a plain turn. Here an object is filled while it is
one of a draft class, which has the same slots and is not frozen, and then becomes one of its own
class. Nobody else holds it until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KindT = TypeVar("KindT")
ValueT = TypeVar("ValueT", bound="DataclassInstance")
Changer = Callable[[Any, dict[str, Any]], Any]

_changers: dict[type[Any], Changer] = {}
"""What changes a value, by its class."""


def replace(value: ValueT, **changes: Any) -> ValueT:
    """What `dataclasses.replace` gives, at a tenth of its cost, for a value that checks nothing
    when it is made. Values grow several times in each turn, so this is felt.
    """
    kind = type(value)
    changer = _changers.get(kind)
    if changer is None:
        changer = _changers[kind] = _changer_of(kind)
    return changer(value, changes)


def fast_init(kind: type[KindT]) -> type[KindT]:
    """A class that `dataclass(frozen=True, slots=True)` has made, with an `__init__` that does the
    same in less time. It is written when the first object is made, since that takes as long as to
    make a hundred. Objects of subclasses are made as before.
    """
    plain = kind.__init__

    @wraps(plain)
    def first(self: Any, *given: Any, **named: Any) -> None:
        made = wraps(plain)(_init_of(kind, plain))
        setattr(kind, "__init__", made)  # noqa: B010 - a type checker knows no such assignment
        made(self, *given, **named)

    setattr(kind, "__init__", first)  # noqa: B010 - as above
    return kind


def _init_of(kind: type[Any], plain: Callable[..., None]) -> Callable[..., None]:
    """The `__init__`: `plain` is the one of the dataclass."""
    fields = _fields_of(kind)
    names: dict[str, Any] = {
        "absent_": MISSING,
        "become_": object.__setattr__,
        "draft_": _draft_of(kind),
        "kind_": kind,
        "plain_": plain,
    }
    parameters, factories, filling = ["self"], list[str](), list[str]()
    for name, field in fields.items():
        parameter = name
        if field.default is not MISSING:
            names[f"default_of_{name}"] = field.default
            parameter = f"{name}=default_of_{name}"
        elif field.default_factory is not MISSING:
            names[f"make_{name}"] = field.default_factory
            parameter = f"{name}=absent_"
            factories.append(f"if {name} is absent_: {name} = make_{name}()")
        parameters.append(parameter)
        held = _holder_of(kind, name)
        names[f"hold_{name}"] = held
        filling.append(f"self.{name} = {name if held is None else f'hold_{name}({name})'}")
    lines = [
        *factories,
        f"if self.__class__ is not kind_: return plain_(self, {', '.join(fields)})",
        "become_(self, '__class__', draft_)",
        *filling,
        "self.__class__ = kind_",
        *(["self.__post_init__()"] if hasattr(kind, "__post_init__") else []),
    ]
    return _function(f"init_({', '.join(parameters)})", lines, names)


def _changer_of(kind: type[Any]) -> Changer:
    names: dict[str, Any] = {"new_": object.__new__, "draft_": _draft_of(kind), "kind_": kind}
    lines = ["made = new_(draft_)"]
    for name in _fields_of(kind):
        held = _holder_of(kind, name)
        source = name if held is None else vars(kind)[name].held_as
        lines.append(f"made.{name} = value.{source}")
        if held is not None:
            names[f"hold_{name}"] = held
            with_held = f"{{**changes, '{name}': hold_{name}(changes['{name}'])}}"
            lines.append(f"if '{name}' in changes: changes = {with_held}")
    lines += [
        "for name, change in changes.items(): setattr(made, name, change)",
        "made.__class__ = kind_",
        "return made",
    ]
    return _function("change_(value, changes)", lines, names)


@cache
def _draft_of(kind: type[Any]) -> type[Any]:
    """A class whose objects have the same slots and can be filled."""
    body: dict[str, Any] = {"__setattr__": object.__setattr__}
    for name in ("__slots__", "__orig_bases__"):
        if name in vars(kind):
            body[name] = vars(kind)[name]
    return type(f"{kind.__name__}Draft", kind.__bases__, body)


def _fields_of(kind: type[Any]) -> dict[str, Field[Any]]:
    return cast("dict[str, Field[Any]]", kind.__dataclass_fields__)


def _holder_of(kind: type[Any], name: str) -> Callable[[Any], Any] | None:
    """What brings a value into the form in which this field holds it; None where it is held as it
    is given, as in almost all fields.
    """
    return getattr(vars(kind).get(name), "as_held", None)


def _function(head: str, lines: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    """The function of this source, which names these."""
    source = "".join([f"def {head}:\n", *[f" {line}\n" for line in lines]])
    exec(source, names)  # noqa: S102 - as `dataclasses` does: the names of fields are our own
    return names[head.partition("(")[0]]
