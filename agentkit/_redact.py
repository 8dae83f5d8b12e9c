"""The one redactor: for logs, errors, reprs, traces, cassettes and reports.

A secret is found in two ways. By value: of every `Secret` that is alive, no run of `RUN` characters
passes, so that one that was cut short, or stands in JSON or in a URL, is found too. By pattern:
what looks like a key, a bearer token or credentials in a URL, for secrets that nobody told of.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Iterator
from urllib.parse import quote

REDACTED = "…"
RUN = 12
"""As many characters of a secret in a row are never shown. Shorter secrets are found whole."""
SHORTEST = 8
"""A secret of fewer characters is none: `key` or `test` would be found in any text."""

_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\bsk-(?:or-v1-|proj-|ant-)?)[A-Za-z0-9_-]{6,}",
        r"(\b(?:Bearer|Basic)\s+)[A-Za-z0-9+/=_.~-]{6,}",
        r"((?:[a-z][a-z0-9+.-]{1,20}:)?//)[^/@\s\"'<>]{1,512}@",
        r"(\b(?:api[-_]?key|x-api-key|access[-_]token|client[-_]secret|password)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"'&,;}]{6,}",
        r"([?&](?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|token|key)=)[^&\s\"'<>]{6,}",
    )
)


class Secret:
    """A string that no repr, log or traceback shows. While it lives, `redacted` knows it."""

    __slots__ = ("__weakref__", "_forms", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._forms: frozenset[str] | None = None
        if len(value) >= SHORTEST:
            key = id(self)
            _known[key] = weakref.ref(self, lambda _: _known.pop(key, None))

    def reveal(self) -> str:
        return self._value

    def forms(self) -> frozenset[str]:
        """The string as it is, in a URL, in JSON, and in JSON that is a string of JSON."""
        if self._forms is None:
            value = self._value
            text = json.dumps(value)[1:-1]
            nested = json.dumps(text)[1:-1]
            self._forms = frozenset((value, quote(value, safe=""), text, nested))
        return self._forms

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(…)" if self._value else "Secret(none)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written down: neither pickled nor copied")


_known: dict[int, weakref.ref[Secret]] = {}


def redacted(text: str) -> str:
    """The text without secrets; `…` stands in their place."""
    text = without_secrets(text)
    for pattern in _PATTERNS:
        text = pattern.sub(
            lambda found: found[1] + REDACTED + ("@" if found[0].endswith("@") else ""), text
        )
    return text


def without_secrets(text: str, mark: str = REDACTED) -> str:
    """The text without any `Secret` that is alive; `mark` stands in their place. What only looks
    like one is left.
    """
    for form in _forms():
        text = _without(text, form, mark)
    return text


def masked(data: bytes, *, cut: bool = False) -> bytes:
    """The bytes with `*` in the place of every known secret: their number stays. With `cut`, of
    those that were cut short too, of which `RUN` characters in a row are left.
    """
    hidden: bytearray | None = None
    for form in _forms():
        value = form.encode()
        length = min(RUN, len(value)) if cut else len(value)
        # Looked for in the bytes as they came: two secrets may have a piece in common.
        for at in _runs(data, value, length) if cut else _places(data, value):
            hidden = bytearray(data) if hidden is None else hidden
            hidden[at : at + length] = b"*" * length
    return data if hidden is None else bytes(hidden)


def _runs(data: bytes, secret: bytes, run: int) -> Iterator[int]:
    """Where so many bytes in a row of a secret stand."""
    half = run // 2
    # Wherever a run begins, it has one of these pieces as a whole; few texts have any.
    pieces = [secret[at : at + half] for at in range(0, len(secret) - half + 1, half)]
    if any(piece in data for piece in pieces):
        for start in range(len(secret) - run + 1):
            yield from _places(data, secret[start : start + run])


def known_forms() -> set[bytes]:
    """Every known secret, in each form in which it may stand in bytes."""
    return {form.encode("utf-8", "surrogatepass") for form in _forms()}


def _places(data: bytes, part: bytes) -> Iterator[int]:
    at = data.find(part)
    while at >= 0:
        yield at
        at = data.find(part, at + 1)


def _forms() -> set[str]:
    """Every known secret, as it is, in a URL and in JSON."""
    known = [secret for each in list(_known.values()) if (secret := each()) is not None]
    return {form for secret in known for form in secret.forms()}


def _without(text: str, secret: str, mark: str) -> str:
    run = min(RUN, len(secret))
    if len(text) < run:
        return text
    hidden: set[int] = set()
    for start in range(len(secret) - run + 1):
        piece = secret[start : start + run]
        at = text.find(piece)
        while at >= 0:
            hidden.update(range(at, at + run))
            at = text.find(piece, at + 1)
    if not hidden:
        return text
    return "".join(
        "" if at in hidden and at - 1 in hidden else mark if at in hidden else letter
        for at, letter in enumerate(text)
    )
