"""Headers as servers really send them, and as nobody should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.wire.headers import retry_after, seconds_to, wait_for_limit

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


MOMENT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("40000", 40_000.0),
        (40_000, 40_000.0),
        (1.5, 1.5),
        (str(MOMENT + 60), 60.0),
        (MOMENT + 60, 60.0),
        (str((MOMENT + 60) * 1000), 60.0),
        ((MOMENT + 60) * 1000.0, 60.0),
        (str((MOMENT + 60) * 1_000_000), 60.0),
        (str((MOMENT - 60) * 1000), 0.0),
        ("2030-01-01T00:01:00Z", 60.0),
        ("2030-01-01T01:01:00+01:00", 60.0),
        ("2030-01-01 00:01:00", 60.0),
        ("Tue, 01 Jan 2030 00:01:00 GMT", 60.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("20ms", 0.02),
        ("1d", 86_400.0),
        (True, None),
        (None, None),
        ("", None),
        ("-5", None),
        (-5, None),
        (float("nan"), None),
        (float("inf"), None),
        ("tomorrow", None),
        ("9" * 400, None),
        (10**40, None),
    ],
)
def test_when_a_limit_is_reset(value: object, seconds: float | None) -> None:
    found = seconds_to(value, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"X-RateLimit-Reset": "40000"}, 40_000.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "40000"}, 40_000.0),
        ({"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "40000"}, None),
        ({"Retry-After": "30", "X-RateLimit-Reset": "40000"}, 30.0),
        (
            {"Retry-After": "30", "X-RateLimit-Remaining": 0, "X-RateLimit-Reset": ["40000"]},
            40_000.0,
        ),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"X-RateLimit-Reset-Requests": "1s", "X-RateLimit-Reset-Tokens": "6m0s"}, 360.0),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2030-01-01T00:00:09Z",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2030-01-01T00:01:00Z",
            },
            9.0,
        ),
        ({"RateLimit-Reset": "17"}, 17.0),
        ({"X-RateLimit-Reset": {"at": 1}, "Retry-After": None}, None),
    ],
)
def test_how_long_a_limit_lasts(headers: dict[str, object], seconds: float | None) -> None:
    assert wait_for_limit(headers, NOW) == seconds


@given(st.text(max_size=40) | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_any_reset_is_a_number_of_seconds_or_nothing(value: object) -> None:
    wait = wait_for_limit({"X-RateLimit-Reset": value, "X-RateLimit-Remaining": value}, NOW)
    assert wait is None or wait >= 0
