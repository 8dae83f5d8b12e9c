"""The server of `agentkit serve`: uvicorn, which ends turns before it closes its connections."""

from __future__ import annotations

import os
import socket

import uvicorn

from agentkit.errors import UsageError
from agentkit.web.application import WebApp

_SLOW_READER_SECONDS = 5
"""How long a connection may take to read the end of its stream when the server is stopped."""


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `UsageError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {why}; --port 0 takes a free port"
        ) from error


def address_of(listening: socket.socket) -> str:
    """The address of what listens, as a browser on this machine reaches it."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Serves one application until a signal ends it."""

    def __init__(self, web: WebApp) -> None:
        config = uvicorn.Config(
            web,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=_SLOW_READER_SECONDS,
        )
        super().__init__(config)
        self._web = web

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the turns, so that what came of them is kept and their streams end; then close."""
        for server in self.servers:
            server.close()
        await self._web.close()
        await super().shutdown(sockets)
