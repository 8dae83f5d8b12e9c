"""What a script's `tools:` stand for: functions in Python files beside it, in modules, and server tools."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from agentkit.demo.script import Script, ToolEntry
from agentkit.errors import AgentkitError
from agentkit.server_tools import Datetime, ImageGeneration, ServerTool, WebFetch, WebSearch
from agentkit.tools import Tool, tool

_NAMED: Mapping[str, Callable[..., ServerTool]] = {
    "openrouter:image_generation": ImageGeneration,
    "openrouter:web_search": WebSearch,
    "openrouter:web_fetch": WebFetch,
    "openrouter:datetime": Datetime,
}


def load_tools(script: Script) -> list[Tool[..., object] | ServerTool]:
    """The script's tools, in order. Raises `ScriptError`; whatever a tool's file raises on import becomes one too."""
    files: dict[Path, ModuleType] = {}
    return [_made(script, index, entry, files) for index, entry in enumerate(script.tools)]


def _made(
    script: Script, index: int, entry: ToolEntry, files: dict[Path, ModuleType]
) -> Tool[..., object] | ServerTool:
    place = ("tools", index)
    if entry.parameters is not None:
        try:
            named = _NAMED.get(entry.name)
            return named(**entry.parameters) if named else ServerTool(entry.name, entry.parameters)
        except AgentkitError as error:
            raise script.error((*place, entry.name), str(error)) from None
        except TypeError as error:
            raise script.error((*place, entry.name), str(error).replace("__init__()", entry.name)) from None
    source, _, name = entry.name.rpartition(":")
    try:
        module = _file(script.folder / source, files) if source.endswith(".py") else importlib.import_module(source)
    except Exception as error:  # a tool's file is the user's code: it can raise anything
        raise script.error(place, f"{source} cannot be imported: {type(error).__name__}: {error}") from error
    found: object = getattr(module, name, None)
    if isinstance(found, Tool):
        return found  # pyright: ignore[reportUnknownVariableType]
    if not callable(found):
        raise script.error(
            place, f"{source} has no function {name}, accepted are: {', '.join(_offered(module)) or 'none'}"
        )
    try:
        return tool(found)
    except AgentkitError as error:
        raise script.error(place, str(error)) from None


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
        or (inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"))
    ]
