"""The JSON Schema of demo scripts, from which editors complete and check."""

from __future__ import annotations

from typing import Any

from agentkit.demo.form import Form
from agentkit.settings import Limits, ModelSettings


def json_schema() -> dict[str, Any]:
    """The schema of a script as a JSON value."""
    schema = Form.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "agentkit demo script"
    schema["anyOf"] = [{"required": ["model"]}, {"required": ["agent"]}]
    definitions = schema["$defs"]
    settings = _mapping_of(list(ModelSettings.__dataclass_fields__))
    for fields in (schema["properties"], definitions["Turn"]["properties"]):
        fields["settings"] = settings
    schema["properties"]["limits"] = _mapping_of(list(Limits.__dataclass_fields__))
    return schema


def _mapping_of(names: list[str]) -> dict[str, Any]:
    """A mapping of these keys, whose values are not described."""
    properties: dict[str, Any] = {name: {} for name in names}
    return {"type": "object", "properties": properties, "additionalProperties": False}
