"""The values that a run's server tools are given, held against what OpenRouter says of them, before
anything is paid for.

`GET /tools` tells which values a parameter has; of a tool that draws, the endpoints of its model in
the Image API tell it too. Where neither knows, the value goes as the user said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentkit.errors import Unsupported
from agentkit.openrouter.catalogue import Catalogue
from agentkit.tools.server_tools import ServerTool
from agentkit.wire.catalogue import Capability, ImageModel

_WORDS = ("quality", "background", "output_format")
"""What a provider refuses where it does not have it. Sizes and shapes are fitted to what it has."""


async def check_tool_values(
    tools: Sequence[ServerTool], painter: str | None, catalogue: Catalogue
) -> None:
    """Raises `Unsupported` for a value that is surely not accepted. `painter` is the model that
    the tool among them draws with, which draws.
    """
    given = [tool for tool in tools if tool.parameters]
    if not given:
        return
    words = _drawn_with(given)
    infos, model = await asyncio.gather(
        catalogue.server_tools(),
        catalogue.image_model(painter) if painter and words else _nothing(),
    )
    for tool in given:
        info = next((each for each in infos if tool.type in each.types), None)
        for name, value, accepted in info.faults(tool.parameters) if info is not None else ():
            raise _unsupported(tool, name, value, accepted, tool.type)
    if model is not None:
        for name, value, accepted in _faults_at(words, model):
            others = await catalogue.all_image_models()
            takers = [each.id for each in others if _takes(each.parameters, name, value)]
            tool = next(each for each in given if _draws(each))
            raise _unsupported(tool, name, value, accepted, model.id, takers)


async def _nothing() -> None:
    return None


def _draws(tool: ServerTool) -> bool:
    return tool.type.removeprefix("openrouter:") == "image_generation"


def _drawn_with(tools: Sequence[ServerTool]) -> Mapping[str, Any]:
    """Of the tool that draws, the words that its model has to know."""
    for tool in tools:
        if _draws(tool):
            return {name: value for name, value in tool.parameters.items() if name in _WORDS}
    return {}


def _faults_at(words: Mapping[str, Any], model: ImageModel) -> Iterator[tuple[str, object, str]]:
    """What no endpoint of the model accepts. One that does not name the parameter ignores it."""
    places = [each.parameters for each in model.endpoints] or [model.parameters]
    for name, value in words.items():
        known = [each[name] for each in places if name in each]
        if len(known) == len(places) and not any(each.accepts(value) for each in known):
            yield name, value, str(known[0])


def _takes(parameters: Mapping[str, Capability], name: str, value: object) -> bool:
    return name in parameters and parameters[name].accepts(value)


def _unsupported(
    tool: ServerTool,
    name: str,
    value: object,
    accepted: str,
    by: str,
    models: Sequence[str] = (),
) -> Unsupported:
    kind = type(tool).__name__
    owner = f"ServerTool({tool.type!r}, " if type(tool) is ServerTool else f"{kind}("
    these = f"; these accept it: {', '.join(models[:5])}" if models else ""
    return Unsupported(
        f"{owner}{name}={value!r}): accepted by {by} is {accepted}{these}. If the catalogue is "
        "wrong, Agent(checks=False) sends it all the same",
        model=by,
        parameter=name,
        accepted=accepted,
        models=tuple(models),
    )
