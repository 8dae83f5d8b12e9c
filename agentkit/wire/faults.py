"""What an error body means: the object under `error`, wherever it came, becomes a typed error.

The forms: an HTTP error's body; a 200 with a top-level `error`; `choices[].error`; a chunk with an
`error` in the middle of a stream; no object at all, only `finish_reason: "error"`; Responses'
`response.failed`, `response.error` and `error`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from agentkit.errors import APIError, ProviderFailed, for_status
from agentkit.wire.headers import seconds_to, wait_for_limit
from agentkit.wire.json import UnreadableJson, as_object, as_text, read, write
from agentkit.wire.pages import described
from agentkit.wire.sse import EventStream
from agentkit.wire.types import JsonObject

_WORDS = 2000
"""Characters of a provider's words that an error keeps."""
_MOST_SECONDS = 10**15
_STATUS_OF_CODE = {
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 402,
    "insufficient_credits": 402,
    "authentication_error": 401,
    "permission_error": 403,
    "image_content_policy_violation": 403,
    "permission_denied": 403,
    "refusal": 403,
    "bio_policy": 403,
    "content_policy_violation": 403,
    "moderation_blocked": 403,
    "server_error": 500,
}


def from_body(
    status: int, body: bytes, *, retry_after: float | None = None, generation_id: str | None = None
) -> APIError:
    """The error for an HTTP status and as much of its body as was read, which may be anything."""
    error = _parsed(body).get("error")
    from_service = _is_own(error, status)
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        words = body[:200].decode("utf-8", "replace").strip()
        page = described(body) if "<" in words else words
        error = {"message": page or _phrase(status)}
    return from_error(
        cast("JsonObject", error),
        status=status,
        retry_after=retry_after,
        from_service=from_service,
        generation_id=generation_id,
    )


def _parsed(body: bytes) -> JsonObject:
    """The object in a body, which may be the first event of a stream; empty where there is none."""
    for data in (body, *EventStream().feed(body + b"\n\n")):
        with contextlib.suppress(UnreadableJson):
            return as_object(read(data))
    return {}


_OWN_FIELDS = frozenset({"code", "message", "metadata", "availability", "error_type"})
"""What an error object of OpenRouter may have, by its specification and by recorded traffic."""


def _is_own(error: object, status: int) -> bool:
    """Whether the `error` of a body is the service's own: its code is the status, as a number. The
    errors of gateways that speak JSON look alike, but have the code as text, or have other fields
    (`type` and `param`, `status`, `details`).
    """
    if not isinstance(error, dict):
        return False
    fields = cast("JsonObject", error)
    is_same = fields.get("code") == status and not isinstance(fields.get("code"), bool | float)
    return is_same and isinstance(fields.get("message"), str) and fields.keys() <= _OWN_FIELDS


def from_error(
    error: JsonObject,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    from_service: bool = True,
    generation_id: str | None = None,
) -> APIError:
    """The error for an error object; without an HTTP status (inside a 200), its code tells the
    kind.
    """
    code = error.get("code")
    if not isinstance(code, int | str):
        code = error.get("type")
    metadata, availability = as_object(error.get("metadata")), as_object(error.get("availability"))
    kind = status if status is not None else _status_of(code)
    kind_by_type = _status_of(metadata.get("error_type") or error.get("error_type"))
    if status is None and kind_by_type is not None and kind in {None, 500}:
        kind = kind_by_type  # a code that says nothing, beside a type that does
    raw_words = _words_of(metadata.get("raw"))
    if retry_after is None:
        retry_after = _asked_wait((availability, metadata, error), raw_words)
    if kind == 429:
        told = as_object(metadata.get("headers"))
        retry_after = wait_for_limit(told, datetime.now(UTC), retry_after)
    retryable = availability.get("retryable")
    if not isinstance(retryable, bool):
        retryable = False if kind == 429 and _lasts(error, metadata, retry_after) else None
    return for_status(kind)(
        _message(error, status, raw_words, metadata) + _reset(kind, retry_after),
        status=kind,
        code=code if isinstance(code, int | str) else None,
        provider=as_text(metadata.get("provider_name")),
        raw=raw_words[:_WORDS] if raw_words else None,
        reasons=_strings(metadata.get("reasons")),
        suggested_models=_strings(availability.get("fallback_models")),
        retry_after=retry_after,
        retryable=retryable,
        from_service=from_service,
        generation_id=generation_id,
    )


