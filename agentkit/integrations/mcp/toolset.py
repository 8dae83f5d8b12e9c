"""The tools of a server of MCP as a `Toolset`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from os import PathLike
from typing import Any
from urllib.parse import urlsplit

from mcp import StdioServerParameters
from mcp_types import Tool as ServerTool

from agentkit._check import check_kind, check_mapping, check_number, refused
from agentkit._log import logger
from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.integrations.mcp.connection import Ask, Connection, ServerError, Source
from agentkit.integrations.mcp.limits import LONGEST
from agentkit.integrations.mcp.received import value_of, words_of
from agentkit.show.plain import line
from agentkit.tools import Context, Progress, Tool, ToolResultError, Toolset
from agentkit.tools.asking import Answers
from agentkit.tools.by_schema import by_name, parameters_by_schema
from agentkit.tools.tool import Approve

Filter = Callable[[Tool[..., Any]], bool]
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*")
_MOST_NAME = 64
_MOST_PROGRESS = 1000
"""Messages of progress of one call that are told."""


@asynccontextmanager
async def tools_of(
    server: Any,
    *,
    prefix: str,
    filter: Filter | None,  # noqa: A002 - the word for it
    approve: Approve,
    timeout: float,  # noqa: ASYNC109 - of each call
    headers: Mapping[str, str] | None,
    ask: Ask | None,
) -> AsyncGenerator[Toolset]:
    """See `agentkit.integrations.mcp.tools`."""
    source = _source(server, headers)
    if ask is not None and not callable(ask):
        raise refused("tools(ask={!r})", ask, "is an async function of words and a schema, or None")
    connection = Connection(source, ask)
    listing = _Listing(connection, prefix, approve, timeout)
    Toolset((), prefix, None)  # a wrong prefix is told before anything is started
    try:
        try:
            await listing.refresh()
        except ServerError as error:
            raise UsageError(f"tools({source.label!r}): {error}") from None
        yield Toolset(listing.tools, prefix=prefix, filter=_checked(filter))
    finally:
        await connection.close()


_ACCEPTED = "is the http(s) URL of a server, or StdioServerParameters(command=…) to start one"


_NO_SERVERS: tuple[type, ...] = (int, float, bytes, PathLike, Mapping, Sequence)


def _source(server: Any, headers: object) -> Source:
    given = _headers(headers)
    if isinstance(server, str):
        try:
            parts = urlsplit(server)
            is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url:
            raise refused("tools({!r})", server, _ACCEPTED)
        return Source(urlsplit(server).netloc.rpartition("@")[2], server, given)
    if given:
        raise UsageError("tools(headers=…): accepted for a server with a URL")
    if isinstance(server, StdioServerParameters):
        return Source(server.command.rpartition("/")[2][:60], server, {})
    if server is None or isinstance(server, _NO_SERVERS):
        raise refused("tools({!r})", server, _ACCEPTED)
    return Source(type(server).__name__, server, {})


def _headers(given: object) -> dict[str, str]:
    """Headers that HTTP can carry. No value is told in an error: it may be a secret."""
    found = check_mapping("tools(headers=…)", given, "is a mapping of texts")
    for name, value in found.items():
        if not isinstance(value, str) or not _HEADER.fullmatch(f"{name}: {value}"):
            raise UsageError(f"tools(headers=…): {name!r:.60}: accepted is text of one line")
    return {str(name): str(value) for name, value in found.items()}


def _checked(filter: object) -> Any:  # noqa: A002 - the word for it
    if filter is not None and not callable(filter):
        raise refused("tools(filter={!r})", filter, "is a function of a tool, or None")
    return filter


class _Listing:
    """What a server offers, as tools; listed anew where it says that they changed."""

    def __init__(
        self, connection: Connection, prefix: str, approve: Approve, timeout: float
    ) -> None:
        check_kind("tools(prefix={!r})", prefix, str, "text")
        check_number("tools(timeout={!r})", timeout, above=0)
        self._connection = connection
        self._longest = _MOST_NAME - len(prefix)
        self._approve: Approve = approve
        self._timeout = timeout
        self._tools: list[Tool[..., Any]] = []

    async def tools(self, _: Context[Any]) -> Iterable[Tool[..., Any]]:
        """The tools of the next request. Where the server fails, those that it had."""
        if self._connection.is_stale:
            try:
                await self.refresh()
            except ServerError as error:
                logger().warning(
                    "mcp_list_failed", server=self._connection.source.label, reason=str(error)
                )
        return self._tools

    async def refresh(self) -> None:
        """List the tools anew. Raises `ServerError`."""
        found = await self._connection.list_tools()
        names = _names([each.name for each in found], self._longest)
        self._tools = await asyncio.to_thread(self._made, found, names)

    def _made(self, found: list[ServerTool], names: list[str]) -> list[Tool[..., Any]]:
        made: list[Tool[..., Any]] = []
        for name, each in zip(names, found, strict=True):
            try:
                made.append(self._tool(name, each))
            except ToolDefinitionError as error:
                logger().warning(
                    "mcp_tool_left_out",
                    server=self._connection.source.label,
                    tool=each.name,
                    reason=str(error),
                )
        return made

    def _tool(self, name: str, tool: ServerTool) -> Tool[..., Any]:
        """One tool. What its annotations say of it is the server's word, and no permission."""
        call = _call_of(self._connection, tool.name)
        owner = f"the tool {tool.name!r:.80} of {self._connection.source.label}"
        schema = tool.input_schema
        try:
            parameters = parameters_by_schema(schema, owner, takes_context=True)
        except ToolDefinitionError:
            # Patterns of another language, say: then the server alone checks.
            parameters = parameters_by_schema(schema, owner, takes_context=True, check=False)
        return Tool(
            name,
            (tool.description or tool.title or tool.name)[:LONGEST],
            by_name(call, takes_context=True),
            parameters,
            timeout=self._timeout,
            approve=self._approve,
        )


def _names(given: list[str], longest: int) -> list[str]:
    """Names that every provider takes, none of them twice, in the order of the given."""
    found: list[str] = []
    for each in given:
        base = _NO_NAME.sub("_", each)[: max(longest, 8)] or "tool"
        name, number = base, 1
        while name in found:
            number += 1
            end = f"_{number}"
            name = f"{base[: max(longest, 8) - len(end)]}{end}"
        found.append(name)
    return found


def _call_of(
    connection: Connection, name: str
) -> Callable[[Context[Any], dict[str, Any]], AsyncIterator[Any]]:
    """The function of a tool: it asks the server, and tells its progress meanwhile."""

    async def call(context: Context[Any], arguments: dict[str, Any]) -> AsyncIterator[Any]:
        answers = context.answers or Answers()
        heard: asyncio.Queue[str | None] = asyncio.Queue(_MOST_PROGRESS)

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            if not heard.full():
                heard.put_nowait(_progress(progress, total, message))

        task = asyncio.create_task(connection.call(name, arguments, hear, answers))
        task.add_done_callback(lambda _: heard.put_nowait(None) if not heard.full() else None)
        try:
            while not task.done() or not heard.empty():
                words = await heard.get()
                if words is None:
                    break
                yield Progress(words)
            result = await task
            if result.is_error:
                raise ToolResultError(words_of(result)[:20_000])
            yield await value_of(result, connection.read)
        except ServerError as error:
            raise ToolResultError(str(error)) from None
        finally:
            task.cancel()
            await asyncio.wait([task])

    return call


def _progress(progress: float, total: float | None, message: str | None) -> str:
    count = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
    return f"{line(message)} ({count})" if message else count
