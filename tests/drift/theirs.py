"""What the types of OpenRouter's SDK name, by area."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from openrouter import components
from openrouter.components import chatfunctiontool, outputitems, responsesrequest


def fields(kind: Any) -> set[str]:
    """The fields of a type, by their names on the wire."""
    return {each.alias or name for name, each in kind.model_fields.items()}


def tags(union: Any) -> set[str]:
    """The `type` of each member of a union."""
    return {word for member in _members(union) for word in _words(member)}


def _members(union: Any) -> Iterable[Any]:
    union = getattr(union, "__value__", union)
    for each in get_args(union):
        if hasattr(each, "model_fields"):
            yield each
        else:
            yield from _members(each)


def _words(kind: Any) -> Iterable[str]:
    """The words that its field `type` may be."""
    annotation = kind.model_fields["type"].annotation if "type" in kind.model_fields else None
    stack = [annotation]
    while stack:
        for each in get_args(stack.pop()):
            if isinstance(each, str):
                yield each
            else:
                stack.append(each)


def names() -> dict[str, set[str]]:
    """The names of each area."""
    function = chatfunctiontool
    flat = responsesrequest.ResponsesRequestToolFunction
    return {
        "chat": fields(components.ChatRequest),
        "responses": fields(components.ResponsesRequest),
        "images": fields(components.ImageGenerationRequest),
        "chat.tool": fields(function.ChatFunctionToolFunction),
        "chat.tool.function": fields(function.ChatFunctionToolFunctionFunction),
        "responses.tool": fields(flat),
        "web_search": fields(components.WebSearchServerToolConfig),
        "web_fetch": fields(components.WebFetchServerToolConfig),
        "datetime": fields(components.DatetimeServerToolConfig),
        "image_generation": fields(components.ImageGenerationServerToolConfig),
        "tools": tags(components.ChatFunctionTool)
        | tags(responsesrequest.ResponsesRequestToolUnion),
        "items": {*outputitems._OUTPUT_ITEMS_VARIANTS},
        "usage": fields(components.ChatUsage) | fields(components.Usage),
        "usage.cost_details": fields(components.CostDetails),
        "reply.chat": fields(components.ChatResult),
        "reply.responses": fields(components.OpenResponsesResult),
        "part.chat.text": fields(components.ChatContentText),
        "part.chat.image": fields(components.ChatContentImage),
        "part.responses.image": fields(components.InputImage),
        "price": fields(components.ImagePricingEntry),
    }