_NO_WORDS = frozenset({"availability", "code", "error_type", "metadata", "param", "status", "type"})
_LONG_LIMIT = re.compile(
    r"\bper[-_ ](day|week|month)\b|\b(daily|weekly|monthly)\b|_daily\b", re.IGNORECASE
)


def _lasts(error: JsonObject, metadata: JsonObject, retry_after: float | None) -> bool:
    """Whether a rate limit is one of a day or more, or money, of which nothing says when it is
    reset.
    """
    if "insufficient_quota" in (error.get("code"), error.get("type")):
        return True
    words = f"{as_text(error.get('message'))} {as_text(metadata.get('limit_source'))}"
    return retry_after is None and _LONG_LIMIT.search(words) is not None


_WAITS = ("retry_after", "retry_after_seconds", "retryAfter")
_IN_WORDS = re.compile(
    r"(?:retryDelay\W{1,9}|try again in )((?:\d{1,4}[dhm]){0,3}(?:\d{1,6}(?:\.\d{1,9})?m?s)?)\b",
    re.IGNORECASE,
)
"""How providers say in words when to come back: Google's `"retryDelay": "34s"`, OpenAI's and Groq's
`Please try again in 7m12s`.
"""


def _asked_wait(holders: Sequence[JsonObject], raw: str | None) -> float | None:
    """Seconds to wait, as the body asks: in a field, else in words."""
    for holder in holders:
        for name in _WAITS:
            if (wait := _seconds(holder.get(name))) is not None:
                return wait
    for words in (raw, as_text(holders[-1].get("message"))):
        found = _IN_WORDS.search(words) if words else None
        if found is not None and found[1]:
            return seconds_to(found[1], datetime.now(UTC))
    return None


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        return seconds_to(value, datetime.now(UTC))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < _MOST_SECONDS else None


def _words_of(value: object) -> str | None:
    """The words of a field that should be a text; of any other value its JSON."""
    if value is None or isinstance(value, str):
        return value
    return write(value).decode()


def error_object(value: object) -> JsonObject:
    """The error in a field of that name: an object, or words alone; empty where there is none."""
    if isinstance(value, str) and value:
        return {"message": value}
    return as_object(value)


_REFUSED = re.compile(
    r"moderat|safety|content[ "
    r"_-]?(policy|filter)|polic(y|ies)\b.*violat|violat\w*\b.*polic|usage polic|prohibited|"
    r"disallowed|sensitive content|flagged|nsfw|sexual|blocklist|recitation|copyright|likeness",
    re.IGNORECASE,
)
_REFUSALS = frozenset(
    {
        "blocklist",
        "content_filter",
        "content_filtered",
        "guardrail_intervened",
        "model_armor",
        "recitation",
        "refusal",
        "safety",
        "sensitive",
        "spii",
    }
)
_NOTHING_DRAWN = frozenset({"no_image", "image_other", "other", "language"})
"""A provider's reasons for a reply without a picture or a word, where no filter is named."""
_CUT = frozenset({"length", "max_length", "max_output_tokens", "max_tokens", "model_length"})
_MALFORMED = frozenset({"malformed_function_call", "unexpected_tool_call", "too_many_tool_calls"})
"""A provider's reasons for a reply that was to be a call, and is nothing."""


def says_refused(reason: str) -> bool:
    """Whether a provider's words for why there is no picture are those of moderation, not of a
    fault.
    """
    return _REFUSED.search(reason) is not None


