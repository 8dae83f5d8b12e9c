"""Which output item an event of the Responses API is about.

An item is known by its id first. Some providers rotate the ids between events, or give one id to
all items: then its place (`output_index`) and its type tell which it is. Places have gaps, come
again, and need not be those of the list in `response.completed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

from agentkit.wire.common import is_another, reasoning_of
from agentkit.wire.json import as_count, as_object, as_text
from agentkit.wire.responses.items import Item, text_of
from agentkit.wire.types import JsonObject


class Places:
    """The items of one reply by their place, in the order in which they are said."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self._by_id: dict[str, int] = {}
        self._moved: dict[int, int] = {}
        self._free = 0

    def ordered(self) -> Iterator[tuple[int, Item]]:
        """The items and their places, by place."""
        return iter(sorted(self.items.items()))

    def of(self, event: JsonObject) -> int:
        """The place of the item that a delta belongs to. The item is there afterwards."""
        index = event.get("output_index")
        if type(index) is not int or index < 0:
            index = as_count(index)
        known = self.items.get(index)
        item_id = event.get("item_id")
        if known is None or (item_id and item_id != known.id):
            place = self._by_id.get(item_id, index) if isinstance(item_id, str) else index
            index, known = place, self.items.get(place)
        if known is None:
            self.items[index] = Item()
        return index

    def started(self, event: JsonObject) -> int:
        """The place of an item that begins. The item is there afterwards."""
        item = as_object(event.get("item"))
        place = as_count(event.get("output_index"))
        known = self.items.get(place)
        if known is not None and known.done and _id_of(item) not in {"", known.id}:
            place = self._next_free()
        return self._take(place, item)

    def ended(self, event: JsonObject) -> int:
        """The place of an item that came whole. The item is there afterwards."""
        item = as_object(event.get("item"))
        index = as_count(event.get("output_index"))
        item_id = _id_of(item)
        known = self.items.get(index)
        if known is None or known.done or known.id != item_id:
            named = self._by_id.get(item_id) if item_id else None
            if named is not None and self._may_be(named, item):
                return self._take(named, item)
        place = self._moved.get(index, index)
        known = self.items.get(place)
        if known is not None and known.done and is_another(known.item, item):
            place = self._moved[index] = self._next_free()
        return self._take(place, item)

    def of_all(self, output: list[JsonObject]) -> list[int]:
        """The places of the items of a whole response, each at a place of its own. Some providers
        leave items out of it, or give them in another order than they were streamed in."""
        ids = [_id_of(item) for item in output]
        if not self.items:  # of a reply that was not streamed
            for place, item_id in enumerate(ids):
                self._put(place, item_id)
            return list(range(len(output)))
        times = Counter(ids)
        found: dict[int, int] = {}
        for number, item_id in enumerate(ids):
            place = self._by_id.get(item_id) if item_id and times[item_id] == 1 else None
            if place is not None and self._is_of_type(place, output[number]):
                found[number] = place
        self._find_by_call(output, found)
        self._find_by_type(output, found)
        for number, item in enumerate(output):
            self._take(found[number], item)
        return [found[number] for number in range(len(output))]

    def _find_by_call(self, output: list[JsonObject], found: dict[int, int]) -> None:
        """Find calls by the id of the call."""
        calls = {known.call()[0]: place for place, known in self.items.items() if known.is_call}
        taken = set(found.values())
        for number, item in enumerate(output):
            call_id = as_text(item.get("call_id"))
            if number in found or item.get("type") != "function_call" or not call_id:
                continue
            place = calls.get(call_id)
            if place is not None and place not in taken:
                found[number] = place
                taken.add(place)

    def _find_by_type(self, output: list[JsonObject], found: dict[int, int]) -> None:
        """Find the rest: by place where an item of the type is there, else the first of a type is
        the first of that type; what is left is new."""
        taken = set(found.values())
        for number, item in enumerate(output):
            if number not in found and number not in taken and self._is_of_type(number, item):
                found[number] = number
                taken.add(number)
        free: dict[str, list[int]] = {}
        for place, known in sorted(self.items.items(), reverse=True):
            if place not in taken:
                free.setdefault(known.type, []).append(place)
        fresh = count(max([len(output), *self.items], default=0) + 1)
        for number, item in enumerate(output):
            if number in found:
                continue
            if places := free.get(as_text(item.get("type")) or ""):
                place = places.pop()
            else:
                place = next(fresh) if number in self.items or number in taken else number
            found[number] = place
            taken.add(place)

    def _may_be(self, place: int, item: JsonObject) -> bool:
        """Whether the item at this place, which has the same id, is this one: some providers give
        one id to all items."""
        known = self.items[place]
        return self._is_of_type(place, item) and (
            not known.done or _says(known.item) == _says(item)
        )

    def _is_of_type(self, place: int, item: JsonObject) -> bool:
        known = self.items.get(place)
        if known is None:
            return False
        if known.is_call and item.get("call_id") and known.item.get("call_id"):
            return known.item.get("call_id") == item.get("call_id")
        return known.type in {"", as_text(item.get("type"))}

    def _take(self, place: int, item: JsonObject) -> int:
        self._put(place, _id_of(item))
        return place

    def _put(self, place: int, item_id: str) -> None:
        known = self.items.get(place)
        if known is None:
            known = self.items[place] = Item()
        if item_id:
            known.id = item_id
            self._by_id[item_id] = place

    def _next_free(self) -> int:
        while self._free in self.items:
            self._free += 1
        return self._free


def _id_of(item: JsonObject) -> str:
    return as_text(item.get("id")) or ""


def _says(item: JsonObject) -> object:
    """What an item says: the same where it comes twice."""
    if item.get("type") == "message":
        return text_of(item)
    if item.get("type") == "reasoning":
        return reasoning_of(item)
    return {name: value for name, value in item.items() if name != "status"}
