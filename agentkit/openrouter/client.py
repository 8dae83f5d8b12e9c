"""`OpenRouter`, the client: whom it speaks to, with which key, and what can be asked of it.

It sends nothing twice by itself: `agentkit.openrouter.retry` decides on that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import lru_cache
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote
from weakref import WeakKeyDictionary

from agentkit._check import argument, check_choice, check_optional, check_or_default, check_pattern
from agentkit._log import prepare as prepare_logs
from agentkit._redact import redacted
from agentkit._sync import check_asyncio
from agentkit._version import __version__
from agentkit.errors import MissingKey, ProtocolError, UsageError
from agentkit.images.connections import PictureConnections
from agentkit.images.embedded import ReplySpool
from agentkit.images.fetch import Fetcher
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.store import ImageStore
from agentkit.network.proxies import GivenProxy, checked_proxy, chosen_proxy
from agentkit.network.tls import Tls, trusted
from agentkit.openrouter.address import base_url_of, key_for, needs_key, no_key, origin_of
from agentkit.openrouter.body import content_of
from agentkit.openrouter.keys import FreshKey, KeyFunction
from agentkit.openrouter.late import LateWork
from agentkit.openrouter.plain_http import check_literal, check_name, is_allowed
from agentkit.openrouter.price_list import Price, PriceList
from agentkit.openrouter.response import Exchange, IdleTimeout, chunks_of, read_all
from agentkit.openrouter.retry import Retry, look_up
from agentkit.openrouter.service import SERVICES, Service, ServiceName, check_service, service_at
from agentkit.openrouter.transport import TRANSPORTS, Timeouts, Transport, transport_for
from agentkit.values import Pieces
from agentkit.wire.generation import Generation
from agentkit.wire.json import UnreadableJson, read_object
from agentkit.wire.types import JsonObject

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,255}")
"""An id that can be a part of a path and nothing more."""

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from agentkit.openrouter.connections import Connections


def _header(value: str | None) -> str | None:
    """A header's value: one that is not printable ASCII is percent-encoded."""
    if value is None or (value.isascii() and value.isprintable()):
        return value
    return quote(value, safe=" ", errors="replace")


def _headers_of(service: Service, name: str | None, url: str | None) -> dict[str, str]:
    """Who speaks: agentkit, and the application where the service names applications."""
    told = {"User-Agent": f"agentkit/{__version__}"}
    app = {"HTTP-Referer": _header(url), "X-OpenRouter-Title": _header(name)}
    return told | {key: value for key, value in app.items() if value and service.names_apps}


def _check_key(api_key: object) -> None:
    """Raises `UsageError` for what is no key. It is not shown, whatever it is."""
    if not callable(api_key):
        where = f"OpenRouter(api_key=…), which is {type(api_key).__name__}"
        check_optional(where, api_key, str, "a string, or a function that gives one")


def _address(given: str | None, service: Service | None) -> str:
    """The address that was given, or the one of the environment, or the service's own."""
    own = SERVICES["openrouter"] if service is None else service
    # The variable says where OpenRouter is, or what speaks like it: not where OpenAI is.
    named = None if own.name == "openai" else os.environ.get("OPENROUTER_BASE_URL")
    found = given or named or own.base_url
    if found is None:
        raise UsageError(
            "OpenRouter(service='compatible') has no address; accepted is base_url=, such as "
            "'http://localhost:8080/v1'"
        )
    return base_url_of(found)


def _checked(proxy: GivenProxy, transport: Transport | None) -> GivenProxy:
    """The proxy, which has to be one that the transport speaks."""
    if transport is not None:
        check_choice("OpenRouter(transport={!r})", transport, TRANSPORTS)
    if proxy is None or proxy is False:
        return proxy
    found = checked_proxy("OpenRouter(proxy={!r})", proxy)
    transport_for(found, transport)
    return found


