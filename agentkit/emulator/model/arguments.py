"""Fills a JSON schema from a prompt: the arguments of a call, or a structured answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.model.dates import said_date
from agentkit.emulator.model.picture_names import held, named
from agentkit.emulator.model.words import (
    STOP,
    capital,
    content,
    entities,
    name_words,
    number_tokens,
    numbers,
    overlap,
    places,
    quoted,
    shorten,
    stem,
    words,
)
from agentkit.emulator.tables import word_set

_PLACE = frozenset(
    stem(w)
    for w in word_set(
        "city place location town country region where origin destination station airport"
    )
)
_PROSE = frozenset(
    stem(w)
    for w in word_set(
        """
        query question prompt text message topic subject content body instruction request task
        note
        """
    )
)
_LONG = frozenset(
    stem(w) for w in word_set("summary description answer explanation reason caption story comment")
)
_PERSON = frozenset(
    stem(w) for w in word_set("name person who recipient author owner user customer guest")
)
_IMAGE = frozenset(stem(w) for w in word_set("image picture photo img drawing painting sketch"))
_LEAD = re.compile(
    r"^(?:please|can you|could you|would you|now|search|look up|find|tell me|show "
    r"me|what is|what's|what are|who is|for|about"
    r"|send|write|say|note|remember|translate|a|the|an|me|us|to|that)\b[\s,:]*",
    re.IGNORECASE,
)
MISSING = object()


@dataclass(slots=True)
class Filler:
    """Takes values out of `text`, then of `clause`'s surroundings, then of `memory` (what was said
    before).

    `handles` are the names of the pictures in the conversation, the latest last. With `compose`
    nothing stays empty: a structured answer has to say something.
    """

    text: str
    memory: str = ""
    handles: Sequence[str] = ()
    compose: bool = False
    skip: frozenset[str] = frozenset()
    definitions: Mapping[str, Any] = field(default_factory=dict[str, Any])
    missing: list[str] = field(default_factory=list[str])
    _used: set[Any] = field(default_factory=set[Any])

    def fill(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments; required ones that the prompt does not give are named in `missing`."""
        self.definitions = {**schema.get("$defs", {}), **schema.get("definitions", {})}
        value = self._object("", schema)
        return as_object(value) or {}

    def value(self, name: str, schema: Any, *, required: bool, depth: int = 0) -> Any:
        schema = self._resolved(schema)
        found = self._found(name, schema, depth)
        if found is MISSING:
            if "default" in schema:
                return schema["default"] if required else MISSING
            if not required:
                return MISSING
            self.missing.append(name)
            found = _fallback(name, schema, self.text)
        return found

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(8):
            known = as_object(schema)
            if known is None:
                return {}
            if "$ref" in known:
                target: dict[str, Any] = (
                    as_object(self.definitions.get(str(known["$ref"]).rsplit("/", 1)[-1])) or {}
                )
                schema = {**target, **{key: value for key, value in known.items() if key != "$ref"}}
                continue
            options = as_list(known.get("anyOf") or known.get("oneOf") or known.get("allOf"))
            if not options:
                return known
            real = [
                one
                for option in options
                if (one := as_object(option)) and one.get("type") != "null"
            ]
            rest = {
                key: value for key, value in known.items() if key not in ("anyOf", "oneOf", "allOf")
            }
            schema = {**real[0], **rest} if real else rest
        return {}

    def _found(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        if depth > 6:
            return MISSING
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._enum(schema["enum"])
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if (kinds := as_list(kind)) is not None:
            kind = next((one for one in kinds if one != "null"), "string")
        match kind:
            case "integer" | "number":
                return self._number(name, schema, whole=kind == "integer")
            case "boolean":
                return self._boolean(name)
            case "array":
                return self._array(name, schema, depth)
            case "object":
                return self._object(name, schema, depth)
            case "null":
                return None
            case _:
                return self._string(name, schema)

    def _object(self, name: str, schema: Mapping[str, Any], depth: int = 0) -> Any:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        if name and not properties:
            return {} if self.compose else MISSING
        required: Sequence[str] = schema.get("required") or ()
        filled: dict[str, Any] = {}
        for key, one in properties.items():
            must = key in required or (self.compose and depth == 0)
            value = self.value(key, one, required=must, depth=depth + 1)
            if value is not MISSING:
                filled[key] = value
        return filled

    def _enum(self, options: Sequence[Any]) -> Any:
        said = content(self.text) | {word.lower() for word in words(self.text)}
        scored = [
            (overlap({stem(w) for w in words(str(option))} | {str(option).lower()}, said), option)
            for option in options
        ]
        best = max(scored, key=lambda pair: pair[0])
        return best[1] if best[0] else options[0] if self.compose else MISSING

    def _number(self, name: str, schema: Mapping[str, Any], *, whole: bool) -> Any:
        found = [pair for pair in numbers(self.text) if pair not in self._used]
        if not found:
            return MISSING
        mine = {stem(word) for word in name_words(name)}
        tokens = number_tokens(self.text)
        near = [index for index, token in enumerate(tokens) if stem(token) in mine]
        chosen = min(
            found, key=lambda pair: min((abs(pair[0] - index) for index in near), default=0)
        )
        self._used.add(chosen)
        low, high = (
            schema.get("minimum", schema.get("exclusiveMinimum")),
            schema.get("maximum", schema.get("exclusiveMaximum")),
        )
        value = chosen[1]
        value = max(value, low) if isinstance(low, int | float) else value
        value = min(value, high) if isinstance(high, int | float) else value
        return int(value) if whole or value == int(value) else value

    def _boolean(self, name: str) -> Any:
        mine = {stem(word) for word in name_words(name)} - STOP
        said = [stem(word) for word in words(self.text)]
        for index, word in enumerate(said):
            if word in mine:
                return not {"not", "no", "without", "don't", "never"} & set(
                    said[max(0, index - 3) : index]
                )
        return MISSING

    def _array(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        member = self._resolved(schema.get("items", {}))
        kind = member.get("type")
        least = schema.get("minItems", 0)
        found: list[Any] = []
        if isinstance(member.get("enum"), list):
            said = content(self.text) | {word.lower() for word in words(self.text)}
            found = [one for one in member["enum"] if {stem(w) for w in words(str(one))} & said]
        elif kind in ("integer", "number"):
            found = [int(value) if kind == "integer" else value for _, value in numbers(self.text)]
        elif kind == "object":
            found = [self.value(name, member, required=True, depth=depth + 1)]
        elif kind in ("string", None):
            found = self._listed(name, schema)
        while self.compose and len(found) < max(1, least):
            found.append(self.value(name, member, required=True, depth=depth + 1))
        most = schema.get("maxItems")
        return found[:most] if found else MISSING

    def _listed(self, name: str, schema: Mapping[str, Any]) -> list[str]:
        if (handles := _about_image(name, schema)) and not self.compose:
            return held(self.text, self.handles)
        return (
            (handles and named(self.text))
            or quoted(self.text)
            or _enumerated(self.text)
            or entities(self.text)
        )

    def _string(self, name: str, schema: Mapping[str, Any]) -> Any:
        value = self._plain_string(name, schema)
        if value is MISSING:
            return MISSING
        longest = schema.get("maxLength")
        return value[:longest] if isinstance(longest, int) else value

    def _plain_string(self, name: str, schema: Mapping[str, Any]) -> Any:
        if isinstance(schema.get("pattern"), str) and (
            match := _search(schema["pattern"], self.text)
        ):
            return match
        formatted = _formatted(str(schema.get("format", "")), name, self.text)
        if formatted is not None:
            return formatted
        if name.lower() == "date" or schema.get("format") in ("date", "date-time"):
            return MISSING
        if _about_image(name, schema):
            return next(iter([*named(self.text), *self.handles[-1:]]), MISSING)
        mine = {stem(word) for word in name_words(name)}
        if mine & _PLACE:
            return self._place(mine)
        if mine & _LONG and self.compose:
            return capital(shorten(self.text, 160))
        if mine & _PROSE:
            return next(iter(quoted(self.text)), None) or _subject(self.text) or MISSING
        if mine & _PERSON:
            return self._once([*quoted(self.text), *entities(self.text)])
        said = self._once(quoted(self.text))
        if said is not MISSING:
            return said
        beside = _beside(mine, self.text)
        if beside:
            return beside
        return self._leftover()

    def _place(self, mine: set[str]) -> Any:
        role = (
            "from"
            if mine & {"origin", stem("source")}
            else "to"
            if stem("destination") in mine
            else None
        )
        if role is not None:
            marked = re.search(rf"\b{role}\s+((?:[A-Z][\w'\u2019-]*\s?)+)", self.text)
            if marked:
                return marked[1].strip()
        found = self._once(places(self.text))
        return found if found is not MISSING else self._once(list(reversed(places(self.memory))))

    def _once(self, candidates: Sequence[str]) -> Any:
        """The first candidate that was not given to another parameter."""
        for candidate in candidates:
            if candidate not in self._used:
                self._used.add(candidate)
                return candidate
        return MISSING

    def _leftover(self) -> Any:
        """What the prompt says beyond the words that chose the tool."""
        found = self._once([*quoted(self.text), *entities(self.text)])
        if found is not MISSING:
            return found
        left = [
            word
            for word in words(self.text)
            if word.lower() not in STOP and stem(word) not in self.skip
        ]
        return self._once([" ".join(left)]) if left else MISSING


def _search(pattern: str, text: str) -> str | None:
    try:
        match = re.search(pattern.removeprefix("^").removesuffix("$"), text)
    except re.error:
        return None
    return match[0] if match else None


def _about_image(name: str, schema: Mapping[str, Any]) -> bool:
    described = str(schema.get("description", ""))
    return bool({stem(word) for word in name_words(name)} & _IMAGE) or bool(
        re.search(r"\bimg_|image handle", described)
    )


def _formatted(form: str, name: str, text: str) -> str | None:
    low = name.lower()
    if form == "email" or low.endswith("email"):
        match = re.search(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text)
        return match[0] if match else None
    if form in ("uri", "url") or low in ("url", "link", "website"):
        match = re.search(r"https?://[^\s\"'<>)]+", text)
        return match[0] if match else None
    if form in ("date", "date-time") or low in ("date", "day", "when"):
        found = said_date(text, strict=form in ("date", "date-time"))
        return f"{found}T12:00:00Z" if found and form == "date-time" else found
    if form == "time" or low == "time":
        match = re.search(r"\b([01]?\d|2[0-3]):([0-5]\d)\b", text)
        return match[0] if match else None
    return None


def _beside(mine: set[str], text: str) -> str | None:
    """A word next to the parameter's own name: `a calm mood`, `mood: calm`."""
    said = words(text)
    for index, word in enumerate(said):
        if stem(word) in mine:
            after = said[index + 1] if index + 1 < len(said) else ""
            if re.search(rf"{re.escape(word)}\s*[:=]", text) and after:
                return after
            if index and said[index - 1].lower() not in STOP:
                return said[index - 1]
            rest = [w for w in said[index + 1 : index + 4] if w.lower() not in STOP]
            if rest:
                return rest[0]
    return None


def _enumerated(text: str) -> list[str]:
    """`apples, pears and plums` after a colon or as the tail of a sentence."""
    tail = text.rpartition(":")[2] if ":" in text else text
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", tail.strip(" .!?"))
    if len(parts) < 2:
        return []
    first = parts[0].split()
    return [" ".join(first[-1:]) if ":" not in text else parts[0], *parts[1:]]


def _subject(text: str) -> str:
    """The prompt without the words that only lead up to it."""
    rest = text.strip(" ?.!")
    while (shorter := _LEAD.sub("", rest)) != rest and shorter:
        rest = shorter
    return rest


def _fallback(name: str, schema: Mapping[str, Any], text: str) -> Any:
    """Something of the right type, for a value that nobody gave."""
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    low = schema.get("minimum", 1)
    empty: dict[str, Any] = {
        "integer": int(low),
        "number": float(low),
        "boolean": False,
        "array": [],
        "object": {},
    }
    if isinstance(kind, str) and kind in empty:
        return empty[kind]
    if schema.get("format") == "date":
        return datetime.now(UTC).date().isoformat()
    return shorten(_subject(text) or name, 60)
