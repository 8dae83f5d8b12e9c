"""What an error body means, wherever it came and whatever it holds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    InsufficientCredits,
    PermissionRefused,
    ProviderFailed,
    RateLimited,
)
from agentkit.wire.faults import bare, from_body, from_error


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest), (401, AuthenticationFailed), (402, InsufficientCredits), (403, PermissionRefused),
        (404, BadRequest), (408, ProviderFailed), (413, BadRequest), (422, BadRequest), (429, RateLimited),
        (500, ProviderFailed), (502, ProviderFailed), (503, ProviderFailed), (524, ProviderFailed), (529, ProviderFailed),
    ],
)  # fmt: skip
def test_the_status_tells_the_kind(status: int, kind: type[APIError]) -> None:
    error = from_body(status, body(message="No.", code=status), generation_id="gen-1")
    assert type(error) is kind
    assert (error.status, error.code, error.generation_id, str(error)) == (
        status,
        status,
        "gen-1",
        f"HTTP {status}: No.",
    )


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (400, BadRequest, 400), (429, RateLimited, 429), ("402", InsufficientCredits, 402),
        ("rate_limit_exceeded", RateLimited, 429), ("invalid_prompt", BadRequest, 400),
        ("image_content_policy_violation", PermissionRefused, 403), ("server_error", ProviderFailed, 500),
        ("something new", ProviderFailed, None), (200, ProviderFailed, None), ("200", ProviderFailed, None),
        (7, ProviderFailed, None), ("²²²", ProviderFailed, None), (None, ProviderFailed, None),
        (True, ProviderFailed, None), ([400], ProviderFailed, None),
    ],
)  # fmt: skip
def test_inside_a_200_the_code_tells_the_kind(
    code: Any, kind: type[APIError], status: int | None
) -> None:
    error = from_error({"message": "No.", "code": code})
    assert type(error) is kind
    assert (error.status, str(error)) == (status, "No.")


def test_the_type_stands_in_for_a_missing_code() -> None:
    assert from_error({"type": "insufficient_quota"}).status == 402


def test_the_providers_own_words_are_told() -> None:
    metadata = {"raw": "max_tokens is too large", "provider_name": "Acme"}
    error = from_body(400, body(message="Provider returned error", metadata=metadata))
    assert str(error) == "HTTP 400: Provider returned error (max_tokens is too large)"
    assert (error.raw, error.provider) == ("max_tokens is too large", "Acme")


def test_words_that_are_told_already_are_not_told_twice() -> None:
    assert (
        str(from_body(400, body(message="too long: 5", metadata={"raw": "too long"})))
        == "HTTP 400: too long: 5"
    )


def test_endless_words_are_cut() -> None:
    error = from_body(400, body(message="m" * 10_000, metadata={"raw": "r" * 10_000}))
    assert len(str(error)) < 2100
    assert len(error.raw or "") == 2000


def test_moderation_names_its_reasons() -> None:
    error = from_body(
        403, body(message="Flagged", metadata={"reasons": ["violence", 5], "flagged_input": "x"})
    )
    assert error.reasons == ("violence",)
    assert "[violence]" in str(error)


def test_availability_is_read() -> None:
    availability = {"retryable": False, "retry_after": 30, "fallback_models": ["a/b", None]}
    error = from_body(404, body(message="gone", availability=availability))
    assert (error.retryable, error.retry_after, error.suggested_models) == (False, 30.0, ("a/b",))


@pytest.mark.parametrize(
    ("given_", "told"),
    [(1e12, 1e12), (86_400, 86_400.0), (0, 0.0), (-1, None), (float("inf"), None), (float("nan"), None), (10**400, None), (True, None)],
)  # fmt: skip
def test_an_absurd_wait_in_a_body_is_told_and_an_unusable_one_is_not(
    given_: float, told: float | None
) -> None:
    """As of the header: who asks for a thousand years is not asked again at once."""
    assert from_body(429, body(availability={"retry_after": given_})).retry_after == told


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        ({"metadata": {"retry_after": "40000"}}, 40_000),
        ({"metadata": {"retry_after_seconds": 40_000}}, 40_000),
        ({"metadata": {"retry_after_seconds": "34.5"}}, 34.5),
        ({"retry_after": 40_000}, 40_000),
        ({"availability": {"retry_after": None}, "metadata": {"retry_after": 30}}, 30),
        ({"metadata": {"raw": '{"details":[{"retryDelay": "34.07s"}]}'}}, 34.07),
        ({"metadata": {"raw": {"details": [{"retryDelay": "34s"}]}}}, 34),
        ({"metadata": {"raw": "Rate limit reached. Please try again in 1h12m3.5s. Visit"}}, 4323.5),
        ({"message": "Please try again in 7m12s."}, 432),
        ({"message": "Please try again in 250ms."}, 0.25),
        ({"message": "Please try again in a while."}, None),
        ({"message": "Please try again in 3 of our regions."}, None),
        ({"metadata": {"retry_after": "soon"}}, None),
    ],
)
def test_the_wait_that_a_body_asks_for_is_read_in_any_spelling(
    error: dict[str, Any], wait: float | None
) -> None:
    told = from_body(429, body(**{"message": "slow down", "code": 429, **error}))
    assert told.retry_after == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"name": "ZodError", "issues": [{"path": ["input", 1, "id"], "message": "Required"}]}, "Required"),
        ({"code": 400, "error": {"message": "too deep"}}, "too deep"),
        ({"code": 400, "message": {"text": "in an object"}}, "in an object"),
        ({"code": 400, "msg": "by another name"}, "HTTP 400: by another name"),
        ({"code": 400, "message": "Provider returned error", "metadata": {"raw": {"why": "long"}}}, '{"why":"long"}'),
        ({"code": 400}, "without a reason"),
    ],
)  # fmt: skip
def test_an_error_without_a_message_says_what_it_has(error: dict[str, Any], words: str) -> None:
    assert words in str(from_body(400, body(**error)))
    assert len(str(from_body(400, body(x="x" * 9000, **error)))) < 2100


def test_the_header_wins_over_the_body() -> None:
    metadata = {"retry_after": 5}
    assert from_body(429, body(metadata=metadata)).retry_after == 5
    assert from_body(429, body(metadata=metadata), retry_after=7).retry_after == 7


def test_an_error_that_comes_as_an_event_is_read() -> None:
    told = body(message="slow down", code=429, metadata={"retry_after": 5})
    for text in (b"data: " + told, b": PROCESSING\n\ndata: " + told + b"\n\ndata: [DONE]\n\n"):
        error = from_body(429, text)
        assert (str(error), error.retry_after) == ("HTTP 429: slow down", 5.0)


@pytest.mark.parametrize(
    ("wait", "words"),
    [(30, ""), (600, "in 10 minutes"), (40_000, "in 11 hours"), (1e12, ""), (None, "")],
)
def test_a_long_wait_is_told_in_words(wait: float | None, words: str) -> None:
    error = from_body(429, body(message="slow down"), retry_after=wait)
    assert str(error).removeprefix("HTTP 429: slow down") == (
        f"; it may be sent again {words}" if words else ""
    )
    assert str(from_body(503, body(message="busy"), retry_after=wait)) == "HTTP 503: busy"


def daily(**more: Any) -> dict[str, Any]:
    words = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 a day"
    return {"message": words, "code": 429, **more}


@pytest.mark.parametrize("inside", [True, False], ids=["inside a 200", "a status"])
def test_a_limit_of_the_day_says_when_it_is_reset(inside: bool) -> None:
    reset = str(int((time.time() + 40_000) * 1000))
    told = daily(metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}})
    error = from_error(told) if inside else from_body(429, body(**told), retry_after=3)
    assert error.retry_after == pytest.approx(40_000, abs=60)
    assert error.retryable is None


@pytest.mark.parametrize(
    ("told", "retryable"),
    [
        (daily(), False),
        (daily(metadata={"headers": ["X-RateLimit-Reset"]}), False),
        (daily(code="429", type="rate_limit_error"), False),
        (daily(availability={"retryable": True}), True),
        (daily(metadata={"retry_after": 30}), None),
        (
            {"message": "slow down", "metadata": {"limit_source": "openrouter_free_tier_daily"}},
            False,
        ),
        ({"message": "You exceeded your quota", "code": "insufficient_quota"}, False),
        ({"message": "Rate limit exceeded: free-models-per-min"}, None),
        ({"message": "Provider returned error", "metadata": {"raw": "tokens per day"}}, None),
    ],
)
def test_a_limit_that_is_not_reset_soon_is_not_to_be_tried_again(
    told: dict[str, Any], retryable: bool | None
) -> None:
    assert from_body(429, body(**told)).retryable is retryable


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (502, b"", "HTTP 502: the service gave no reason"),
        (400, b"", "HTTP 400: the request was refused without a reason"),
        (502, b"<html><body>Bad gateway</body></html>", "HTTP 502: HTML ('Bad gateway'…)"),
        (502, b"<html><body></body></html>", "HTTP 502: HTML"),
        (503, b"upstream is down", "HTTP 503: upstream is down"),
        (400, b'{"error":"plain words"}', "HTTP 400: plain words"),
        (400, b'{"error":{"message":"cut', 'HTTP 400: {"error":{"message":"cut'),
        (400, b'["x"]', 'HTTP 400: ["x"]'),
        (400, b'{"error":{"message":"","code":400}}', "HTTP 400: the request was refused without a reason"),
        (400, b'{"error":{"message":"half \\ud83d"}}', "HTTP 400: half \ufffd"),
        (500, b"\xff\xfe", "HTTP 500: \ufffd\ufffd"),
    ],
)  # fmt: skip
def test_a_body_of_any_kind(status: int, text: bytes, words: str) -> None:
    assert str(from_body(status, text)) == words


def test_an_error_without_an_object_has_the_native_reason() -> None:
    error = bare("MALFORMED_FUNCTION_CALL", "gen-1")
    assert isinstance(error, ProviderFailed)
    assert (error.code, error.generation_id) == ("MALFORMED_FUNCTION_CALL", "gen-1")
    assert "MALFORMED_FUNCTION_CALL" in str(error)
    assert "no reason" in str(bare(None))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["message", "code", "type", "metadata", "raw", "reasons", "availability", "retryable", "x",
                         "retry_after", "fallback_models", "provider_name"]), inner, max_size=5),
    max_leaves=10,
)  # fmt: skip


@given(
    st.sampled_from([200, 400, 403, 429, 500, 599]),
    anything | st.dictionaries(st.just("error"), anything),
)
def test_any_body_is_an_error(status: int, value: Any) -> None:
    error = from_body(status, json.dumps(value).encode())
    assert isinstance(error, APIError)
    str(error).encode()
    (error.raw or "").encode()


@given(
    st.dictionaries(
        st.sampled_from(["message", "code", "type", "metadata", "availability"]), anything
    )
)
def test_any_error_object_inside_a_200_is_an_error(value: dict[str, Any]) -> None:
    str(from_error(value)).encode()


@given(st.binary(max_size=40))
def test_any_bytes_are_an_error(data: bytes) -> None:
    assert str(from_body(500, data)).startswith("HTTP 500: ")
