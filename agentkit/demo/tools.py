"""What a script names: its tools (functions in Python files beside it, in modules, server tools,
and the studio), its agent, and files of pictures.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from agentkit.agent import Agent
from agentkit.demo.form import STUDIO, ToolEntry
from agentkit.demo.modules import module_from_file
from agentkit.demo.script import Script, check_names, compared_files, read
from agentkit.errors import AgentkitError, ImageError
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.studio import Studio
from agentkit.tools import Tool, tool
from agentkit.tools.server_tools import Datetime, ImageGeneration, ServerTool, WebFetch, WebSearch
from agentkit.tools.toolset import Toolset
from agentkit.values import Image

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
    """What a script names, loaded: its tools, and by the number of a turn (from 1) those that stand
    in their place; its agent; its pictures.
    """

    shared: Sequence[Loaded] = ()
    own: Mapping[int, Sequence[Loaded]] = field(default_factory=dict[int, Sequence[Loaded]])
    agent: Agent[Any] | None = None
    attached: Mapping[int, Sequence[Image]] = field(default_factory=dict[int, Sequence[Image]])
    """The pictures that the user sends, by the number of the turn."""
    compared: Mapping[str, Image] = field(default_factory=dict[str, Image])
    """The files that pictures are compared with, by name."""

    def tools(
        self, number: int, client: OpenRouter, store: ImageStore
    ) -> list[Tool[..., Any] | ServerTool | Toolset]:
        """The tools of this turn."""
        found: list[Tool[..., Any] | ServerTool | Toolset] = []
        if self.agent is not None and number not in self.own:
            found += _tools_of(self.agent)
        for each in self.own.get(number, self.shared):
            if isinstance(each, StudioTools):
                found += each.made(client, store)
            else:
                found.append(each)
        return found


def _tools_of(agent: Agent[Any]) -> list[Tool[..., Any] | ServerTool | Toolset]:
    """The tools of an agent, as another agent takes them."""
    found: list[Tool[..., Any] | ServerTool | Toolset] = [
        *agent.tools.functions.values(),
        *agent.tools.server,
    ]
    for maker in agent.tools.makers:
        inner = Toolset(maker.function)
        for each in maker.sets:
            inner = Toolset([inner], prefix=each.prefix, filter=each.filter)
        found.append(inner)
    return found


def named_tools(references: Sequence[str], folder: Path) -> Toolbox:
    """Tools as a script names them, without a script. Raises `ScriptError`."""
    script = {"name": "tools", "model": "any", "tools": list(references), "turns": [{"say": "any"}]}
    return load_tools(read(json.dumps(script), "--tool", folder=folder))


def load_tools(script: Script) -> Toolbox:
    """The script's tools, in order, its agent and its pictures. Raises `ScriptError`; whatever a
    file of the user's raises on import becomes one too.
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
    agent = None if script.agent is None else _agent(script, script.agent, files)
    box = Toolbox(loaded(script.tools), own, agent, *_pictures(script))
    if agent is not None and not agent.tools.makers:
        known = [
            *agent.tools.functions,
            *(name for each in script.tools for name in each.functions),
        ]
        for number, turn in enumerate(script.turns, 1):
            if turn.tools is None:
                check_names(script.document, number - 1, turn, known)
    return box


def _agent(script: Script, reference: str, files: dict[Path, ModuleType]) -> Agent[Any]:
    path: FieldPath = ("agent",)
    module, source, name = _imported(script, path, reference, files)
    found: object = getattr(module, name, None)
    if callable(found) and not isinstance(found, Agent):
        try:
            found = found()
        except Exception as error:  # the user's own code
            raise script.error(
                path, f"{reference} raised {type(error).__name__}: {error}"
            ) from error
    if not isinstance(found, Agent):
        raise script.error(
            path,
            f"{source} has no agent {name}; accepted is an Agent, or a function without arguments "
            "that returns one",
        )
    return found  # pyright: ignore[reportUnknownVariableType]


def _pictures(script: Script) -> tuple[dict[int, Sequence[Image]], dict[str, Image]]:
    """The pictures that turns send, by turn, and those that are compared with, by name."""

    def read_picture(path: FieldPath, name: str) -> Image:
        try:
            return Image.from_file(script.folder / name)
        except ImageError as error:
            raise script.error(path, str(error)) from None

    attached: dict[int, Sequence[Image]] = {}
    compared: dict[str, Image] = {}
    for number, turn in enumerate(script.turns, 1):
        at = ("turns", number - 1)
        if turn.attach:
            attached[number] = [read_picture((*at, "attach"), name) for name in turn.attach]
        for key, name in compared_files(turn.expect):
            compared[name] = read_picture((*at, "expect", "image", key), name)
    return attached, compared


def _made(
    script: Script, path: FieldPath, entry: ToolEntry, files: dict[Path, ModuleType]
) -> Loaded:
    if entry.parameters is not None:
        return _with_parameters(script, (*path, entry.name), entry.name, entry.parameters)
    module, source, name = _imported(script, path, entry.name, files)
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


def _imported(
    script: Script, path: FieldPath, reference: str, files: dict[Path, ModuleType]
) -> tuple[ModuleType, str, str]:
    """The module of a reference, its name in the script, and the name in it."""
    source, _, name = reference.rpartition(":")
    try:
        module = (
            _file(script.folder / source, files)
            if source.endswith(".py")
            else importlib.import_module(source)
        )
    except (Exception, SystemExit) as error:  # the user's code: it can raise anything
        raise script.error(
            path, f"{source} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return module, source, name


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
        loaded[path] = module_from_file(path)
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
