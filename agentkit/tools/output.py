"""Structured output: the JSON Schema of a type, and the value in a reply's words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from agentkit._check import refused
from agentkit.tools.prose import json_in
from agentkit.tools.text import join_escaped_surrogates

T = TypeVar("T", default=Any)
_VALUES = {"default", "const", "enum", "examples"}
"""Keys of a schema that hold values, and no schema."""
_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class BadOutput(ValueError):
    """The words do not fit the type. The message is written for the model."""


class _NoJson(BadOutput):
    """The words are no JSON at all."""


class Output(Generic[T]):
    """What `Agent(output=…)` asks for. Raises `UsageError` where the type has no JSON Schema."""

    def __init__(self, kind: type[T]) -> None:
        from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

        from agentkit.wire.types import OutputSchema

        self.kind = kind
        try:
            self._adapter = TypeAdapter(kind)
            schema = self._adapter.json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            reason = str(error).split("\n")[0]
            accepted = f"is a pydantic model or a type with a JSON Schema ({reason})"
            raise refused("Agent(output={!r})", kind, accepted) from None
        self._wanted = cast("Mapping[str, Any]", dict(schema))
        self._wrapped = schema.get("type") != "object" and "$ref" not in schema
        if self._wrapped:
            defs = schema.pop("$defs", None)
            schema = {
                "type": "object",
                "properties": {"value": schema},
                "required": ["value"],
                **({"$defs": defs} if defs else {}),
            }
        name = _NAME.sub("_", getattr(kind, "__name__", "output"))[:64] or "output"
        if (free := _free_keys(schema)) is not None:
            accepted = (
                f"are named fields: strict mode takes no mapping with free keys, as {free} is"
            )
            raise refused("Agent(output={!r})", kind, accepted)
        self.schema = OutputSchema(name, cast("Mapping[str, Any]", _strict(schema)))

    def read(self, words: str) -> T:
        """The value that these words hold: of several that fit, the last. Raises `BadOutput` about
        the likeliest.
        """
        likeliest: BadOutput | None = None
        for text in json_in(words):
            try:
                return self._read(text)
            except _NoJson as error:
                likeliest = likeliest or error
            except BadOutput as error:
                if likeliest is None or isinstance(likeliest, _NoJson):
                    likeliest = error
        raise likeliest or _NoJson("it is no JSON")

    def _read(self, text: str) -> T:
        """The value in one JSON text. Raises `BadOutput`."""
        from pydantic import ValidationError

        text = join_escaped_surrogates(text)
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            raise _NoJson(f"it is no JSON: {error}") from None
        try:
            return self._validated(value)
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}"
                for each in error.errors(include_url=False)[:8]
            ]
            raise BadOutput("; ".join(lines)) from None
        except Exception as error:  # a validator of the user's types may raise anything
            raise BadOutput(
                f"it could not be checked: {type(error).__name__}: {str(error)[:200]}"
            ) from error

    def _validated(self, value: object) -> T:
        """The value as the type. Where the schema has it in an object, it may also come bare."""
        from pydantic import ValidationError

        from agentkit.tools.leniency import validated

        if not self._wrapped or not isinstance(value, dict) or "value" not in value:
            return validated(self._checked, cast("object", value), self._wanted)
        inner = cast("dict[str, object]", value)["value"]
        try:
            return validated(self._checked, inner, self._wanted)
        except ValidationError as error:
            try:
                return self._checked(cast("object", value))
            except ValidationError:
                raise error from None

    def _checked(self, value: object) -> T:
        from pydantic_core import to_json

        # As JSON, not as Python values: then a date is a string, and a tuple a list, for strict
        # types too.
        return self._adapter.validate_json(to_json(value, inf_nan_mode="constants"))


def _free_keys(schema: object, where: str = "it") -> str | None:
    """Where in the schema a mapping stands whose keys are not named; None where there is none."""
    if isinstance(schema, list):
        return next(
            (found for each in cast("list[object]", schema) if (found := _free_keys(each, where))),
            None,
        )
    if not isinstance(schema, dict):
        return None
    given = cast("dict[str, object]", schema)
    if given.get("type") == "object" and given.get("additionalProperties", False) is not False:
        return where
    for key, value in given.items():
        if key in {"properties", "$defs"} and isinstance(value, dict):
            inner = [(each, repr(name)) for name, each in cast("dict[str, object]", value).items()]
        else:
            inner = [(value, where)] if key not in _VALUES else []
        for each, place in inner:
            if (found := _free_keys(each, place)) is not None:
                return found
    return None


def _strict(schema: object, *, names: bool = False) -> object:
    """The schema as strict mode wants it: no further keys, and every key required. `names`: its
    keys are a user's own.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("dict[str, object]", schema)
    dropped: set[str] = set() if names else {"title", "default"}
    result = {
        key: _strict(value, names=not names and key in {"properties", "$defs"})
        for key, value in given.items()
        if key not in dropped
    }
    if not names and isinstance(properties := result.get("properties"), dict):
        result["required"] = list(cast("dict[str, object]", properties))
        result["additionalProperties"] = False
    return result
