"""Which HTTP library carries the requests, through which proxy, and how long to wait for what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from agentkit._check import argument, check_number
from agentkit.errors import UsageError
from agentkit.network.proxies import INSTALL_SOCKS, shown
from agentkit.openrouter.retry import PATIENCE

if TYPE_CHECKING:
    import ssl

    import httpx2

Transport: TypeAlias = Literal["aiohttp", "httpx2"]
TRANSPORTS: tuple[Transport, ...] = ("aiohttp", "httpx2")


def transport_for(proxy: str | None, asked: Transport | None) -> Transport:
    """The library for requests through this proxy: the one asked for, else aiohttp, or httpx2 where
    the proxy speaks SOCKS, which aiohttp does not.
    """
    socks = proxy is not None and proxy.startswith("socks")
    if socks and asked == "aiohttp":
        raise UsageError(
            "OpenRouter(transport='aiohttp') cannot use the proxy "
            f"{shown(proxy or '')!r}: 'httpx2' can"
        )
    return asked or ("httpx2" if socks else "aiohttp")


Content: TypeAlias = bytes | AsyncIterator[bytes] | None
"""The body of a request."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Waits(NamedTuple):
    """How long a request waits, in seconds."""

    connect: float
    """For the connection, the TLS handshake included."""
    read: float
    """For the headers of the reply."""
    write: float
    """For each slice of the body to be sent."""


def through(proxy: str | None) -> httpx2.Proxy | None:
    """The proxy, for either library. Raises `UsageError` for an address that cannot be used."""
    import httpx2

    try:
        return None if proxy is None else httpx2.Proxy(proxy)
    except (httpx2.InvalidURL, ValueError) as error:
        raise UsageError(
            f"the proxy {shown(proxy or '')!r} cannot be used: accepted is a URL ({error})"
        ) from None


def httpx2_transport(
    *, tls: ssl.SSLContext, proxy: str | None, keepalive: float
) -> httpx2.AsyncBaseTransport:
    """httpx2's transport with connections of its own, which it keeps for `keepalive` seconds
    without a request; the caller closes it.

    Raises `UsageError` for a SOCKS proxy where the package that speaks SOCKS is not installed.
    """
    import httpx2

    found = through(proxy)
    if found is not None and found.url.scheme == "https":
        found.ssl_context = tls
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=100, keepalive_expiry=keepalive
    )
    try:
        inner = httpx2.AsyncHTTPTransport(verify=tls, limits=limits, proxy=found, trust_env=False)
    except ImportError as error:  # httpx2 imports socksio when a SOCKS proxy is given
        raise UsageError(f"the proxy {shown(proxy or '')!r}: {INSTALL_SOCKS}") from error
    if proxy is None or not proxy.startswith("socks"):
        return inner
    from agentkit.network.socks import SocksTransport

    return SocksTransport(inner, proxy)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds. Pictures take minutes, in which only comments arrive, so these
    are long. The total is `Limits.seconds` of each run.
    """

    connect: float = 10
    """For the name, the connection and the TLS handshake."""
    first_byte: float = 300
    """From the end of the request to the headers of the reply, and from these to the first bytes of
    its body.
    """
    idle: float = 300
    """Between two pieces of a body, that of the request included."""
    lookup: float = PATIENCE
    """How long OpenRouter is asked what became of a request whose reply was lost. 0: not at all."""
    keepalive: float = 4
    """How long a connection is kept that nothing goes over. Less than a server keeps it, or a
    request is lost now and then: many close after 5 s (Node, uvicorn, Apache). 0: not at all.
    """

    def __post_init__(self) -> None:
        for name in ("connect", "first_byte", "idle"):
            check_number(argument("Timeouts", name), getattr(self, name), above=0, unit="seconds")
        for name in ("lookup", "keepalive"):
            check_number(argument("Timeouts", name), getattr(self, name), least=0, unit="seconds")
