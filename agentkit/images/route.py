"""How one request for a picture goes out: to a checked address of its host, or to the proxy that
the user named, by the name of its host.

Directly, the name is resolved where the connection is made, every address that it has is checked,
and the connection goes to a checked address with the name in `Host` and in the TLS handshake: a DNS
that changes its answer changes nothing. Through a proxy, the name is the proxy's to resolve; for
https, the TLS session is with the host of the URL, whose certificate is checked for that name.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from ipaddress import IPv6Address

from agentkit._recorder import refusal
from agentkit.errors import ImageError, ProxyFailed, UsageError
from agentkit.images.addresses import Target
from agentkit.images.connections import Line, Rules
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.resolve import (
    Resolve,
    TemporaryFailure,
    check_for_proxy,
    checked_addresses,
    is_near,
)
from agentkit.network.proxies import NOTHING_SENT, shown
from agentkit.network.tls import Tls, trusted

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Route:
    """A target, the proxy that is asked for it, and the certificates for both."""

    target: Target
    is_own: bool
    """Whether it lies on the origin of `base_url`, which is trusted wherever that lies."""
    proxy: str | None
    tls: Tls | None

    @property
    def proxy_speaks_http(self) -> bool:
        return self.proxy is not None and not self.proxy.startswith("socks")

    @property
    def through(self) -> str:
        """The proxy in words, without its password, at the end of a reason."""
        return "" if self.proxy is None else f" (through the proxy {shown(self.proxy)!r})"


@dataclass(frozen=True, slots=True)
class Routes:
    """What decides on routes. `origin` is that of `base_url`; `tls` is the client's."""

    policy: FetchPolicy
    origin: Origin | None
    resolve: Resolve
    tls: Tls | None

    async def to(self, target: Target) -> Route:
        """The route to a target, which is not checked yet."""
        is_own, tls = target.origin == self.origin, self.policy.tls
        if tls is None and self.tls is not None:
            tls = self.tls if is_own else self.tls.without_certificate()
        proxy = self.policy.proxy
        if proxy is not None and is_own and await is_near(target, self.resolve):
            proxy = None
        return Route(target, is_own, proxy, tls)

    async def hosts(self, route: Route) -> list[str]:
        """The checked addresses to connect to, or the checked name for the proxy. Raises
        `ImageError`.
        """
        target, private = route.target, self.policy.private
        if route.proxy is not None:
            await self._check(route)
            return [target.host]
        found = await checked_addresses(target, self.resolve, private=private, trusted=route.is_own)
        return [str(each) for each in found]

    async def _check(self, route: Route) -> None:
        if isinstance(route.target.address, IPv6Address) and route.proxy_speaks_http:
            # httpcore2 asks for it without its brackets, which proxies take for something else.
            raise ImageError("not fetched: an IPv6 address, which only a SOCKS proxy is asked for")
        if not route.is_own:
            await check_for_proxy(route.target, self.resolve, private=self.policy.private)

    async def rules(self, route: Route) -> Rules:
        """By which a connection for this route is opened. Raises `ImageError` for certificates
        that cannot be read.
        """
        if not libraries_are_loaded():  # in a thread: the loop has other things to do
            await asyncio.to_thread(load_libraries)
        target = route.target
        try:
            tls = trusted(route.tls)
        except UsageError as error:
            raise ImageError(str(error)) from error
        return Rules(
            target.scheme,
            target.host,
            target.port,
            route.proxy,
            tls,
            route.is_own,
            self.policy.private,
            self.resolve,
        )

    def line(self, route: Route, rules: Rules) -> Line:
        """A new connection, which is opened with the first request: the target is checked then."""
        from agentkit.images.checked_transport import CheckedTransport, ProxiedTransport

        if route.proxy is None:
            direct = CheckedTransport(rules.certificates, partial(self.hosts, route))
            return Line(rules, direct, direct)
        proxied = ProxiedTransport(rules.certificates, route.proxy, partial(self._check, route))
        if route.proxy_speaks_http:
            return Line(rules, proxied, proxied)
        from agentkit.network.socks import SocksTransport

        return Line(rules, proxied, SocksTransport(proxied, route.proxy))

    async def check_kept(self, route: Route) -> None:
        """Check what a connection that was kept leads to. One to an address leads there for ever;
        a proxy resolves the name anew for each request. Raises `ImageError`.
        """
        if route.proxy is not None:
            await self._check(route)


def libraries_are_loaded() -> bool:
    """Whether a connection can be opened without importing anything."""
    return "agentkit.images.checked_transport" in sys.modules


def load_libraries() -> None:
    """Import what a connection needs."""
    import_module("agentkit.images.checked_transport")
    import_module("anyio._backends._asyncio")  # or httpx2 does, on the loop


@contextmanager
def told(route: Route) -> Generator[None]:
    """Tells what goes wrong on a route as an `ImageError`, or as a `TemporaryFailure` if another
    attempt may succeed, and names the proxy.
    """
    import httpx2

    problem: ImageError
    try:
        yield
        return
    except TemporaryFailure as error:
        problem = TemporaryFailure(f"{error}{route.through}", after=error.after)
    except ImageError as error:
        if not route.through:
            raise
        problem = ImageError(f"{error}{route.through}")
    except httpx2.TimeoutException:
        problem = TemporaryFailure(f"timed out{route.through}")
    except httpx2.InvalidURL:
        problem = ImageError("not fetched: this is no URL")
    except httpx2.RemoteProtocolError as error:
        problem = TemporaryFailure(f"the connection broke ({error})"[:200] + route.through)
    except httpx2.ProxyError as error:
        problem = refused_by_proxy(str(error), route)
    except ProxyFailed as error:  # of SOCKS, which names the proxy
        problem = ImageError(f"no connection: {str(error).removesuffix(NOTHING_SENT)}")
    except httpx2.TransportError as error:
        words = f"no connection ({error or type(error).__name__})"
        problem = TemporaryFailure(words[:200] + route.through)
    except Exception as error:
        if (words := refusal(iter([error]))) is None:
            raise
        problem = ImageError(f"not fetched: {words}"[:500])
    raise problem


def refused_by_proxy(status: str, route: Route) -> ImageError:
    """Why the proxy opens no tunnel, or asks for a password. `status` is that of its answer, or
    what a SOCKS proxy said.
    """
    code = status.partition(" ")[0]
    if code == "407":
        return ImageError(
            f"no connection{route.through}: it asks for a user name and a password (407), which "
            "stand before its host"
        )
    words = f"no connection: the proxy refuses ({status})"[:200] + route.through
    may_pass = not code.isdecimal() or code in {"408", "425", "429"} or int(code) >= 500
    return TemporaryFailure(words) if may_pass else ImageError(words)
