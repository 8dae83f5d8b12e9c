"""What a user gives as `tools=[…]`, brought into one form at the door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from typing_extensions import TypeIs

from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.tools.context import Context
from agentkit.tools.server_tools import ServerTool
from agentkit.tools.tool import Tool, make_tool

AnyTool = Tool[..., Any] | ServerTool
MakeTools = Callable[[Context[Any]], Iterable[object] | Awaitable[Iterable[object]]]
"""Gives the tools of the next request; it may be async."""

ACCEPTED = "functions, @tool functions, ServerTools such as ImageGeneration(), and Toolsets"


@dataclass(frozen=True, slots=True)
class Maker:
    """A function that gives tools, and the sets that they go through, the innermost first."""

    function: MakeTools
    sets: tuple[Toolset, ...] = ()

    def tools(self, made: object) -> Iterator[AnyTool]:
        """What the function returned, checked. Raises `UsageError` for what is no list of tools."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        for each in flat(normalised(made, f"the tools that {name} returned")):
            if isinstance(each, Maker):
                raise ToolDefinitionError(
                    f"{name} returned a Toolset of a function; accepted "
                    "are tools, and sets of tools"
                )
            passed: AnyTool | None = each
            for toolset in self.sets:
                passed = toolset.passed(passed) if passed is not None else None
            if passed is not None:
                yield passed


@dataclass(frozen=True, slots=True)
class Toolset:
    """Several tools as one: under a prefix, or only those that a filter lets through. Sets may hold
    sets.

        Toolset([read, write, delete], prefix="files_", filter=lambda tool: tool.name != "delete")
        Toolset(lambda context: [search] if context.deps.online else [])

    In place of a list, a function can make the tools. It is called before each request to the
    model, with a `Context` of the run so far whose `invocation` is empty, and may be async.

    `filter` sees the names without this set's prefix. Server tools get no prefix: their names are
    OpenRouter's.
    """

    tools: tuple[object, ...]
    prefix: str = ""
    filter: Callable[[AnyTool], bool] | None = None

    def __init__(
        self,
        tools: Iterable[object] | MakeTools,
        prefix: str = "",
        filter: Callable[[AnyTool], bool] | None = None,  # noqa: A002 — the word for it
    ) -> None:
        if not isinstance(prefix, str):
            raise ToolDefinitionError(f"Toolset(prefix={prefix!r}): accepted is text")
        if filter is not None and not callable(filter):
            raise ToolDefinitionError(
                f"Toolset(filter={filter!r}): accepted is a function of a tool, or None"
            )
        given = (
            (Maker(tools),) if _is_maker(tools) else tuple(normalised(tools, "Toolset(tools=…)"))
        )
        object.__setattr__(self, "tools", given)
        object.__setattr__(self, "prefix", prefix)
        object.__setattr__(self, "filter", filter)
        tuple(self)  # a name that the prefix breaks is told here, not later

    def __iter__(self) -> Iterator[AnyTool]:
        """Its tools, with the prefix, those of inner sets included; without those that a function
        will make.
        """
        return (each for each in self.each() if not isinstance(each, Maker))

    def each(self) -> Iterator[AnyTool | Maker]:
        """Its tools, and the functions that will make more."""
        for each in flat(self.tools):
            if isinstance(each, Maker):
                yield replace(each, sets=(*each.sets, self))
            elif (passed := self.passed(each)) is not None:
                yield passed

    def passed(self, each: AnyTool) -> AnyTool | None:
        """One tool as it comes out of this set: with the prefix, or not at all."""
        if self.filter is not None and not self.filter(each):
            return None
        return (
            replace(each, name=f"{self.prefix}{each.name}")
            if self.prefix and isinstance(each, Tool)
            else each
        )


def _is_maker(tools: Iterable[object] | MakeTools) -> TypeIs[MakeTools]:
    return callable(tools) and not isinstance(tools, Iterable | Tool | type | ServerTool)


