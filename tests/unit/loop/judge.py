"""What providers refuse in a request, as their documentation says, and a judge that holds bodies
against it.

`RULES` is the data: for each family what its provider demands, with the source. `judge` reads a
body of either API and returns what would be refused by those who may answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
SKIP = "skip_thought_signature_validator"


@dataclass(frozen=True)
class Rules:
    """What one provider demands."""

    call_id: str
    name: str
    blank_text: bool
    """Whether a text may be only white space."""
    signed_calls: bool
    """Whether the calls of the turn in progress need a signature."""
    sources: tuple[str, ...]


RULES: Mapping[str, Rules] = {
    "openai": Rules(
        r"[a-zA-Z0-9_-]{1,40}", r"[a-zA-Z0-9_-]{1,64}", True, False,
        (
            "https://platform.openai.com/docs/api-reference/chat/create",
            "https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items",
        ),
    ),
    "anthropic": Rules(
        r"[a-zA-Z0-9_-]{1,64}", r"[a-zA-Z0-9_-]{1,64}", False, False,
        (
            "https://docs.anthropic.com/en/api/messages",
            "https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking",
        ),
    ),
    "google": Rules(
        r".{1,64}", r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", False, True,
        (
            "https://ai.google.dev/gemini-api/docs/thought-signatures",
            "https://ai.google.dev/api/caching#FunctionDeclaration",
        ),
    ),
}  # fmt: skip


@dataclass
class Said:
    """One message as any provider reads it."""

    role: str
    texts: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    seals: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    pictures: int = 0


def judge(
    body: Json,
    readers: Sequence[str],
    seals: Mapping[str, str],
    needs: Mapping[str, str] | None = None,
) -> list[str]:
    """What those who may answer (`readers`, families) would refuse. `seals` has the family of each
    signature and encrypted reasoning; `needs`, of items, the reasoning that came before them."""
    said = list(chat(body["messages"]) if "messages" in body else responses(body["input"]))
    found = [*shape(said), *sealed(said, readers, seals)]
    for reader in readers:
        found += [f"{reader}: {each}" for each in by_rules(said, RULES[reader])]
    if "input" in body:
        found += items(body["input"], needs or {})
    return found


def chat(messages: Sequence[Json]) -> Iterator[Said]:
    for message in messages:
        said = Said(message["role"])
        content = message.get("content")
        parts = [{"text": content}] if isinstance(content, str) else content or []
        said.texts = [part["text"] for part in parts if "text" in part]
        said.pictures = sum("image_url" in part for part in parts)
        said.plain = [
            message[each] for each in ("reasoning", "reasoning_content") if each in message
        ]
        for call in message.get("tool_calls", ()):
            said.calls.append((call["id"], call["function"]["name"]))
        for detail in message.get("reasoning_details", ()):
            said.seals += [detail[each] for each in ("signature", "data") if detail.get(each)]
        if message["role"] == "tool":
            said.results = [(message["tool_call_id"], "".join(said.texts))]
        yield said


def responses(items: Sequence[Json]) -> Iterator[Said]:
    """Neighbouring items of the assistant are one message, as providers read them."""
    current: Said | None = None
    for item in items:
        kind = item.get("type", "message")
        role = "tool" if kind == "function_call_output" else item.get("role", "assistant")
        if current is None or current.role != role or role != "assistant":
            if current is not None:
                yield current
            current = Said(role)
        if kind == "message":
            content = item.get("content")
            parts = [{"text": content}] if isinstance(content, str) else content or []
            current.texts += [part["text"] for part in parts if "text" in part]
            current.pictures += sum("image_url" in part for part in parts)
        elif kind == "function_call":
            current.calls.append((item["call_id"], item["name"]))
        elif kind == "function_call_output":
            output = item["output"]
            told = [{"text": output}] if isinstance(output, str) else output
            words = "".join(part.get("text", str(part)) for part in told)
            current.results.append((item["call_id"], words))
        elif kind == "reasoning":
            names = ("signature", "encrypted_content")
            current.seals += [item[each] for each in names if item.get(each)]
            parts = [*item.get("summary", ()), *(item.get("content") or ())]
            current.plain += [part["text"] for part in parts]
    if current is not None:
        yield current


def shape(said: Sequence[Said]) -> Iterator[str]:
    """Each call is answered right behind it, once, and each result has its call."""
    seen: set[str] = set()
    waiting: list[str] = []
    for each in said:
        if each.role != "tool" and waiting:
            yield f"calls without a result: {waiting}"
            waiting = []
        for call_id, _ in each.calls:
            if call_id in seen:
                yield f"two calls with the id {call_id!r}"
            seen.add(call_id)
            waiting.append(call_id)
        for call_id, words in each.results:
            if call_id not in waiting:
                yield f"a result without its call: {call_id!r}"
            else:
                waiting.remove(call_id)
            if not words.strip():
                yield f"an empty result of {call_id!r}"
        if not (each.texts or each.calls or each.results or each.pictures):
            yield f"a message of the {each.role} without content"
    if waiting:
        yield f"calls without a result: {waiting}"


def sealed(said: Sequence[Said], readers: Sequence[str], seals: Mapping[str, str]) -> Iterator[str]:
    """Nobody but the family that made a seal takes it, and all who may answer have to."""
    for each in said:
        for seal in each.seals:
            family = "google" if seal == SKIP else seals[seal]
            if set(readers) != {family}:
                yield f"{seal!r}, which {family} made, goes to {', '.join(readers)}"


def by_rules(said: Sequence[Said], rules: Rules) -> Iterator[str]:
    turn = max((at for at, each in enumerate(said) if each.role == "user"), default=0)
    for at, each in enumerate(said):
        for call_id, name in each.calls:
            if not re.fullmatch(rules.call_id, call_id):
                yield f"the id {call_id!r}"
            if not re.fullmatch(rules.name, name):
                yield f"the name {name!r}"
        texts = [text for text in each.texts if text or not each.calls]
        if not rules.blank_text and any(not text.strip() for text in texts):
            yield f"a blank text of the {each.role}"
        if rules.signed_calls and at > turn and each.calls and not each.seals:
            yield f"calls without a signature: {each.calls}"


def items(given: Sequence[Json], needs: Mapping[str, str]) -> Iterator[str]:
    """What OpenAI says of items: https://platform.openai.com/docs/api-reference/responses/create."""
    there = {item.get("id") for item in given if item.get("encrypted_content")}
    for at, item in enumerate(given):
        if item.get("type") == "reasoning":
            if (
                not item.get("encrypted_content")
                and not item.get("summary")
                and not item.get("content")
            ):
                yield f"reasoning by its id alone: {item.get('id')!r}"
            if at + 1 == len(given) or given[at + 1].get("role") == "user":
                yield f"reasoning without the item that followed it: {item.get('id')!r}"
        elif item.get("type") == "function_call" and not str(item.get("id", "fc_")).startswith(
            "fc_"
        ):
            yield f"the id of an item: {item['id']!r}"
        if (needed := needs.get(item.get("id", ""))) is not None and needed not in there:
            yield f"{item['id']!r} without its reasoning {needed!r}"
