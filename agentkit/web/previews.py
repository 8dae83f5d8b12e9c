"""Previews of pictures that are being drawn: in memory, the latest of each, gone with the turn."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentkit.values.image_header import HEAD, RASTER_TYPES, sniff
from agentkit.web.addresses import preview_key
from agentkit.web.pictures import CSP
from agentkit.web.refusal import Refused
from agentkit.web.routes import route

_MEMORY = 64 << 20
"""Bytes of all previews of a server; beyond that, those go that were drawn first."""


@dataclass(frozen=True, slots=True)
class _Preview:
    user: str | None
    run: str
    index: int
    data: bytes
    media_type: str


class Previews:
    """The latest preview of each picture, `memory` bytes of them."""

    def __init__(self, memory: int = _MEMORY) -> None:
        self._memory, self._size = memory, 0
        self._latest: OrderedDict[str, _Preview] = OrderedDict()

    def routes(self) -> list[Route]:
        """`GET previews/{key}/{index}`, see `addresses.preview_url`."""
        return [route("/previews/{key}/{index}", self._show, "GET")]

    def put(
        self, user: str | None, run: str, item: str, index: int, data: bytes, media_type: str
    ) -> None:
        """Keep a preview of a picture (`item`) of a run of this user's. One that is no raster
        picture, whatever was said of it, is left out.
        """
        kind = sniff(data[:HEAD])
        if kind not in RASTER_TYPES or kind != media_type or len(data) > self._memory:
            return
        key = preview_key(run, item)
        self._remove(key)
        self._latest[key] = _Preview(user, run, index, data, media_type)
        self._size += len(data)
        while self._size > self._memory:
            self._remove(next(iter(self._latest)))

    def drop(self, run: str) -> None:
        """Forget the previews of a run that has ended."""
        for key in [key for key, each in self._latest.items() if each.run == run]:
            self._remove(key)

    def _remove(self, key: str) -> None:
        gone = self._latest.pop(key, None)
        self._size -= 0 if gone is None else len(gone.data)

    async def _show(self, request: Request) -> Response:
        """The preview with this number, or a later one: who reads slowly sees what is there now."""
        found = self._latest.get(request.path_params["key"])
        index = request.path_params["index"]
        is_number = index.isascii() and index.isdigit() and len(index) <= 9
        if (
            found is None
            or found.user != request.state.user
            or not is_number
            or int(index) > found.index
        ):
            raise Refused(404, "There is no such preview, or no longer.")
        headers = {"content-security-policy": CSP, "cache-control": "no-store"}
        return Response(found.data, headers=headers, media_type=found.media_type)
