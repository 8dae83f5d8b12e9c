"""Where things are on the server: addresses relative to where the application is mounted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

IMAGES = "/api/images"
"""Where pictures are uploaded."""
FILES = "/api/files"
"""Where files are uploaded."""
_PICTURE = re.compile(r"(?:\A|/)images/([0-9a-f]{64})(?:\?[^#]*)?\Z")
_FILE = re.compile(r"(?:\A|/)files/([0-9a-f]{64})(?:\?[^#]*)?\Z")


def path_below(scope: Mapping[str, Any]) -> str:
    """The path of a request below where the application is mounted: `""`, or from a slash on."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :]
    return path


def picture_url(sha256: str) -> str:
    """Where a stored picture is."""
    return f"images/{sha256}"


def file_url(sha256: str) -> str:
    """Where a stored file is."""
    return f"files/{sha256}"


def preview_url(run: str, item: str, index: int) -> str:
    """Where a preview is: that of a picture (`ImagePreview.item`) of a run, with its number."""
    return f"previews/{preview_key(run, item)}/{index}"


def preview_key(run: str, item: str) -> str:
    """What a picture is called among the previews: no two runs have one alike."""
    return hashlib.sha256(f"{run}\0{item}".encode(errors="surrogatepass")).hexdigest()[:32]


def digest_of(url: str) -> str | None:
    """The digest of the picture that one of our own addresses names, however it is written; None
    for any other address. Where it says that we are plays no part: who may see it decides.
    """
    found = _PICTURE.search(url)
    return None if found is None else found[1]


def file_digest_of(url: str) -> str | None:
    """The digest of the file that one of our own addresses names; None for any other address."""
    found = _FILE.search(url)
    return None if found is None else found[1]
