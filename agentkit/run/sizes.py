"""How large the messages of a request are, as the model counts: an estimate of its tokens, with
which requests are priced. What was measured once is measured no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentkit.run.history import PLAIN, MessageView, tokens_of
from agentkit.run.views import AS_THEY_ARE, Views
from agentkit.values import BlobRef, Image, Message, Messages
from agentkit.values.messages import Block

_Views = tuple[MessageView | None, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How large some messages are."""

    tokens: int
    """Of the messages themselves, without pictures."""
    beside: int
    """Bytes of the words that go with them beside their own."""
    pictures: frozenset[str]
    """The pictures that go, by their sha256."""
    read: frozenset[str]
    """The names of the files of which something was read out."""


class Sizes:
    """Measures a conversation that grows. Blocks of messages that go as they went in the request
    before are not looked at again.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[Block, _Views, Size]] = []

    def of(self, messages: Messages, views: Views) -> Size:
        """The size of these messages, shown so."""
        count = len(messages.blocks)
        shown = (*views.blocks[:count], *[AS_THEY_ARE] * (count - len(views.blocks)))
        before, self._blocks = self._blocks, []
        for at, (block, view) in enumerate(zip(messages.blocks, shown, strict=True)):
            kept = before[at] if at < len(before) else None
            if kept is not None and kept[0] is block and kept[1] is view:
                self._blocks.append(kept)
            else:
                self._blocks.append((block, view, _measured(block, view)))
        seen = count * len(AS_THEY_ARE)
        tail = _measured(messages.tail, views.between(seen, messages.length))
        return _sum([*[size for _, _, size in self._blocks], tail])

    def keep_only(self, messages: Messages) -> None:
        """Forget what came behind these messages."""
        del self._blocks[len(messages.blocks) :]


def _measured(messages: Block, views: Sequence[MessageView | None]) -> Size:
    tokens = beside = 0
    pictures, read = set[str](), set[str]()
    for message, view in zip(messages, views, strict=True):
        tokens += tokens_of(message)
        if view is not None:
            words = (view.before, view.note, *[line for line, _ in view.attached])
            beside += sum([len(text.encode("utf-8", "replace")) for text in words])
        pictures |= {*_pictures(message, view or PLAIN)}
        read |= {each.file_name for each in message.parsed}
    return Size(tokens, beside, frozenset(pictures), frozenset(read))


def _pictures(message: Message, view: MessageView) -> Iterator[str]:
    """The pictures that go with one message, by their sha256."""
    if message.role == "assistant":
        pieces = [piece for item in message.raw for piece in item]
        own = [piece.sha256 for piece in pieces if isinstance(piece, BlobRef)]
    else:
        own = [image.sha256 for image in message.images]
    yield from (sha256 for sha256 in own if sha256 not in view.hidden)
    yield from (each.sha256 for _, each in view.attached if isinstance(each, Image))


def _sum(sizes: Sequence[Size]) -> Size:
    return Size(
        sum([each.tokens for each in sizes]),
        sum([each.beside for each in sizes]),
        frozenset[str]().union(*[each.pictures for each in sizes if each.pictures]),
        frozenset[str]().union(*[each.read for each in sizes if each.read]),
    )
