"""Pictures over HTTP: shown to those who may see them, and taken from those who bring them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agentkit.errors import StoreError
from agentkit.images.store import ImageStore
from agentkit.sessions import Sessions
from agentkit.values import Image
from agentkit.values.blobs import opened, read_some, storing
from agentkit.values.image_header import HEAD, RASTER_TYPES, sniff
from agentkit.web.addresses import digest_of, picture_url
from agentkit.web.refusal import Refused
from agentkit.web.routes import route
from agentkit.web.shelf import Shelf
from agentkit.web.thumbnails import MEDIA_TYPE, WIDTHS, Thumbnails, width_for
from agentkit.web.uploads import take_in, take_in_data_url

CSP = "default-src 'none'; sandbox"
"""Of a picture: whatever is in it, it loads and runs nothing."""
_WIDEST = 4096
_PIECE = 1 << 18
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""What every browser shows as it is."""
_YEAR = 31_536_000


class Pictures:
    """The pictures of the conversations of `sessions`, and those on their way into one."""

    def __init__(self, store: ImageStore, sessions: Sessions) -> None:
        self._store, self._sessions = store, sessions
        self._shelf = Shelf[Image](time.monotonic)
        self._thumbnails = Thumbnails()

    def routes(self) -> list[Route]:
        """`GET images/{sha256}` and `POST api/images`."""
        return [
            route("/images/{sha256}", self._show, "GET"),
            route("/api/images", self._upload, "POST"),
        ]

    def close(self) -> None:
        """Let the threads go that make thumbnails."""
        self._thumbnails.close()

    def seen(self, user: str | None, run: str, image: Image) -> None:
        """Let this user see a picture of a run that goes on, which the database may not have."""
        self._shelf.see(user, run, image)

    def drop(self, run: str) -> None:
        """Forget about a run that has been written."""
        self._shelf.drop(run)

    async def image(self, user: str | None, url: str) -> Image:
        """The picture of a message: one of ours by its address, or one in a `data:` URL. Raises
        `Refused`.
        """
        if url[:5].lower() == "data:":
            self._shelf.check_room(user)
            return await self._uploaded(user, await take_in_data_url(self._store, url), sent=True)
        digest = digest_of(url)
        if digest is None:
            raise Refused(
                400,
                "The address of the picture is not one of this server.",
                "the url that POST api/images returned, or a data: URL",
            )
        image = await self._found(user, digest)
        (await asyncio.to_thread(self._opened, digest)).close()
        self._shelf.send(user, digest)
        return image

    async def _upload(self, request: Request) -> Response:
        user: str | None = request.state.user
        self._shelf.check_room(user)
        length = request.headers.get("content-length", "")
        told = int(length[:20]) if length.isascii() and length.isdigit() else None
        try:
            image = await take_in(self._store, request.stream(), told)
        except ClientDisconnect:
            raise Refused(400, "The picture broke off.") from None
        await self._uploaded(user, image)
        return JSONResponse(
            {
                "sha256": image.sha256,
                "url": picture_url(image.sha256),
                "mediaType": image.media_type,
                "width": image.width,
                "height": image.height,
                "size": image.size,
            },
            201,
        )

    async def _uploaded(self, user: str | None, image: Image, *, sent: bool = False) -> Image:
        await self._sessions.note_picture(image)
        self._shelf.upload(user, image, is_sent=sent)
        return image

    async def _found(self, user: str | None, digest: str) -> Image:
        """The picture, if this user may see it. Whether another one may is not told."""
        image = self._shelf.find(user, digest)
        if image is None:
            image = await self._sessions.find_picture(digest, user=user)
        if image is None:
            raise _not_there()
        return image

    def _opened(self, sha256: str) -> BinaryIO:
        try:
            return opened(self._store, sha256)
        except FileNotFoundError:
            raise Refused(404, "The store of this server has lost this picture.") from None
        except StoreError:
            raise Refused(503, "The store of this server cannot be read at the moment.") from None

    async def _show(self, request: Request) -> Response:
        digest = digest_of(picture_url(request.path_params["sha256"]))
        if digest is None:
            raise _not_there()
        width = _width(request.query_params.get("w"))
        image = await self._found(request.state.user, digest)
        is_download = request.query_params.get("download") == "1"
        tag = f'"{digest}{"" if width is None or is_download else f"-{width}"}"'
        headers = _headers(tag)
        if _is_known(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if width is not None and not is_download and _needs_copy(image, width):
            copy = await self._thumbnails.get(image, width)
            if copy is not None:
                return Response(copy, headers=headers, media_type=MEDIA_TYPE)
        return await self._whole(image, headers, is_download=is_download)

    async def _whole(self, image: Image, headers: dict[str, str], *, is_download: bool) -> Response:
        """The picture as it is in the store. One that is no raster picture is never shown."""
        head, size = await asyncio.to_thread(self._looked_at, image.sha256)
        media_type = sniff(head)
        is_raster = media_type in RASTER_TYPES
        manner = "inline" if is_raster and not is_download else "attachment"
        headers["content-disposition"] = f'{manner}; filename="{image.file_name}"'
        headers["content-length"] = str(size)
        kind = media_type if is_raster else "application/octet-stream"
        pieces = self._pieces(image.sha256)
        return StreamingResponse(pieces, headers=headers, media_type=kind)

    def _looked_at(self, sha256: str) -> tuple[bytes, int]:
        with self._opened(sha256) as file, storing("read from"):
            return file.read(HEAD), file.seek(0, os.SEEK_END)

    async def _pieces(self, sha256: str) -> AsyncIterator[bytes]:
        # Opened here: a client that goes away before the first piece leaves no file open.
        with await asyncio.to_thread(self._opened, sha256) as file:
            while piece := await asyncio.to_thread(read_some, file, _PIECE):
                yield piece


def _width(value: str | None) -> int | None:
    """The width of `?w=`. Raises `Refused`."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= _WIDEST):
        made = ", ".join(map(str, WIDTHS))
        raise Refused(400, "w is no width.", f"a whole number to {_WIDEST}; made are {made}")
    return width_for(int(value))


def _needs_copy(image: Image, width: int) -> bool:
    if image.media_type not in RASTER_TYPES or image.media_type == "image/gif":
        return False  # a copy of a GIF would no longer move
    return image.width is None or image.width > width or image.media_type not in _SHOWN


def _headers(tag: str) -> dict[str, str]:
    return {
        "etag": tag,
        "cache-control": f"private, max-age={_YEAR}, immutable",
        # Two users of one browser: what the first has seen is not shown to the second.
        "vary": "cookie, authorization",
        "content-security-policy": CSP,
    }


def _is_known(header: str, tag: str) -> bool:
    """Whether the browser has it already."""
    known = {each.strip().removeprefix("W/") for each in header.split(",")}
    return tag in known or "*" in known


def _not_there() -> Refused:
    return Refused(
        404,
        "There is no such picture.",
        "one of your conversations, or that you have uploaded in the last 24 hours",
    )