def _check_lone(**given: object) -> None:
    """Raises `UsageError` for what only connections of our own can have."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"OpenRouter(openai_client=…, {name}=…): its http_client has connections of its "
                f"own; accepted is {name}= without openai_client=, or an http_client that has it"
            )


def _told_by(
    sdk: AsyncOpenAI, api_key: str | KeyFunction | None, base_url: str | None
) -> tuple[str | KeyFunction, str]:
    """The key and the address: those that were given, or else those that the client of the SDK
    has. Raises `UsageError` for what is no such client.
    """
    from agentkit.openrouter.http_clients import http_client_of

    http_client_of(sdk)
    return (
        sdk.api_key if api_key is None else api_key,
        str(sdk.base_url) if base_url is None else base_url,
    )


class OpenRouter:
    """A connection to OpenRouter. Any number of agents may share one; it keeps its connections
    apart for each event loop.

    - `api_key` and `base_url` default to `OPENROUTER_API_KEY` and `OPENROUTER_BASE_URL`. White
      space, quotes, `Bearer ` and an endpoint at the end of the address are taken off. The
      variable's key is sent to OpenRouter, to this machine and to `OPENROUTER_BASE_URL` only;
      OpenAI's host gets `OPENAI_API_KEY`. `api_key` may be a function, async or not, that gives
      the key for each request anew.
    - `openai_client` is an `AsyncOpenAI` of your own: requests go over its `http_client`, with its
      key, to its `base_url`. None of its retries happens, and no redirect is followed.
    - `service` says what is behind `base_url`: `"openrouter"`, `"openai"`, or `"compatible"` for
      any other server that speaks OpenAI's API. By default OpenAI's host is `"openai"`, and every
      other one OpenRouter, or a gateway before it.
    - `prices` says what models cost (`agentkit.openrouter.Price`), for a service that does not:
      `{"gpt-5.2": Price(input=1.75, output=14)}`, in USD for a million tokens.
    - `app_name` and `app_url` name your application in OpenRouter's rankings.
    - `timeouts` (`agentkit.openrouter.Timeouts`) says how long to wait for what.
    - `retry` (`agentkit.openrouter.Retry`) says how often a request that was surely not billed is
      sent again.
    - `transport` is `"aiohttp"` or `"httpx2"`; by default aiohttp, unless there is a SOCKS proxy.
    - `proxy` is the address of a proxy (http, https, socks5 or socks5h) with its user name and
      password; by default the one that the environment names. False: none, whatever it names.
    - `tls` (`agentkit.openrouter.Tls`) has certificates of your own.
    - `allow_http` lets the key travel over plain http to a public address, where everybody on the
      way can read it; by default only where `AGENTKIT_ALLOW_HTTP` is `1`. Loopback, private
      addresses and names without a dot need no permission.

    Use it as an async context manager, or call `close()`. Raises `UsageError` for a wrong argument,
    and `MissingKey` at the first request if there is no key.

    >>> OpenRouter(api_key="sk-or-v1-0123", app_name="My painter")
    OpenRouter('https://openrouter.ai/api/v1')
    """

    def __init__(
        self,
        *,
        api_key: str | KeyFunction | None = None,
        base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        service: ServiceName | None = None,
        prices: Mapping[str, Price] | None = None,
        app_name: str | None = None,
        app_url: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
        transport: Transport | None = None,
        proxy: GivenProxy = None,
        tls: Tls | None = None,
        allow_http: bool | None = None,
    ) -> None:
        self._sdk = openai_client
        if openai_client is not None:
            _check_lone(transport=transport, proxy=proxy, tls=tls)
            api_key, base_url = _told_by(openai_client, api_key, base_url)
        _check_key(api_key)
        for name, value in (("base_url", base_url), ("app_name", app_name), ("app_url", app_url)):
            accepted = "a string, an http or https URL" if name == "base_url" else "a string"
            check_optional(argument("OpenRouter", name), value, str, accepted)
        check_optional("OpenRouter(allow_http={!r})", allow_http, bool, "True, False or None")
        self.tls = check_optional("OpenRouter(tls={!r})", tls, Tls, "Tls(…)")
        self.proxy: GivenProxy = _checked(proxy, transport)
        named = check_service("OpenRouter(service={!r})", service)
        self.base_url = _address(base_url, named)
        self.origin = origin_of(self.base_url)
        self.service = service_at(self.base_url) if named is None else named
        """What is known of the service behind `base_url`."""
        self.prices = PriceList("OpenRouter(prices={!r})", prices)
        """What models cost, as the user told it."""
        self._key = FreshKey(api_key) if callable(api_key) else key_for(api_key, self.base_url)
        self._needs_key = needs_key(api_key, self.base_url, self.service)
        self._allow_http = is_allowed(allow_http)
        if self._key:
            check_literal(self.base_url, allowed=self._allow_http)
        self.timeouts = check_or_default("OpenRouter(timeouts={!r})", timeouts, Timeouts)
        self.retry = check_or_default("OpenRouter(retry={!r})", retry, Retry)
        self.transport: Transport | None = transport
        self.refused_server_tools: set[tuple[str, str]] = set()
        """The APIs and models for which a server tool was refused: it is not tried there again."""
        self._headers = _headers_of(self.service, app_name, app_url)
        self.late = LateWork()
        self._picture_connections = PictureConnections()
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()
        weakref.finalize(self, _close_all, self._open).atexit = False

    def __repr__(self) -> str:
        return f"OpenRouter({redacted(self.base_url)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections of this event loop, once the downloads that outlive their turns
        have ended (`FetchPolicy.grace`). A later request opens new ones.
        """
        check_asyncio()
        self.prices.tell_unused()
        await self.late.wait()
        await self._picture_connections.close()
        connections = self._open.pop(asyncio.get_running_loop(), None)
        if connections is not None:
            await connections.close()

    def fetcher(self, policy: FetchPolicy, store: ImageStore) -> Fetcher:
        """What fetches pictures by URL into a store, over connections that all fetchers of this
        client share, and without its key.
        """
        return Fetcher(
            policy,
            store,
            origin=self.origin,
            tls=self.tls,
            connections=self._picture_connections,
        )

    async def openai(self) -> AsyncOpenAI:
        """The `AsyncOpenAI` of this event loop: its requests go over the same connections, with the
        same key, to the same address, for what agentkit has no form of. What is sent with it is not
        agentkit's: no budget, no ledger and no rule for repeating a request is about it. Its
        retries are off. `close()` closes it too, unless it is the one that you gave.

        Raises as `prepare` does.
        """
        return (await self._connect()).sdk

    async def prepare(self) -> None:
        """Load the libraries and certificates that a first request needs, which takes a second or
        more: for a service that wants its first answer to be as quick as the others. Nothing is
        sent.

        Raises `MissingKey` as a request does, and `UsageError` for a proxy, a certificate or an
        address that cannot be used.
        """
        await self._connect()

    async def _connect(self) -> Connections:
        """The connections of this event loop, which are opened at the first request."""
        check_asyncio()
        loop = asyncio.get_running_loop()
        if (connections := self._open.get(loop)) is not None:
            return connections
        if not self._key and self._needs_key:
            raise MissingKey(no_key(self.base_url, self.service))
        # In a thread: it takes a second or more, in which the loop has other things to do.
        await asyncio.to_thread(_load, self.transport, self.tls)
        proxy = None if self._sdk is not None else chosen_proxy(self.proxy, self.base_url)
        if self._key:
            await check_name(self.base_url, allowed=self._allow_http, proxy=proxy)
        if (connections := self._open.get(loop)) is not None:  # another request was faster
            return connections
        for other in [each for each in self._open if each.is_closed()]:
            del self._open[other]
        from agentkit.openrouter.connections import Connections
        from agentkit.openrouter.http_clients import client_on, open_client

        if self._sdk is not None:
            opened = client_on(self._sdk, self._key, self._headers, self.timeouts)
        else:
            opened = open_client(
                self.base_url,
                self._key,
                self._headers,
                timeouts=self.timeouts,
                transport=self.transport,
                proxy=proxy,
                tls=self.tls,
            )
        connections = Connections(self.base_url, self._key, opened, self.timeouts)
        self._open[loop] = connections
        await connections.close_with_loop()
        return connections

    async def open(
        self, path: str, body: Pieces, store: ImageStore, content_type: str = "application/json"
    ) -> Exchange:
        """Send one request. Its reply is read by whoever asked, who closes it, come what may.

        Raises `APIError` for an error status, `ConnectionFailed` where nothing was sent,
        `OutcomeUnknown` where the connection broke after that.
        """
        connections = await self._connect()
        content, length = await content_of(body, store)
        headers = {"Content-Type": content_type, "Content-Length": str(length)}
        response = await connections.send("POST", path, content, headers)
        return Exchange(
            response,
            ReplySpool(store),
            first_byte=self.timeouts.first_byte,
            idle=self.timeouts.idle,
            turns=connections.turns,
            close=response.aclose,
        )

    @contextlib.asynccontextmanager
    async def exchange(
        self, path: str, body: Pieces, store: ImageStore, content_type: str = "application/json"
    ) -> AsyncGenerator[Exchange]:
        """The same for a block, at whose end the connection is closed."""
        exchange = await self.open(path, body, store, content_type)
        try:
            yield exchange
        finally:
            await exchange.close()

    async def get(self, path: str) -> JsonObject:
        """A JSON object by GET: the catalogue, `/generation`, `/key`. Raises as `exchange` does."""
        connections = await self._connect()
        response = await connections.send("GET", path)
        try:
            timer = IdleTimeout(self.timeouts.first_byte, self.timeouts.idle)
            body = await timer.watch(read_all(chunks_of(response, timer)))
            return read_object(body)
        except UnreadableJson as error:
            raise ProtocolError(f"GET {path} gave no JSON object: {error}") from None
        finally:
            await response.aclose()

    async def container_file(
        self, container_id: str, file_id: str, take: Callable[[bytes], None]
    ) -> None:
        """Read a file that a server tool left in its container: `take` gets the bytes as they
        arrive. Raises `UsageError` for an id that is no single path segment, and else as `exchange`
        does.
        """
        for name, value in (("container_id", container_id), ("file_id", file_id)):
            accepted = "a single path segment of letters, digits, '_', '-' and '.'"
            where = argument("OpenRouter.container_file", name)
            check_pattern(where, value, _SEGMENT, accepted)
        connections = await self._connect()
        path = f"/containers/{container_id}/files/{file_id}/content"
        response = await connections.send("GET", path)
        timer = IdleTimeout(self.timeouts.first_byte, self.timeouts.idle)

        async def read() -> None:
            async for chunk in chunks_of(response, timer):
                take(chunk)

        try:
            await timer.watch(read())
        finally:
            await response.aclose()

    async def generation(
        self, generation_id: str, *, seconds: float | None = None
    ) -> Generation | None:
        """What OpenRouter remembers of a request: whether it was carried out, and what it cost.
        None if it cannot tell, as no other service can.

        `generation_id` is that of an error or a reply. An unknown id is asked for again for
        `seconds`, by default `Timeouts.lookup`, since the record is written some time after the
        request has ended.
        """
        if not self.service.looks_up:
            return None
        check_asyncio()
        patience = self.timeouts.lookup if seconds is None else min(seconds, self.timeouts.lookup)
        return await look_up(self, generation_id, seconds=patience) if patience > 0 else None


