"""The endpoints: each checks the key, reads the body, and answers with an `Outgoing`."""

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil, isfinite
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.server.containers import StoredFile
from agentkit.emulator.server.control import control_routes
from agentkit.emulator.server.exchange import heard
from agentkit.emulator.server.fault_injection import answer_with_faults, read_body
from agentkit.emulator.server.generate import answer_chat, answer_images, answer_responses
from agentkit.emulator.server.model_list import list_models
from agentkit.emulator.server.response import ConnectionCut, DeliveryCallbacks, Outgoing
from agentkit.emulator.server.state import RecordedRequest, State
from agentkit.emulator.tool_list import EVERYWHERE, find_tool, list_tools
from agentkit.emulator.wire.errors import ApiError, invalid
from agentkit.emulator.wire.sse import encode

Handler = Callable[[State, Request, Any], Awaitable[Outgoing]]
Reader = Callable[[State, Request], Outgoing]
JSON = "application/json"
_log = logging.getLogger("agentkit.emulator")


def application(state: State) -> Starlette:
    def get(path: str, read: Reader, api: str = "models", *, keyed: bool = False) -> Route:
        return Route(path, _endpoint(state, _reading(read), api, keyed=keyed), methods=["GET"])

    routes = [
        Route(
            "/api/v1/chat/completions",
            _endpoint(state, answer_chat, "chat", keyed=True),
            methods=["POST"],
        ),
        Route(
            "/api/v1/responses",
            _endpoint(state, answer_responses, "responses", keyed=True),
            methods=["POST"],
        ),
        Route(
            "/api/v1/images",
            _endpoint(state, answer_images, "images", keyed=True),
            methods=["POST"],
        ),
        get("/api/v1/images/models", _image_models),
        get("/api/v1/images/models/{author}/{slug}/endpoints", _endpoints),
        get("/api/v1/models", _models),
        get("/api/v1/generation", _generation, "generation", keyed=True),
        get("/api/v1/key", _key, "key", keyed=True),
        get("/api/v1/tools", _tools, keyed=True),
        get("/api/v1/tools/{name}", _tool, keyed=True),
        get("/api/v1/containers/{container}/files", _container, "pictures", keyed=True),
        get("/api/v1/containers/{container}/files/{file}", _file_record, "pictures", keyed=True),
        get("/api/v1/containers/{container}/files/{file}/content", _file, "pictures", keyed=True),
        get("/i/{name}", _picture, "pictures"),
        *control_routes(state),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _lost})


def _reading(read: Reader) -> Handler:
    """A GET, which has no body."""

    async def handler(state: State, request: Request, _: Any) -> Outgoing:
        return read(state, request)

    return handler


def _endpoint(
    state: State, handler: Handler, api: str, *, keyed: bool = False
) -> Callable[[Request], Awaitable[Outgoing]]:
    posts = state.ledger.posts

    async def endpoint(request: Request) -> Outgoing:
        request.state.fault = None
        try:
            content = await read_body(state, request, api)
        except ClientDisconnect as gone:
            raise ConnectionCut from gone
        parsed, flaw = _parse(content)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # Of a repeated name the last value counts, so `dict(request.headers)` would not do.
        headers = {name: value for name, value in request.headers.items()}  # noqa: C416
        state.requests.append(RecordedRequest(request.method, path, headers, parsed, len(content)))
        number = posts.receive(api, content) if api in ("chat", "responses", "images") else None
        request.state.post = number
        try:
            # The URL of a picture holds a token of its own.
            if keyed or (state.is_guarded and api != "pictures"):
                _check_key(state, request)
            value = _scrubbed(parsed) if b"\\u" in content else parsed

            async def answer() -> Outgoing:
                if request.method == "POST" and flaw is not None:
                    raise flaw
                outgoing = await handler(state, request, value)
                where = request.url.path.removeprefix("/api/v1")
                return heard(outgoing, request.method, where, value, dictated=state.dictated)

            outgoing = await answer_with_faults(state, request, api, value, answer)
        except ApiError as error:
            where = request.url.path.removeprefix("/api/v1")
            refused = _refusal(error)
            outgoing = heard(refused, request.method, where, parsed, dictated=state.dictated)
        except RecursionError:
            outgoing = _refusal(invalid("The request is nested too deeply"))
        except Exception:  # noqa: BLE001 - a bug of the emulator: logged here, masked on the wire
            _log.exception("%s %s failed", request.method, request.url.path)
            outgoing = _refusal(ApiError(500, "Internal Server Error"))
        if number is not None:
            outgoing.witness = DeliveryCallbacks(
                partial(posts.answered, number),
                partial(posts.deliver, number=number),
                partial(posts.completed, number),
            )
        return outgoing

    return endpoint


def _refusal(error: ApiError) -> Outgoing:
    """The error as a response, with `Retry-After` where it says when to come back."""
    seconds = error.fields.get("availability", {}).get("retry_after")
    headers = {"retry-after": str(seconds)} if seconds is not None else {}
    return Outgoing(error.status, JSON, encode(error.body()), headers=headers)


