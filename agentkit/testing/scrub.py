"""What is taken out of recorded traffic before it is kept, and out of a request before it is
compared: secrets, accounts, dates, random ids, and the pixels of pictures.

Everything is deterministic, and what was scrubbed once stays as it is.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias, cast

from agentkit._redact import without_secrets
from agentkit.testing.placeholders import SVG, encoded_placeholder, in_text, placeholder
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.json import exceeds_depth

REDACTED = "redacted"
_DEEPEST = 200
"""Levels of JSON. What is deeper is scrubbed as the text that it is."""
_HEADERS = {
    "accept",
    "content-type",
    "location",
    "retry-after",
    "retry-after-ms",
    "x-generation-id",
    "x-provider-name",
}
_ACCOUNT = {
    "account_id",
    "creator_user_id",
    "email",
    "org_id",
    "organization_id",
    "safety_identifier",
    "user",
    "user_id",
    "workspace_id",
}
_CREDENTIALS = {
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "client_secret",
    "cookie",
    "password",
    "refresh_token",
    "secret",
    "x-api-key",
}
_RANDOM = {"session_id"}
_HIDDEN = _ACCOUNT | _CREDENTIALS | _RANDOM
_DATES = {"created", "created_at", "completed_at"}
_SECRET = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}|\b(?:Bearer|Basic)\s+[A-Za-z0-9+/=_.~-]{6,}"
    r"|\b(?:user|org|wks)_[A-Za-z0-9]{16,}"
)
_SIGNED = re.compile(
    r"((?:[?&]|\\u0026)(?:x-amz-[\w-]+|x-goog-[\w-]+|sig|signature|token|access_token|key|api_key"
    r"|policy|key-pair-id|awsaccesskeyid|googleaccessid|expires|se|st|skoid|sktid)=)"
    r"[^&\s\"'<>()\[\]\\]+",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"(\bhttps?://)[^/@\s\"'<>]{1,512}@", re.IGNORECASE)
_DATED = re.compile(r"\b(gen-)\d{9,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_URL_AHEAD = ("http://", "https://", "data:")

Known: TypeAlias = Mapping[str, str]
"""What becomes of texts that are known: addresses and keys."""
PictureText: TypeAlias = Callable[[bytes], str | None]


class Slot(NamedTuple):
    """Where a string is: in which event, in which list or object there, under which key."""

    number: int
    owner: Any
    key: Any


def headers(given: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Those that agentkit reads, by lower-case name; a value may be a string or a list of them."""
    kept = {
        name.lower(): value
        for name, value in given.items()
        if name.lower() in _HEADERS or "ratelimit" in name.lower()
    }
    return {
        name: text(value, known)
        if isinstance(value, str)
        else [text(each, known) for each in value]
        for name, value in kept.items()
    }


def text(given: str, known: Known) -> str:
    """One text without secrets, signatures, and the dates that ids hold."""
    return _replaced([given], known)[0]


def body(data: bytes, known: Known, *, picture: PictureText = encoded_placeholder) -> bytes:
    """A JSON body, a stream of events, or a picture. `picture` says what stands for a picture in
    JSON.
    """
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        return placeholder(data)
    if sniff(data[:HEAD]) == SVG:
        return placeholder(data)
    if (document := _read(decoded)) is not None:
        _scrub([document], known, picture)
        return _dumped(document).encode()
    lines = decoded.split("\n")
    data_of = {
        at: _read(line.removeprefix("data:"))
        for at, line in enumerate(lines)
        if line.startswith("data:")
    }
    events = {at: event for at, event in data_of.items() if event is not None}
    emptied = _scrub(list(events.values()), known, picture)
    for at, line in enumerate(lines):
        lines[at] = f"data: {_dumped(events[at])}" if at in events else text(line, known)
    gone = {at for number, at in enumerate(events) if number in emptied}
    return "\n".join(_without_events(lines, gone)).encode()


def _without_events(lines: Sequence[str], gone: set[int]) -> Iterator[str]:
    """The lines of a stream without these events, and the empty lines that end them."""
    for at, line in enumerate(lines):
        if at not in gone and not (at - 1 in gone and not line.strip()):
            yield line


def _read(given: str) -> Any:
    """The JSON object or list that a text is, or None."""
    try:
        value: Any = json.loads(given)
    except (ValueError, RecursionError):
        return None
    is_document = given.lstrip()[:1] in ("{", "[") and not exceeds_depth(value, _DEEPEST)
    return value if is_document else None


def _dumped(value: Any) -> str:
    dumped = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", dumped)