def _load(transport: Transport | None, tls: Tls | None) -> None:
    """Import what a first request needs, which takes longer than to import agentkit, and read the
    certificates.
    """
    names = ["openai", "tenacity", "urllib.request"]
    names += ["agentkit.openrouter.connections", "agentkit.openrouter.http_clients"]
    if transport != "httpx2":
        names.append("agentkit.openrouter.aiohttp_transport")
    if transport == "httpx2":  # what it imports with its first connection
        names.append("anyio._backends._asyncio")
    for name in names:
        import_module(name)
    prepare_logs()
    with contextlib.suppress(UsageError):  # told where the connections are opened
        trusted(tls)


def _close_all(opened: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections]) -> None:
    """Close the connections of a client that was dropped without `close`, each on the loop that it
    belongs to.
    """
    for loop, connections in list(opened.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(connections.close_soon)


_VARIABLES = ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", "OPENAI_API_KEY")


def shared_client() -> OpenRouter:
    """The client for the address and key that the environment names now."""
    return _client_for(*map(os.environ.get, _VARIABLES))


def forget_shared_client() -> None:
    """Let the next user of the shared client have a new one, with connections, a catalogue and
    refusals of its own: for tests, of which none may see what another one left.
    """
    _client_for.cache_clear()


@lru_cache(maxsize=1)
def _client_for(*environment: str | None) -> OpenRouter:
    """A client for these values of `_VARIABLES`, which it reads itself."""
    del environment
    return OpenRouter()
