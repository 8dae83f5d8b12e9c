"""httpx2's transports, which check a host where they would connect: by its addresses, of which one
is connected to, or before a proxy is asked for it by name.

A request names its host and not an address, so that a recorder, which stands in the place of the
transport, shows the name, and needs no DNS to answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, cast

import httpcore2
import httpx2

Check: TypeAlias = Callable[[], Awaitable[None]]
LookUp: TypeAlias = Callable[[], Awaitable[list[str]]]


class _OwnPool(httpx2.AsyncHTTPTransport):
    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        # An httpx2 that keeps its connections elsewhere would go on to connect unchecked.
        if not isinstance(self._pool, httpcore2.AsyncConnectionPool):
            raise TypeError(f"httpx2 keeps its connections in {type(self._pool).__name__}")


class CheckedTransport(_OwnPool):
    """For one host, whose checked addresses `look_up` gives: they are tried in order, each once,
    and no connection is kept. What `look_up` raises is raised.
    """

    def __init__(self, tls: ssl.SSLContext, look_up: LookUp) -> None:
        super().__init__(tls)
        self._backend = _CheckedBackend(look_up)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls, max_keepalive_connections=0, network_backend=self._backend
        )

    @property
    def has_another(self) -> bool:
        """Whether there are addresses that were not tried yet."""
        return bool(self._backend.left)


class ProxiedTransport(_OwnPool):
    """For one host, which the proxy is asked for by its name once `check` has found nothing wrong
    with it. What `check` raises is raised; `ImportError` where the package that speaks SOCKS is
    missing.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str, check: Check) -> None:
        super().__init__(tls)
        backend = _ProxyBackend(check)
        given = httpx2.Proxy(proxy)
        address = httpcore2.URL(str(given.url))
        if given.url.scheme.startswith("socks"):
            self._pool = httpcore2.AsyncSOCKSProxy(
                address,
                proxy_auth=given.raw_auth,
                ssl_context=tls,
                max_keepalive_connections=0,
                network_backend=backend,
            )
            return
        self._pool = httpcore2.AsyncHTTPProxy(
            address,
            proxy_auth=given.raw_auth,
            ssl_context=tls,
            proxy_ssl_context=tls if given.url.scheme == "https" else None,
            max_keepalive_connections=0,
            network_backend=backend,
        )


class _ProxyBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, check: Check) -> None:
        self._check = check
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is the base class's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        await self._check()
        return await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
        self.left: list[str] | None = None

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
        address = self.left.pop(0)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
