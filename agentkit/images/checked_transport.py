"""httpx2's transport, which asks for the addresses of a host where it would connect, checked.

A request names its host and not an address, so that a recorder, which stands in the place of the
transport, shows the name, and needs no DNS to answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, cast

import httpcore2
import httpx2

from agentkit.images.addresses import Address

LookUp: TypeAlias = Callable[[], Awaitable[list[Address]]]


class CheckedTransport(httpx2.AsyncHTTPTransport):
    """For one host, whose checked addresses `look_up` gives: they are tried in order, each once,
    and no connection is kept. What `look_up` raises is raised.
    """

    def __init__(self, tls: ssl.SSLContext, look_up: LookUp) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._backend = _CheckedBackend(look_up)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls, max_keepalive_connections=0, network_backend=self._backend
        )

    @property
    def has_another(self) -> bool:
        """Whether there are addresses that were not tried yet."""
        return bool(self._backend.left)


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
        self.left: list[Address] | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is the base class's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if self.left is None:
            self.left = await self._look_up()
        if not self.left:
            raise httpcore2.ConnectError(f"the host {host} has no address")
        address = str(self.left.pop(0))
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
