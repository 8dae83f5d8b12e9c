"""Whether a request is one that was recorded, and in what it differs from those that were."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from agentkit.testing.placeholders import ANY_COLOUR, is_flat, loose_summary, summary

_SHOWN = 3
"""Differences of the nearest request that are told."""
_LONGEST = 120
_COLOUR = r"\#[0-9a-f]{6}"
_IGNORED = {"stop_server_tools_when"}
"""How far server tools may go: of runs that share a budget, it is chance which takes its share
first."""

_MARKS = {"cache_control", "prompt_cache_breakpoint"}


@dataclass(frozen=True, slots=True)
class Compared:
    """What of a request counts: not where it went, nor what scrubbing takes out."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    """JSON, text, or bytes."""

    @property
    def name(self) -> str:
        """The request in a line."""
        return f"{self.method} {self.path}"


def compared(method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Compared:
    """`body` is scrubbed, and a summary stands for each picture in it."""
    value: Any = body
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        value = {key: each for key, each in fields.items() if key not in _IGNORED}
        value = _with_plain_texts(value)
    return Compared(method, path, tuple(query), value)


def _with_plain_texts(body: dict[str, Any]) -> dict[str, Any]:
    """The body without marks of the prompt cache, and with each text that is a list of one part as
    a text: a recording from before there were such marks is still played.
    """
    plain = {key: _plain(each) for key, each in body.items()}
    given: Any = plain.get("input")
    items = cast("list[Any]", given) if isinstance(given, list) else []
    first = cast("dict[str, Any]", items[0]) if items and isinstance(items[0], dict) else {}
    if first.get("role") == "system":
        plain["instructions"] = first.get("content")
        plain["input"] = items[1:]
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    plain = {key: _plain(each) for key, each in fields.items() if key not in _MARKS}
    for key in ("content", "output"):
        found = plain.get(key)
        parts = cast("list[Any]", found) if isinstance(found, list) else []
        if len(parts) == 1 and isinstance(parts[0], dict):
            part = cast("dict[str, Any]", parts[0])
            plain[key] = part["text"] if part.keys() == {"type", "text"} else parts
    return plain


def lenient(known: frozenset[str]) -> Callable[[bytes], str | None]:
    """A summary in which a placeholder counts for any colour, unless it is itself one of the
    `known` ones: what a program makes of a placeholder (another size, another format) has not the
    colour of what it made of the real picture.
    """

    def told(data: bytes) -> str | None:
        found = summary(data)
        return loose_summary(data) if found not in known and is_flat(data) else found

    return told


def differences(recorded: Compared, given: Compared) -> Iterator[str]:
    """Where two requests differ, in words; nothing if they are the same."""
    if recorded.name != given.name:
        yield "another request"
        return
    yield from _differences(dict(recorded.query), dict(given.query), "query")
    yield from _differences(recorded.body, given.body, "body")


def nearest(left: Sequence[Compared], given: Compared) -> str:
    """Which of the recorded requests that are left comes nearest to this one, and what differs."""
    alike = [each for each in left if each.name == given.name]
    if not alike:
        names = ", ".join(dict.fromkeys(each.name for each in left))
        return f"Left there: {_short(names) if names else 'nothing'}"
    counted = [(sum(1 for _ in differences(each, given)), each) for each in alike]
    count, best = min(counted, key=lambda pair: pair[0])
    told = "; ".join(islice(differences(best, given), _SHOWN))
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    return f"The nearest there differs: {told}{more}"


def _differences(recorded: Any, given: Any, at: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(given, dict):
        one, other = cast("dict[str, Any]", recorded), cast("dict[str, Any]", given)
        for key in sorted({*one, *other}):
            if key not in one:
                yield f"{at}.{key} is {_short(other[key])}, which is not recorded"
            elif key not in other:
                yield f"{at}.{key} is missing, recorded is {_short(one[key])}"
            else:
                yield from _differences(one[key], other[key], f"{at}.{key}")
    elif isinstance(recorded, list) and isinstance(given, list):
        first, second = cast("list[Any]", recorded), cast("list[Any]", given)
        for number, pair in enumerate(zip(first, second, strict=False)):
            yield from _differences(*pair, f"{at}[{number}]")
        if len(first) != len(second):
            yield f"{at} has {len(second)} items, recorded are {len(first)}"
    elif recorded != given and not _same_but_for_colour(recorded, given):
        yield f"{at} is {_told(given, recorded)}, recorded is {_told(recorded, given)}"


def _same_but_for_colour(recorded: Any, given: Any) -> bool:
    if not isinstance(given, str) or not isinstance(recorded, str) or ANY_COLOUR not in given:
        return False
    pattern = _COLOUR.join(map(re.escape, given.split(ANY_COLOUR)))
    return re.fullmatch(pattern, recorded) is not None


def _told(value: Any, other: Any) -> str:
    """A value in words; of two long texts, from a little before the spot where they part."""
    if not isinstance(value, str) or not isinstance(other, str) or len(value) <= _LONGEST:
        return _short(value)
    pairs = enumerate(zip(value, other, strict=False))
    at = next((at for at, (one, two) in pairs if one != two), min(len(value), len(other)))
    start = max(at - 30, 0)
    return ("…" if start else "") + _short(value[start:])


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
