"""Where a request marks its prompt for the provider's prompt cache.

What is kept of a conversation's bytes holds no mark: each is put in when the body is joined. A text
that may carry one is always a list of parts, so that its bytes stay the same when the mark moves
on. Sources: `ChatContentText`, `ChatFunctionTool`, `InputText` and `PromptCacheBreakpoint` of
OpenRouter's specification, and its page on prompt caching.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agentkit.run.audience import Audience, family_of
from agentkit.settings import ModelSettings
from agentkit.values import Api, Message, Pieces

MOST_MARKS = 4
"""What Anthropic and Alibaba take in one request; a fifth is refused."""
OWN_FIELDS = ("cache_control", "prompt_cache_options")
"""Fields with which the user says himself what is cached."""
_FIVE_MINUTES = {"type": "ephemeral"}
_HOUR = {"type": "ephemeral", "ttl": "1h"}
_BREAKPOINT = {"mode": "explicit"}
_BEFORE_END = b"}]}"
_LAST_PART = (b'{"type":"text","text":"', b'{"type":"input_text","text":"')
_GPT = re.compile(r"gpt-([0-9]+)(?:\.([0-9]+))?")
_WHOLE = frozenset({"anthropic", "qwen"})


@dataclass(frozen=True, slots=True)
class CacheMarks:
    """The marks of one request."""

    where: Literal["all", "instructions"] = "all"
    """`all`: the tools, the instructions, the last request's end and the newest end."""
    hour: bool = False
    """Whether the cache is kept for an hour, and not for five minutes."""
    silent: bool = False
    """No mark is sent; texts stay in parts, so that the bytes of the prompt stay the same."""

    @property
    def in_parts(self) -> bool:
        """Whether the texts of users and tools are lists of parts."""
        return self.where == "all"

    @property
    def control(self) -> dict[str, Any]:
        """The value of `cache_control`."""
        return dict(_HOUR if self.hour else _FIVE_MINUTES)

    def field(self, api: Api) -> dict[str, Any]:
        """What the part of a text carries in this API."""
        if api == "chat":
            return {"cache_control": self.control}
        return {"prompt_cache_breakpoint": dict(_BREAKPOINT)}


def marks_of(
    settings: ModelSettings, audience: Audience, api: Api, *, pays: bool, stopped: bool = False
) -> CacheMarks | None:
    """The marks of a request with these settings; None where it has none. `pays`: another request
    with the same beginning is likely to follow. `stopped`: earlier ones were written in vain.
    """
    cache = settings.cache or "auto"
    where = marked_where(audience)
    if where is None or cache == "off" or (cache == "auto" and not pays):
        return None
    if settings.cache_control is not None or any(name in settings.extra for name in OWN_FIELDS):
        return None
    hour = cache == "1h" and takes_hour(audience)
    if hour and api == "responses":
        return None  # its parts know no hour: the field of the whole request says it
    return CacheMarks(where, hour, silent=stopped and cache == "auto")


def marked_where(audience: Audience) -> Literal["all", "instructions"] | None:
    """Where the prompt of the model that is asked first can be marked; None where it cannot, or
    nobody knows which model answers.
    """
    model = _first(audience)
    family = family_of(model)
    if family in _WHOLE:
        return "all"
    # Gemini reads the last mark alone, and its models that draw have no such cache.
    is_gemini = family == "google" and "image" not in (model or "")
    return "instructions" if is_gemini else None


def takes_hour(audience: Audience) -> bool:
    """Whether the model keeps a prompt for an hour, if it is asked to."""
    return family_of(_first(audience)) == "anthropic"


def caches_by_itself(audience: Audience) -> bool:
    """Whether the model caches prompts unless it is told not to, and can be told."""
    model = _first(audience) or ""
    match = _GPT.match(model.rpartition("/")[2].lower())
    if family_of(model) != "openai" or match is None:
        return False
    return (int(match[1]), int(match[2] or 0)) >= (5, 6)


def _first(audience: Audience) -> str | None:
    return audience.models[0] if audience.models else None


def request_fields(settings: ModelSettings, audience: Audience, api: Api) -> dict[str, Any]:
    """The fields of the whole request that the cache setting stands for."""
    if settings.cache == "off" and caches_by_itself(audience):
        return {"prompt_cache_options": {"mode": "explicit"}}
    in_parts = api == "chat" or marked_where(audience) is None
    if settings.cache == "1h" and not in_parts and takes_hour(audience):
        return {"cache_control": dict(_HOUR)}
    return {}


def write_prices(
    settings: ModelSettings, audience: Audience, marks: CacheMarks | None
) -> tuple[str, ...]:
    """The names of the prices that a token may have because it is written to the prompt cache."""
    either = ("input_cache_write", "input_cache_write_1h")
    if settings.cache_control is not None or any(name in settings.extra for name in OWN_FIELDS):
        return either
    if settings.cache == "1h" and takes_hour(audience):
        return either
    may_cache = marked_where(audience) is None and settings.cache != "off"
    return either[:1] if may_cache or (marks is not None and not marks.silent) else ()


def keeps_an_hour(settings: ModelSettings, audience: Audience) -> bool:
    """Whether what a request writes is kept for an hour."""
    given = settings.cache_control
    if given is None:
        return settings.cache == "1h" and takes_hour(audience)
    return given == "1h" or (not isinstance(given, str) and given.get("ttl") == "1h")


class Ends:
    """Finds, in the order of the messages, the item with which the last request ended and the one
    with which this one does.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._newest: int | None = None

    def add(self, message: Message, first: int, items: Sequence[Pieces]) -> None:
        """One message more: its items stand from position `first`."""
        if message.role == "assistant":
            self._last = self._newest
            return
        for offset in reversed(range(len(items))):
            if takes_mark(items[offset]):
                self._newest = first + offset
                return

    def places(self, most: int) -> tuple[int, ...]:
        """The positions of at most so many of them, the newest first."""
        found = dict.fromkeys(each for each in (self._newest, self._last) if each is not None)
        return tuple(found)[:most]


def takes_mark(item: Pieces) -> bool:
    """Whether an item of ours ends with a text part. A `{"type":"` with bare quotes begins a part:
    inside a string they would be escaped.
    """
    end = item[-1]
    if not isinstance(end, bytes) or not end.endswith(b'"' + _BEFORE_END):
        return False
    start = end.rfind(b'{"type":"')
    return start >= 0 and end.startswith(_LAST_PART, start)


def marked(items: Sequence[Pieces], places: Collection[int], mark: bytes) -> list[Pieces]:
    """The items with this mark in the last part of those that stand at `places`."""
    changed = list(items)
    for index in places:
        *front, end = items[index]
        assert isinstance(end, bytes)  # noqa: S101 - `takes_mark` has looked
        cut = len(end) - len(_BEFORE_END)
        changed[index] = (*front, end[:cut] + mark + end[cut:])
    return changed
