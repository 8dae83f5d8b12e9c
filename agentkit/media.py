"""What kind of picture some bytes are, told by their first bytes alone.

A claimed media type, a file name or a `Content-Type` is never believed: servers mislabel pictures often enough, and an
attacker would. `sniff` looks at signatures; whether the rest of the file is whole is for `agentkit.images.inspect`.
"""

from __future__ import annotations

import re

#: media type → the extension that a stored file gets. Raster types first, SVG (never rasterised, never inlined) last.
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/svg+xml": "svg",
}
RASTER_TYPES = frozenset(EXTENSIONS) - {"image/svg+xml"}

#: `sniff` needs no more than this many bytes.
HEAD = 1024

# Possessive and atomic: comments of a hostile file must not make it try every way to split them.
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*\?>\s*+)?(?>(?><!--.*?-->)\s*+)*+(?:<!DOCTYPE\s+svg[^>]*>\s*+)?<svg[\s>]",
    re.DOTALL | re.IGNORECASE,
)
_AVIF_BRANDS = (b"avif", b"avis")


def sniff(head: bytes) -> str | None:
    """The media type of the picture that starts with `head`, or None where it is not a picture known here."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and (head[8:12] in _AVIF_BRANDS or any(brand in head[16:64] for brand in _AVIF_BRANDS)):
        return "image/avif"
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00" and len(head) >= 18:
        return "image/bmp"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "image/tiff"
    if _SVG.match(head[:HEAD]):
        return "image/svg+xml"
    return None
