"""The date that a prompt names."""

import re
from datetime import UTC, date, datetime, timedelta

from agentkit.emulator.model.words import words
from agentkit.emulator.tables import word_list

_DAYS = word_list("monday tuesday wednesday thursday friday saturday sunday")


def said_date(text: str, *, strict: bool) -> str | None:
    """A date in the prompt: as ISO where the schema asks for one, else as it was said."""
    if written := re.search(r"\b\d{4}-\d{2}-\d{2}\b", text):
        return written[0]
    today = datetime.now(UTC).date()
    low = text.lower()
    low += (
        " today"
        if re.search(r"\b(?:this|in the|at) (?:morning|noon|afternoon|evening|night)\b", low)
        else ""
    )
    near: dict[str, date] = {
        "today": today,
        "tonight": today,
        "tomorrow": today + timedelta(1),
        "yesterday": today - timedelta(1),
    }
    for number, day in enumerate(_DAYS):
        near[day] = today + timedelta((number - today.weekday()) % 7)
    said = next((word for word in words(low) if word in near), None)
    if said is None:
        return None
    return near[said].isoformat() if strict else said
