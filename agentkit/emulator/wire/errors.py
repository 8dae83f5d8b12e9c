"""Errors as OpenRouter words them."""

import json
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request that is turned down, with the status and the body that OpenRouter would answer."""

    def __init__(
        self, status: int, message: str, *, metadata: Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.metadata = metadata
        self.fields = fields

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "code": self.status, **self.fields}
        if self.metadata is not None:
            error["metadata"] = dict(self.metadata)
        return {"error": error}


def invalid(message: str) -> ApiError:
    return ApiError(400, message)


def upstream(message: str, *, provider: str, param: str | None = None) -> ApiError:
    """A 400 of the provider, which OpenRouter passes on inside `metadata.raw`."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    raw = json.dumps({"error": error}, indent=2)
    return ApiError(
        400, "Provider returned error", metadata={"raw": raw, "provider_name": provider}
    )
