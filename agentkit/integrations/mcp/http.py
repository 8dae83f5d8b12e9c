"""An MCP server as an ASGI application, behind its doors."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from agentkit._access import Head, check_token, read_hosts
from agentkit.integrations.mcp.doors import Doors, Refusal

MOST_BODY = 64 << 20
"""Bytes of a request: pictures come as base64."""
_PATHS = {"", "/", "/mcp", "/mcp/"}


class HttpApp:
    """An ASGI application, for a server of its own or to be mounted in another. It starts with its
    first request; `close` ends it, as the end of the lifespan does.
    """

    def __init__(
        self,
        sdk: Server[Any],
        settled: Callable[[], Awaitable[None]],
        *,
        token: str | None,
        hosts: Iterable[str],
    ) -> None:
        made = secrets.token_urlsafe(32)
        if token is not None:
            made = check_token("http(token=…)", token)
        self._doors = Doors(made, read_hosts("http(hosts={!r})", hosts))
        self._sdk = sdk
        self._settled = settled
        self._manager: StreamableHTTPSessionManager | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._end = asyncio.Event()

    @property
    def token(self) -> str:
        """What each request has to have: `Authorization: Bearer TOKEN`."""
        return self._doors.token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._doors.refusal(_head_of(scope))
        if refusal is None and _path_below(scope) not in _PATHS:
            refusal = Refusal(404, "MCP is served at the root, and at /mcp")
        if refusal is None and self._end.is_set():
            refusal = Refusal(503, "this server has ended")
        if refusal is not None:
            await _refuse(send, refusal)
            return
        manager = await self._started()
        await manager.asgi_app(scope, receive, send)

    async def _started(self) -> StreamableHTTPSessionManager:
        if self._manager is None:
            # The doors above are closer than those of the SDK, which are left open.
            self._manager = StreamableHTTPSessionManager(self._sdk, max_request_body_size=MOST_BODY)
            self._keeper = asyncio.create_task(self._keep(self._manager))
        await self._ready.wait()
        return self._manager

    async def _keep(self, manager: StreamableHTTPSessionManager) -> None:
        """Hold the manager open: its tasks belong to the task that opened it."""
        async with manager.run():
            self._ready.set()
            await self._end.wait()

    async def close(self) -> None:
        """End all sessions, stop their turns, and wait until what had arrived of them is kept."""
        self._end.set()
        if self._keeper is not None:
            await asyncio.wait([self._keeper])
        await self._settled()


def _head_of(scope: Scope) -> Head:
    headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    ]
    server: Any = scope.get("server") or (None, None)
    scheme = str(scope.get("scheme") or "http")
    return Head(str(scope["method"]), _path_below(scope), scheme, server[1], tuple(headers))


def _path_below(scope: Scope) -> str:
    """The path below the place where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.words}).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
