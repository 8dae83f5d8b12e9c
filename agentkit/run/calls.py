"""How the calls of earlier replies are sent again: under which ids, and whether as calls at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentkit.run.audience import Audience, wants_signed_calls
from agentkit.values import Message, ToolCall

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,40}\Z")
"""What every provider takes as the id of a call: Anthropic takes these characters alone, and
OpenAI at most 40 of them.
"""


@dataclass(frozen=True, slots=True)
class SentCalls:
    """How the calls of one reply go, or the results of them."""

    ids: tuple[tuple[str, str], ...] = ()
    """Ids that do not go as they came, with what goes in their place."""
    in_words: tuple[ToolCall, ...] = ()
    """Calls that are told in words, with their results: who may answer refuses them as calls."""


AS_THEY_CAME = SentCalls()


class CallIds:
    """How the calls of a conversation go, message by message.

    An id goes as it came where it fits and is new. So a provider that counts from 0 in each reply
    has each result under its own call. It depends on nothing but what stands before it, and is
    therefore the same in each later request.
    """

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self.sent: dict[int, SentCalls] = {}
        """By position, the messages whose calls or results do not go as they came."""
        self._taken: set[str] | None = None
        self._times: dict[str, int] = {}
        self._current = AS_THEY_CAME

    def take(self, index: int, message: Message) -> None:
        """The next message."""
        if message.role == "user":
            return
        if message.role == "assistant":
            self._current = AS_THEY_CAME
            if calls := [part for part in message.parts if type(part) is ToolCall]:
                if self._taken is None:
                    self._taken = set()
                self._current = _sent(message, calls, self._audience, self._taken, self._times)
        if self._current is not AS_THEY_CAME:
            self.sent[index] = self._current


def _sent(
    message: Message,
    calls: Sequence[ToolCall],
    audience: Audience,
    taken: set[str],
    times: dict[str, int],
) -> SentCalls:
    ids = [(call.id, _sent_id(call.id, taken, times)) for call in calls]
    changed = tuple([pair for pair in ids if pair[0] != pair[1]])
    told = tuple(calls) if _is_told(message, audience) else ()
    return SentCalls(changed, told) if changed or told else AS_THEY_CAME


def _sent_id(given: str, taken: set[str], times: dict[str, int]) -> str:
    sent = given
    while sent in taken or _FITS.match(sent) is None:
        times[given] = times.get(given, 0) + 1
        seed = f"{given}\0{times[given]}".encode("utf-8", "surrogatepass")
        sent = f"call_{hashlib.sha256(seed).hexdigest()[:24]}"
    taken.add(sent)
    return sent


def _is_told(message: Message, audience: Audience) -> bool:
    """Whether the calls of this reply are told in words. Where some model among several wants
    signed calls, or such a model made these and anybody may answer, no signature can go."""
    if audience.sole is not None:
        return False
    if not audience.models:
        return wants_signed_calls(message.model or message.asked)
    return audience.wants_signed_calls and audience.family != "google"
