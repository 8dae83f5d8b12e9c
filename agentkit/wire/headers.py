"""What headers of a reply mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,15}(?:\.\d{0,9})?", re.ASCII)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for; 0 for a date that is past, None where it is
    absent or unusable.
    """
    given = (value or "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        when = parsedate_to_datetime(given)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - now).total_seconds(), 0.0)
    except (ValueError, OverflowError):  # no date, or one that no calendar has
        return None
