"""The messages of a conversation as one growing value: what a turn adds costs what is new, however
much lies behind.

A `Messages` never changes. One that grew from another shares all blocks of it that were full, so
that neither is copied, and both can be compared block by block. Whoever asks for a tuple of all of
them gets one, which is made then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar, overload

from agentkit.values.message import Message

BLOCK = 32
"""Messages of a full block."""
Block = tuple[Message, ...]


class Messages(Sequence[Message]):
    """Messages in order, equal to a tuple of the same ones."""

    __slots__ = ("_whole", "blocks", "last", "length", "tail")
    last: Message
    """The last of them; an empty one has none."""

    def __init__(self, blocks: tuple[Block, ...], tail: Block) -> None:
        self.blocks = blocks
        """The full blocks, in order."""
        self.tail = tail
        """The messages behind them, fewer than a block."""
        self.length = len(blocks) * BLOCK + len(tail)
        """How many there are: to read it is quicker than `len`."""
        self._whole: Block | None = None if blocks else tail
        if tail:
            self.last = tail[-1]
        elif blocks:
            self.last = blocks[-1][-1]

    @classmethod
    def of(cls, messages: Iterable[Message]) -> Messages:
        """These messages, which are not copied where they are such a value."""
        if type(messages) is Messages:
            return messages
        whole = tuple(messages)
        if not whole:
            return NO_MESSAGES
        full = len(whole) - len(whole) % BLOCK
        if not full:
            return cls((), whole)
        made = cls(tuple([whole[at : at + BLOCK] for at in range(0, full, BLOCK)]), whole[full:])
        made._whole = whole
        return made

    @property
    def whole(self) -> Block:
        """All of them as a tuple, which is made when it is first asked for."""
        if self._whole is None:
            self._whole = tuple(self)
        return self._whole

    def with_more(self, *new: Message) -> Messages:
        """These messages and new ones behind them."""
        tail = (*self.tail, *new)
        if len(tail) < BLOCK:
            return Messages(self.blocks, tail)
        more = Messages.of(tail)
        return Messages((*self.blocks, *more.blocks), more.tail)

    def first(self, count: int) -> Messages:
        """So many of them, from the first on."""
        if count >= self.length:
            return self
        full, rest = divmod(max(count, 0), BLOCK)
        behind = self.blocks[full] if full < len(self.blocks) else self.tail
        return Messages(self.blocks[:full], behind[:rest])

    def begins_with(self, other: Messages) -> bool:
        """Whether the other's messages are the first of these."""
        if other is self:
            return True
        full, rest = len(other.blocks), len(other.tail)
        if self.length < other.length or self.blocks[:full] != other.blocks:
            return False
        behind = self.blocks[full] if full < len(self.blocks) else self.tail
        return behind[:rest] == other.tail

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, at: int | slice) -> Message | tuple[Message, ...]:
        if isinstance(at, slice):
            return self._part(at)
        full = len(self.blocks) * BLOCK
        if at < 0:
            at += self.length
            if at < 0:
                raise IndexError("there are not so many messages")
        return self.tail[at - full] if at >= full else self.blocks[at // BLOCK][at % BLOCK]

    def _part(self, at: slice) -> tuple[Message, ...]:
        start, stop, step = at.indices(len(self))
        if step != 1 or self._whole is not None:
            return self.whole[at]
        return tuple(self.between(start, stop))

    def after(self, start: int) -> tuple[Message, ...]:
        """The messages from this position on."""
        full = len(self.blocks) * BLOCK
        if start >= full:
            return self.tail[start - full :]
        return self._part(slice(start, None))

    def between(self, start: int, stop: int) -> list[Message]:
        """The messages from one position up to another."""
        full = len(self.blocks) * BLOCK
        if start >= full:
            return list(self.tail[start - full : max(stop - full, 0)])
        first = start // BLOCK
        blocks = self.blocks[first : -(-stop // BLOCK)]
        found = list(chain.from_iterable(blocks))
        if stop > full:
            found += self.tail
        return found[start - first * BLOCK : stop - first * BLOCK]

    def __iter__(self) -> Iterator[Message]:
        return chain(chain.from_iterable(self.blocks), self.tail)

    def __reversed__(self) -> Iterator[Message]:
        yield from reversed(self.tail)
        for block in reversed(self.blocks):
            yield from reversed(block)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Messages):
            return self.length == other.length and self.begins_with(other)
        return self.whole == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.whole)

    def __repr__(self) -> str:
        return repr(self.whole)


NO_MESSAGES = Messages((), ())
KindT = TypeVar("KindT")


def shares_messages(kind: type[KindT]) -> type[KindT]:
    """A class whose field `messages` is held as `Messages`, which `shared_messages` gives as they
    are. `messages` itself stays the tuple that it is said to be.
    """
    held = vars(kind)["messages"]
    if not hasattr(held, "__set__"):  # a class without slots
        held = _InDict()
    for name, each in (("shared_messages", held), ("messages", _AsTuple(held))):
        setattr(kind, name, each)
    return kind


class _InDict:
    """Holds the messages of an object that has no slot for them."""

    __slots__ = ()

    def __get__(self, value: object, owner: type | None = None) -> Any:
        held: Any = self if value is None else vars(value)["messages"]
        return held

    def __set__(self, value: object, messages: Messages) -> None:
        vars(value)["messages"] = messages


class _AsTuple:
    """A field that is read as a tuple, and held as `Messages`."""

    __slots__ = ("_held",)
    held_as = "shared_messages"
    as_held = Messages.of

    def __init__(self, held: Any) -> None:
        self._held = held

    def __get__(self, value: object, owner: type | None = None) -> Any:
        return self if value is None else self._held.__get__(value, owner).whole

    def __set__(self, value: object, messages: Iterable[Message]) -> None:
        self._held.__set__(value, Messages.of(messages))
