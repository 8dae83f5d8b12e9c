"""How the messages of a request go, where they do not go as they are: a mapping that grows with the
conversation, and of which a turn changes a few entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeVar, overload

from agentkit.run.history import MessageView
from agentkit.values.messages import BLOCK

Block = tuple[MessageView | None, ...]
DefaultT = TypeVar("DefaultT")
AS_THEY_ARE: Block = (None,) * BLOCK
"""Of a block of messages that all go as they are."""


class Views(Mapping[int, MessageView]):
    """Views by the position of their message, equal to a dictionary of the same ones. It never
    changes; one that was made of another shares all blocks with it in which nothing changed.
    """

    __slots__ = ("_count", "blocks")

    def __init__(self, blocks: tuple[Block, ...] = (), count: int = 0) -> None:
        self.blocks = blocks
        """For each block of the messages, a view or None for each of them."""
        self._count = count

    @classmethod
    def of(cls, views: Mapping[int, MessageView]) -> Views:
        """These views, which are not copied where they are such a mapping."""
        return views if isinstance(views, Views) else NONE.changed(views)

    def changed(self, changes: Mapping[int, MessageView | None]) -> Views:
        """The same with these changes: None takes a view away."""
        if not changes:
            return self
        touched: dict[int, list[MessageView | None]] = {}
        count = self._count
        for at, view in changes.items():
            number, place = divmod(at, BLOCK)
            block = touched.get(number)
            if block is None:
                touched[number] = block = list(self._block(number))
            count += (view is not None) - (block[place] is not None)
            block[place] = view
        last = max(touched)
        blocks = list(self.blocks)
        blocks += [AS_THEY_ARE] * (last + 1 - len(blocks))
        for number, block in touched.items():
            blocks[number] = tuple(block) if any(block) else AS_THEY_ARE
        return Views(tuple(blocks), count)

    def _block(self, number: int) -> Block:
        return self.blocks[number] if number < len(self.blocks) else AS_THEY_ARE

    def between(self, start: int, stop: int) -> list[MessageView | None]:
        """A view or None for each message from one position up to another."""
        first = start // BLOCK
        found = list(chain.from_iterable(self.blocks[first : -(-stop // BLOCK)]))
        found = found[start - first * BLOCK : stop - first * BLOCK]
        return found + [None] * (stop - start - len(found))

    def of_blocks(self, first: int, stop: int) -> tuple[Block, ...]:
        """The views of these blocks of messages; none where all of them go as they are."""
        found = self.blocks[first:stop]
        if all(block is AS_THEY_ARE for block in found):
            return ()
        return (*found, *[AS_THEY_ARE] * (stop - first - len(found)))

    @overload
    def get(self, key: int, /) -> MessageView | None: ...
    @overload
    def get(self, key: int, /, default: MessageView | DefaultT) -> MessageView | DefaultT: ...
    def get(
        self, key: int, /, default: MessageView | DefaultT | None = None
    ) -> MessageView | DefaultT | None:
        number, place = divmod(key, BLOCK)
        if not 0 <= number < len(self.blocks):
            return default
        found = self.blocks[number][place]
        return default if found is None else found

    def __getitem__(self, key: int) -> MessageView:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[int]:
        for number, block in enumerate(self.blocks):
            for place, view in enumerate(block):
                if view is not None:
                    yield number * BLOCK + place

    def __len__(self) -> int:
        return self._count


NONE = Views()
