"""Clients of MCP for the tests of our server: in this process and over HTTP, in both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agentkit.integrations.mcp.serving import AgentServer
from tests.clock import GUARD
from tests.web_server import serving_app

MODES = {"2026-07-28": "auto", "2025-11-25": "legacy"}
WAYS = [f"{kind} {era}" for kind in ("inside", "http") for era in MODES]


@asynccontextmanager
async def connected(server: AgentServer, way: str, **options: Any) -> AsyncIterator[Client]:
    """A client of this server."""
    kind, era = way.split()
    if kind == "inside":
        async with Client(server.sdk, mode=MODES[era], **options) as client:
            assert client.protocol_version == era
            yield client
        return
    app = server.http()
    headers = {"authorization": f"Bearer {app.token}"}
    with serving_app(app) as served:
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=GUARD) as http:
            transport = streamable_http_client(f"{served.url}/mcp", http_client=http)
            async with Client(transport, mode=MODES[era], **options) as client:
                assert client.protocol_version == era
                yield client
