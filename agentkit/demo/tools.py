"""What a script's `tools:` stand for: functions in Python files beside it, in modules, server
tools, and the studio.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from agentkit.demo.script import STUDIO, Script, ToolEntry, read
from agentkit.errors import AgentkitError
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.studio import Studio
from agentkit.tools import Tool, tool
from agentkit.tools.server_tools import Datetime, ImageGeneration, ServerTool, WebFetch, WebSearch

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath

_NAMED: Mapping[str, Callable[..., ServerTool]] = {
    "openrouter:image_generation": ImageGeneration,
    "openrouter:web_search": WebSearch,
    "openrouter:web_fetch": WebFetch,
    "openrouter:datetime": Datetime,
}


@dataclass(frozen=True, slots=True)
class StudioTools:
    """`studio: {…}`: its tools are made for the client of a play."""

    options: Mapping[str, Any]

    def made(
        self, client: OpenRouter | None = None, store: ImageStore | None = None
    ) -> list[Tool[..., Any]]:
        return Studio(client=client, store=store).tools(**self.options)


Loaded = Tool[..., object] | ServerTool | StudioTools


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a script, and by the number of a turn (from 1) those that stand in their
    place.
    """

    shared: Sequence[Loaded] = ()
    own: Mapping[int, Sequence[Loaded]] = field(default_factory=dict[int, Sequence[Loaded]])

    def tools(
        self, number: int, client: OpenRouter, store: ImageStore
    ) -> list[Tool[..., Any] | ServerTool]:
        """The tools of this turn."""
        found: list[Tool[..., Any] | ServerTool] = []
        for each in self.own.get(number, self.shared):
            if isinstance(each, StudioTools):
                found += each.made(client, store)
            else:
                found.append(each)
        return found


def named_tools(references: Sequence[str], folder: Path) -> Toolbox:
    """Tools as a script names them, without a script. Raises `ScriptError`."""
    script = {"name": "tools", "model": "any", "tools": list(references), "turns": [{"say": "any"}]}
    return load_tools(read(json.dumps(script), "--tool", folder=folder))


def load_tools(script: Script) -> Toolbox:
    """The script's tools, in order. Raises `ScriptError`; whatever a tool's file raises on import
    becomes one too.
    """
    files: dict[Path, ModuleType] = {}

    def loaded(entries: Sequence[ToolEntry], *at: str | int) -> list[Loaded]:
        return [
            _made(script, (*at, "tools", index), entry, files)
            for index, entry in enumerate(entries)
        ]

    own = {
        number: loaded(turn.tools, "turns", number - 1)
        for number, turn in enumerate(script.turns, 1)
        if turn.tools is not None
    }
    return Toolbox(loaded(script.tools), own)


def _made(
    script: Script, path: FieldPath, entry: ToolEntry, files: dict[Path, ModuleType]
) -> Loaded:
    if entry.parameters is not None:
        return _with_parameters(script, (*path, entry.name), entry.name, entry.parameters)
    source, _, name = entry.name.rpartition(":")
    try:
        module = (
            _file(script.folder / source, files)
            if source.endswith(".py")
            else importlib.import_module(source)
        )
    except Exception as error:  # a tool's file is the user's code: it can raise anything
        raise script.error(
            path, f"{source} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found: object = getattr(module, name, None)
    if isinstance(found, Tool):
        return found  # pyright: ignore[reportUnknownVariableType]
    if not callable(found):
        raise script.error(
            path,
            f"{source} has no function {name}, accepted are: "
            f"{', '.join(_offered(module)) or 'none'}",
        )
    try:
        return tool(found)
    except AgentkitError as error:
        raise script.error(path, str(error)) from None


def _with_parameters(
    script: Script, path: FieldPath, name: str, parameters: Mapping[str, Any]
) -> ServerTool | StudioTools:
    try:
        if name == STUDIO:
            studio = StudioTools(parameters)
            studio.made()  # wrong options are told now
            return studio
        named = _NAMED.get(name)
        return named(**parameters) if named else ServerTool(name, parameters)
    except AgentkitError as error:
        raise script.error(path, str(error)) from None
    except TypeError as error:
        raise script.error(path, str(error).replace("__init__()", name)) from None


def _file(path: Path, loaded: dict[Path, ModuleType]) -> ModuleType:
    if path not in loaded:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded[path] = module
    return loaded[path]


def _offered(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in inspect.getmembers(module)
        if isinstance(value, Tool)
        or (
            inspect.isfunction(value)
            and value.__module__ == module.__name__
            and not name.startswith("_")
        )
    ]
