"""Headers as servers really send them, and as nobody should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.wire.headers import retry_after

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("3", 3.0),
        (" 3 ", 3.0),
        ("1.5", 1.5),
        ("86400000", 86_400_000.0),
        ("Tue, 01 Jan 2030 00:00:30 GMT", 30.0),
        ("Tue, 01 Jan 2030 00:00:30", 30.0),
        ("Tue, 01 Jan 2030 01:00:30 +0100", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_what_a_server_asks_for(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-1",
        "+1",
        "nan",
        "inf",
        "1e9",
        "1_0",
        "１２",
        "9" * 400,
        "0x10",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999",
        "Mon, 01 Jan 2030 00:00:00 +9999",
        "Mon, 99 Jan 2030 00:00:00 GMT",
    ],
)
def test_what_is_no_time(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@given(
    st.text(max_size=40)
    | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]?\w+")
)
def test_any_text_is_a_number_of_seconds_or_nothing(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0
