"""OpenRouter's OpenAPI document as validators, with the known gaps between it and the real
traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import yaml

DOCUMENT = Path(__file__).parents[3] / "shared" / "openrouter" / "openapi.yaml"
BASE = "spec:/openrouter"


@dataclass(frozen=True)
class Gap:
    """What the traffic does that the spec forbids. `mend` changes the component so that it lets
    this through, nothing more.
    """

    component: str
    reason: str
    mend: Callable[[dict[str, Any]], None]

    def __str__(self) -> str:
        return self.component


def optional(*names: str) -> Callable[[dict[str, Any]], None]:
    """These properties need not be there."""

    def mend(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema["required"] if name not in names]

    return mend


def told_by_the_extension(*names: str) -> Callable[[dict[str, Any]], None]:
    """These properties are as the component says that extends this one."""

    def mend(schema: dict[str, Any]) -> None:
        for name in names:
            del schema["properties"][name]

    return mend


def also(
    name: str, schema_too: dict[str, Any], *, within: tuple[str | int, ...] = ()
) -> Callable[[dict[str, Any]], None]:
    """This property may also be like that. `within`: the steps to the object that has it, where
    that is not the component.
    """

    def mend(schema: Any) -> None:
        for step in within:
            schema = schema[step]
        schema[name] = {"anyOf": [schema[name], schema_too]}

    return mend


CHAT_PART = {"$ref": "#/components/schemas/ChatContentItems"}
PICTURE_PART = {
    "type": "object",
    "properties": {"type": {"enum": ["output_image"]}, "image_url": {"type": "string"}},
    "required": ["type", "image_url"],
}
NARROW = (
    "A component that extends another by `allOf` tells this property anew and wider (server tools' items, reasoning parts, "
    "a usage that may be null); read literally both must hold, and what OpenRouter itself sends would be wrong."
)
PLACE_5 = (
    "Pictures as parts of the content: some providers' replies have them. The spec has no form for it and no recording is known; "
    "the emulator sends it only where a script asks for that place."
)
GAPS: tuple[Gap, ...] = (
    Gap(
        "ChatResult",
        "Recorded buffered replies lack it, or hold it only now and then.",
        optional("system_fingerprint"),
    ),
    Gap(
        "BaseResponsesResult",
        "Recorded results lack these: `status` in the oldest ones, the others in most, streamed and buffered.",
        optional("status", "completed_at", "presence_penalty", "frequency_penalty"),
    ),
    Gap("BaseResponsesResult", NARROW, told_by_the_extension("output", "usage")),
    Gap("OutputItemAddedEvent", NARROW, told_by_the_extension("item")),
    Gap("OutputItemDoneEvent", NARROW, told_by_the_extension("item")),
    Gap("BaseContentPartAddedEvent", NARROW, told_by_the_extension("part")),
    Gap("BaseContentPartDoneEvent", NARROW, told_by_the_extension("part")),
    Gap(
        "ChatStreamDelta",
        PLACE_5,
        also("content", {"type": "array", "items": CHAT_PART}, within=("properties",)),
    ),
    Gap("OutputMessage", PLACE_5, also("items", PICTURE_PART, within=("properties", "content"))),
    Gap(
        "ContentPartAddedEvent",
        PLACE_5,
        also("part", PICTURE_PART, within=("allOf", 1, "properties")),
    ),
    Gap(
        "ContentPartDoneEvent",
        PLACE_5,
        also("part", PICTURE_PART, within=("allOf", 1, "properties")),
    ),
)


@dataclass
class Spec:
    strict: dict[str, Any]
    """The document as it was published."""
    gaps: tuple[Gap, ...]
    document: dict[str, Any] = field(init=False)
    """The document with the gaps let through."""
    _validators: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.document = deepcopy(self.strict)
        for gap in self.gaps:
            gap.mend(self.document["components"]["schemas"][gap.component])

    @classmethod
    def load(cls) -> Spec:
        return cls(yaml.load(DOCUMENT.read_bytes(), Loader=yaml.CSafeLoader), GAPS)

    def without(self, gap: Gap) -> Spec:
        return Spec(self.strict, tuple(each for each in self.gaps if each is not gap))

    def validator(self, component: str) -> Any:
        """One for each component, or JSON pointer into the document, built once."""
        if component not in self._validators:
            registry = jsonschema_rs.Registry(
                [(BASE, self.document)], draft=jsonschema_rs.Draft202012
            )
            pointer = component if component.startswith("/") else f"/components/schemas/{component}"
            schema = {"$ref": f"{BASE}#{quote(pointer)}"}
            self._validators[component] = jsonschema_rs.Draft202012Validator(
                schema, registry=registry
            )
        return self._validators[component]

    def faults(self, component: str, value: Any) -> list[str]:
        """What is wrong with this value, the likeliest branch of a union first told; nothing where
        it is as the spec says.
        """
        return [
            line for error in self.validator(component).iter_errors(value) for line in _told(error)
        ][:20]


def _told(error: Any, depth: int = 0) -> Iterator[str]:
    branches = getattr(error.kind, "context", None)
    if not branches or depth > 6:
        where = "/".join(str(step) for step in error.instance_path)
        yield f"{where}: {error.message[:200]} [{'/'.join(str(step) for step in error.schema_path[-4:])}]"
        return
    likeliest = min(branches, key=lambda errors: (_is_of_another_type(errors), len(errors)))
    for inner in likeliest:
        yield from _told(inner, depth + 1)


def _is_of_another_type(errors: list[Any]) -> bool:
    """Whether a branch fails because the value is of another type: not the one that was meant."""
    return any(
        (error.instance_path and error.instance_path[-1] in {"type", "role", "object", "status"})
        or not error.instance_path
        for error in errors
    )
