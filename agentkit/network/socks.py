"""httpx2's transport through a SOCKS proxy, with a time-out for what the proxy says.

httpx2 waits for the answers of the proxy as long as for those of the server, minutes, and reports a
proxy that is silent or speaks something else as if the request had been sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import httpx2

from agentkit.errors import ProxyFailed
from agentkit.network.proxies import NOTHING_SENT, shown

_FOR_GOOD = ("from proxy server, but got", "username/password", "not allowed", "not supported")
"""Words of httpx2's for refusals that another attempt does not change."""
_CONNECTED = "socks.connect_tcp.complete"
_ASKED = "socks.setup_socks5_connection.started"
_AGREED = "socks.setup_socks5_connection.complete"
_SENT = "http11.send_request_headers.started"
"""What httpx2 tells of a request on its way (its extension `trace`)."""


class _Socket(Protocol):
    async def aclose(self) -> None: ...


class SocksTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport whose proxy speaks SOCKS. The time-out `connect` of a request covers all
    until the request is sent: the connection, the proxy and the TLS handshake.

    Raises `ProxyFailed` where the proxy refuses or does not speak SOCKS, and httpx2's own errors.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, proxy: str) -> None:
        self._inner, self._proxy = inner, shown(proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        phases = [""]
        sockets: list[_Socket] = []
        seconds: float | None = request.extensions.get("timeout", {}).get("connect")
        clock = asyncio.timeout(seconds)

        async def watch(event: str, info: Mapping[str, Any]) -> None:
            if event == _CONNECTED:
                sockets.append(info["return_value"])
            if event in (_ASKED, _AGREED, _SENT):
                phases.append(event)
            if event == _SENT:
                clock.reschedule(None)

        request.extensions = {**request.extensions, "trace": watch}
        try:
            async with clock:
                return await self._inner.handle_async_request(request)
        except TimeoutError:
            problem: Exception = httpx2.ConnectTimeout("the connection took too long")
            if phases[-1] == _ASKED:
                problem = self._failed(f"said nothing for {seconds:g} s")
        except Exception as error:
            # The library that speaks SOCKS raises `AssertionError` for answers out of order.
            if phases[-1] != _ASKED:
                raise
            problem = self._refused(error)
        finally:
            if phases[-1] in ("", _ASKED):  # httpx2 forgets the socket to a proxy that refuses
                for each in sockets:
                    await each.aclose()
        raise problem

    def _refused(self, error: Exception) -> Exception:
        words = str(error)
        if isinstance(error, httpx2.ProxyError):
            lasts = any(each in words.lower() for each in _FOR_GOOD)
            return self._failed(f"refuses: {words}") if lasts else error
        if isinstance(error, httpx2.NetworkError):
            return httpx2.ConnectError(f"the SOCKS proxy hung up: {words}")
        # Where it hangs up, the library sees an answer that is too short.
        return self._failed(f"does not speak SOCKS: {words or type(error).__name__}")

    def _failed(self, why: str) -> ProxyFailed:
        return ProxyFailed(f"the SOCKS proxy {self._proxy!r} {why}{NOTHING_SENT}")

    async def aclose(self) -> None:
        await self._inner.aclose()