@dataclass(frozen=True, slots=True)
class Tools:
    """An agent's tools: its functions by name, and its server tools, each in the order given."""

    functions: Mapping[str, Tool[..., Any]] = field(default_factory=dict[str, Tool[..., Any]])
    server: tuple[ServerTool, ...] = ()
    makers: tuple[Maker, ...] = ()
    """Functions that give more tools, for each request anew."""

    def __bool__(self) -> bool:
        return bool(self.functions or self.server or self.makers)

    def with_made(self, made: Iterable[AnyTool]) -> Tools:
        """These tools and more. Raises `ToolDefinitionError` for a name that is there already."""
        return _gathered((*self.functions.values(), *self.server, *made))


def collect(tools: Iterable[object]) -> Tools:
    """The tools that a user gave, checked. Raises `ToolDefinitionError` that names what does not
    fit.
    """
    return _gathered(flat(normalised(tools, "tools=…")))


def _gathered(tools: Iterable[AnyTool | Maker]) -> Tools:
    functions: dict[str, Tool[..., Any]] = {}
    server: list[ServerTool] = []
    makers: list[Maker] = []
    for each in tools:
        if isinstance(each, Maker):
            makers.append(each)
        elif isinstance(each, ServerTool):
            if each.name.startswith("openrouter:") and any(
                each.name == other.name for other in server
            ):
                raise ToolDefinitionError(
                    f"tools=…: the server tool {each.name} is given twice; accepted is one of each"
                )
            server.append(each)
        elif each.name in functions:
            raise ToolDefinitionError(
                f"tools=…: two tools have the name {each.name!r}; give one another by "
                "tool(name=…), or a Toolset(prefix=…)"
            )
        else:
            functions[each.name] = each
    for each in server:
        short = each.name.removeprefix("openrouter:")
        if short in functions:
            raise ToolDefinitionError(
                f"tools=…: the tool {short!r} has the name of the server tool "
                f"{each.name}, which is given too; rename it"
            )
    return Tools(functions, tuple(server), tuple(makers))


def normalised(tools: object, where: str) -> Iterator[Tool[..., Any] | ServerTool | Toolset]:
    """Each of what a user gave, functions made into tools."""
    if isinstance(tools, str | bytes | Mapping | Tool | ServerTool) or not isinstance(
        tools, Iterable
    ):
        raise UsageError(f"{where}: given is {tools!r}; accepted is a list of {ACCEPTED}")
    for index, each in enumerate(cast("Iterable[object]", tools)):
        yield _normal(each, f"{where}, number {index + 1}")


def _normal(given: object, where: str) -> Tool[..., Any] | ServerTool | Toolset:
    if isinstance(given, Tool):
        if given.parameters.is_method:
            raise ToolDefinitionError(
                f"{where}: {given.name} is a method; give that of an "
                f"instance, as in the_object.{given.name}"
            )
        return given  # pyright: ignore[reportUnknownVariableType]
    if isinstance(given, ServerTool | Toolset):
        return given
    if isinstance(given, type):
        raise ToolDefinitionError(
            f"{where}: {given.__qualname__} is a class; accepted are "
            f"{ACCEPTED}; is it {given.__qualname__}()?"
        )
    if not callable(given):
        raise ToolDefinitionError(
            f"{where}: given is {given!r:.100}{_hint(given)}; accepted are {ACCEPTED}"
        )
    return make_tool(given)


def _hint(given: object) -> str:
    """What was meant, where the thing given holds tools or can be made one."""
    if isinstance(given, list | tuple):
        return ", a list inside the list: put its tools in by a star, as in [*the_list]"
    if callable(getattr(given, "as_tool", None)):
        return ', an agent: give it as a tool, by the_agent.as_tool("its_name", "what it does")'
    if callable(getattr(given, "tools", None)):
        return ", which has tools: put them in by a star, as in [*the_studio.tools()]"
    return ""


def flat(tools: Iterable[object]) -> Iterator[AnyTool | Maker]:
    """The tools, those inside sets included, and the functions that will make more."""
    for each in tools:
        if isinstance(each, Toolset):
            yield from each.each()
        elif isinstance(each, Tool | ServerTool | Maker):
            yield each
