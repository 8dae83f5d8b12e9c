"""What the decoders of both dialects share: server-tool calls, pictures in loose shapes, usage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from agentkit.values import Invocation, InvocationStatus, Place, Usage
from agentkit.wire.json import (
    as_count,
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    keepable,
    read_object,
    write,
)
from agentkit.wire.tool_calls import parse_object
from agentkit.wire.types import BLOB, IMAGE_GENERATION, ImageKey, ImageRef, JsonObject

IMAGE_ITEMS = {IMAGE_GENERATION, "image_generation_call"}
IMAGE_PARTS = ("image_url", "output_image", "input_image", "image")
_FIELDS = ("result", "imageB64", "image_b64", "b64_json", "imageUrl", "image_url", "url")


def picture_values(holder: JsonObject, fields: Sequence[str] = _FIELDS) -> tuple[str, ...]:
    """Every string in these fields that may be a picture; a field may hold the string, or an object
    with a `url`.
    """
    values: list[str] = []
    for field in fields:
        value = holder.get(field)
        text = as_text(as_object(value).get("url")) or as_text(value)
        if text and text not in values:
            values.append(text)
    return tuple(values)


def picture_of_part(part: JsonObject) -> tuple[str, ...]:
    """The picture in an entry of `images`, or in a content part of one of the types in
    `IMAGE_PARTS`.
    """
    return picture_values(
        part, ("image_url", "url", "image", "result", "b64_json", "imageUrl", "imageB64")
    )


def server_status(status: object, *, failed: bool) -> InvocationStatus:
    if failed or status in ("failed", "incomplete"):
        return "failed"
    return "running" if status in ("in_progress", "generating", "searching") else "completed"


def server_detail(detail: JsonObject, seed: str) -> tuple[Invocation, ImageRef | None]:
    """Chat: a `reasoning.server_tool_call`, and the picture in its result."""
    name = as_text(detail.get("tool_name")) or "openrouter:unknown"
    call_id = as_text(detail.get("tool_call_id")) or as_text(detail.get("id")) or f"server_{seed}"
    arguments = parse_object(as_text(detail.get("arguments")) or "")
    result = as_text(detail.get("result"))
    parsed = parse_object(result or "")
    error = (
        as_text((parsed or {}).get("error"))
        if (parsed or {}).get("status") == "error" or "error" in (parsed or {})
        else None
    )
    status = server_status((parsed or {}).get("status"), failed=error is not None)
    cost = own_cost(parsed or {})
    invocation = Invocation(
        call_id,
        name,
        arguments,
        executor="server",
        status=status,
        result=result,
        error=error,
        cost_usd=cost,
    )
    if name.removeprefix("openrouter:") != "image_generation":
        return invocation, None
    values = picture_values(parsed) if parsed is not None else ((result,) if result else ())
    return invocation, ImageRef(
        ImageKey("server", call_id),
        "reasoning_details",
        values,
        prompt=as_text((arguments or {}).get("prompt")),
        revised_prompt=as_text((parsed or {}).get("revisedPrompt"))
        or as_text((parsed or {}).get("revised_prompt")),
        invocation_id=call_id,
        cost_usd=cost,
        error=None if values else error or "the server tool gave no picture",
    )


def server_item(
    item: JsonObject, key: ImageKey, *, tracked: bool
) -> tuple[Invocation, ImageRef | None]:
    """Responses: `openrouter:image_generation`, `image_generation_call`, and any other server
    tool's output item. `tracked`: the item is a tool's call (a model that draws by itself gives
    items of the same type)."""
    name = as_text(item.get("type")) or "openrouter:unknown"
    error = item.get("error")
    words = as_text(error) or as_text(as_object(error).get("message"))
    status = server_status(item.get("status"), failed=words is not None)
    call_id = as_text(item.get("call_id")) or as_text(item.get("id")) or str(key)
    prompt = as_text(item.get("prompt"))
    invocation = Invocation(
        call_id,
        name
        if tracked and name != "image_generation_call"
        else IMAGE_GENERATION
        if tracked
        else name,
        _arguments_of(item, prompt),
        executor="server",
        status=status,
        error=words,
        cost_usd=own_cost(item),
    )
    if name not in IMAGE_ITEMS:
        return invocation, None
    values = picture_values(item)
    place: Place = "server_tool" if name == IMAGE_GENERATION else "image_generation_call"
    failure = (
        None
        if values
        else words or (f"the server tool ended as {item.get('status')!r} without a picture")
    )
    return invocation, ImageRef(
        key,
        place,
        values,
        prompt=prompt,
        revised_prompt=as_text(item.get("revisedPrompt")) or as_text(item.get("revised_prompt")),
        invocation_id=call_id if tracked else None,
        cost_usd=own_cost(item),
        error=failure,
    )


def is_another(known: JsonObject, item: JsonObject) -> bool:
    """Responses: whether two whole items that came under one index are two: calls by their id,
    pictures by what they show. The ids of items prove nothing, since some providers rotate them."""
    if known.get("type") != item.get("type"):
        return True
    if known.get("type") == "function_call":
        return known.get("call_id") != item.get("call_id")
    if as_text(known.get("id")) and known.get("id") == item.get("id"):
        return False
    had, given = picture_values(known), picture_values(item)
    return bool(had and given) and set(had).isdisjoint(given)


def _arguments_of(item: JsonObject, prompt: str | None) -> dict[str, Any] | None:
    given = item.get("arguments")
    if isinstance(given, dict):
        return keepable(cast("JsonObject", given))
    if isinstance(given, str) and (parsed := parse_object(given)) is not None:
        return parsed
    if prompt is not None:
        return {"prompt": prompt}
    known = {
        name: item[name]
        for name in ("query", "queries", "url", "action")
        if item.get(name) is not None
    }
    return keepable(known) if known else None


def uncounted(
    usage: JsonObject, shown: int, tools: Sequence[str], seed: str
) -> Iterator[Invocation]:
    """Server-tool calls of which the wire shows only how many there were."""
    details = as_object(usage.get("server_tool_use_details")) or as_object(
        usage.get("server_tool_use")
    )
    executed = as_count(details.get("tool_calls_executed")) or as_count(
        details.get("web_search_requests")
    )
    if (hidden := executed - shown) > 0:
        searched = as_count(details.get("web_search_requests")) >= executed
        name = (
            tools[0]
            if len(tools) == 1
            else "openrouter:web_search"
            if searched
            else "openrouter:server_tool"
        )
        yield Invocation(
            f"server_{seed}", name, executor="server", status="completed", count=hidden
        )


MOST_USD = 10**9
"""A cost beyond this is no cost; it may be a number that no float holds."""


def cost_of(usage: JsonObject) -> float | None:
    """USD, where the reply tells it; an unknown cost is None, never 0."""
    cost = usage.get("cost")
    if not isinstance(cost, int | float) or isinstance(cost, bool):
        return None
    return float(cost) if 0 <= cost < MOST_USD else None


def own_cost(holder: JsonObject) -> float | None:
    """USD of one call or one picture, where its own record tells it: `cost`, or `usage.cost`."""
    own = cost_of(holder)
    return own if own is not None else cost_of(as_object(holder.get("usage")))


def citations(annotations: object) -> tuple[JsonObject, ...]:
    """The annotations as a run may hold them."""
    return tuple(kept for each in as_objects(annotations) if (kept := keepable(each)) is not None)


def without(items: tuple[bytes, ...], lost: frozenset[str]) -> tuple[bytes, ...]:
    """The raw items without pictures that were not had: a message loses its entry, an item that is
    one goes, and with it the reasoning directly before it, which is refused without the item that
    followed it."""
    if not lost:
        return items
    kept: list[bytes] = []
    for data in items:
        if (left := _without(data, lost)) is not None:
            kept.append(left)
            continue
        while kept and read_object(kept[-1]).get("type") == "reasoning":
            kept.pop()
    return tuple(kept)


def _without(data: bytes, lost: frozenset[str]) -> bytes | None:
    """What is left of an item; None where nothing is."""
    item = read_object(data)
    if (
        as_text(item.get("type")) in IMAGE_ITEMS
        and lost.issuperset(picture_values(item))
        and picture_values(item)
    ):
        return None
    changed = dict(item)
    for name in ("images", "content"):
        if isinstance(entries := item.get(name), list):
            changed[name] = [
                each
                for each in cast("list[object]", entries)
                if not lost.intersection(picture_of_part(as_object(each)))
            ]
    if changed == item:
        return data
    if changed.get("images") == []:
        del changed["images"]
    return (
        None if item.get("type") == "message" and changed.get("content") == [] else write(changed)
    )


def usage_of(usage: JsonObject) -> Usage:
    """The usage object of either API, whose keys differ. An absent one is a request whose cost is
    not known.
    """
    given = as_object(usage.get("prompt_tokens_details")) or as_object(
        usage.get("input_tokens_details")
    )
    made = as_object(usage.get("completion_tokens_details")) or as_object(
        usage.get("output_tokens_details")
    )
    server = as_object(usage.get("server_tool_use_details"))
    cost = cost_of(usage)
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")) or as_count(usage.get("input_tokens")),
        output_tokens=as_count(usage.get("completion_tokens"))
        or as_count(usage.get("output_tokens")),
        cached_tokens=as_count(given.get("cached_tokens")),
        reasoning_tokens=as_count(made.get("reasoning_tokens")),
        image_tokens=as_count(made.get("image_tokens")),
        server_tool_calls=as_count(server.get("tool_calls_executed"))
        or as_count(server.get("web_search_requests")),
        requests=1,
        priced_requests=int(cost is not None),
        cost_usd=cost,
    )


def reasoning_of(item: JsonObject) -> str:
    """The content where there is any, else the summary: both are the model's words for the same
    thing.
    """
    for name in ("content", "summary"):
        words = [
            join_surrogates(text)
            for part in as_objects(item.get(name))
            if isinstance(text := part.get("text"), str)
        ]
        if any(words):
            return "\n\n".join(words) if name == "summary" else "".join(words)
    return ""


_REFERENCE = re.compile(rf"{BLOB}:[^:\"]+:\d+".encode())


def _bare(event: object) -> bytes:
    """An event without the references in it: a picture that comes twice is given another each
    time.
    """
    return _REFERENCE.sub(b"", write(event))


class Repeats:
    """Tells events that came before, by their sequence number. Where one number is given to events
    that differ, the numbers of this stream mean nothing, and every event counts."""

    def __init__(self) -> None:
        self._seen: dict[int, object] = {}
        self._numbered = True

    def again(self, event: JsonObject) -> bool:
        number, delta = event.get("sequence_number"), event.get("delta")
        if not self._numbered or not isinstance(number, int):
            return False
        mark: object = event
        # Of the many, no more is kept than the words, which the reply keeps too.
        if isinstance(delta, str):
            mark = (event.get("type"), event.get("output_index"), event.get("content_index"), delta)
        if number not in self._seen:
            self._seen[number] = mark
            return False
        self._numbered = self._seen[number] == mark or _bare(self._seen[number]) == _bare(mark)
        return self._numbered
