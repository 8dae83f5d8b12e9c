"""Which HTTP library carries the requests, and through which proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from agentkit.errors import UsageError
from agentkit.openrouter.guard import redacted

if TYPE_CHECKING:
    import ssl

    import httpx2

Transport: TypeAlias = Literal["aiohttp", "httpx2"]
TRANSPORTS: tuple[Transport, ...] = ("aiohttp", "httpx2")
KEEPALIVE = 30.0
"""Seconds for which a connection without a request is kept."""


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system's settings, on macOS and Windows) names for this address.

    Raises `UsageError` for one that is not spoken here.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    named = getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https", "socks5", "socks5h"}:
        raise UsageError(
            f"the environment names the proxy {redacted(proxy)!r} for {url}: accepted are http, https, socks5 and socks5h"
        )
    return proxy


def carrier(url: str, asked: Transport | None) -> Transport:
    """The library for requests to this address: the one asked for, else aiohttp, which no SOCKS proxy can be had with."""
    proxy = proxy_for(url)
    socks = proxy is not None and proxy.startswith("socks")
    if socks and asked == "aiohttp":
        raise UsageError(
            f"OpenRouter(transport='aiohttp') cannot use the proxy {redacted(proxy or '')!r}: 'httpx2' can"
        )
    return asked or ("httpx2" if socks else "aiohttp")


def open_carrier(kind: Transport, *, tls: ssl.SSLContext, proxy: str | None) -> httpx2.AsyncBaseTransport:
    """A transport with connections of its own; the caller closes it. To be called on the event loop that it serves.

    Raises `UsageError` for a SOCKS proxy where the package that speaks SOCKS is not installed.
    """
    import httpx2

    through = None if proxy is None else httpx2.Proxy(proxy)
    if kind == "aiohttp":
        from agentkit.openrouter.sockets import AiohttpTransport

        return AiohttpTransport(tls=tls, keepalive=KEEPALIVE, proxy=through)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEEPALIVE)
    try:
        return httpx2.AsyncHTTPTransport(verify=tls, limits=limits, proxy=through, trust_env=False)
    except ImportError as error:  # httpx2 imports socksio when a SOCKS proxy is given
        raise UsageError(
            f"the environment names the proxy {redacted(proxy or '')!r}; for SOCKS proxies: "
            'pip install "agentkit-openrouter[socks]"'
        ) from error
