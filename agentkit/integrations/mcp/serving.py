"""An agent as an MCP server: its one tool, its pictures and files as resources, and transports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pybase64
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplate,
    Tool,
    ToolAnnotations,
)

from agentkit._check import check_number
from agentkit._version import __version__
from agentkit.agent import Agent
from agentkit.errors import FileError, ImageError, StoreError
from agentkit.integrations.chats import FILE_URI, URI
from agentkit.integrations.mcp.calls import Calls, Request
from agentkit.integrations.mcp.http import HttpApp
from agentkit.integrations.mcp.standard_input import own_stdin
from agentkit.integrations.portable import portable
from agentkit.values import File, Image

PATIENCE = 600.0
"""Seconds for which a question to a person waits for its answer."""


class AgentServer:
    """An MCP server whose one tool asks an agent. Made by `agentkit.integrations.mcp.server`."""

    def __init__(
        self,
        agent: Agent[Any],
        *,
        name: str = "draw",
        description: str = "",
        preview: int = 24_000,
        kept: int = 100,
    ) -> None:
        check_number("server(preview={!r})", preview, whole=True, least=0, most=700_000)
        self.tool = portable(agent, name, description, kept=kept)
        self._calls = Calls(self.tool, preview, PATIENCE)
        self.sdk: Server[Any] = Server(
            name=f"agentkit-{name}",
            version=__version__,
            instructions="Results name their conversation: pass its id to go on with it. Whole "
            f"pictures are read at {URI}….",
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
        )
        """The server of the MCP SDK, for a transport of your own: `mcp.Client(server.sdk)`."""
        security = RequestStateSecurity.ephemeral(ttl=PATIENCE)
        self.sdk.middleware.append(RequestStateBoundary(security, default_audience=self.sdk.name))

    async def run_stdio(self) -> None:
        """Serve over stdin and stdout until stdin ends. Whatever else is printed goes to stderr."""
        from mcp.server.stdio import stdio_server

        try:
            with own_stdin() as lines:
                await self._run_stdio(stdio_server(cast("Any", lines)))
        finally:
            await self.settled()

    async def _run_stdio(self, transport: AbstractAsyncContextManager[Any]) -> None:
        async with transport as (read, write):
            await self.sdk.run(read, write, self.sdk.create_initialization_options())

    def http(self, *, token: str | None = None, hosts: Iterable[str] = ()) -> HttpApp:
        """The server as an ASGI application, to be run or mounted.

        Each request needs `Authorization: Bearer TOKEN`: `token`, of at least 16 characters, or a
        random one (`app.token`). `hosts` are the names, such as `"draw.example.org"`, under which
        clients reach it beside loopback; any other `Host`, and any foreign `Origin`, is refused.
        """
        return HttpApp(self.sdk, self.settled, token=token, hosts=hosts)

    async def settled(self) -> None:
        """Wait until turns whose client left are stopped, and what had arrived of them is kept."""
        await self.tool.chats.settled()

    async def _list_tools(self, _: Request, __: PaginatedRequestParams | None) -> ListToolsResult:
        tool = Tool(
            name=self.tool.name,
            description=self.tool.description,
            input_schema=dict(self.tool.schema),
            annotations=ToolAnnotations(open_world_hint=True, read_only_hint=False),
        )
        return ListToolsResult(tools=[tool])

    async def _call_tool(
        self, context: Request, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        if params.name != self.tool.name:
            raise MCPError(INVALID_PARAMS, f"no tool {params.name[:80]!r}: {self.tool.name}")
        return await self._calls.call(context, params)

    async def _list_resources(
        self, _: Request, __: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        return ListResourcesResult(resources=[])  # a picture is known by those who were told of it

    async def _list_templates(
        self, _: Request, __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        template = ResourceTemplate(
            name="picture",
            uri_template=f"{URI}{{sha256}}",
            description="A picture of a conversation with this server, as it was drawn.",
        )
        files = ResourceTemplate(
            name="file",
            uri_template=f"{FILE_URI}{{sha256}}",
            description="A file of a conversation with this server.",
        )
        return ListResourceTemplatesResult(resource_templates=[template, files])

    async def _read_resource(
        self, _: Request, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        uri = str(params.uri)
        found = self.tool.chats.at(uri)
        if found is None:
            raise MCPError(INVALID_PARAMS, "there is no such picture here", {"uri": uri[:200]})
        try:
            blob = await asyncio.to_thread(_base64, found)
        except (FileError, ImageError, StoreError) as error:
            what = "file" if isinstance(found, File) else "picture"
            raise MCPError(INVALID_PARAMS, f"this {what} is gone: {error}") from None
        contents = BlobResourceContents(uri=uri, mime_type=found.media_type, blob=blob)
        return ReadResourceResult(contents=[contents])


def _base64(thing: Image | File) -> str:
    return pybase64.b64encode(thing.bytes()).decode("ascii")
