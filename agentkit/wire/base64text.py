"""Base64 as servers write it: escaped for JSON, wrapped, in the URL-safe alphabet, without its
padding.
"""

from __future__ import annotations

import re

from agentkit.errors import ImageError

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PLAIN = _ALPHABET + b"="
_SPACE = b" \t\r\n\f\v"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_DATA_URL = re.compile(r"\s*data:([^,;]*)(?:;[^,;]*)*;base64\s*,", re.IGNORECASE)

_BLANK_INSIDE = re.compile(rb"[^\s][ \t]+[^\s]")

_ESCAPE = re.compile(rb"(\\+)(/|[nrt]|u00[0-9a-fA-F]{2})")
_OPEN_ESCAPE = re.compile(rb"\\+(?:u[0-9a-fA-F]{0,3})?\Z")
#: No escape that is understood here is longer: 31 backslashes (five levels of JSON in JSON), `u`
#: and four digits.
_LONGEST_ESCAPE = 36


def is_plain(text: bytes) -> bool:
    """Is this nothing but the standard alphabet and padding?"""
    return not text.translate(None, _PLAIN)


def standard(text: bytes) -> bytes:
    """The standard alphabet without white space. What is no base64 at all stays as it is."""
    return text.translate(_TO_STANDARD, _SPACE)


def blank_inside(text: bytes, edge: bytes = b"") -> int:
    """Where in `text` it goes on behind a blank; -1 where it does not. `edge` is how the text
    before it ended.

    Base64 is wrapped and indented, so blanks stand beside line ends. Those between words make it
    prose.
    """
    whole = edge + text
    if b" " not in whole and b"\t" not in whole:
        return -1
    found = _BLANK_INSIDE.search(whole)
    return found.end() - 1 - len(edge) if found else -1


def edge_of(text: bytes, edge: bytes = b"") -> bytes:
    """How `text` ends: with a digit, a line end, or a blank behind either."""
    text = edge + text
    bare = text.rstrip(b" \t")
    return bare[-1:] + text[len(bare) : len(bare) + 1]


def url_safe(text: bytes) -> bytes:
    return text.translate(_TO_URL_SAFE)


def open_escape(raw: bytes) -> int:
    """Where an escape begins that may go on behind the end of `raw`; `len(raw)` where there is
    none.
    """
    found = _OPEN_ESCAPE.search(raw, max(0, len(raw) - _LONGEST_ESCAPE))
    return found.start() if found else len(raw)


def unescape(raw: bytes, depth: int) -> bytes:
    r"""Undo the JSON escapes of a string that stands `depth` JSON strings deep (0: in the document
    itself).

    Only those that base64 or a data URL can hold are undone: `\/`, `\n`, `\r` (as `\n`), `\t` and
    `\u00XX`. Any other stays, and its backslash tells that this is no base64.
    """
    if b"\\" not in raw:
        return raw
    text = raw
    # The quick way for those that come in thousands: PHP escapes each slash.
    for level in reversed(range(depth + 1)):
        for letter, meaning in ((b"/", b"/"), (b"n", b"\n"), (b"r", b"\n")):
            if b"\\" in text:
                text = text.replace(b"\\" * 2**level + letter, meaning)
    return text if b"\\" not in text else _ESCAPE.sub(lambda escape: _meaning(escape, depth), raw)


def _meaning(escape: re.Match[bytes], depth: int) -> bytes:
    """Each level of JSON halves the backslashes; before a slash, which needs none, any number of
    them may be left over.
    """
    backslashes, letter = len(escape[1]), escape[2]
    if letter == b"/":
        return b"/" if backslashes < 2 ** (depth + 1) else escape[0]
    if backslashes not in {2**level for level in range(depth + 1)}:
        return escape[0]
    if letter[:1] == b"u":
        return bytes((int(letter[1:], 16),))
    return b"\t" if letter == b"t" else b"\n"


def decode_base64(text: str) -> bytes:
    """The bytes of base64 text or of a base64 data URL.

    White space, the URL-safe alphabet and missing padding are accepted. Raises `ImageError` for
    anything else.
    """
    import pybase64

    header = _DATA_URL.match(text, 0, min(len(text), 1024))
    try:
        raw = text[header.end() if header else 0 :].encode("ascii")
    except UnicodeEncodeError:
        raise ImageError("this is no base64: it holds characters that are not ASCII") from None
    digits, _, padding = standard(raw).partition(b"=")
    if padding.strip(b"=") or len(padding) > 1:
        raise ImageError("this is no base64: it goes on after its padding")
    if digits.translate(None, _ALPHABET):
        raise ImageError("this is no base64: it holds characters outside its alphabet")
    if len(digits) % 4 == 1:
        raise ImageError("this base64 is cut off")
    return pybase64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
