"""Which HTTP library carries the requests, and through which proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from agentkit._check import argument, check_number
from agentkit._redact import redacted
from agentkit.errors import UsageError
from agentkit.openrouter.errors import SDK_HEADERS
from agentkit.openrouter.retry import PATIENCE

if TYPE_CHECKING:
    import ssl

    import httpx2
    from openai import AsyncOpenAI, Omit, RequestOptions

Transport: TypeAlias = Literal["aiohttp", "httpx2"]
TRANSPORTS: tuple[Transport, ...] = ("aiohttp", "httpx2")
KEEPALIVE = 30.0
"""Seconds for which a connection without a request is kept."""


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system's settings, on macOS and Windows) names for
    this address.

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
            f"the environment names the proxy {redacted(proxy)!r} for {url}: "
            "accepted are http, https, socks5 and socks5h"
        )
    return proxy


def transport_for(url: str, asked: Transport | None) -> Transport:
    """The library for requests to this address: the one asked for, else aiohttp, which no SOCKS
    proxy can be had with.
    """
    proxy = proxy_for(url)
    socks = proxy is not None and proxy.startswith("socks")
    if socks and asked == "aiohttp":
        raise UsageError(
            "OpenRouter(transport='aiohttp') cannot use the proxy "
            f"{redacted(proxy or '')!r}: 'httpx2' can"
        )
    return asked or ("httpx2" if socks else "aiohttp")


def open_transport(
    kind: Transport, *, tls: ssl.SSLContext, proxy: str | None
) -> httpx2.AsyncBaseTransport:
    """A transport with connections of its own; the caller closes it. To be called on the event loop
    that it serves.

    Raises `UsageError` for a SOCKS proxy where the package that speaks SOCKS is not installed.
    """
    import httpx2

    through = None if proxy is None else httpx2.Proxy(proxy)
    if kind == "aiohttp":
        from agentkit.openrouter.aiohttp_transport import AiohttpTransport

        return AiohttpTransport(tls=tls, keepalive=KEEPALIVE, proxy=through)
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEEPALIVE
    )
    try:
        return httpx2.AsyncHTTPTransport(verify=tls, limits=limits, proxy=through, trust_env=False)
    except ImportError as error:  # httpx2 imports socksio when a SOCKS proxy is given
        raise UsageError(
            f"the environment names the proxy {redacted(proxy or '')!r}; for SOCKS proxies: "
            'pip install "agentkit-openrouter[socks]"'
        ) from error


SHARE = 32
"""Requests at once in one lane, where their number counts."""
KEPT = 4
"""Lanes that are kept open when nothing is going on in them."""


class Lane:
    """One client of the SDK, and how many requests are going on in it."""

    def __init__(self, sdk: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        from openai import Omit

        self.sdk, self.http = sdk, http
        self.busy = 0
        # Absolute, without the SDK's own headers, and with all that it would copy from its
        # defaults: this spares work in each request.
        self._base_url = str(sdk.base_url).rstrip("/")
        self._headers: Mapping[str, str | Omit] = {
            **{name: Omit() for name in SDK_HEADERS},
            "Content-Type": "application/json",
        }
        self._options: RequestOptions = {
            "max_retries": 0,
            "timeout": None,
            "security": {"bearer_auth": True},
            "idempotency_key": "none",
        }

    async def post(
        self, path: str, content: bytes | AsyncIterator[bytes], length: int
    ) -> httpx2.Response:
        """The open response, of which nothing but the headers was read."""
        import httpx2
        from openai import AsyncStream

        headers = {**self._headers, "Content-Length": str(length)}
        opened = await self.sdk.post(
            f"{self._base_url}{path}",
            cast_to=httpx2.Response,
            content=content,
            options={**self._options, "headers": headers},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        return cast("httpx2.Response", opened)

    async def get(self, path: str) -> httpx2.Response:
        """The open response, as `post` gives it."""
        import httpx2
        from openai import AsyncStream

        opened = await self.sdk.get(
            f"{self._base_url}{path}",
            cast_to=httpx2.Response,
            options={**self._options, "headers": self._headers},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        return cast("httpx2.Response", opened)


class Pool:
    """All lanes of one event loop, which closes them when it shuts down. `open_lane` makes a new
    one; in each go `share` requests at once, or any number."""

    def __init__(self, open_lane: Callable[[], Lane], share: int | None) -> None:
        self._open_lane, self._share = open_lane, share
        self._lanes: list[Lane] = []
        self._guard: AsyncGenerator[None] | None = None
        self._closing: asyncio.Future[None] | None = None

    def take(self) -> Lane:
        """A lane for one request: give it back afterwards."""
        lane = next(
            (each for each in self._lanes if self._share is None or each.busy < self._share), None
        )
        if lane is None:
            lane = self._open_lane()
            self._lanes.append(lane)
        lane.busy += 1
        return lane

    async def give_back(self, lane: Lane) -> None:
        """Its request is over. A lane that is idle then is closed where there are more than are
        kept.
        """
        lane.busy -= 1
        if not lane.busy and len(self._lanes) > KEPT and lane in self._lanes:
            self._lanes.remove(lane)
            await lane.http.aclose()

    async def watch(self) -> None:
        """Have the event loop close the connections when it shuts down: it closes generators that
        are still open.
        """
        self._guard = self._until_shutdown()
        await anext(self._guard)

    async def _until_shutdown(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            while self._lanes:
                await self._lanes.pop().http.aclose()

    async def close(self) -> None:
        if self._guard is not None:
            await self._guard.aclose()

    def forget(self) -> None:
        """Close in the background, on the running loop."""
        self._closing = asyncio.ensure_future(self.close())


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

    def __post_init__(self) -> None:
        for name in ("connect", "first_byte", "idle"):
            check_number(argument("Timeouts", name), getattr(self, name), above=0, unit="seconds")
        check_number("Timeouts(lookup={!r})", self.lookup, least=0, unit="seconds")
