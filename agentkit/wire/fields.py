"""Which fields of a request a service takes: the standard ones alone, or OpenRouter's as well.

Standard is what OpenAI's own SDK declares (`CompletionCreateParams`, `ResponseCreateParams`,
version 3.52). OpenAI refuses a request with any other field; llama.cpp, vLLM and Ollama drop it
without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentkit.settings import ModelSettings
from agentkit.values import Api


@dataclass(frozen=True, slots=True)
class Fields:
    """What differs between services in the fields of a request."""

    openrouter: bool = True
    """Whether OpenRouter's own fields are known: `provider`, `session_id`, `plugins`, …"""
    draws_itself: bool = True
    """Whether a model may be asked to draw by itself, with `modalities`."""
    strict: bool = False
    """Whether a message with a field that is not known there is refused."""
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What Chat Completions call the limit of a reply. OpenAI's reasoning models refuse the first,
    older servers do not know the second."""


OPENROUTER = Fields()
STANDARD = Fields(openrouter=False)

_BOTH = frozenset(
    {
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "service_tier",
        "stream",
        "temperature",
        "top_p",
        "user",
    }
)
_STANDARD: Mapping[Api, frozenset[str]] = {
    "chat": _BOTH | {"frequency_penalty", "modalities", "presence_penalty", "seed", "stop"},
    "responses": _BOTH,
}
"""The standard fields among those of `ModelSettings` and of `body.settings`."""
_WRITTEN_BY_US = frozenset({"cache", "extra", "max_tokens", "tool_choice"})
"""Settings that go to any service, each API with a field of its own."""
_REASONS = re.compile(r"(?:.*/)?(?:o[1-9]|gpt-[5-9](?!.*chat)|codex)")
"""OpenAI's models that reason, by how their names begin."""


def refused_settings(settings: ModelSettings, api: Api, fields: Fields) -> tuple[str, ...]:
    """The settings that were given, and that the service has no field for in this API."""
    if fields.openrouter:
        return ()
    taken = _STANDARD[api] | _WRITTEN_BY_US
    given = [name for name in settings.__dataclass_fields__ if _is_given(getattr(settings, name))]
    refused = [name for name in given if name not in taken]
    if settings.cache in {"5m", "1h"}:
        refused.append("cache")
    if api == "chat" and _effort(settings.reasoning) is None and settings.reasoning is not None:
        refused.append("reasoning")
    if "image" in (settings.modalities or ()) and not fields.draws_itself:
        refused.append("modalities")
    return tuple(dict.fromkeys(refused))


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != {}


def _effort(reasoning: str | Mapping[str, Any] | None) -> object:
    """The effort, if `reasoning` says nothing else; None where it does."""
    if isinstance(reasoning, Mapping):
        return reasoning.get("effort") if set(reasoning) == {"effort"} else None
    return reasoning


def standard(body: Mapping[str, Any], api: Api) -> dict[str, Any]:
    """What of these fields is standard in this API, as it is called there."""
    kept = {name: value for name, value in body.items() if name in _STANDARD[api]}
    if api == "chat" and "reasoning" in kept:
        kept["reasoning_effort"] = _effort(kept.pop("reasoning"))
    return kept


def with_extra(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the user's own keys, which win; one whose value is None is left out."""
    whole = {**body, **extra}
    return {name: value for name, value in whole.items() if value is not None}


def reasons(model: str) -> bool:
    """Whether this is a model of OpenAI's that reasons, by its name. The others refuse to be asked
    for their encrypted reasoning."""
    return _REASONS.match(model.lower()) is not None
