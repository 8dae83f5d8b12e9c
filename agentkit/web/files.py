"""Files over HTTP: taken from those who bring them, and given to those who may have them, to keep:
no browser ever shows one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agentkit.errors import StoreError
from agentkit.images.store import ImageStore
from agentkit.sessions import Sessions
from agentkit.values import File, replace
from agentkit.values.blobs import opened, read_some, storing
from agentkit.values.file_kind import clean_name
from agentkit.web.addresses import file_digest_of, file_url
from agentkit.web.asked import FilePart
from agentkit.web.file_uploads import take_file_in, take_file_in_data_url
from agentkit.web.pictures import CSP
from agentkit.web.refusal import Refused
from agentkit.web.routes import route
from agentkit.web.shelf import Shelf

_PIECE = 1 << 18
_KIND = "application/octet-stream"
"""Of every file that is given: what is in it, no browser is told."""


class Files:
    """The files of the conversations of `sessions`, and those on their way into one."""

    def __init__(self, store: ImageStore, sessions: Sessions) -> None:
        self._store, self._sessions = store, sessions
        self._shelf = Shelf[File](time.monotonic, "files")

    def routes(self) -> list[Route]:
        """`GET files/{sha256}` and `POST api/files?name=`."""
        return [
            route("/files/{sha256}", self._give, "GET"),
            route("/api/files", self._upload, "POST"),
        ]

    def seen(self, user: str | None, run: str, file: File) -> None:
        """Let this user have a file of a run that goes on, which the database may not have."""
        self._shelf.see(user, run, file)

    def drop(self, run: str) -> None:
        """Forget about a run that has been written."""
        self._shelf.drop(run)

    async def file(self, user: str | None, part: FilePart) -> File:
        """The file of a message: one of ours by its address, or one in a `data:` URL. The name that
        the message gives it counts. Raises `Refused`.
        """
        url = part.url
        if url[:5].lower() == "data:":
            self._shelf.check_room(user)
            file = await take_file_in_data_url(self._store, url, part.name)
            return await self._uploaded(user, file, sent=True)
        digest = file_digest_of(url)
        if digest is None:
            raise Refused(
                400,
                "The address of the file is not one of this server.",
                "the url that POST api/files returned, or a data: URL",
            )
        file = await self._found(user, digest)
        (await asyncio.to_thread(self._opened, digest)).close()
        self._shelf.send(user, digest)
        name = clean_name(part.name, file.media_type) if part.name else file.file_name
        return replace(file, file_name=name)

    async def _upload(self, request: Request) -> Response:
        user: str | None = request.state.user
        self._shelf.check_room(user)
        length = request.headers.get("content-length", "")
        told = int(length[:20]) if length.isascii() and length.isdigit() else None
        name = request.query_params.get("name", "")
        try:
            file = await take_file_in(self._store, request.stream(), told, name)
        except ClientDisconnect:
            raise Refused(400, "The file broke off.") from None
        await self._uploaded(user, file)
        return JSONResponse(
            {
                "sha256": file.sha256,
                "url": file_url(file.sha256),
                "mediaType": file.media_type,
                "filename": file.file_name,
                "size": file.size,
                "pages": file.pages,
            },
            201,
        )

    async def _uploaded(self, user: str | None, file: File, *, sent: bool = False) -> File:
        await self._sessions.note_picture(file)
        self._shelf.upload(user, file, is_sent=sent)
        return file

    async def _found(self, user: str | None, digest: str) -> File:
        """The file, if this user may have it. Whether another one may is not told."""
        file = self._shelf.find(user, digest)
        if file is None:
            file = await self._sessions.find_file(digest, user=user)
        if file is None:
            raise _not_there()
        return file

    def _opened(self, sha256: str) -> BinaryIO:
        try:
            return opened(self._store, sha256)
        except FileNotFoundError:
            raise Refused(404, "The store of this server has lost this file.") from None
        except StoreError:
            raise Refused(503, "The store of this server cannot be read at the moment.") from None

    async def _give(self, request: Request) -> Response:
        digest = file_digest_of(file_url(request.path_params["sha256"]))
        if digest is None:
            raise _not_there()
        file = await self._found(request.state.user, digest)
        size = await asyncio.to_thread(self._size, digest)
        headers = {
            "content-disposition": _attachment(file.saved_name),
            "content-length": str(size),
            "content-security-policy": CSP,
            "cache-control": "private, no-store",
        }
        return StreamingResponse(self._pieces(digest), headers=headers, media_type=_KIND)

    def _size(self, sha256: str) -> int:
        with self._opened(sha256) as file, storing("read from"):
            return file.seek(0, os.SEEK_END)

    async def _pieces(self, sha256: str) -> AsyncIterator[bytes]:
        # Opened here: a client that goes away before the first piece leaves no file open.
        with await asyncio.to_thread(self._opened, sha256) as file:
            while piece := await asyncio.to_thread(read_some, file, _PIECE):
                yield piece


def _attachment(name: str) -> str:
    """The header that has a browser keep a file under this name (RFC 6266), and show nothing."""
    plain = "".join(each if each.isascii() and each not in '"\\%' else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _not_there() -> Refused:
    return Refused(
        404,
        "There is no such file.",
        "one of your conversations, or that you have uploaded in the last 24 hours",
    )
