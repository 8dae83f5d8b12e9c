"""Functions that draw: where a model has neither pictures of its own nor a server tool for them, a
wish for a picture becomes a call of a function such as `draw_image(prompt)` or `edit_image(images,
prompt)`, known by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.model.drawing_words import options_of
from agentkit.emulator.model.wanted_pictures import Wish
from agentkit.emulator.model.words import name_words
from agentkit.emulator.script import CallTool
from agentkit.emulator.tables import word_set
from agentkit.emulator.wire.request import Tool

_DRAWS = word_set("draw paint generate create sketch illustrate render")
_EDITS = word_set("edit change modify redraw repaint alter")
_PICTURES = word_set("image images picture pictures photo photos drawing drawings")
_WORDS = ("prompt", "description", "text", "instructions")


def drawer(tools: Sequence[Tool], *, edits: bool) -> Tool | None:
    """The function that draws new pictures, or that changes old ones."""
    verbs = _EDITS if edits else _DRAWS
    for tool in tools:
        named = set(name_words(tool.name))
        if (
            named & verbs
            and named & _PICTURES
            and _words_of(tool)
            and (not edits or _pictures_of(tool))
        ):
            return tool
    return None


def names(tools: Sequence[Tool]) -> set[str]:
    """The names of all functions that draw or change pictures."""
    return {
        tool.name for tool in tools if drawer([tool], edits=False) or drawer([tool], edits=True)
    }


def call(tool: Tool, wish: Wish, prompt: str) -> CallTool:
    """The call for a wish that the user's `prompt` made."""
    arguments: dict[str, Any] = {}
    pictures = _pictures_of(tool)
    if pictures is not None and wish.meant is not None:
        key, many = pictures
        arguments[key] = [wish.meant] if many else wish.meant
    if (key := _words_of(tool)) is not None:
        arguments[key] = wish.draw.prompt
    ratio = options_of(prompt).ratio
    if ratio is not None and "aspect_ratio" in _properties(tool):
        arguments["aspect_ratio"] = ratio
    return CallTool(tool.name, arguments)


def _properties(tool: Tool) -> Mapping[str, Any]:
    return as_object(tool.schema.get("properties")) or {}


def _words_of(tool: Tool) -> str | None:
    return next((key for key in _WORDS if key in _properties(tool)), None)


def _pictures_of(tool: Tool) -> tuple[str, bool] | None:
    """The parameter that takes handles, and whether it takes several."""
    for key, one in _properties(tool).items():
        schema = as_object(one) or {}
        if set(name_words(key)) & _PICTURES:
            kinds = as_list(schema.get("type")) or [schema.get("type")]
            return key, "array" in kinds
    return None