def _parse(content: bytes) -> tuple[Any, ApiError | None]:
    try:
        return json.loads(content.decode(), parse_constant=_no_constant, parse_float=_finite), None
    except (ValueError, RecursionError) as error:
        return None, invalid(f"Invalid JSON in the request body: {error}"[:200])


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _scrubbed(value: Any) -> Any:
    """The value with lone surrogates, which no encoder takes, replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if (members := as_list(value)) is not None:
        return [_scrubbed(member) for member in members]
    if (fields := as_object(value)) is not None:
        return {_scrubbed(key): _scrubbed(member) for key, member in fields.items()}
    return value


def _check_key(state: State, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(401, "No auth credentials found")
    if state.api_key is not None and key.strip() != state.api_key:
        raise ApiError(401, "User not found.")


async def _lost(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    message = "Method Not Allowed" if status == 405 else "Not Found"
    return JSONResponse({"error": {"message": message, "code": status}}, status, headers)


def _image_models(state: State, _: Request) -> Outgoing:
    found = [
        model.image_record() for model in state.catalogue.models if model.image_api is not None
    ]
    return Outgoing(200, JSON, encode({"data": found}))


def _endpoints(state: State, request: Request) -> Outgoing:
    name = "{author}/{slug}".format(**request.path_params)
    model = next((model for model in state.catalogue.models if model.id == name), None)
    if model is None or model.image_api is None:
        raise ApiError(404, f"Image model {name} not found")
    return Outgoing(200, JSON, encode({"id": model.id, "endpoints": [model.image_api.record()]}))


def _models(state: State, request: Request) -> Outgoing:
    return Outgoing(200, JSON, encode(list_models(state.catalogue, request.query_params)))


def _tools(_: State, request: Request) -> Outgoing:
    query = request.query_params
    api_format = query.get("api_format")
    if api_format is not None and api_format not in EVERYWHERE:
        raise invalid(f"Invalid api_format: expected one of {', '.join(EVERYWHERE)}")
    offset, limit = query.get("offset"), query.get("limit")
    for name, number in (("offset", offset), ("limit", limit)):
        if number is not None and not number.isdigit():
            raise invalid(f"Invalid {name}: a whole number is required")
    most = 50 if limit is None and offset is not None else None if limit is None else int(limit)
    if most is not None and not 1 <= most <= 100:
        raise invalid("Invalid limit: a number from 1 to 100 is required")
    return Outgoing(200, JSON, encode(list_tools(api_format, int(offset or 0), most)))


def _tool(_: State, request: Request) -> Outgoing:
    name = request.path_params["name"]
    found = find_tool(name)
    if found is None:
        raise ApiError(404, f"Tool {name} not found")
    return Outgoing(200, JSON, encode({"data": found.record(with_models=True)}))


def _container(state: State, request: Request) -> Outgoing:
    found = state.containers.listing(request.path_params["container"])
    if found is None:
        raise ApiError(404, "Container not found")
    return Outgoing(200, JSON, encode(found))


def _stored_file(state: State, request: Request) -> StoredFile:
    found = state.containers.find(request.path_params["container"], request.path_params["file"])
    if found is None:
        raise ApiError(404, "Container file not found")
    return found


def _file_record(state: State, request: Request) -> Outgoing:
    return Outgoing(200, JSON, encode(_stored_file(state, request).record()))


def _file(state: State, request: Request) -> Outgoing:
    found = _stored_file(state, request)
    witness = DeliveryCallbacks(
        lambda _: None, lambda _: None, partial(state.ledger.posts.fetched, found.sha256)
    )
    return Outgoing(200, found.media_type, found.data, witness=witness)


def _generation(state: State, request: Request) -> Outgoing:
    wanted = request.query_params.get("id")
    if not wanted:
        raise invalid("Invalid input: id: a generation id is required")
    found = state.ledger.generation(wanted)
    state.ledger.posts.looked_up(wanted, None if found is None else found["total_cost"])
    if found is None:
        raise ApiError(404, f"Generation {wanted} not found")
    return Outgoing(200, JSON, encode({"data": found}))


def _key(state: State, _: Request) -> Outgoing:
    used = round(state.ledger.total(), 8)
    usage = dict.fromkeys(("usage", "usage_daily", "usage_weekly", "usage_monthly"), used)
    byok = dict.fromkeys(
        ("byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"), 0
    )
    key = {
        "label": "sk-or-v1-emu...tor",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        **usage,
        **byok,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "include_byok_in_limit": False,
        "creator_user_id": None,
        "expires_at": None,
        "rate_limit": {
            "requests": -1,
            "interval": "10s",
            "note": "This field is deprecated and safe to ignore.",
        },
    }
    return Outgoing(200, JSON, encode({"data": key}))


def _picture(state: State, request: Request) -> Outgoing:
    loan = state.studio.loan(request.path_params["name"])
    if loan is None:
        return Outgoing(404, "text/plain", b"Not Found")
    if request.query_params.get("token") != loan.token or time.monotonic() >= loan.until:
        return Outgoing(403, "text/plain", b"The link has expired")
    if loan.reads is not None:
        if loan.reads < 1:
            return Outgoing(403, "text/plain", b"The link was used")
        loan.reads -= 1
    age = ceil(loan.until - time.monotonic())
    sha256 = hashlib.sha256(loan.data).hexdigest()
    witness = DeliveryCallbacks(
        lambda _: None, lambda _: None, partial(state.ledger.posts.fetched, sha256)
    )
    return Outgoing(
        200,
        loan.media_type,
        loan.data,
        {"cache-control": f"private, max-age={age}"},
        witness=witness,
    )
