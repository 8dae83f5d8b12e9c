"""The control endpoints, beside the API: faults put into force and taken out while the emulator
runs, and its books.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentkit.emulator.faults.fault_file import MAX_SIZE, ChaosError, as_json, faults_from_value
from agentkit.emulator.server.loopback import is_loopback
from agentkit.emulator.server.state import State

Answer = Callable[[State, Request], Awaitable[Response]]


def control_routes(state: State) -> list[Route]:
    return [
        Route("/control/faults", _guarded(state, _list), methods=["GET"]),
        Route("/control/faults", _guarded(state, _add), methods=["POST"]),
        Route("/control/faults", _guarded(state, _clear), methods=["DELETE"]),
        Route("/control/faults/{number:int}", _guarded(state, _remove), methods=["DELETE"]),
        Route("/control/posts", _guarded(state, _posts), methods=["GET"]),
    ]


def _guarded(state: State, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """No token is asked for, so the caller has to be on this machine, and no page of a browser."""

    async def endpoint(request: Request) -> Response:
        host = request.client.host if request.client else ""
        named = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not (is_loopback(host) and is_loopback(named)) or "origin" in request.headers:
            return _refused(403, "the control endpoints answer to programs on this machine alone")
        return await answer(state, request)

    return endpoint


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status)


async def _list(state: State, _: Request) -> Response:
    faults = state.faults
    listed = [
        {"number": number, "fault": as_json(fault), "fitted": fitted, "struck": struck}
        for number, fault, fitted, struck in faults.counts()
    ]
    strikes = [{"number": one.number, "api": one.api, "path": one.path} for one in faults.strikes]
    return JSONResponse({"seed": faults.seed, "faults": listed, "strikes": strikes})


async def _add(state: State, request: Request) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refused(415, "application/json is accepted")
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_SIZE:
            return _refused(413, f"at most {MAX_SIZE} bytes are accepted")
    try:
        value: Any = json.loads(content)
        given = faults_from_value(value)
    except ChaosError as error:
        return _refused(400, str(error))
    except (ValueError, RecursionError):
        return _refused(400, "the body is no JSON")
    if isinstance(value, dict) and "seed" in value:
        state.faults.reseed(given.seed)
    return JSONResponse({"numbers": state.faults.add(*given), "seed": state.faults.seed}, 201)


async def _clear(state: State, _: Request) -> Response:
    state.faults.clear()
    return Response(status_code=204)


async def _remove(state: State, request: Request) -> Response:
    number: int = request.path_params["number"]
    return (
        Response(status_code=204)
        if state.faults.remove(number)
        else _refused(404, f"there is no fault {number}")
    )


async def _posts(state: State, _: Request) -> Response:
    return JSONResponse({"posts": [asdict(post) for post in state.ledger.posts.all()]})
