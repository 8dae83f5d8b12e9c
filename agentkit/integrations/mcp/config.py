"""Servers of MCP in the form in which Claude Desktop, Claude Code and others keep them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from mcp import StdioServerParameters

from agentkit.errors import UsageError
from agentkit.integrations.mcp.toolset import tools_of
from agentkit.tools import Toolset

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_MOST_BYTES = 1 << 20
_FORM = '{"mcpServers": {"NAME": {"command": "…", "args": […]}}}, or with "url" in place of both'


@asynccontextmanager
async def toolsets_of(
    path: str | os.PathLike[str], **options: Any
) -> AsyncGenerator[list[Toolset]]:
    """See `agentkit.integrations.mcp.from_config`."""
    servers = read_config(path)
    async with AsyncExitStack() as stack:
        found: list[Toolset] = []
        for name, (server, headers) in servers.items():
            prefix = f"{re.sub(r'[^a-zA-Z0-9_-]+', '_', name)[:24]}_"
            opened = tools_of(
                server, prefix=prefix, filter=None, headers=headers, ask=None, **options
            )
            found.append(await stack.enter_async_context(opened))
        yield found


def read_config(path: str | os.PathLike[str]) -> dict[str, tuple[Any, Mapping[str, str] | None]]:
    """The servers in a file, by name: each with its headers. Raises `UsageError`."""
    where = f"from_config({os.fspath(path)!r})"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror or error}") from None
    try:
        whole: object = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        whole = None
    servers = _mapping(_mapping(whole).get("mcpServers"))
    if not servers:
        raise UsageError(f"{where}: it names no servers; accepted is {_FORM}")
    return {
        name: _server(f"{where}, {name!r:.60}", _mapping(each)) for name, each in servers.items()
    }


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _server(where: str, entry: Mapping[str, object]) -> tuple[Any, Mapping[str, str] | None]:
    command, url = entry.get("command"), entry.get("url")
    if (command is None) == (url is None):
        raise UsageError(f"{where}: accepted is a command, or a URL; the form is {_FORM}")
    kind = entry.get("type")
    if kind not in (None, "stdio", "http", "streamable-http", "streamableHttp"):
        raise UsageError(f"{where}: type is {kind!r:.60}; accepted are stdio and http")
    if url is not None:
        return _text(where, "url", url), _texts(where, "headers", entry.get("headers")) or None
    arguments: object = entry.get("args") or []
    if not isinstance(arguments, list):
        raise UsageError(f"{where}: args is {arguments!r:.80}; accepted is a list of texts")
    given = cast("list[object]", arguments)
    parameters = StdioServerParameters(
        command=_text(where, "command", command),
        args=[_text(where, "args", each) for each in given],
        env=_texts(where, "env", entry.get("env")) or None,
        cwd=None if entry.get("cwd") is None else _text(where, "cwd", entry.get("cwd")),
    )
    return parameters, None


def _texts(where: str, name: str, value: object) -> dict[str, str]:
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{where}: {name} is no object of texts")
    given = _mapping(cast("object", value))
    return {key: _text(where, name, each) for key, each in given.items()}


def _text(where: str, name: str, value: object) -> str:
    """A text, with the variables of the environment that it names."""
    if not isinstance(value, str):
        raise UsageError(f"{where}: {name} holds {type(value).__name__}; accepted is text")

    def variable(found: re.Match[str]) -> str:
        default: str | None = found[2]
        known = os.environ.get(found[1], default)
        if known is None:
            raise UsageError(f"{where}: {name} names the variable {found[1]}, which is not set")
        return known

    return _VARIABLE.sub(variable, value)
