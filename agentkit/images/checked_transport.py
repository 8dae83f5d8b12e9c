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


class HostTransport(httpx2.AsyncHTTPTransport):
    """For one host, over one connection at a time, which is kept between two requests. `check` is
    called before a connection is opened, and not for one that is there still.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        # An httpx2 that keeps its connections elsewhere would go on to connect unchecked.
        if not isinstance(self._pool, httpcore2.AsyncConnectionPool):
            raise TypeError(f"httpx2 keeps its connections in {type(self._pool).__name__}")
        self.opened = 0
        """Connections that were opened, or tried."""

    @property
    def has_another(self) -> bool:
        """Whether there are addresses that were not tried yet."""
        return False

    @property
    def is_ready(self) -> bool:
        """Whether the connection is there still, with nothing on its way in either direction."""
        pool = cast("httpcore2.AsyncConnectionPool", self._pool)
        return any(
            each.is_idle() and not each.has_expired() and _has_read_all(each)
            for each in pool.connections
        )

    def begin(self) -> None:
        """A new request begins: if it needs a connection, the host is looked up anew."""


def _has_read_all(connection: object) -> bool:
    """Whether nothing came beyond the end of the reply, which would be taken for the next one. Only
    the parser knows, and httpcore2 shows it nowhere.
    """
    while (inner := vars(connection).get("_connection")) is not None:
        connection = inner
    parser: Any = vars(connection).get("_h11_state")
    return parser is not None and parser.trailing_data == (b"", False)


class CheckedTransport(HostTransport):
    """For a host whose checked addresses `look_up` gives: they are tried in order, each once. What
    `look_up` raises is raised.
    """

    def __init__(self, tls: ssl.SSLContext, look_up: LookUp) -> None:
        super().__init__(tls)
        self._look_up = look_up
        self._left: list[str] | None = None
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=1,
            network_backend=_Backend(self._next_address),
        )

    @property
    def has_another(self) -> bool:
        return bool(self._left)

    def begin(self) -> None:
        self._left = None

    async def _next_address(self, host: str) -> str:
        if self._left is None:
            self._left = await self._look_up()
        if not self._left:
            raise httpcore2.ConnectError(f"the host {host} has no address")
        self.opened += 1
        return self._left.pop(0)


class ProxiedTransport(HostTransport):
    """For a host that the proxy is asked for by its name once `check` has found nothing wrong with
    it. What `check` raises is raised; `ImportError` where the package that speaks SOCKS is missing.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str, check: Check) -> None:
        super().__init__(tls)
        self._check = check
        backend = _Backend(self._checked)
        given = httpx2.Proxy(proxy)
        address = httpcore2.URL(str(given.url))
        if given.url.scheme.startswith("socks"):
            self._pool = httpcore2.AsyncSOCKSProxy(
                address,
                proxy_auth=given.raw_auth,
                ssl_context=tls,
                max_connections=1,
                max_keepalive_connections=1,
                network_backend=backend,
            )
            return
        self._pool = httpcore2.AsyncHTTPProxy(
            address,
            proxy_auth=given.raw_auth,
            ssl_context=tls,
            proxy_ssl_context=tls if given.url.scheme == "https" else None,
            max_connections=1,
            max_keepalive_connections=1,
            network_backend=backend,
        )

    async def _checked(self, host: str) -> str:
        await self._check()
        self.opened += 1
        return host


class _Backend(httpcore2.AsyncNetworkBackend):
    """Connects to what `address_of` gives for a host."""

    def __init__(self, address_of: Callable[[str], Awaitable[str]]) -> None:
        self._address_of = address_of
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is the base class's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        address = await self._address_of(host)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
