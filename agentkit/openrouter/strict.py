"""An HTTP client that sends what it is told and nothing else: what stands between the SDK and the
sockets.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx2

from agentkit._redact import SHORTEST, redacted
from agentkit.errors import APIError
from agentkit.openrouter.errors import GENERATION_ID, retry_after
from agentkit.wire import faults

if TYPE_CHECKING:
    from agentkit.openrouter.transport import Timeouts

MAX_ERROR_BODY = 64 * 1024
ERROR_BODY_WAIT = 10.0
"""Seconds that the body of an error may take to arrive: the status says enough."""
_LATIN = "iso-8859-1"
_FROM_SDK = frozenset({"authorization", "content-type", "content-length"})


class StrictClient(httpx2.AsyncClient):
    """No cookies, no redirects, no header but ours and the few of the SDK's that OpenRouter needs.

    An error status is raised as an `APIError` before anyone reads its body to the end; a key that
    it repeats is taken out.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport,
        *,
        headers: Mapping[str, str],
        secret: Callable[[], str],
        timeouts: Timeouts,
    ) -> None:
        read = timeouts.first_byte
        self._waits = {
            "connect": timeouts.connect,
            "read": read,
            "write": timeouts.idle,
            "pool": None,
        }
        super().__init__(
            transport=transport,
            headers=headers,
            trust_env=False,
            timeout=httpx2.Timeout(**self._waits),
        )
        self._sender = transport
        self._always = [(name, value) for name, value in self.headers.multi_items()]
        self._secret = secret
        self._error_wait = min(ERROR_BODY_WAIT, timeouts.idle)

    def build_request(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        content: Any = None,
        headers: Any = (),
        **_: Any,
    ) -> httpx2.Request:
        """`headers` are pairs, as the SDK gives them; its idea of anything else is passed over."""
        pairs: Iterable[tuple[str, str]] = headers
        kept = [pair for pair in pairs if pair[0].lower() in _FROM_SDK]
        # A dict of its own for each request: `send` changes it.
        extensions = {"timeout": {**self._waits}}
        request = httpx2.Request(
            method,
            _parsed(str(url)),
            content=content,
            headers=self._always + kept,
            extensions=extensions,
        )
        request.headers.encoding = _LATIN
        return request

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **_: Any
    ) -> httpx2.Response:
        response = await self._sender.handle_async_request(request)
        response.request = request
        response.headers.encoding = _LATIN  # or it would be found out anew at each look
        # From here on `IdleTimeout` minds the time: it knows the first bytes from the later ones.
        request.extensions["timeout"]["read"] = None
        if response.status_code >= 300:
            raise await self._error_of(response)
        if not stream:
            await response.aread()
        return response

    async def _error_of(self, response: httpx2.Response) -> APIError:
        status, generation_id = response.status_code, response.headers.get(GENERATION_ID)
        wait = retry_after(response.headers.get("retry-after"))
        body = bytearray()
        try:
            async with asyncio.timeout(self._error_wait):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= MAX_ERROR_BODY:
                        break
        except Exception as error:  # noqa: BLE001 - a body that cannot be read leaves the status, which says enough
            body = body or bytearray(f"(its body broke off: {type(error).__name__})".encode())
        finally:
            await response.aclose()
        words = _unpacked(
            bytes(body[:MAX_ERROR_BODY]),
            response.headers.get("content-encoding", "identity").lower(),
        )
        if status < 400:
            target = redacted(response.headers.get("location", "nowhere"))
            words = (
                f"a redirect to {target} was not followed: a request that may be billed is "
                "sent to one address only; is base_url right?".encode()
            )
        if len(secret := self._secret()) >= SHORTEST:
            words = words.replace(secret.encode(), "…".encode())
        return faults.from_body(status, words, retry_after=wait, generation_id=generation_id)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The beginning of a body, which may be cut: never more than was allowed to arrive."""
    if encoding == "identity":
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_ERROR_BODY)
    except zlib.error:
        return f"(its body, packed as {encoding}, cannot be read)".encode()


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)
