"""The connections of one event loop: how one request goes out, and who closes them in the end.

The openai SDK's client keeps the key, the address and the HTTP client. A request is sent over the
connections of that HTTP client, since the SDK's own `post` takes ten times as long, adds headers of
its own, and reads an error's body to its end.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentkit._sync import Shutdown
from agentkit.openrouter.errors import ERROR_BODY_WAIT, raise_error_status, translated
from agentkit.openrouter.fair import FairShare
from agentkit.openrouter.keys import FreshKey, Key, authorization
from agentkit.openrouter.transport import NO_HEADERS, Content, Timeouts

if TYPE_CHECKING:
    import httpx2

    from agentkit._redact import Secret
    from agentkit.openrouter.http_clients import Opened
    from agentkit.openrouter.response import OpenResponse


class Connections:
    """The HTTP client of one event loop, which closes it when it shuts down. To be made on that
    loop.
    """

    def __init__(self, base_url: str, key: Key, opened: Opened, timeouts: Timeouts) -> None:
        self.sdk, self._http, close = opened
        self._base_url, self._key = base_url, key
        self._error_wait = min(ERROR_BODY_WAIT, timeouts.idle)
        self.turns = FairShare()
        """Of the replies that arrive at the same time."""
        self._shutdown = Shutdown(close)

    async def send(
        self,
        method: str,
        path: str,
        content: Content = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> OpenResponse:
        """The open response, of which only the headers were read; the caller closes it.

        Raises only agentkit's own errors, as `OpenRouter.exchange` says.
        """
        handled, key, url = sys.exception(), self._key, self._base_url + path
        try:
            if isinstance(key, FreshKey):
                key = await key.fresh()
                headers = {**headers, **authorization(key)}
            reply = await self._http.send(method, url, content, headers)
            if reply.status_code >= 300:
                await self._refuse(reply.as_httpx2(method, url), key)
            return reply
        except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
            problem = translated(error, handled, self._base_url)
        # Outside the handler: the error must not hold on to one that holds the request's headers.
        raise problem

    async def _refuse(self, response: httpx2.Response, key: Secret) -> None:
        """Raise an error status as our own error."""
        try:
            await raise_error_status(response, secret=key, seconds=self._error_wait)
        finally:
            await response.aclose()

    async def close_with_loop(self) -> None:
        """Have the event loop close the connections when it shuts down."""
        await self._shutdown.begun()

    async def close(self) -> None:
        await self._shutdown.now()

    def close_soon(self) -> None:
        """Close in the background, on the running loop."""
        self._shutdown.soon()
