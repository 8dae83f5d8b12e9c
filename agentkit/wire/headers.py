"""What headers of a reply mean: how long to wait before a request is sent again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

_SECONDS = re.compile(r"\d{1,15}(?:\.\d{0,9})?", re.ASCII)
_MOMENT = re.compile(r"\d{1,17}(?:\.\d{0,9})?", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{0,9})?)s)?(?:(\d{1,9})ms)?",
    re.ASCII,
)
_IN_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_LONGEST_WAIT = 1e8
"""A smaller number is a span in seconds (three years), a larger one a moment."""
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6))
"""Below which a moment is counted in seconds, milliseconds, microseconds since 1970."""


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for; 0 for a date that is past, None where it is
    absent or unusable.
    """
    given = (value or "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        return _until(parsedate_to_datetime(given), now)
    except (ValueError, OverflowError):  # no date, or one that no calendar has
        return None


def wait_for_limit(
    headers: Mapping[str, object], now: datetime, asked: float | None = None
) -> float | None:
    """Seconds until a request that a rate limit refused may be sent again; None where nothing tells
    it. The mapping is headers of HTTP, or those that an error repeats in its body.

    That is what the server asks for (`asked`, else `Retry-After`), but at least the time until the
    reset of a limit of which nothing is left: the daily limit, while `Retry-After` may be that of
    the minute.
    """
    given = {name.lower(): _first(value) for name, value in headers.items()}
    if asked is None:
        asked = _asked(given, now)
    resets = [
        wait for left, wait in _resets(given, now) if left == 0 or (left is None and asked is None)
    ]
    return max([*resets, *([] if asked is None else [asked])], default=None)


def _asked(given: Mapping[str, object], now: datetime) -> float | None:
    exact = str(given.get("retry-after-ms", "")).strip()
    if _SECONDS.fullmatch(exact):
        return float(exact) / 1000
    return retry_after(str(given.get("retry-after", "")), now)


def _resets(given: Mapping[str, object], now: datetime) -> Iterator[tuple[float | None, float]]:
    """How much is left of each limit (None where that is not told), and the seconds to its reset.

    `X-RateLimit-Reset` is OpenRouter's; others add what they count (`-requests`, `-tokens`), or
    name themselves (`anthropic-ratelimit-requests-reset`).
    """
    for name, value in given.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        left = str(given.get(name.replace("reset", "remaining"), "")).strip()
        wait = seconds_to(value, now)
        if wait is not None:
            yield (float(left) if _SECONDS.fullmatch(left) else None), wait


def seconds_to(value: object, now: datetime) -> float | None:
    """Seconds to a reset: told as a span (in seconds, or `6m0s`), as a moment since 1970 (in
    seconds, milliseconds or microseconds), or as a date; 0 for what is past, None for what is none
    of these.
    """
    given = "" if isinstance(value, bool) or value is None else str(value).strip()
    if _MOMENT.fullmatch(given) or (isinstance(value, float) and 0 <= value < _UNITS[-1][0]):
        return _seconds_of(float(given), now)
    if given and (match := _DURATION.fullmatch(given)):
        parts = zip(match.groups(default="0"), _IN_SECONDS, strict=True)
        return sum(float(part) * unit for part, unit in parts)
    try:
        return _until(datetime.fromisoformat(given), now)
    except (ValueError, OverflowError):
        return retry_after(given, now)


def _seconds_of(number: float, now: datetime) -> float | None:
    if number < _LONGEST_WAIT:
        return number
    for most, unit in _UNITS:
        if number < most:
            return max(number / unit - now.timestamp(), 0.0)
    return None


def _until(when: datetime, now: datetime) -> float:
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - now).total_seconds(), 0.0)


def _first(value: object) -> object:
    """The value, or the first of several."""
    if not isinstance(value, list):
        return value
    values = cast("list[object]", value)
    return values[0] if values else None
