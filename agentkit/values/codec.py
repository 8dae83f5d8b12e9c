"""How values are read back from JSON: marks on their fields, for pydantic, which is loaded only
where JSON is read or written.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema
    from pydantic_core.core_schema import ValidationInfo


class OfContext:
    """The value comes from the context, not from the JSON."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(
            _blobs_of_context, json_schema_input_schema=core_schema.any_schema()
        )


class _Finite:
    """`1e999` and `NaN`, which readers of JSON take, are no amounts."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema: dict[str, Any] = {**handler(source), "allow_inf_nan": False}
        return cast("CoreSchema", schema)


Amount: TypeAlias = Annotated[float, _Finite()]
"""A sum of money in USD, or a span of time in seconds: finite, also where it comes out of JSON."""


def _blobs_of_context(value: object, info: ValidationInfo) -> object:
    context: object = info.context
    return context.get("blobs") if isinstance(context, dict) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def without_field(schema: CoreSchema, name: str) -> CoreSchema:
    """A dataclass's schema whose JSON leaves this field out, and whose default is looked at like a
    value.
    """
    for each in cast("list[dict[str, Any]]", cast("dict[str, Any]", schema)["schema"]["fields"]):
        if each["name"] == name:
            each["serialization_exclude"] = True
            each["schema"]["validate_default"] = True
    return schema


def dumped(codec: TypeAdapter[Any], value: object) -> bytes:
    """The value as JSON."""
    from pydantic_core import PydanticSerializationError

    # Words with half a surrogate pair: a tool's error can name such a file.
    try:
        return codec.dump_json(value)
    except PydanticSerializationError:
        plain = codec.dump_python(value, mode="json")
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
