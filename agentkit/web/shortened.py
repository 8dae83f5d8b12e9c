"""What calls carry, without the pictures in it: a stream to a browser has none as base64."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

_DATA = re.compile(r"(data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,)([A-Za-z0-9+/=_-]{256,})")
_DEEPEST = 64


def shortened(value: object, levels: int = _DEEPEST) -> object:
    """The JSON value with the base64 of its long `data:` URLs left out."""
    if isinstance(value, str):
        return short_text(value)
    if levels and isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: shortened(each, levels - 1) for name, each in items}
    if levels and isinstance(value, list):
        return [shortened(each, levels - 1) for each in cast("list[object]", value)]
    return value


def short_text(text: str) -> str:
    """The text with the base64 of its long `data:` URLs left out."""
    return _DATA.sub(_left_out, text) if "base64," in text else text


def _left_out(found: re.Match[str]) -> str:
    return f"{found[1]}…({len(found[2])} characters)"


def restored(value: object, original: object, levels: int = _DEEPEST) -> object:
    """What a person made of a shortened value, with what was left out of it put back wherever it is
    as they were shown it.
    """
    if isinstance(value, str) and isinstance(original, str):
        return original if value == short_text(original) else value
    if levels and isinstance(value, Mapping) and isinstance(original, Mapping):
        known = cast("Mapping[str, object]", original)
        items = cast("Mapping[str, object]", value).items()
        return {name: restored(each, known.get(name), levels - 1) for name, each in items}
    if levels and isinstance(value, list) and isinstance(original, Sequence):
        known_items = cast("Sequence[object]", original)
        given = cast("list[object]", value)
        return [
            restored(each, known_items[at] if at < len(known_items) else None, levels - 1)
            for at, each in enumerate(given)
        ]
    return cast("object", value)
