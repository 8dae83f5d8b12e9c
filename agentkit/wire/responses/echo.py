"""The items of an earlier reply, sent to the Responses API again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from agentkit.run.audience import Audience
from agentkit.run.history import MessageView
from agentkit.values import Message, Pieces, replace
from agentkit.wire.body import HOLE
from agentkit.wire.common import IMAGE_ITEMS
from agentkit.wire.echo import (
    RawItem,
    Sieve,
    in_words,
    is_touched,
    replace_value,
    stays_whole,
)
from agentkit.wire.json import as_object, as_objects, as_text, write
from agentkit.wire.reasoning import Recipient, is_sealed, reasoning_item, unsigned_item
from agentkit.wire.tool_calls import sent_name

_NEED_ID = {
    "apply_patch_call",
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "mcp_approval_request",
    "mcp_call",
    "mcp_list_tools",
    "openrouter:armor_blocked",
    "shell_call",
    "shell_call_output",
    "web_search_call",
}
"""Items that OpenRouter's specification does not take without their id."""


def echo(message: Message, view: MessageView, audience: Audience) -> tuple[Pieces, ...]:
    """The items as they came, but for what their audience cannot take. One whose picture is hidden
    goes, and with it the reasoning directly before it, which is refused without the item that
    followed it."""
    recipient, ids = Recipient.of(message, audience), dict(view.calls.ids)
    items = message.raw
    if is_touched(message, recipient, ids):
        items = _responses_addressed(message, recipient, ids)
    if not stays_whole(message, view.hidden):
        sieve = Sieve(view.hidden)
        items = _without_loose_reasoning([_responses_item(each, sieve) for each in items])
    if items:
        return items
    words = {"type": "message", "role": "assistant", "content": in_words(message.images)}
    return ((write(words),),)


def _without_loose_reasoning(items: list[Pieces | None]) -> tuple[Pieces, ...]:
    """The items that are left, without reasoning whose next item went, or that has none. Words and
    calls after it go without their ids."""
    kept: list[Pieces] = []
    lost = False
    for pieces in [*items, None]:
        if pieces is not None:
            kept.append(_without_id(pieces) if lost else pieces)
            continue
        while kept and RawItem(kept[-1]).value.get("type") == "reasoning":
            kept.pop()
            lost = True
    return tuple(kept)


def _without_id(pieces: Pieces) -> Pieces:
    item = RawItem(pieces)
    item.kept = set(range(len(item.refs)))
    kind = as_text(item.value.get("type"))
    has_to_stay = kind in _NEED_ID or kind == "reasoning"
    return item.pieces() if not has_to_stay and _loses_id(item.value) else pieces


def _without_reasoning(pieces: Pieces) -> Pieces | None:
    """An item after reasoning that does not go with it; None where it cannot go alone."""
    item = RawItem(pieces)
    item.kept = set(range(len(item.refs)))
    return (
        _as_users_pictures(item)
        if as_text(item.value.get("type")) in _NEED_ID
        else _without_id(pieces)
    )


def _responses_addressed(
    message: Message, recipient: Recipient, ids: Mapping[str, str]
) -> tuple[Pieces, ...]:
    """The items with what of their reasoning goes, and with ids and names that are taken."""
    kept: list[Pieces | None] = []
    lost = signed = False
    for pieces in message.raw:
        item = RawItem(pieces)
        item.kept = set(range(len(item.refs)))
        if item.value.get("type") == "reasoning":
            thought = reasoning_item(item.value, recipient)
            if thought is not None and thought is item.value:
                signed = signed or is_sealed(thought)
                kept.append(pieces)
                continue
            lost = True
            if thought is not None:
                item.value = dict(thought)
                kept.append(item.pieces())
            continue
        is_call = item.value.get("type") == "function_call"
        if is_call and recipient.wants_signed_calls and not signed:
            call_id = as_text(item.value.get("call_id")) or ""
            kept.append((write(unsigned_item(ids.get(call_id, call_id))),))
            signed = True
        changed = _loses_blank_text(item.value)
        if item.value.get("type") == "message" and not item.value.get("content"):
            continue
        if is_call:
            name = as_text(item.value.get("name")) or ""
            changed |= replace_value(item.value, "call_id", ids)
            changed |= replace_value(item.value, "name", {name: sent_name(name)})
        left = item.pieces() if changed else pieces
        kept.append(_without_reasoning(left) if lost else left)
    return _without_loose_reasoning(kept)


def _as_users_pictures(item: RawItem) -> Pieces | None:
    """The pictures of an item that cannot go itself; None where it has none."""
    if not item.refs:
        return None
    item.refs = [replace(ref, form="data_url") for ref in item.refs]
    content = [
        {"type": "input_image", "detail": "auto", "image_url": f"{HOLE}{number}"}
        for number in range(len(item.refs))
    ]
    item.value = {"type": "message", "role": "user", "content": content}
    return item.pieces()


def _loses_blank_text(item: dict[str, Any]) -> bool:
    """Take text parts that are only white space from a message: providers refuse them. Returns
    whether it changed."""
    content = item.get("content")
    if item.get("type") != "message":
        return False
    if isinstance(content, str):
        item["content"] = content if content.strip() else ""
    elif isinstance(content, list):
        parts = cast("list[object]", content)
        item["content"] = [each for each in parts if not _is_blank(as_object(each))]
    return item.get("content") != content


def _is_blank(part: Mapping[str, Any]) -> bool:
    text = part.get("text")
    return isinstance(text, str) and not text.strip() and "image_url" not in part


def _loses_id(item: dict[str, Any]) -> bool:
    """Take the id from an item whose reasoning does not go with it: by its id, OpenAI would ask for
    that reasoning. A message without an id has its words as one text. Returns whether it changed.
    """
    had = item.pop("id", None)
    parts = as_objects(item.get("content"))
    texts = [part.get("text") or part.get("refusal") for part in parts]
    if item.get("type") == "message" and parts and all(isinstance(each, str) for each in texts):
        item["content"] = "".join(cast("list[str]", texts))
        item.pop("status", None)
        return True
    return had is not None


def _responses_item(pieces: Pieces, sieve: Sieve) -> Pieces | None:
    """The item with what passes; None where nothing is left that is worth its place."""
    item = RawItem(pieces)
    if not item.refs:
        return pieces
    if as_text(item.value.get("type")) in IMAGE_ITEMS:
        if not sieve.passes(item, item.value):
            return None
        item.value = {name: value for name, value in item.value.items() if _stays(item, value)}
    elif item.value.get("type") == "message":
        sieve.entries(item, "content")
        if item.value.get("content") == []:
            return None
    else:
        sieve.rest(item, set())
    return pieces if len(item.kept) == len(item.refs) else item.pieces()


def _stays(item: RawItem, value: object) -> bool:
    """Whether a field of one picture (`result`, `imageB64`, …) has no bytes, or bytes that are
    kept.
    """
    marks = item.marks(value)
    return not marks or not item.kept.isdisjoint(marks)
