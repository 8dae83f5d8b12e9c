"""MCP both ways: an agent as a server, so that its pictures reach any client of MCP; and the tools
of other servers for agents of ours, whose pictures stay pictures. It needs the extra `mcp`, which
is imported when a function of this module is called.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from agentkit.integrations.mcp.needed import need_sdk

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.integrations.mcp.serving import AgentServer
    from agentkit.tools import Tool, Toolset
    from agentkit.tools.tool import Approve

__all__ = ["from_config", "server", "tools"]

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]


def server(
    agent: Agent[Any],
    *,
    name: str = "draw",
    description: str = "",
    preview: int = 24_000,
    kept: int = 100,
) -> AgentServer:
    """An agent as an MCP server with one tool, `name`, which is called with a prompt, pictures and
    the conversation that goes on.

        await mcp.server(agent).run_stdio()
        app = mcp.server(agent).http(token="…")     # an ASGI application

    - A result has the words; of each picture a preview and a link to the whole one, which is read
      bit for bit; and the conversation's id, handles, sizes and costs as structured content.
    - `preview` is how many characters the base64 of a preview may have: a picture of at most 384
      pixels, its quality lowered until it fits. 0 gives links alone. A result never has more than
      900,000 characters.
    - A run that waits for a person asks the client's user, call by call. Only a yes approves.
    - `kept` conversations are held in memory, beside those that take a turn.

    Raises `UsageError` for an argument that cannot be right, and where the extra is not installed.
    """
    need_sdk("server")
    from agentkit.integrations.mcp.serving import AgentServer

    return AgentServer(agent, name=name, description=description, preview=preview, kept=kept)


def tools(
    server: Any,
    *,
    prefix: str = "",
    filter: Callable[[Tool[..., Any]], bool] | None = None,  # noqa: A002 - the word for it
    approve: Approve = False,
    timeout: float = 120.0,
    headers: Mapping[str, str] | None = None,
    ask: Ask | None = None,
) -> AbstractAsyncContextManager[Toolset]:
    """The tools of an MCP server, for as long as the block lasts:

        async with mcp.tools("https://example.com/mcp", prefix="shop_") as shop:
            agent = Agent("openai/gpt-5.2", tools=[shop])

    - `server` is a URL, or for one that runs as a process `StdioServerParameters(command=…,
      args=[…])`, which is imported from the SDK: `from mcp import StdioServerParameters`. The
      process ends with the block, and with this program however that ends.
    - Pictures in results are pictures with handles; links to pictures are read from the server.
    - `prefix` and `filter` are those of `Toolset`, `approve` and `timeout` those of `tool`, for
      each tool. What a server says of its tools (that they only read, say) is no permission.
    - `headers` go to a server with a URL.
    - What a server asks a person pauses the run, as `context.ask` of a tool does:
      `answer.pending` has the `question`, `resume(run, answers={id: {…}})` goes on. `ask` answers
      in the place of that: an async function of the words and of the JSON Schema of the answer,
      which returns the answer, or None for no.

    Tools are listed anew when the server says that they changed. A server that ends gives errors to
    the model, and is started again by the next call.

    Raises `UsageError` for an argument that cannot be right, a server that cannot be reached, and
    where the extra is not installed.
    """
    need_sdk("tools")
    from agentkit.integrations.mcp.toolset import tools_of

    return tools_of(
        server,
        prefix=prefix,
        filter=filter,
        approve=approve,
        timeout=timeout,
        headers=headers,
        ask=ask,
    )


def from_config(
    path: str | os.PathLike[str], *, approve: Approve = False, timeout: float = 120.0
) -> AbstractAsyncContextManager[list[Toolset]]:
    """The tools of all servers in a file of the form that Claude Desktop, Claude Code and others
    have, one toolset for each server, under its name as prefix:

        async with mcp.from_config(".mcp.json") as toolsets:
            agent = Agent("openai/gpt-5.2", tools=toolsets)

    `${NAME}` and `${NAME:-default}` in it are variables of the environment. Raises `UsageError` for
    a file that is none, and as `tools` does.
    """
    need_sdk("from_config")
    from agentkit.integrations.mcp.config import toolsets_of

    return toolsets_of(path, approve=approve, timeout=timeout)