def filtered(native: object) -> bool:
    """Whether a provider's own finish reason, free text, says why a reply without content has
    none: a filter stopped it, or nothing could be drawn.
    """
    words = _reason_of(native)
    return words in _NOTHING_DRAWN or _names_filter(words)


def _names_filter(words: str) -> bool:
    return words in _REFUSALS or words.endswith(
        ("_safety", "prohibited_content", "_recitation", "_blocklist", "_spii")
    )


def malformed(native: object) -> bool:
    """Whether a provider's own finish reason says that a call went wrong there, so that a reply
    without content is no answer.
    """
    return _reason_of(native) in _MALFORMED


def finish_of(reason: str, native: object = None) -> str:
    """The finish reason by its standard name. Gateways pass on those of providers: `MAX_TOKENS` and
    `SAFETY` of Gemini, `max_tokens` of Anthropic; or say `stop` and leave it to the native one.
    """
    words = _reason_of(reason)
    if words in _CUT or (words == "stop" and _reason_of(native) in _CUT):
        return "length"
    return "content_filter" if _names_filter(words) else reason


def _reason_of(native: object) -> str:
    words = (as_text(native) or "").strip().lower().replace("-", "_").replace(" ", "_")
    return words.removeprefix("finishreason.").removeprefix("finish_reason_")


def filter_words(native: object = None) -> str:
    """What is told where a filter stopped the reply without a word of its own."""
    words = as_text(native)
    if words and _reason_of(native) in _NOTHING_DRAWN:
        return f"the provider gave no picture and no words ({words})"
    reason = f" ({words})" if words and words.lower() != "content_filter" else ""
    return f"the provider's content filter stopped the reply{reason}"


def bare(native: object, generation_id: str | None = None) -> APIError:
    """The error for a reply that only says `finish_reason: "error"`."""
    why = as_text(native)
    return ProviderFailed(
        f"the provider broke off: {why or 'it gave no reason'}",
        code=why,
        generation_id=generation_id,
    )


def _status_of(code: object) -> int | None:
    if isinstance(code, int) and not isinstance(code, bool):
        return code if 400 <= code < 600 else None
    if isinstance(code, str):
        is_status = code.isdecimal() and len(code) == 3
        return _status_of(int(code)) if is_status else _STATUS_OF_CODE.get(code)
    return None


def _message(
    error: JsonObject, status: int | None, raw: str | None, metadata: Mapping[str, Any]
) -> str:
    words = as_text(error.get("message")) or _without_message(error) or _phrase(status)
    if raw and raw not in words:
        words = f"{words} ({raw[:300]})"
    if reasons := _strings(metadata.get("reasons")):
        words = f"{words} [{', '.join(reasons)}]"
    words = words[:_WORDS]
    return words if status is None else f"HTTP {status}: {words}"


def _without_message(error: JsonObject) -> str:
    """What an error says that has no message: the one text in it, else its JSON, as of the list of
    `issues` with which OpenRouter refuses the form of a request.
    """
    said = {name: value for name, value in error.items() if value and name not in _NO_WORDS}
    if len(said) != 1:
        return write(said).decode() if said else ""
    (value,) = said.values()
    return _words_of(value) or ""


def _reset(kind: int | None, retry_after: float | None) -> str:
    """When a rate limit is reset, if that takes longer than anybody waits for."""
    if kind != 429 or retry_after is None or not 120 < retry_after < _LONGEST_TOLD:
        return ""
    amount, unit = retry_after / 60, "minutes"
    if amount > 120:
        amount, unit = amount / 60, "hours"
    return f"; it may be sent again in {amount:.0f} {unit}"


_LONGEST_TOLD = 32 * 86400.0
"""Seconds beyond which a wait is a mistake of the server's clock, or of its arithmetic."""


def _phrase(status: int | None) -> str:
    if status is None or status >= 500:
        return "the service gave no reason"
    return "the request was refused without a reason"


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple([each for each in cast("list[object]", value) if isinstance(each, str)])
