"""Which fields of a request a service takes: the standard ones alone, or OpenRouter's as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fields:
    """What differs between services in the fields of a request."""

    openrouter: bool = True
    """Whether OpenRouter's own fields are known: `provider`, `session_id`, `plugins`, …"""
    draws_itself: bool = True
    """Whether a model may be asked to draw by itself, with `modalities`."""
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What Chat Completions call the limit of a reply."""


OPENROUTER = Fields()
STANDARD = Fields(openrouter=False)
