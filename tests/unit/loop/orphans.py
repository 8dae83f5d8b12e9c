"""What has to hold of a request's body in either dialect: judged from the APIs alone, with nothing
of agentkit in it.

Each checker gives its complaints as words; none means that all is well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

HANDLE = re.compile(r"(?<![A-Za-z0-9_])img_[0-9]+(?![A-Za-z0-9_])")
_DATA = re.compile(r"data:image/[\w.+-]+;base64,([A-Za-z0-9+/_=-]*)")
_BARE = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}\Z")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"<svg", b"<?xml")
_TOLD = re.compile(r"\[picture (img_[0-9]+)\b")
_FROM_TOOL = re.compile(r"Pictures from \S+ \(([^)]*)\):\Z")


def strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from strings(each)


@dataclass(frozen=True)
class Carried:
    """A picture that stands in a request: the sha256 of its bytes, and how many characters it
    takes.
    """

    sha256: str
    length: int


def _carried(text: str) -> Carried | None:
    try:
        data = base64.b64decode(
            text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        return None
    return Carried(hashlib.sha256(data).hexdigest(), len(text))


def pictures(value: object) -> list[Carried]:
    """The pictures in a request, wherever they stand: as data URLs, inside other text too, and as
    bare base64.
    """
    found: list[Carried] = []
    for text in strings(value):
        for match in _DATA.finditer(text):
            carried = _carried(match[1])
            found.append(carried or Carried(f"broken base64: {match[1][:40]}", len(match[1])))
        if _BARE.match(text):
            head = base64.b64decode(text[:64].translate(str.maketrans("-_", "+/")))
            if head.startswith(_SIGNATURES) and (carried := _carried(text)) is not None:
                found.append(carried)
    return found


def items_of(body: Json) -> list[Json]:
    """The history: messages of chat, or items of Responses."""
    return list(body["messages"] if "messages" in body else body["input"])


def complaints(body: Json) -> list[str]:
    """Orphans and doubles in a request."""
    found = [*(_chat(items_of(body)) if "messages" in body else _responses(items_of(body)))]
    for sha256, count in Counter(each.sha256 for each in pictures(body)).items():
        if count > 1:
            found.append(f"the picture {sha256[:12]} is carried {count} times")
        if sha256.startswith("broken"):
            found.append(sha256)
    return found


def _chat(messages: Sequence[Json]) -> Iterator[str]:
    still_open: list[str] = []
    for index, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            call_id = message["tool_call_id"]
            if call_id in still_open:
                still_open.remove(call_id)
            else:
                yield f"message {index}: the result {call_id!r} has no call in the assistant's message right before it"
            continue
        for call_id in still_open:
            yield f"message {index} ({role}): the call {call_id!r} before it has no result"
        calls: list[Json] = (message.get("tool_calls") or []) if role == "assistant" else []
        still_open = [call["id"] for call in calls]
        if len(set(still_open)) < len(still_open):
            yield f"message {index}: two calls with one id: {still_open}"
        yield from _unreadable(call["function"]["arguments"] for call in calls)
        if not any(message.get(name) for name in ("content", "images", "refusal")) and not calls:
            yield f"message {index} ({role}) is empty"
    if still_open:
        yield f"at the end, calls without a result: {still_open}"
    if messages and messages[-1]["role"] == "assistant":
        yield "the last word is the assistant's"


def _unreadable(arguments: Iterator[str]) -> Iterator[str]:
    for text in arguments:
        try:
            json.loads(text)
        except ValueError:
            yield f"arguments that are no JSON: {text[:60]}"


def is_theirs(item: Json) -> bool:
    """Whether an item of Responses was the model's."""
    return (
        item.get("role", "assistant") == "assistant" and item.get("type") != "function_call_output"
    )


def _responses(items: Sequence[Json]) -> Iterator[str]:
    still_open: list[str] = []
    answering = False
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "function_call_output":
            if item["call_id"] in still_open:
                still_open.remove(item["call_id"])
            else:
                yield f"item {index}: the result {item['call_id']!r} has no call before it, or a second result"
            answering = True
            continue
        if still_open and (answering or not is_theirs(item)):
            yield f"item {index} ({kind}): calls before it have no result: {still_open}"
        answering = False
        if kind == "function_call":
            if item["call_id"] in still_open:
                yield f"item {index}: two calls with one id: {item['call_id']!r}"
            still_open.append(item["call_id"])
            yield from _unreadable(iter([item["arguments"]]))
        if kind == "message" and not item.get("content"):
            yield f"item {index} ({item.get('role')}) is empty"
        after = items[index + 1] if index + 1 < len(items) else None
        if kind == "reasoning" and (after is None or not is_theirs(after)):
            yield f"item {index}: reasoning without the item that followed it"
    if still_open:
        yield f"at the end, calls without a result: {still_open}"
    for own, count in Counter(item["id"] for item in items if item.get("id")).items():
        if count > 1:
            yield f"the id {own!r} stands {count} times"
    if items and is_theirs(items[-1]):
        yield "the last word is the assistant's"


def parted(
    body: Json, followers: Mapping[str, str], pictures_behind: Mapping[str, str]
) -> list[str]:
    """Reasoning that lost what followed it. `followers`: the secret of each reasoning → a word of
    the item behind it. Where that is a picture (`pictures_behind`), chat keeps the reasoning in its
    message; in Responses it has to go with it."""
    items = items_of(body)
    found: list[str] = []
    followers = followers if "messages" in body else {**followers, **pictures_behind}
    for index, item in enumerate(items):
        told = json.dumps(item)
        for secret in (each for each in followers if each in told):
            kept = told if "messages" in body else json.dumps(items[index + 1 : index + 2])
            if followers[secret] not in kept:
                found.append(
                    f"item {index}: the reasoning {secret!r} stands without {followers[secret]!r} behind it"
                )
    return found


def handles(body: Json) -> set[str]:
    """Every handle that the request tells or repeats."""
    return {
        name for item in items_of(body) for text in strings(item) for name in HANDLE.findall(text)
    }


def shown(body: Json) -> list[tuple[str, str]]:
    """Each handle that stands right before a picture, with the sha256 of that picture."""
    found: list[tuple[str, str]] = []
    for item in items_of(body):
        for name in ("content", "output"):
            parts: Any = item.get(name)
            waiting: list[str] = []
            for part in parts if isinstance(parts, list) else []:
                carried = pictures(part)
                text = str(part.get("text", ""))
                if carried and waiting:
                    found.append((waiting.pop(0), carried[0].sha256))
                elif match := _TOLD.match(text):
                    waiting = [match[1]]
                elif match := _FROM_TOOL.match(text):
                    waiting = HANDLE.findall(match[1])
                else:
                    waiting = []
    return found
