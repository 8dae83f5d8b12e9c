"""Which of the user's tools a prompt asks for, and with which arguments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.model.arguments import Filler
from agentkit.emulator.model.words import (
    GENERIC,
    STOP,
    clauses,
    content,
    name_words,
    places,
    stem,
)
from agentkit.emulator.script import CallTool
from agentkit.emulator.tables import word_set
from agentkit.emulator.wire.request import Tool

_FOLLOW_UP = re.compile(r"^(?:and|what about|how about|and what about|also)\b", re.IGNORECASE)
_SUM = re.compile(r"\d\s*(?:[-+*/\u00d7\u00f7^x]|plus|minus|times|divided by)\s*\d", re.IGNORECASE)
_CALCULATORS = {
    stem(word)
    for word in word_set(
        "calculate calculator calc math arithmetic evaluate compute add multiply sum"
    )
}
_PLACES = {stem(word) for word in word_set("city place location town country where")}
_VERBS = {stem(word) for word in word_set("get set fetch find show make draw paint create run do")}


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that the prompt asks for; `missing` names required arguments that nobody gave."""

    tool: Tool
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    missing: Sequence[str] = ()

    def call(self, call_id: str | None = None) -> CallTool:
        return CallTool(self.tool.name, self.arguments, call_id)


def plan(
    tools: Sequence[Tool],
    prompt: str,
    memory: str,
    handles: Sequence[str],
    *,
    forced: bool = False,
    strict: bool = False,
    follow_up: Sequence[Tool] = (),
    facts: str | None = None,
) -> list[Planned]:
    """The calls for a prompt, in the order in which it asks for them.

    `forced`: at least one, whatever the prompt says. `strict`: the prompt asks for a picture too,
    so only a tool that it names counts. `follow_up`: the tools used before, the latest first, one
    of which `and in Bergen?` means. `facts`: the prompt with what earlier calls brought, for
    arguments that the prompt alone does not give.
    """
    scored = [(_score(tool, prompt), tool) for tool in tools]
    chosen = [
        tool
        for (total, named), tool in scored
        if total >= (4 if strict and not named else 3 if not named else 2)
    ]
    if strict:
        chosen = [tool for (_, named), tool in scored if named and tool in chosen]
    if not chosen and not strict and _FOLLOW_UP.match(prompt.strip()):
        chosen = [tool for tool in follow_up if not _fill(tool, prompt, "", handles).missing][:1]
    if forced and not chosen and tools:
        chosen = [max(scored, key=lambda pair: pair[0][0])[1]]
    chosen.sort(key=lambda tool: _position(tool, prompt))
    return [
        call
        for tool in chosen
        for call in _filled(tool, prompt, memory, handles, facts or prompt, alone=len(chosen) == 1)
    ]


def ask_back(planned: Sequence[Planned]) -> str | None:
    """A question, where the first call cannot be made for want of an argument."""
    if not planned or any(not one.missing for one in planned):
        return None
    wanted = " and ".join(name.replace("_", " ") for name in planned[0].missing)
    return f"I can do that with {planned[0].tool.name}. Which {wanted} do you mean?"


def _score(tool: Tool, prompt: str) -> tuple[int, bool]:
    """How well a tool fits, and whether the prompt names it."""
    said = content(prompt)
    name = _name_stems(tool)
    described = {stem(w) for w in content(tool.description)} - {stem(w) for w in GENERIC}
    properties = _property_words(tool.schema)
    named = len(name & said)
    total = (
        3 * named + 2 * len((described - name) & said) + len((properties - described - name) & said)
    )
    if _SUM.search(prompt) and (name | described) & _CALCULATORS:
        return total + 3, True
    if tool.name in prompt:
        return total + 6, True
    return total, bool(named)


def _name_stems(tool: Tool) -> set[str]:
    stems = {stem(word) for word in name_words(tool.name) if word not in STOP}
    return (stems - {stem(word) for word in GENERIC} - _VERBS) or stems


def _property_words(schema: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for key, one in (as_object(schema.get("properties")) or {}).items():
        found |= {stem(word) for word in name_words(key) if word not in STOP}
        for option in as_list((as_object(one) or {}).get("enum")) or ():
            found |= content(str(option))
    return found - {stem(word) for word in GENERIC}


def _position(tool: Tool, prompt: str) -> int:
    """Where in the prompt the tool is asked for first."""
    mine = _name_stems(tool) | content(tool.description)
    for match in re.finditer(r"[^\W_]+", prompt):
        if {stem(match[0])} & mine or content(match[0]) & mine:
            return match.start()
    return len(prompt)


def _filled(
    tool: Tool, prompt: str, memory: str, handles: Sequence[str], facts: str, *, alone: bool
) -> list[Planned]:
    clause = prompt if alone else _clause(tool, prompt)
    properties = as_object(tool.schema.get("properties")) or {}
    place_keys = [
        key
        for key, one in properties.items()
        if {stem(w) for w in name_words(key)} & _PLACES and _is_text(one)
    ]
    several = list(dict.fromkeys(places(clause)))
    if len(place_keys) == 1 and len(several) > 1 and re.search(r"\band\b|,|&", clause):
        calls = [_fill(tool, _with_only(clause, one, several), memory, handles) for one in several]
        return [call for call in calls if not call.missing] or calls[:1]
    for text, known in ((clause, ""), (prompt, ""), (facts, ""), (prompt, memory)):
        filled = _fill(tool, text, known, handles)
        if not filled.missing:
            return [filled]
    return [_fill(tool, prompt, memory, handles)]


def _fill(tool: Tool, text: str, memory: str, handles: Sequence[str]) -> Planned:
    filler = Filler(
        text,
        memory=memory,
        handles=handles,
        skip=frozenset(_name_stems(tool) | content(tool.description)),
    )
    arguments = filler.fill(tool.schema)
    return Planned(tool, arguments, tuple(filler.missing))


def _is_text(schema: Any) -> bool:
    known = as_object(schema)
    return known is not None and known.get("type", "string") == "string" and "enum" not in known


def _with_only(clause: str, kept: str, all_of_them: Sequence[str]) -> str:
    for other in all_of_them:
        if other != kept:
            clause = clause.replace(other, "")
    return clause


def _clause(tool: Tool, prompt: str) -> str:
    """The part of the prompt that asks for this tool, with the parts after it that name only its
    values.
    """
    parts = clauses(prompt)
    if not parts:
        return prompt
    best = max(range(len(parts)), key=lambda index: (_score(tool, parts[index])[0], -index))
    return parts[best] if _score(tool, parts[best])[0] else prompt
