"""Replies that are not what they should be: good ones, spoiled in one place each, by name; for all
six ways.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agentkit.errors import AgentkitError, RunError
from tests.faults.replay import WAIT, Heard, ears
from tests.faults.streams import Recorded, recorded

Json = Any
ODD: dict[str, Json] = {
    "null": None, "true": True, "a number": 7, "a negative number": -1, "a huge number": 10**400, "a fraction": 0.5, "words": "words",
    "no words": "", "a list": [], "a list of lists": [[[]]], "a list of null": [None], "an object": {}, "a nested object": {"a": {"b": [1]}},
    "a lone surrogate": "\ud83d", "a NUL": "\0", "a number as words": "12",
}  # fmt: skip


@dataclass(frozen=True)
class Malformed:
    """`finished`: whether it may still end well."""

    name: str
    api: str
    stream: bool
    body: bytes = field(repr=False)
    may_end_well: bool
    kind: str | None = None

    def __str__(self) -> str:
        return f"{self.name} [{self.api}, {'streamed' if self.stream else 'buffered'}]"


def _good() -> dict[tuple[str, bool], Recorded]:
    wanted = {
        ("chat", True): "a large picture", ("responses", True): "bare base64", ("images", True): "two",
        ("chat", False): "whole", ("responses", False): "whole", ("images", False): "whole",
    }  # fmt: skip
    return {
        key: next(one for one in recorded() if (one.api, one.stream, one.name) == (*key, name))
        for key, name in wanted.items()
    }


def table() -> Iterator[Malformed]:
    """All of them, each named by what was done to which field."""
    for (api, stream), one in _good().items():
        for name, body in (*_bytes(one.body), *(_lines(one.body) if stream else ())):
            yield Malformed(name, api, stream, body, may_end_well=True)
        for name, body, kind in _other():
            yield Malformed(name, api, stream, body, may_end_well=False, kind=kind)
        for name, body in _fields(one):
            yield Malformed(name, api, stream, body, may_end_well=True)


def _other() -> Iterator[tuple[str, bytes, str | None]]:
    """No reply at all."""
    whole = {
        "nothing": b"", "white space": b" \n\t ", "null": b"null", "a list": b"[]", "a string": b'"reply"', "a number": b"1e999",
        "an empty object": b"{}", "HTML": b"<!doctype html><title>Sign in</title>", "words": b"upstream connect error",
        "zeros": b"\0" * 300, "0xFF": b"\xff" * 300, "UTF-16": '{"choices":[]}'.encode("utf-16"), "a gzip head": b"\x1f\x8b\x08\0" + b"\0" * 60,
        "an open string": b'{"choices":[{"message":{"content":"', "deep lists": b"[" * 20_000, "deep objects": b'{"a":' * 20_000,
        "NaN": b'{"choices":NaN}', "two objects": b"{}{}", "a comma too many": b'{"choices":[],}', "single quotes": b"{'choices':[]}",
        "a comment": b"/* hello */", "an XML error": b"<?xml version='1.0'?><Error/>", "JSON lines": b'{"a":1}\n{"b":2}\n',
        "empty choices": b'{"choices":[],"output":[],"data":[]}', "a BOM and nothing": b"\xef\xbb\xbf",
    }  # fmt: skip
    for name, body in whole.items():
        yield f"{name} as JSON", body, "application/json"
        yield f"{name} as a stream", body, "text/event-stream"
        if b"\n" not in body:
            yield f"{name} as an event", b"data: " + body + b"\n\n", "text/event-stream"
    yield "only [DONE]", b"data: [DONE]\n\n", "text/event-stream"
    yield "only comments", b": OPENROUTER PROCESSING\n\n" * 20, "text/event-stream"
    yield "no content type", b"hello", ""
    yield "a picture's type", b"\x89PNG\r\n\x1a\n", "image/png"


def _bytes(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Bytes that are not the right ones."""
    chance = random.Random(9)
    half = len(body) // 2
    yield "a NUL in the middle", body[:half] + b"\0" + body[half:]
    yield "an 0xFF in the middle", body[:half] + b"\xff" + body[half:]
    yield "half of a character", body.replace("🦊".encode(), b"\xf0\x9f", 1) + b"\xf0\x9f"
    yield "the first half twice", body[:half] + body
    yield "all twice", body + body
    yield "backwards", body[::-1]
    yield "no quotes", body.replace(b'"', b"")
    yield "no braces", body.replace(b"}", b"")
    yield "capitals", body.upper()
    for number in range(4):
        spoiled = bytearray(body)
        for _ in range(1 + number * 5):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        yield f"{1 + number * 5} random bytes", bytes(spoiled)
    for number in range(3):
        start = chance.randrange(len(body))
        yield f"a hole ({number})", body[:start] + body[start + chance.randint(1, 400) :]


