"""What DBOS writes down of runs: JSON alone. Nothing that is read can make an object of a class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

MOST_BYTES = 1 << 20
"""Of one value: what is larger belongs into the session, and is named by a reference."""
_ERROR = "agentkit error"
"""The one key of an object that stands for an error."""


class StoredError(Exception):
    """An error that was written down. `kind` is the name of the class that it had."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __repr__(self) -> str:
        return f"StoredError({self.kind!r}, {str(self)!r})"


class JsonSerializer:
    """A serializer of DBOS's. Errors become data, and come back as `StoredError`."""

    def name(self) -> str:
        """What DBOS writes beside each value."""
        return "agentkit_json"

    def serialize(self, data: object) -> str:
        """The value as JSON; a time as text. Raises `ValueError` for what JSON has not, and for
        more than 1 MiB.
        """
        text = json.dumps(data, default=_plain, separators=(",", ":"), allow_nan=False)
        if len(text) > MOST_BYTES:
            raise ValueError(
                f"{len(text)} bytes of JSON: accepted are {MOST_BYTES}, and references"
            )
        return text

    def deserialize(self, serialized_data: str) -> Any:
        """The value of a JSON text; tuples have become lists. Raises `ValueError`."""
        found: object = json.loads(serialized_data)
        if isinstance(found, dict) and set(cast("dict[str, object]", found)) == {_ERROR}:
            told = cast("dict[str, Mapping[str, object]]", found)[_ERROR]
            return StoredError(str(told.get("kind")), str(told.get("message")))
        return cast("Any", found)


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        kind = value.kind if isinstance(value, StoredError) else type(value).__name__
        return {_ERROR: {"kind": kind, "message": str(value)[:10_000]}}
    if isinstance(value, datetime):
        return value.isoformat()
    raise ValueError(f"{type(value).__name__} cannot be written down: accepted are JSON values")
