"""What OpenAI takes and says, by the types of its own SDK: a body with a field that they do not have
is refused, as OpenAI refuses it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
    image_edit_params,
    image_generate_params,
)
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from openai.types.responses import (
    Response,
    response_create_params,
    response_input_item_param,
    tool_param,
)
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

Json = dict[str, Any]
GENERATION = image_generate_params.ImageGenerateParamsBase
EDIT = image_edit_params.ImageEditParamsBase
IMAGE_TOOL = tool_param.ImageGeneration
IMAGE_CALL = response_input_item_param.ImageGenerationCall
RESPONSES = response_create_params.ResponseCreateParamsBase
CHAT = completion_create_params.CompletionCreateParamsBase
SAID: dict[str, type[BaseModel]] = {
    "response": Response,
    "chat.completion": ChatCompletion,
    "chat.completion.chunk": ChatCompletionChunk,
    "images": ImagesResponse,
    "image_generation.partial_image": ImageGenPartialImageEvent,
    "image_generation.completed": ImageGenCompletedEvent,
    "image_edit.partial_image": ImageEditPartialImageEvent,
    "image_edit.completed": ImageEditCompletedEvent,
}
_FILES = {"image", "mask", "markup"}
"""Fields that come as files of a form."""
_STREAMS = {"stream": (bool, False)}


class Refused(Exception):
    """A body that OpenAI refuses with 400."""

    def __init__(self, param: str, message: str, code: str) -> None:
        super().__init__(message)
        self.body = {
            "error": {
                "message": message,
                "type": "invalid_request_error",
                "param": param,
                "code": code,
            }
        }


@cache
def _strict(kind: Any) -> type[BaseModel]:
    """The type with these fields alone."""
    hints = get_type_hints(kind)
    required: frozenset[str] = kind.__required_keys__
    fields: dict[str, Any] = {
        name: (Any if name in _FILES else hint, ... if name in required else None)
        for name, hint in hints.items()
    }
    return create_model(
        kind.__name__, __config__=ConfigDict(extra="forbid"), **{**fields, **_STREAMS}
    )


def check(kind: Any, body: Json, *, where: str = "") -> None:
    """Raises `Refused` for a field that the type does not have, and for a value of another type."""
    try:
        _strict(kind)(**body)
    except ValidationError as error:
        first = error.errors()[0]
        param = where + str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            words = f"Unknown parameter: '{param}'."
            raise Refused(param, words, "unknown_parameter") from None
        if first["type"] == "missing":
            words = f"Missing required parameter: '{param}'."
            raise Refused(param, words, "missing_required_parameter") from None
        words = f"Invalid value for '{param}': {first['msg']}"
        raise Refused(param, words, "invalid_value") from None


def check_names(kind: Any, body: Json) -> None:
    """Raises `Refused` for a field that the type does not have."""
    for name in body:
        if name not in {*kind.__annotations__, "stream"}:
            raise Refused(name, f"Unknown parameter: '{name}'.", "unknown_parameter")


def said(kind: str, body: Json) -> Json:
    """The body, if OpenAI's own client takes it as one of this kind."""
    TypeAdapter(SAID[kind]).validate_python(body, strict=False)
    return body