def _scrub(events: Sequence[Any], known: Known, picture: PictureText) -> set[int]:
    """Scrub JSON values in place. Strings at one place of several events are read as one text,
    which a stream cut. Returns the numbers of events that held nothing but a part of a picture
    which stands in an earlier one now.
    """
    places: dict[tuple[Any, ...], list[Slot]] = defaultdict(list)
    for number, event in enumerate(events):
        found = cast("dict[str, Any]", event) if isinstance(event, dict) else {}
        kind = (found.get("type"), found.get("output_index"))
        for place, owner, key in _strings(event, kind):
            places[place].append(Slot(number, owner, key))
    emptied: set[int] = set()
    for slots in places.values():
        pieces = [_with_spans([each], in_text(each, picture))[0] for each in map(_held, slots)]
        for part in _texts(pieces):
            cut = [pieces[at] for at in part]
            if len(cut) > 1:  # a picture may be cut, too
                cut = _with_spans(cut, in_text("".join(cut), picture))
                emptied |= _empty(events, [slots[at] for at in part], cut)
            for at, new in zip(part, _replaced(cut, known), strict=True):
                # Once more, by itself: what ends one piece may hide what begins the next.
                slots[at].owner[slots[at].key] = text(new, known)
    return emptied


def _empty(events: Sequence[Any], slots: Sequence[Slot], new: Sequence[str]) -> set[int]:
    """The events that say nothing any more, and nothing else than the one before."""
    found: set[int] = set()
    for before, slot, piece in zip(slots, slots[1:], new[1:], strict=False):
        if piece or not _held(slot) or slot.number != before.number + 1:
            continue
        if _without(events[slot.number], slot) == _without(events[before.number], before):
            found.add(slot.number)
    return found


def _without(event: Any, slot: Slot) -> str:
    """An event without one of its texts, and without its number."""
    kept, slot.owner[slot.key] = slot.owner[slot.key], ""
    fields = cast("dict[str, Any]", event).items() if isinstance(event, dict) else ()
    dumped = _dumped({key: value for key, value in fields if key != "sequence_number"})
    slot.owner[slot.key] = kept
    return dumped


def _held(slot: Slot) -> str:
    return slot.owner[slot.key]


def _texts(pieces: Sequence[str]) -> Iterator[range]:
    """Which pieces are read as one text. A URL begins a new one, and what every event repeats, an
    id say, stands for itself.
    """
    start, is_repeated = 0, len({*pieces}) == 1
    for at, piece in enumerate(pieces):
        if at > start and (is_repeated or piece.startswith(_URL_AHEAD)):
            yield range(start, at)
            start = at
    yield range(start, len(pieces))


def _strings(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Every string of a JSON value, and where it is; dates, accounts and credentials are taken out
    on the way.
    """
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(cast("dict[Any, Any]", value).items())
    elif isinstance(value, list):
        pairs = list(enumerate(cast("list[Any]", value)))
    owner = cast("Any", value)
    for key, item in pairs:
        if key in _DATES and isinstance(item, int | float):
            owner[key] = 0
        elif isinstance(item, str):
            if isinstance(key, str) and key.lower() in _HIDDEN:
                owner[key] = REDACTED
            yield (*place, key), owner, key
        else:
            yield from _strings(item, (*place, key))


def _replaced(pieces: list[str], known: Known) -> list[str]:
    """The pieces of a text with all replaced that must not be kept; what is new stands in the piece
    in which the old began.
    """
    rules: list[Rule] = [*_RULES]
    if known:
        rules.insert(0, (_any_of(known), lambda found: known[found[0]]))
    for pattern, new in rules:
        spans = [(*found.span(), new(found)) for found in pattern.finditer("".join(pieces))]
        if spans:
            pieces = _with_spans(pieces, spans)
    return [without_secrets(piece, REDACTED) for piece in pieces]


def _any_of(known: Known) -> re.Pattern[str]:
    """The longest first. A port does not end where its digits go on."""
    longest_first = sorted(known, key=len, reverse=True)
    return re.compile(
        "|".join(
            re.escape(each) + (r"(?!\d)" if each[-1].isdigit() else "") for each in longest_first
        )
    )


Rule: TypeAlias = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
_RULES: tuple[Rule, ...] = (
    (_SECRET, lambda _: REDACTED),
    (_SIGNED, lambda found: found[1] + REDACTED),
    (_USER_IN_URL, lambda found: found[1]),
    (_DATED, lambda found: f"{found[1]}0"),
)


def _with_spans(pieces: list[str], spans: Sequence[tuple[int, int, str]]) -> list[str]:
    """The pieces of a text with these spans of it replaced."""
    if not spans:
        return pieces
    starts = [0, *accumulate(map(len, pieces))]
    result = [""] * len(pieces)

    def copy(start: int, end: int) -> None:
        at = bisect_right(starts, start) - 1
        while start < end:
            stop = min(end, starts[at + 1])
            result[at] += pieces[at][start - starts[at] : stop - starts[at]]
            start, at = stop, at + 1

    done = 0
    for start, end, new in spans:
        copy(done, start)
        result[min(bisect_right(starts, start) - 1, len(pieces) - 1)] += new
        done = end
    copy(done, starts[-1])
    return result
