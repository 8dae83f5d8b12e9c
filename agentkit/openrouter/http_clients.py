"""What sends requests: an `AsyncOpenAI` keeps the key, the address and an HTTP client. Requests go
over the connections of that client: past the client where they are aiohttp's, and always past the
SDK's own `post`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import httpx2

from agentkit._check import refused
from agentkit._redact import Secret, redacted
from agentkit.errors import UsageError
from agentkit.network.tls import Tls, trusted
from agentkit.openrouter.keys import Key, authorization
from agentkit.openrouter.transport import (
    Content,
    Timeouts,
    Transport,
    Waits,
    httpx2_transport,
    through,
    transport_for,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from agentkit.openrouter.response import OpenResponse


class HttpClient(Protocol):
    """What sends the requests of one event loop."""

    async def send(
        self, method: str, url: str, content: Content, headers: Mapping[str, str]
    ) -> OpenResponse:
        """The open response, whatever its status, of which only the headers were read."""
        ...


class Opened(NamedTuple):
    """The clients of one event loop."""

    sdk: AsyncOpenAI
    http: HttpClient
    """What sends our requests, over the connections of the SDK's HTTP client."""
    close: Callable[[], Awaitable[None]]


def open_client(
    base_url: str,
    key: Key,
    headers: Mapping[str, str],
    *,
    timeouts: Timeouts,
    transport: Transport | None,
    proxy: str | None,
    tls: Tls | None,
) -> Opened:
    """Clients for the running event loop, without cookies, redirects or settings from the
    environment. Raises `UsageError` for an address, a proxy or certificates that cannot be used.
    """
    _check_address(base_url)  # before there are connections, which would have to be closed again
    waits = Waits(timeouts.connect, timeouts.first_byte, timeouts.idle)
    opened: AiohttpTransport | httpx2.AsyncBaseTransport
    is_aiohttp = transport_for(proxy, transport) == "aiohttp"
    if is_aiohttp:
        from agentkit.openrouter.aiohttp_transport import AiohttpTransport

        opened = AiohttpTransport(
            waits, tls=trusted(tls), keepalive=timeouts.keepalive, proxy=through(proxy)
        )
    else:
        opened = httpx2_transport(tls=trusted(tls), proxy=proxy, keepalive=timeouts.keepalive)
    own = httpx2.AsyncClient(
        transport=opened,
        headers=headers,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
    )
    sdk = _sdk(base_url, key, own)
    if is_aiohttp:
        http = cast("AiohttpTransport", opened)
        http.headers.update({**headers, **_auth_headers(sdk, key)})
        return Opened(sdk, http, own.aclose)
    return Opened(
        sdk, SdkClient(sdk, own, {**headers, **_auth_headers(sdk, key)}, waits), own.aclose
    )


def _sdk(base_url: str, key: Key, http: httpx2.AsyncClient) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    async def fresh() -> str:
        return "" if isinstance(key, Secret) else (await key.fresh()).reveal()

    # The openai package wants a key, where a local server may ask for none.
    return AsyncOpenAI(
        api_key=(key.reveal() or "none") if isinstance(key, Secret) else fresh,
        base_url=base_url,
        http_client=http,
        max_retries=0,
    )


def _auth_headers(sdk: AsyncOpenAI, key: Key) -> Mapping[str, str]:
    """The header of a key that stays the same. No local variable of ours holds it, since a
    traceback may show these.
    """
    return sdk.auth_headers if isinstance(key, Secret) and key else {}


def client_on(sdk: AsyncOpenAI, key: Key, headers: Mapping[str, str], timeouts: Timeouts) -> Opened:
    """The user's own `AsyncOpenAI`, and what sends on its HTTP client, with the headers that the
    user gave it. Closing it leaves theirs open.
    """
    waits = Waits(timeouts.connect, timeouts.first_byte, timeouts.idle)
    own = {
        name: value
        for name, value in sdk.default_headers.items()
        if isinstance(value, str) and not name.lower().startswith(_OF_THE_SDK)
    }
    told = {**own, **headers, **authorization(key)}
    return Opened(sdk, SdkClient(sdk, http_client_of(sdk), told, waits), _leave_open)


async def _leave_open() -> None:
    """The user closes what is the user's."""


_OF_THE_SDK = ("accept", "authorization", "content-type", "user-agent", "x-stainless-")
"""Headers that the SDK adds by itself."""


def http_client_of(sdk: object) -> httpx2.AsyncClient:
    """The HTTP client behind an `AsyncOpenAI`. Raises `UsageError` for what is none."""
    openai = sys.modules.get("openai")  # whoever made one has imported it
    accepted = "is an openai.AsyncOpenAI"
    if openai is None or not isinstance(sdk, openai.AsyncOpenAI):
        raise refused("OpenRouter(openai_client={!r})", sdk, accepted)
    if isinstance(sdk, openai.AsyncAzureOpenAI):
        raise refused("OpenRouter(openai_client={!r})", sdk, f"{accepted}, and none of Azure's")
    found: object = vars(sdk).get("_client")  # the SDK shows it nowhere else
    if not isinstance(found, httpx2.AsyncClient):
        kind = type(found).__name__
        raise UsageError(
            f"OpenRouter(openai_client=…): its http_client is {kind}; accepted is an "
            "httpx2.AsyncClient"
        )
    return found


class SdkClient:
    """Sends on the HTTP client of an `AsyncOpenAI`, past its retries and its own headers."""

    def __init__(
        self,
        sdk: AsyncOpenAI,
        http: httpx2.AsyncClient,
        headers: Mapping[str, str],
        waits: Waits,
    ) -> None:
        self._http = http
        self._query: dict[str, Any] = dict(sdk.default_query)
        self._headers = httpx2.Headers(headers)
        self._timeout = httpx2.Timeout(
            connect=waits.connect, read=waits.read, write=waits.write, pool=None
        )

    async def send(
        self, method: str, url: str, content: Content, headers: Mapping[str, str]
    ) -> SdkReply:
        """The open response, whatever its status."""
        address = _parsed(url)
        request = self._http.build_request(
            method,
            address.copy_merge_params(self._query) if self._query else address,
            content=content,
            headers=httpx2.Headers({**self._headers, **headers}),
            timeout=self._timeout,
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        # From here on `IdleTimeout` watches: it tells the first bytes from the later ones.
        request.extensions["timeout"]["read"] = None
        return SdkReply(response)


class SdkReply:
    """A reply of such a client."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        response.headers.encoding = "iso-8859-1"  # or httpx2 finds it out anew at each look
        self.status_code, self.headers = response.status_code, response.headers
        self.aiter_bytes, self.aclose = response.aiter_bytes, response.aclose
        # A body that a hook of the user's has read, or a mock has made, is unpacked by now.
        was_read = response.is_stream_consumed
        self.aiter_raw = response.aiter_bytes if was_read else response.aiter_raw

    def as_httpx2(self, method: str, url: str) -> httpx2.Response:
        del method, url  # it knows them
        return self._response


def _check_address(base_url: str) -> None:
    try:
        httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        shown = redacted(base_url)
        raise UsageError(f"OpenRouter(base_url={shown!r}): accepted is a URL ({error})") from None


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx2.URL:
    """To parse an address takes as long as to build the rest of a request."""
    return httpx2.URL(url)
