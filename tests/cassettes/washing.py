"""What is taken out of recorded traffic before it is kept.

Of the headers only those that agentkit reads stay. Of the bodies all stays but secrets, accounts,
dates and the pixels of pictures; addresses become the one of `ORIGIN`, even where a stream cuts
them into several pieces of text.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from agentkit._redact import redacted
from tests.cassettes.placeholders import in_text, placeholder

ORIGIN = "https://192.0.2.1"
"""The address of everything in a cassette. It is one that RFC 5737 keeps for documentation, and no
name, since a name would be looked up when a picture is fetched from it, and there is no network
when a cassette is played."""

_HEADERS = {
    "accept",
    "content-type",
    "location",
    "retry-after",
    "x-generation-id",
    "x-provider-name",
}
_ACCOUNT = {
    "account_id",
    "org_id",
    "organization_id",
    "safety_identifier",
    "user",
    "user_id",
    "workspace_id",
}
_RANDOM = {"session_id"}
_DATES = {"created", "created_at", "completed_at"}
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|\bBearer\s+\S+|\b(?:user|org|wks)_[A-Za-z0-9]{16,}")
_DATED = re.compile(r"\b(gen-)\d{9,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
REDACTED = "redacted"

Slot = tuple[Any, Any]
"""A container and the key or index of a string in it."""


def headers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those that stay, by lower-case name; a value may be a string or a list of them."""
    kept = {name.lower(): value for name, value in given.items() if name.lower() in _HEADERS}
    return {
        name: _washed(value) if isinstance(value, str) else [*map(_washed, value)]
        for name, value in kept.items()
    }


def body(
    data: bytes, addresses: Mapping[str, str], *, picture: Callable[[bytes], bytes] = placeholder
) -> bytes:
    """A JSON body, a stream of events or a picture, washed. `addresses` says what becomes of each
    address in it.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return picture(data)
    if (document := _read(text)) is not None:
        _wash([document], addresses, picture)
        return _dumped(document).encode()
    lines = text.split("\n")
    data_of = {
        at: _read(line.removeprefix("data:"))
        for at, line in enumerate(lines)
        if line.startswith("data:")
    }
    events = {at: event for at, event in data_of.items() if event is not None}
    _wash(list(events.values()), addresses, picture)
    for at, line in enumerate(lines):
        lines[at] = (
            f"data: {_dumped(events[at])}"
            if at in events
            else redacted(_replaced([plain(line)], addresses)[0])
        )
    return "\n".join(lines).encode()


def plain(text: str) -> str:
    """A text without secrets and without the dates that ids hold."""
    return _DATED.sub(r"\g<1>0", _SECRET.sub(REDACTED, text))


def _washed(text: str) -> str:
    return redacted(plain(text))


def _read(text: str) -> Any:
    """The JSON object or list that a text is, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _dumped(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _wash(
    events: Sequence[Any], addresses: Mapping[str, str], picture: Callable[[bytes], bytes]
) -> None:
    """Wash JSON values in place. Strings at one place of several events are read as one text, which
    a stream cut.
    """
    texts: dict[tuple[Any, ...], list[Slot]] = defaultdict(list)
    for event in events:
        kind = (event.get("type"), event.get("output_index")) if isinstance(event, dict) else ()
        for place, slot in _strings(event, kind):
            texts[place].append(slot)
    for slots in texts.values():
        pieces = [plain(in_text(owner[key], picture)) for owner, key in slots]
        for (owner, key), piece in zip(slots, _replaced(pieces, addresses), strict=True):
            owner[key] = redacted(piece)  # once its addresses, which may be signed, are ours


def _strings(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Slot]]:
    """Every string of a JSON value, and where it is; dates and accounts are taken out on the
    way.
    """
    pairs = list(
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in pairs:
        if key in _DATES and isinstance(item, int | float):
            value[key] = 0
        elif isinstance(item, str):
            if key in _ACCOUNT or key in _RANDOM:
                value[key] = REDACTED
            yield (*place, key), (value, key)
        else:
            yield from _strings(item, (*place, key))


def _replaced(pieces: list[str], addresses: Mapping[str, str]) -> list[str]:
    """The pieces of a text with addresses replaced; a new one stands in the piece in which the old
    one began.
    """
    text = "".join(pieces)
    if not any(address in text for address in addresses):
        return pieces
    longest_first = "|".join(
        re.escape(address) for address in sorted(addresses, key=len, reverse=True)
    )
    letters = [(number, letter) for number, piece in enumerate(pieces) for letter in piece]
    for match in reversed(list(re.finditer(longest_first, text))):
        letters[match.start() : match.end()] = [(letters[match.start()][0], addresses[match[0]])]
    result = [""] * len(pieces)
    for number, letter in letters:
        result[number] += letter
    return result
