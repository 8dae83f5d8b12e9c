"""The doors of the server: ASGI middleware that lets in whom `access` does not refuse, and puts on
each answer what keeps it from other sites.
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentkit._access import Head, check_token, is_token, read_hosts, sites_of
from agentkit._check import refused
from agentkit._log import logger
from agentkit.errors import UsageError
from agentkit.sessions.names import check_name
from agentkit.web.access import (
    PAGE,
    Access,
    cookie,
    is_link,
    is_open,
    refused_address,
    refused_body,
    refused_person,
)
from agentkit.web.addresses import path_below
from agentkit.web.refusal import Refusal, answer, answer_in_words

UserOf = Callable[[Request], str | Awaitable[str | None] | None]
"""Who sends a request, as the application around us knows it; None for nobody."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_UNLESS_SET = {"content-security-policy": CSP, "cache-control": "no-store"}
_TOKEN = "token"  # noqa: S105 - the name of it in the link


class Doors:
    """ASGI middleware. What comes through has `scope["state"]["user"]`: a name, or None for whoever
    has the token.

    - `hosts`: names besides loopback under which browsers reach the server, see `read_hosts`.
    - `token`: what the link has; without one, and without `user`, a random one is made.
    - `user`: takes the token's place.

    Raises `UsageError` for a wrong argument.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str] = (),
        token: str | None = None,
        user: UserOf | None = None,
    ) -> None:
        self._app = app
        if user is not None and not callable(user):
            accepted = "is a function that is given a request and returns the user's name, or None"
            raise refused("app(user={!r})", user, accepted)
        if user is not None and token is not None:
            raise UsageError("app(user=…, token=…): accepted is one of them, not both")
        if token is not None:
            check_token("app(token=…)", token)
        self._user = user
        made = secrets.token_urlsafe(32) if token is None and user is None else token
        self.access = Access(read_hosts("app(hosts={!r})", hosts), made)

    @property
    def token(self) -> str | None:
        """What lets one in; None where `user` does."""
        return self.access.token

    def link(self, base: str) -> str:
        """The address of the page, with the token in it."""
        address = f"{base.rstrip('/')}/"
        return address if self.token is None else f"{address}?{urlencode({_TOKEN: self.token})}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there are none here
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._http(scope, receive, _guarded(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        judged = await self._judged(scope, head_of(scope))
        if isinstance(judged, Response):
            await judged(scope, receive, send)
        else:
            root = str(scope.get("root_path", "")).rstrip("/")
            await self._app({**scope, "state": judged, "root_path": root}, receive, send)

    async def _judged(self, scope: Scope, head: Head) -> Response | dict[str, Any]:
        """The state of a request that is let in, with the user in it; else what is answered."""
        if (refusal := refused_address(head, self.access)) is not None:
            return self._shown(refusal, head)
        if (welcome := self._welcomed(scope, head)) is not None:
            return welcome
        state = dict(cast("dict[str, Any]", scope.get("state") or {}))
        if not is_open(head):
            found = await self._person(scope, head)
            if isinstance(found, Refusal):
                return self._shown(found, head)
            state["user"] = found
        if (refusal := refused_body(head)) is not None:
            return answer(refusal)
        if head.path == "":
            return RedirectResponse(_page_of(scope))  # its files are below the slash
        return state

    def _welcomed(self, scope: Scope, head: Head) -> Response | None:
        """Whoever comes with the link gets the cookie, and an address without the token."""
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
        given = [value for name, value in query if name == _TOKEN]
        token = self.access.token
        if token is None or not given or head.method != "GET" or head.path not in PAGE:
            return None
        response = RedirectResponse(_page_of(scope), 303)
        response.headers["cache-control"] = "no-store"
        if not is_token(given[0], token):
            return None if refused_person(head, self.access) else response
        for site in sites_of(head, self.access.sites):
            root = str(scope.get("root_path", ""))
            response.headers.append("set-cookie", cookie(site, token, root))
        return response

    async def _person(self, scope: Scope, head: Head) -> str | Refusal | None:
        """Who it is, or why it is nobody."""
        if self._user is None:
            return refused_person(head, self.access)
        try:
            found = await _asked(self._user, Request(scope))
            if found is not None:
                return check_name("app(user=…) returned {!r}", found)
        except HTTPException as error:
            headers = tuple((error.headers or {}).items())
            return Refusal(error.status_code, str(error.detail), headers=headers)
        except Exception as error:  # noqa: BLE001 - a function of the application's own
            logger().warning("login_failed", reason=f"{type(error).__name__}: {error}")
            return Refusal(500, "The login of this server failed; its log says why.")
        return Refusal(401, "You are not logged in.", "a request of a user who is logged in")

    def _shown(self, refusal: Refusal, head: Head) -> Response:
        if head.path not in PAGE:
            return answer(refusal)
        if refusal.status == 401 and self.access.token is not None and is_link(head):
            # A browser that comes from another site leaves our cookie out. Asked by a page of ours,
            # it does not.
            again = '<meta http-equiv="refresh" content="0; url=./"><title>One moment</title>'
            return HTMLResponse(again, 401)
        return answer_in_words(refusal)


async def _asked(user: UserOf, request: Request) -> object:
    """What the application's function returns. One that is no coroutine may wait for a database."""
    call: object = getattr(user, "__call__", None)  # noqa: B004 - an object's `async def __call__`
    if inspect.iscoroutinefunction(user) or inspect.iscoroutinefunction(call):
        found: object = user(request)
    else:
        found = await run_in_threadpool(user, request)
    return await found if inspect.isawaitable(found) else found


def head_of(scope: MutableMapping[str, Any]) -> Head:
    """What of an ASGI request decides."""
    server: object = scope.get("server")
    port = cast("tuple[object, ...]", server)[1] if isinstance(server, tuple | list) else None
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
    )
    return Head(
        str(scope["method"]).upper(),
        path_below(scope),
        str(scope.get("scheme", "http")),
        port if isinstance(port, int) else None,
        headers,
    )


def _page_of(scope: Scope) -> str:
    """The path of the page. From the root alone, never from the path that was asked for:
    "//elsewhere.example/" is an address, too.
    """
    root = str(scope.get("root_path", "")).strip("/")
    return quote(f"/{root}/") if root else "/"


def _guarded(send: Send) -> Send:
    """Each answer has our headers, whoever made it, and none that opens it to other sites."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if name.lower().decode("latin-1") not in _HEADERS
                and not name.lower().startswith(b"access-control-")
            ]
            present = {name.lower().decode("latin-1") for name, _ in kept}
            added = {**{k: v for k, v in _UNLESS_SET.items() if k not in present}, **_HEADERS}
            kept += [(name.encode(), value.encode()) for name, value in added.items()]
            message = {**message, "headers": kept}
        await send(message)

    return sent
