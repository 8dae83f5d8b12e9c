"""The connections of one event loop: how one request goes out, and who closes them in the end.

The openai SDK's client keeps the key, the address and the HTTP client. A request is built and sent
on that HTTP client directly, since the SDK's own `post` takes ten times as long, adds headers of
its own, and reads an error's body to its end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from openai import AsyncOpenAI

from agentkit._redact import Secret, redacted
from agentkit._sync import in_background
from agentkit.errors import UsageError
from agentkit.network.tls import Tls, trusted
from agentkit.openrouter.errors import ERROR_BODY_WAIT, raise_error_status, translated
from agentkit.openrouter.transport import (
    Timeouts,
    Transport,
    open_transport,
    transport_for,
)


class Connections:
    """The HTTP client of one event loop, which closes it when it shuts down.

    To be made on that loop. Raises `UsageError` for an address, a proxy or certificates that cannot
    be used.
    """

    def __init__(
        self,
        *,
        key: Secret,
        base_url: str,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        transport: Transport | None,
        proxy: str | None,
        tls: Tls | None,
    ) -> None:
        _check_address(base_url)
        kind = transport_for(proxy, transport)
        opened = open_transport(kind, tls=trusted(tls), proxy=proxy, keepalive=timeouts.keepalive)
        self._http = _http_client(key, headers, timeouts, opened)
        self._sdk = AsyncOpenAI(
            api_key=key.reveal() or "none", base_url=base_url, http_client=self._http, max_retries=0
        )
        # As headers of the HTTP client: no local variable of ours holds the key, since a traceback
        # may show these.
        if key:  # a local server may ask for none
            self._http.headers.update(self._sdk.auth_headers)
        self._base_url = str(self._sdk.base_url).rstrip("/")
        self._guard = self._until_shutdown()
        self._closing: asyncio.Future[None] | None = None

    async def send(
        self,
        method: str,
        path: str,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The open response, of which only the headers were read; the caller closes it.

        Raises only agentkit's own errors, as `OpenRouter.exchange` says.
        """
        handled = sys.exception()
        try:
            url = _parsed(self._base_url + path)
            request = self._http.build_request(method, url, content=content, headers=headers)
            response = await self._http.send(request, stream=True)
        except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
            problem = translated(error, handled, self._base_url)
        else:
            # From here on `IdleTimeout` watches: it tells the first bytes from the later ones.
            request.extensions["timeout"]["read"] = None
            return response
        # Outside the handler: the error must not hold on to one that holds the request's headers.
        raise problem

    async def close_with_loop(self) -> None:
        """Have the event loop close the connections when it shuts down."""
        hooks = sys.get_asyncgen_hooks()
        # What is to be done when the generator is dropped is settled where it begins.
        sys.set_asyncgen_hooks(finalizer=partial(_close_later, asyncio.get_running_loop()))
        try:
            begun = anext(self._guard)
        finally:
            sys.set_asyncgen_hooks(*hooks)
        await begun

    async def _until_shutdown(self) -> AsyncGenerator[None]:
        # An event loop that shuts down closes the asynchronous generators that are still open.
        try:
            yield
        finally:
            await self._http.aclose()

    async def close(self) -> None:
        await self._guard.aclose()

    def close_soon(self) -> None:
        """Close in the background, on the running loop."""
        self._closing = in_background(self.close())


def _close_later(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None]) -> None:
    """Close a generator that was dropped, if its loop runs once more: as the loop's own hook does,
    but for the coroutine, which is made when it is awaited. Of one that never is, since the loop
    was dropped too, Python 3.13 warns.
    """
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(guard.aclose()))


def _check_address(base_url: str) -> None:
    # Before there is a transport, which would have to be closed again.
    try:
        httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        shown = redacted(base_url)
        raise UsageError(f"OpenRouter(base_url={shown!r}): accepted is a URL ({error})") from None


def _http_client(
    key: Secret,
    headers: Mapping[str, str],
    timeouts: Timeouts,
    transport: httpx2.AsyncBaseTransport,
) -> httpx2.AsyncClient:
    """An HTTP client without cookies, redirects or settings from the environment, which raises an
    error status as our own error.
    """
    on_response = partial(
        raise_error_status, secret=key, seconds=min(ERROR_BODY_WAIT, timeouts.idle)
    )
    return httpx2.AsyncClient(
        transport=transport,
        headers=headers,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx2.Timeout(
            connect=timeouts.connect, read=timeouts.first_byte, write=timeouts.idle, pool=None
        ),
        event_hooks={"response": [on_response]},
    )


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx2.URL:
    """To parse an address takes as long as to build the rest of a request."""
    return httpx2.URL(url)
