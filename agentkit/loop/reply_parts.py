"""From a decoded reply to the parts of a message: words and pictures in order, each picture once,
at its place in the words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agentkit.errors import ImageError
from agentkit.images.collector import Collector
from agentkit.values import Image, Invocation, Part, Source, Text, ToolCall
from agentkit.wire import markdown
from agentkit.wire.types import IMAGE_GENERATION, ImageRef, Reply


@dataclass(frozen=True, slots=True)
class Assembly:
    """What is needed to put a reply together: its pictures by the key of their sighting."""

    named: Mapping[str, Image]
    collector: Collector | None

    def parts(self, reply: Reply) -> tuple[Part, ...]:
        """The parts with each picture once, at its place in the words if it has one."""
        parts: list[Part] = []
        for part in reply.parts:
            if isinstance(part, ImageRef):
                if (image := self._here(part.key, part.place)) is not None:
                    parts.append(image)
            elif isinstance(part, Text):
                for piece in self._without_references(part):
                    parts += (
                        markdown.place(piece, lambda url: self._here(f"text:{url}", "text"))
                        if isinstance(piece, Text)
                        else [piece]
                    )
            elif isinstance(part, ToolCall) and self.collector is not None:
                parts.append(self._restored(part, self.collector))
            else:
                parts.append(part)
        placed = {
            part.sha256
            for part in parts
            if isinstance(part, Image) and part.sources[0].place in {"text", "content"}
        }
        return tuple(_once(parts, placed))

    def _restored(self, call: ToolCall, collector: Collector) -> ToolCall:
        """The call with its arguments as they came; it fails where a picture among them was too
        large to be kept.
        """
        try:
            arguments = collector.restored(call.arguments)
        except ImageError as error:
            return replace(
                call, arguments="{}", fault=call.fault or f"the picture in its arguments is {error}"
            )
        return call if arguments == call.arguments else replace(call, arguments=arguments)

    def _without_references(self, part: Text) -> list[Text | Image]:
        """The words, with pictures where a reference stands for one."""
        pieces: list[Text | Image] = [part]
        for reference in self.collector.references(part.text) if self.collector is not None else ():
            image = self._here(f"text:{reference}", "content")
            split: list[Text | Image] = []
            for piece in pieces:
                before, found, after = (
                    piece.text.partition(reference) if isinstance(piece, Text) else ("", "", "")
                )
                if isinstance(piece, Image) or not found:
                    split.append(piece)
                    continue
                split += [
                    Text(words, part.citations) if isinstance(words, str) else words
                    for words in (before, image, after)
                    if words
                ]
            pieces = split
        return pieces

    def _here(self, key: str, place: str) -> Image | None:
        named = self.named.get(key)
        if named is None:
            return None
        return replace(
            named,
            sources=tuple(source for source in named.sources if source.place == place)[:1]
            or (Source("images"),),
        )

    def invocations(
        self, reply: Reply, taken: set[str], timed: Callable[[Invocation], Invocation], turns: int
    ) -> tuple[Invocation, ...]:
        """The server tools' calls with the names of their pictures, under ids that are not
        taken.
        """
        drawn: dict[str, list[str]] = {}
        for part in reply.parts:
            if isinstance(part, ImageRef) and part.invocation_id and part.key in self.named:
                drawn.setdefault(part.invocation_id, []).append(self.named[part.key].name)
        nobodys = tuple(
            dict.fromkeys(
                image.name for image in self.named.values() if image.invocation_id is None
            )
        )
        found: list[Invocation] = []
        for invocation in reply.server_calls:
            at, images = timed(invocation), tuple(dict.fromkeys(drawn.get(invocation.id, ())))
            hidden = invocation.arguments is None and invocation.name == IMAGE_GENERATION
            found.append(replace(at, images=images or (nobodys if hidden else ())))
        return tuple(
            replace(each, id=f"{each.id}_{turns}") if each.id in taken else each for each in found
        )


def _once(parts: Sequence[Part], placed: set[str]) -> list[Part]:
    """Each picture once: where it stands in the words, if it does, else where it came first."""
    kept: list[Part] = []
    shown: set[str] = set()
    for part in parts:
        if isinstance(part, Image):
            in_words = part.sources[0].place in {"text", "content"}
            if part.sha256 in shown or (part.sha256 in placed and not in_words):
                continue
            shown.add(part.sha256)
        kept.append(part)
    return kept
