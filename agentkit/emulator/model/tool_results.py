"""Weaves the results of tools into sentences."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.model.words import listing, name_words, sentence, shorten, stem
from agentkit.emulator.tables import pairs, word_list, word_set
from agentkit.emulator.wire.request import PastCall, loose_json

_VERBS = word_set(
    """
    get fetch find look up lookup show compute calculate current make read query search check list
    roll for of today todays
    """
)
_SPOKEN = word_list(
    """
    summary answer result description conditions condition text message value output forecast
    """
)
_DRAWN = word_set("image images picture pictures photo photos drawing drawings")
_UNITS = pairs(
"""
    c: °C
    celsius: °C
    f: °F
    fahrenheit: °F
    km: km
    m: m
    mm: mm
    kmh: km/h
    percent: %
    pct: %
    usd: USD
    eur: EUR
    kg: kg
    ms: m/s
    """
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call with what came of it; `pictures` counts the images in the result."""

    call: PastCall
    text: str
    pictures: int = 0

    @property
    def failed(self) -> bool:
        return bool(
            re.match(
                r"\s*(?:error\b|traceback\b|\w*error:|.{0,40}\b(?:failed|timed out)\b)",
                self.text,
                re.IGNORECASE,
            )
        ) or (
            "error" in loose_json(self.text)
            and loose_json(self.text)["error"] not in (None, "", False)
        )

    @property
    def refused(self) -> bool:
        return bool(
            re.match(
                r"\W*(?:denied|cancelled|canceled|not approved|rejected|refused)\b",
                self.text,
                re.IGNORECASE,
            )
        )

    @property
    def drawn(self) -> Sequence[str]:
        """The handles of the pictures that a function drew, where the call was of one that does."""
        if self.failed or self.refused or not _DRAWN & set(name_words(self.call.name)):
            return ()
        return [
            name
            for name in as_list(loose_json(self.text).get("images")) or ()
            if isinstance(name, str)
        ]


def told(outcomes: Sequence[Outcome]) -> str:
    """All outcomes in prose, one sentence or two for each."""
    return " ".join(_one(outcome) for outcome in outcomes)


def gist(outcomes: Sequence[Outcome]) -> str:
    """What the results say, without the sentences around it: for the prompt of a picture."""
    values = [
        _value(outcome.text, outcome.call).strip().rstrip(".")
        for outcome in outcomes
        if not (outcome.failed or outcome.refused or outcome.drawn)
    ]
    return "; ".join(shorten(value, 120) for value in values if value)


def _one(outcome: Outcome) -> str:
    noun, about = _noun(outcome.call.name), _about(outcome.call)
    if outcome.refused:
        return f"I was not allowed to use {outcome.call.name}, so I go on without it."
    if outcome.failed:
        why = loose_json(outcome.text).get("error") or re.sub(
            r"^\s*error:?\s*", "", outcome.text, flags=re.IGNORECASE
        )
        return sentence(f"I could not get the {noun}{about}: {shorten(str(why), 160)}")
    if outcome.drawn:
        prompt = shorten(str(loose_json(outcome.call.arguments).get("prompt", "a picture")), 160)
        return f"{listing(outcome.drawn)} shows {prompt}."
    value = _value(outcome.text, outcome.call)
    shown = " It sent a picture along." if outcome.pictures else ""
    if not value:
        return (
            f"The {noun}{about} came back empty.{shown}"
            if not shown
            else f"Here is what the {noun} tool made{about}.{shown}"
        )
    if _is_sentence(value):
        return sentence(value) + shown
    joined = " is" if re.match(r"-?[\d.,]+\S{0,6}$", value) else ":"
    return sentence(f"The {noun}{about}{joined} {value}") + shown


def _noun(name: str) -> str:
    kept = [word for word in name_words(name) if word not in _VERBS]
    return " ".join(kept) or "result"


def _about(call: PastCall) -> str:
    """` in Oslo`, ` for calm`: what the call was about."""
    for key, value in loose_json(call.arguments).items():
        if isinstance(value, str) and 0 < len(value) <= 48:
            place = {stem(word) for word in name_words(key)} & {
                stem("city"),
                stem("place"),
                stem("location"),
                stem("country"),
                stem("town"),
            }
            return f" in {value}" if place else f" for {value}"
    return ""


def _is_sentence(text: str) -> bool:
    return len(text.split()) >= 4 and (
        text.rstrip().endswith((".", "!", "?"))
        or bool(re.search(r"\b(?:is|are|was|will|has|have)\b", text))
    )


def _value(text: str, call: PastCall) -> str:
    """A result as it would be said aloud: JSON without its braces, units by their signs."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split()) if len(text) < 600 else shorten(text, 600)
    return shorten(_spoken(value, {str(one) for one in loose_json(call.arguments).values()}), 400)


def _spoken(value: Any, given: set[str], depth: int = 0) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g}" if abs(value) < 1e6 else f"{value:,}"
        case str():
            return value
        case _:
            return _spoken_group(value, given, depth)


def _spoken_group(value: object, given: set[str], depth: int) -> str:
    if (members := as_list(value)) is not None:
        return (
            listing([_spoken(member, given, depth + 1) for member in members[:12]])
            if members
            else "nothing"
        )
    if (fields := as_object(value)) is not None:
        return _fields(fields, given, depth) if depth < 4 else "…"
    return str(value)


def _fields(value: Mapping[str, Any], given: set[str], depth: int) -> str:
    said: list[str] = []
    ordered = sorted(value.items(), key=lambda pair: pair[0] not in _SPOKEN)
    for key, member in ordered:
        if str(member) in given or member is None:
            continue
        text = _spoken(member, given, depth + 1)
        parts = name_words(key)
        unit = _UNITS.get(parts[-1], "") if len(parts) > 1 or parts[-1:] == ["celsius"] else ""
        label = " ".join(parts[:-1] if unit else parts)
        said.append(
            text if key in _SPOKEN else f"{label} {text}{' ' + unit if unit else ''}".strip()
        )
    return ", ".join(said)
