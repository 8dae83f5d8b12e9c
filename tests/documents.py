"""Files for tests: PDFs that are whole, packed, encrypted, or lie."""

from __future__ import annotations

import zlib


def pdf(pages: int = 3, *, packed: bool = False, trailer: bytes = b"", words: bytes = b"") -> bytes:
    """A PDF of so many empty pages; `packed`, with its objects in a stream."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type /Pages /Kids [%b] /Count %d>>" % (kids, pages),
        *[b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"] * pages,
    ]
    body = b"%PDF-1.7\n%" + words + b"\n"
    if packed:
        data = zlib.compress(b" ".join(objects))
        head = b"<</Type /ObjStm /N %d /First 0 /Length %d /Filter /FlateDecode>>" % (
            len(objects),
            len(data),
        )
        body += b"9 0 obj\n" + head + b"stream\n" + data + b"\nendstream\nendobj\n"
    else:
        body += b"".join(
            b"%d 0 obj\n%b\nendobj\n" % (number, each) for number, each in enumerate(objects, 1)
        )
    return body + b"trailer<</Root 1 0 R" + trailer + b">>\n%%EOF\n"
