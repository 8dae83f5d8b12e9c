"""What a user gives as `tools=[…]`, brought into one form at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.server_tools import ServerTool
from agentkit.tools.tool import Tool, make_tool

AnyTool = Tool[..., Any] | ServerTool

ACCEPTED = "functions, @tool functions, ServerTools such as ImageGeneration(), and Toolsets"


@dataclass(frozen=True, slots=True)
class Toolset:
    """Some tools as one: under a prefix, or only those that a filter lets through. Sets may hold sets.

        Toolset([read, write, delete], prefix="files_", filter=lambda tool: tool.name != "delete")

    `filter` sees the names without this set's prefix; server tools, whose names are OpenRouter's, get no prefix.
    """

    tools: tuple[object, ...]
    prefix: str = ""
    filter: Callable[[AnyTool], bool] | None = None

    def __init__(
        self,
        tools: Iterable[object],
        prefix: str = "",
        filter: Callable[[AnyTool], bool] | None = None,  # noqa: A002 — the word for it
    ) -> None:
        if not isinstance(prefix, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ToolDefinitionError(f"Toolset(prefix={prefix!r}): accepted is text")
        if filter is not None and not callable(filter):
            raise ToolDefinitionError(f"Toolset(filter={filter!r}): accepted is a function of a tool, or None")
        object.__setattr__(self, "tools", tuple(normalised(tools, "Toolset(tools=…)")))
        object.__setattr__(self, "prefix", prefix)
        object.__setattr__(self, "filter", filter)
        tuple(self)  # a name that the prefix breaks is told here, not later

    def __iter__(self) -> Iterator[AnyTool]:
        """Its tools, with the prefix, those of inner sets included."""
        for each in flat(self.tools):
            if self.filter is not None and not self.filter(each):
                continue
            yield replace(each, name=f"{self.prefix}{each.name}") if self.prefix and isinstance(each, Tool) else each


@dataclass(frozen=True, slots=True)
class Tools:
    """An agent's tools: its functions by name, and its server tools, each in the order given."""

    functions: Mapping[str, Tool[..., Any]] = field(default_factory=dict[str, Tool[..., Any]])
    server: tuple[ServerTool, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.functions or self.server)


def collect(tools: Iterable[object]) -> Tools:
    """The tools that a user gave, checked. Raises `ToolDefinitionError` that names what does not fit."""
    functions: dict[str, Tool[..., Any]] = {}
    server: list[ServerTool] = []
    for each in flat(normalised(tools, "tools=…")):
        if isinstance(each, ServerTool):
            if each.name.startswith("openrouter:") and any(each.name == other.name for other in server):
                raise ToolDefinitionError(
                    f"tools=…: the server tool {each.name} is given twice; accepted is one of each"
                )
            server.append(each)
        elif each.name in functions:
            raise ToolDefinitionError(
                f"tools=…: two tools have the name {each.name!r}; give one another by tool(name=…), or a Toolset(prefix=…)"
            )
        else:
            functions[each.name] = each
    for each in server:
        short = each.name.removeprefix("openrouter:")
        if short in functions:
            raise ToolDefinitionError(
                f"tools=…: the tool {short!r} has the name of the server tool {each.name}, which is given too; rename it"
            )
    return Tools(functions, tuple(server))


def normalised(tools: object, where: str) -> Iterator[Tool[..., Any] | ServerTool | Toolset]:
    """Each of what a user gave, functions made into tools."""
    if isinstance(tools, str | bytes | Mapping | Tool | ServerTool) or not isinstance(tools, Iterable):
        raise UsageError(f"{where}: given is {tools!r}; accepted is a list of {ACCEPTED}")
    for index, each in enumerate(cast("Iterable[object]", tools)):
        yield _normal(each, f"{where}, number {index + 1}")


def _normal(given: object, where: str) -> Tool[..., Any] | ServerTool | Toolset:
    if isinstance(given, Tool):
        if given.parameters.is_method:
            raise ToolDefinitionError(
                f"{where}: {given.name} is a method; give that of an instance, as in the_object.{given.name}"
            )
        return given  # pyright: ignore[reportUnknownVariableType]
    if isinstance(given, ServerTool | Toolset):
        return given
    if isinstance(given, type):
        raise ToolDefinitionError(
            f"{where}: {given.__qualname__} is a class; accepted are {ACCEPTED}; is it {given.__qualname__}()?"
        )
    if not callable(given):
        raise ToolDefinitionError(f"{where}: given is {given!r}; accepted are {ACCEPTED}")
    return make_tool(given)


def flat(tools: Iterable[object]) -> Iterator[AnyTool]:
    """The tools, those inside sets included."""
    for each in tools:
        if isinstance(each, Toolset):
            yield from each
        elif isinstance(each, Tool | ServerTool):
            yield each