def _lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    events = [each + b"\n\n" for each in body.split(b"\n\n") if each]
    changes: dict[str, Callable[[list[bytes]], list[bytes]]] = {
        "backwards events": lambda all_: all_[::-1],
        "every event twice": lambda all_: [each for event in all_ for each in (event, event)],
        "no first event": lambda all_: all_[1:],
        "every other event": lambda all_: all_[::2],
        "no data prefix": lambda all_: [event.replace(b"data: ", b"") for event in all_],
        "another prefix": lambda all_: [event.replace(b"data:", b"date:") for event in all_],
        "no blank lines": lambda all_: [event[:-1] for event in all_],
        "HTML in between": lambda all_: [*all_[:3], b"<html>502</html>\n\n", *all_[3:]],
        "broken JSON in between": lambda all_: [*all_[:3], b'data: {"choices":[\n\n', *all_[3:]],
        "[DONE] first": lambda all_: [b"data: [DONE]\n\n", *all_],
        "[DONE] in the middle": lambda all_: [*all_[:4], b"data: [DONE]\n\n", *all_[4:]],
        "a list in between": lambda all_: [*all_[:2], b"data: [1,2]\n\n", *all_[2:]],
        "null in between": lambda all_: [*all_[:2], b"data: null\n\n", *all_[2:]],
        "shuffled": lambda all_: random.Random(3).sample(all_, len(all_)),
    }  # fmt: skip
    for name, change in changes.items():
        yield name, b"".join(change(events))


def _paths(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield (*path, index)
            yield from _paths(inner, (*path, index))


def _with(value: Json, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Json:
    copied = json.loads(json.dumps(value))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return copied


def _spoiled(value: Json) -> Iterator[tuple[str, Json]]:
    """The object with each of its fields gone, or odd: one oddity for each field in turn, so that
    the table stays small.
    """
    odd = list(ODD.items())
    for number, path in enumerate(_paths(value)):
        told = ".".join(map(str, path))
        if isinstance(path[-1], str):
            yield f"without {told}", _with(value, path, lambda inner, key: inner.pop(key))
        for step in (0, 5, 11):
            name, given = odd[(number + step) % len(odd)]
            yield (
                f"{told} is {name}",
                _with(value, path, lambda inner, key, given=given: inner.__setitem__(key, given)),
            )  # type: ignore[misc]


def _fields(one: Recorded) -> Iterator[tuple[str, bytes]]:
    if not one.stream:
        for name, spoiled in _spoiled(json.loads(one.body)):
            yield name, json.dumps(spoiled).encode()
        return
    events = [each for each in one.body.split(b"\n\n") if each]
    kinds: set[str] = set()
    for index, event in enumerate(events):
        if not event.startswith(b"data: {"):
            continue
        value = json.loads(event[6:])
        kind = value.get("type") or ",".join(sorted(value)) + str(
            sorted((value.get("choices") or [{}])[0].get("delta", {}))
        )
        if kind in kinds:
            continue
        kinds.add(kind)
        for name, spoiled in _spoiled(value):
            changed = [
                *events[:index],
                b"data: " + json.dumps(spoiled).encode(),
                *events[index + 1 :],
            ]
            yield f"event {index}: {name}", b"\n\n".join(changed) + b"\n\n"


def could_finish(api: str, body: bytes, *, stream: bool) -> bool:
    """Whether a finish can be seen anywhere in it, by a reader that is as generous as can be. What
    ends well without is a lie.
    """
    found = list(_objects(body))
    if api == "images":
        ended = any(
            str(each.get("type")).endswith("completed") or isinstance(each.get("data"), list)
            for each in found
        )
    elif api == "responses":
        ends = ("completed", "incomplete")
        ended = any(
            str(each.get("type")).rpartition(".")[2] in ends or _of(each.get("response")).get("status") in ends or "output" in each
            for each in found
        )  # fmt: skip
    else:
        listed = [each["choices"] for each in found if isinstance(each.get("choices"), list)]
        choices = [_of(choice) for choices in listed for choice in choices]
        ended = any(choice.get("finish_reason") or "message" in choice for choice in choices)
    return ended


def _of(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _objects(body: bytes) -> Iterator[dict[str, Json]]:
    text = body.decode("utf-8", "replace").replace("\r", "\n")
    joined = [part.replace("\ndata:", "\n").removeprefix("data:") for part in text.split("\n\n")]
    for each in (text, *joined, *(line.partition("data:")[2] for line in text.split("\n"))):
        try:
            value = json.loads(each, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


@dataclass
class Verdict:
    """What came of many of them."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter[str])


SLOW = WAIT
"""Seconds for one that count as a hang: each body ends at once, and only what waits for more than
it has comes to a time-out."""


async def judge(cases: Iterable[Malformed], *, at_once: int = 8) -> Verdict:
    """Whether each ends in an answer or in one of agentkit's own errors, in time, and in no answer
    that cannot be.
    """
    verdict, waiting = Verdict(), iter(cases)
    async with ears(at_once) as hearing:

        async def worker() -> None:
            for case in waiting:
                began = time.monotonic()
                heard = await hearing.hear(
                    case.api, [case.body], stream=case.stream, length=len(case.body), kind=case.kind
                )
                verdict.tried += 1
                verdict.outcomes[type(heard.error).__name__ if heard.error else "answered"] += 1
                if (why := wrong_with(case, heard)) is not None:
                    verdict.wrong.append(f"{case}: {why}")
                if (seconds := time.monotonic() - began) > SLOW:
                    verdict.wrong.append(f"{case}: took {seconds:.1f} s")

        await asyncio.gather(*(worker() for _ in range(at_once)))
    return verdict


def wrong_with(case: Malformed, heard: Heard) -> str | None:
    error = heard.error
    if error is None:
        fine = case.may_end_well and could_finish(case.api, case.body, stream=case.stream)
        return None if fine else f"a false success: {heard.answer!r}"
    if not isinstance(error, AgentkitError) or type(error).__module__ != "agentkit.errors":
        return f"{type(error).__name__}: {error}"
    if isinstance(error, RunError) and heard.so_far is None:
        return f"{type(error).__name__} without what had arrived"
    return None if heard.posts == 1 or heard.ran else f"asked {heard.posts} times"
