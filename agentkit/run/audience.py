"""Who may answer a request: what of an earlier reply is sent depends on whether the same model, one
of its family, or anybody may read it.

A family is what made a signature or encrypted reasoning, and can read it: an author on OpenRouter
(`anthropic/…`), whose open weights are families of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentkit.settings import ModelSettings
from agentkit.values import Message

_SUFFIX = re.compile(r"(-(preview|latest|beta|exp|[0-9]{2,}))*")
"""What a slug may have more than another of the same model."""
_GEMINI = re.compile(r"gemini-([0-9]+)")
_OPEN_WEIGHTS = ("gpt-oss", "gemma")
_ALIASES = {"meta-llama": "meta", "xai": "x-ai"}
_NAMES = {
    "claude": "anthropic",
    "gemini": "google",
    "gpt-": "openai",
    "chatgpt": "openai",
    "codex": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "grok": "x-ai",
}
"""Families by how the name of a model begins, for servers that leave the author out."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The models that may answer a request; none where nobody can say, as with a preset or a
    router.
    """

    models: tuple[str, ...] = ()
    strict: bool = False
    """Whether their service refuses fields of a message that it does not know, as OpenAI does."""

    @classmethod
    def of(cls, model: str, settings: ModelSettings, *, strict: bool = False) -> Audience:
        """Those that may answer a request to this model with these settings."""
        extra = settings.extra
        if isinstance(named := extra.get("model"), str):
            model = named
        models = [model, *(settings.models or ())]
        if "models" in extra:
            models += _strings(extra["models"])
        is_open = settings.preset or extra.get("preset") or any(map(_leaves_open, models))
        return cls((), strict) if is_open else cls(tuple(dict.fromkeys(models)), strict)

    @property
    def sole(self) -> str | None:
        """The model that will answer; None where there are several, or none is known."""
        return self.models[0] if len(self.models) == 1 else None

    @property
    def family(self) -> str | None:
        """The family of all of them; None where there are several, or none is known."""
        families = {family_of(model) for model in self.models}
        return families.pop() if len(families) == 1 else None

    @property
    def wants_signed_calls(self) -> bool:
        """Whether one of them refuses calls without a signature."""
        return any(map(wants_signed_calls, self.models))

    def is_own(self, message: Message) -> bool:
        """Whether a reply goes back to the model that gave it. A reply that names no model, and was
        not recorded with the one that was asked, is taken for its own."""
        if message.model is None and message.asked is None:
            return True
        if self.sole is None:
            return False
        said = (message.asked, message.model)
        return any(is_same_model(each, self.sole) for each in said if each is not None)


def family_of(model: str | None) -> str | None:
    """The family of a model; None where its slug does not tell."""
    slug = (model or "").lower().lstrip("~").partition(":")[0]
    author, slash, name = slug.rpartition("/")
    if not slash:
        return next((_NAMES[start] for start in _NAMES if name.startswith(start)), None)
    author = _ALIASES.get(author, author)
    weights = next((start for start in _OPEN_WEIGHTS if name.startswith(start)), None)
    return author if weights is None else f"{author}/{weights}"


def speaker_family(message: Message) -> str | None:
    """The family of the model that gave a reply."""
    return family_of(message.model) or family_of(message.asked)


def is_same_model(one: str, other: str) -> bool:
    """Whether two slugs are of one model: a slug may carry a variant, a date, `-preview`, and may
    lack its author."""
    slugs = [each.lower().lstrip("~").partition(":")[0] for each in (one, other)]
    if not all("/" in slug for slug in slugs):
        slugs = [slug.rpartition("/")[2] for slug in slugs]
    short, long = sorted(slugs, key=len)
    return long.startswith(short) and _SUFFIX.fullmatch(long[len(short) :]) is not None


def wants_signed_calls(model: str | None) -> bool:
    """Whether a model refuses calls without a signature, as Gemini does from 3 on
    (https://ai.google.dev/gemini-api/docs/thought-signatures)."""
    name = (model or "").lower().partition(":")[0].rpartition("/")[2]
    if not name.startswith("gemini"):
        return False
    version = _GEMINI.match(name)
    return version is None or int(version[1]) >= 3


def _leaves_open(model: str) -> bool:
    return model.startswith("openrouter/") or "@preset/" in model


def _strings(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        return []
    return [each for each in cast("Sequence[Any]", value) if isinstance(each, str)]
