"""A path of the server, and the function behind it: whatever that raises is told in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentkit._log import logger
from agentkit.errors import AgentkitError
from agentkit.web.failures import refusal_of
from agentkit.web.refusal import Refused

Handler = Callable[[Request], Awaitable[Response]]


def route(path: str, handler: Handler, method: str) -> Route:
    """A route whose errors are `Refused`: no stack, no path of this machine reaches a browser."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except AgentkitError as error:
            raise refusal_of(error) from error
        except (Refused, HTTPException):
            raise
        except Exception as error:
            logger().warning("web_failed", path=request.url.path, reason=repr(error))
            raise Refused(500, "This failed on the server; its log says why.") from error

    return Route(path, endpoint, methods=[method])
