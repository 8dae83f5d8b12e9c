"""The form of the parameters of server tools.

Only the form is checked here: a whole number, a word, a list of domains. Which words, sizes and
numbers OpenRouter takes changes from month to month, so its catalogue tells
(`agentkit.loop.capabilities`), and what is not known is sent as it was given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import cast

from agentkit._check import (
    argument,
    check_json,
    check_json_value,
    check_mapping,
    check_number,
    check_pattern,
    check_text,
    refused,
)

Check = Callable[[str, object], object]
"""Checks the value of one parameter, given `where` it stands (see `agentkit._check`), and returns
it as it is sent.
"""


def checked(
    owner: str,
    checks: Mapping[str, Check],
    given: Mapping[str, object],
    extra: Mapping[str, object] | None,
    others: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The parameters that are not None, as they are sent: those that are known, checked; `others`,
    which have no name here; and `extra`, which wins. Raises `UsageError`.
    """
    parameters = {
        name: checks[name](argument(owner, name), value)
        for name, value in given.items()
        if value is not None
    }
    for name, value in (others or {}).items():
        if value is not None:
            _check_spelling(owner, name, value, checks)
            parameters[name] = check_json_value(argument(owner, name), value)
    if extra is not None:
        parameters |= check_json(argument(owner, "extra"), extra)
    return parameters


def _check_spelling(owner: str, name: str, value: object, known: Iterable[str]) -> None:
    """Refuse a name that looks like one of those that are known, mistyped: `aspect`, `qualty`."""
    for each in (*known, "fallback"):
        if _is_mistyped(name, each):
            raise refused(
                argument(owner, name),
                value,
                f"is {each}=…; did you mean {each}? If there is such a parameter by now, "
                f"extra={{{name!r}: …}} sends it",
            )


def _is_mistyped(name: str, known: str) -> bool:
    """Whether a name was probably meant to be the known one: it has some of its words, or is
    spelled almost like it.
    """
    from difflib import SequenceMatcher  # rarely needed

    words, known_words = set(name.split("_")), set(known.split("_"))
    if words < known_words:
        return True
    return not words > known_words and SequenceMatcher(None, known, name).ratio() >= _ALIKE


_ALIKE = 0.75
"""How alike two names are, from 0 to 1, of which one is taken for the other, mistyped."""


def matching(pattern: str, accepted: str) -> Check:
    compiled = re.compile(pattern)
    return lambda where, value: check_pattern(where, value, compiled, accepted)


def word(examples: str) -> Check:
    """A word of OpenRouter's: `high`, `1.5K`."""
    return matching(r"[!-~]{1,100}", f"a word such as {examples}")


def whole(least: int, most: float = math.inf) -> Check:
    def check(where: str, value: object) -> object:
        check_number(where, value, whole=True, least=least, most=most)
        return value

    return check


def domains(where: str, value: object) -> object:
    accepted = "a list of domains such as example.com, without https://"
    if not isinstance(value, list | tuple) or not value:
        raise refused(where, cast("object", value), f"is {accepted}")
    members = cast("Sequence[object]", value)
    return [check_pattern(where, each, _DOMAIN, accepted) for each in members]


def location(where: str, value: object) -> object:
    accepted = "a mapping with texts for some of city, region, country, timezone"
    parts = check_mapping(where, value, accepted)
    are_texts = all(isinstance(each, str) and each for each in parts.values())
    if not parts or not are_texts:
        raise refused(where, value, f"is {accepted}")
    return {"type": "approximate", **parts}


def x_search(where: str, value: object) -> object:
    """Dates may be `datetime.date`."""
    options = check_mapping(where, value, "a mapping such as {'from_date': '2026-11-01'}")
    texts = {
        name: each.isoformat() if isinstance(each, date) else each for name, each in options.items()
    }
    return check_json(where, texts)


_DOMAIN = re.compile(r"[^\s:/]+(\.[^\s:/]+)+(/\S*)?")
_PIXELS = r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
_SIDE = r"[1-9][0-9]{0,3}(\.[0-9]{1,3})?"

IMAGE_GENERATION: Mapping[str, Check] = {
    "model": check_text,
    "quality": word("low, high or max"),
    "size": matching(
        rf"auto|[1-9][0-9]{{0,4}}(\.[0-9]{{1,3}})?[Kk]?|{_PIXELS}",
        "auto, a tier such as 512, 1K, 1.5K or 4K, or WIDTHxHEIGHT such as 1024x1536",
    ),
    "aspect_ratio": matching(rf"auto|{_SIDE}:{_SIDE}", "WIDTH:HEIGHT such as 16:9, or auto"),
    "background": word("auto, transparent or opaque"),
    "output_format": word("png, jpeg or webp"),
    "output_compression": whole(0, 100),
    "moderation": check_text,
}
"""The Image API has these parameters too, so a `fallback` draws with them."""
WEB_SEARCH: Mapping[str, Check] = {
    "engine": word("auto, native or exa"),
    "max_results": whole(1),
    "max_total_results": whole(1),
    "max_uses": whole(1),
    "max_characters": whole(1),
    "mode": word("fast or deep"),
    "search_context_size": word("low, medium or high"),
    "allowed_domains": domains,
    "excluded_domains": domains,
    "user_location": location,
    "x_search": x_search,
}
WEB_FETCH: Mapping[str, Check] = {
    "engine": word("auto, native or exa"),
    "max_uses": whole(1),
    "max_content_tokens": whole(1),
    "allowed_domains": domains,
    "blocked_domains": domains,
}
DATETIME: Mapping[str, Check] = {
    "timezone": matching(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", "an IANA name such as Europe/Oslo"
    ),
}
