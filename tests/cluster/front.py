"""A web process of the cluster: it begins runs, and tells their events to whoever asks, also of
those that the other one has begun. It has no agent, and nothing of a run is in it.

    python -m tests.cluster.front DATABASE
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agentkit.images.stores import default_store
from agentkit.integrations.dbos import Durable


def application(database: str) -> Starlette:
    durable = Durable(database, store=default_store())

    async def begin(request: Request) -> Response:
        asked = await request.json()
        run = await durable.start(asked["prompt"], agent="painter", id=asked["id"])
        return JSONResponse({"id": run.id}, 201)

    async def events(request: Request) -> Response:
        after = int(request.query_params.get("after", "0"))

        async def lines() -> AsyncIterator[str]:
            async for event in durable.events(request.path_params["id"], after=after):
                image = getattr(event, "image", None)
                sha256 = None if image is None else image.sha256
                yield json.dumps({"kind": event.kind, "sha256": sha256}) + "\n"
            yield json.dumps({"kind": "end", "sha256": None}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return Starlette(
        routes=[
            Route("/runs", begin, methods=["POST"]),
            Route("/runs/{id}/events", events),
        ]
    )


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(application(sys.argv[1]), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
