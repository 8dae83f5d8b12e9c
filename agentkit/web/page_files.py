"""The chat page as files: what `make web` built into `static/`, sent small and kept by browsers.

The sources are in `page/`, in TypeScript. Nothing here changes a file, so a page that is served is
the page that was built.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentkit.web.refusal import Refused

_FOLDER = Path(__file__).with_name("static")
_INDEX = "index.html"
_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript"}
_YEAR = "private, max-age=31536000, immutable"
# A new version is asked for each time, and not sent again where it is the one that is known.
_CHECKED = "private, no-cache"
_VERSION = 10


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page, and the same in gzip."""

    media_type: str
    plain: bytes
    zipped: bytes
    digest: str

    @classmethod
    def read(cls, path: Path) -> PageFile:
        plain = path.read_bytes()
        media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
        # Without a time, the same file is the same bytes in every process.
        zipped = gzip.compress(plain, 9, mtime=0)
        return cls(media_type, plain, zipped, hashlib.sha256(plain).hexdigest())


@cache
def page_files() -> dict[str, PageFile]:
    """Every file of the page by its name. They are read at the first request."""
    return {path.name: PageFile.read(path) for path in sorted(_FOLDER.iterdir()) if path.is_file()}


def routes() -> list[Route]:
    """The page itself, and the files that it loads."""
    return [
        Route("/", _page, methods=["GET"]),
        Route("/page/{file}", _file, methods=["GET"]),
    ]


async def _page(request: Request) -> Response:
    return _sent(request, page_files()[_INDEX], _CHECKED)


async def _file(request: Request) -> Response:
    name = request.path_params["file"]
    found = None if name == _INDEX else page_files().get(name)
    if found is None:
        raise Refused(404, "The page has no such file.")
    # The address holds the version: what another version is called is not kept under this name.
    named = request.query_params.get("v") == found.digest[:_VERSION]
    reply = _sent(request, found, _YEAR if named else _CHECKED)
    if name == "worker.js":
        # It serves the page, which lies one folder above it.
        root = request.scope.get("root_path", "")
        reply.headers["service-worker-allowed"] = f"{root}/"
    return reply


def _sent(request: Request, file: PageFile, kept: str) -> Response:
    headers = {"cache-control": kept, "etag": f'"{file.digest[:32]}"', "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(file.zipped, headers=headers, media_type=file.media_type)
    return Response(file.plain, headers=headers, media_type=file.media_type)
