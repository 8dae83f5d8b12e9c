"""From a decoded reply to the parts of a message: words and pictures in order, each picture once,
at its place in the words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agentkit.errors import ImageError
from agentkit.images.spool import Spool
from agentkit.values import Image, Invocation, Part, Reasoning, Source, Text, ToolCall
from agentkit.wire import markdown
from agentkit.wire.markdown import Found, Reading
from agentkit.wire.types import IMAGE_GENERATION, ImageKey, ImageRef, Reply


@dataclass(frozen=True, slots=True)
class LinkedText:
    """Words of a reply, and the links in them."""

    text: Text
    links: Reading


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply whose words were read for links to pictures, once: see `parse`."""

    reply: Reply
    pieces: tuple[ImageRef | LinkedText | Reasoning | ToolCall, ...]
    """Its parts. A reference in the words is a picture between two texts."""
    spool: Spool | None

    def image_refs(self) -> Iterator[ImageRef]:
        """The pictures that the reply has, then those that its words point to."""
        for part in self.reply.parts:
            if isinstance(part, ImageRef):
                yield part
        markdown_images = self._markdown_images()
        for piece in self.pieces:
            if isinstance(piece, ImageRef):
                yield piece
            elif isinstance(piece, LinkedText):
                for link in piece.links.found:
                    yield _ref_of(markdown_images.get(link.url, link))

    def _markdown_images(self) -> dict[str, Found]:
        """The first Markdown image of each URL: it says more than a bare link."""
        images: dict[str, Found] = {}
        for piece in self.pieces:
            if isinstance(piece, LinkedText):
                for link in piece.links.found:
                    if not link.bare:
                        images.setdefault(link.url, link)
        return images

    def parts(self, named: Mapping[ImageKey, Image]) -> tuple[Part, ...]:
        """The parts of the message. `named` has the pictures that are stored."""
        parts: list[Part] = []

        def linked(url: str) -> Image | None:
            return _image_at(named, ImageKey("text", url), "text")

        for piece in self.pieces:
            match piece:
                case ImageRef(key=key, place=place):
                    if (image := _image_at(named, key, place)) is not None:
                        parts.append(image)
                case LinkedText(text=text, links=links):
                    parts += markdown.place(text, linked, links)
                case ToolCall():
                    parts.append(self._restored(piece))
                case Reasoning():
                    parts.append(piece)
        in_words = {part.sha256 for part in parts if isinstance(part, Image) and _is_in_words(part)}
        return tuple(_once(parts, in_words))

    def _restored(self, call: ToolCall) -> ToolCall:
        """The call with its arguments as they came; it fails if a picture among them was too large
        to be kept.
        """
        if self.spool is None:
            return call
        try:
            arguments = self.spool.restore(call.arguments)
        except ImageError as error:
            fault = call.fault or f"the picture in its arguments is {error}"
            return replace(call, arguments="{}", fault=fault)
        return call if arguments == call.arguments else replace(call, arguments=arguments)

    def invocations(
        self,
        named: Mapping[ImageKey, Image],
        taken: set[str],
        timed: Callable[[Invocation], Invocation],
        turns: int,
    ) -> tuple[Invocation, ...]:
        """The server tools' calls with the names of their pictures, under ids that are not
        taken.
        """
        drawn: dict[str, list[str]] = {}
        for part in self.reply.parts:
            if isinstance(part, ImageRef) and part.invocation_id and part.key in named:
                drawn.setdefault(part.invocation_id, []).append(named[part.key].name)
        nobodys = dict.fromkeys(
            image.name for image in named.values() if image.invocation_id is None
        )
        found: list[Invocation] = []
        for invocation in self.reply.server_calls:
            images = tuple(dict.fromkeys(drawn.get(invocation.id, ())))
            is_hidden = invocation.arguments is None and invocation.name == IMAGE_GENERATION
            if is_hidden and not images:
                images = tuple(nobodys)
            number = f"{invocation.id}_{turns}" if invocation.id in taken else invocation.id
            found.append(replace(timed(invocation), images=images, id=number))
        return tuple(found)


def parse(reply: Reply, spool: Spool | None) -> ParsedReply:
    """Read the words of a reply for links and for references of its spool."""
    pieces: list[ImageRef | LinkedText | Reasoning | ToolCall] = []
    for part in reply.parts:
        if isinstance(part, Text):
            pieces += _split(part, spool)
        else:
            pieces.append(part)
    return ParsedReply(reply, tuple(pieces), spool)


def _split(text: Text, spool: Spool | None) -> Iterator[ImageRef | LinkedText]:
    """The words, and the pictures whose references stand between them."""
    pieces = [text.text] if spool is None else spool.split(text.text)
    if len(pieces) == 1:
        yield LinkedText(text, markdown.read_whole(text.text))
        return
    for number, piece in enumerate(pieces):
        if number % 2:
            yield ImageRef(ImageKey("text", piece), "content", (piece,))
        elif piece:
            yield LinkedText(Text(piece, text.citations), markdown.read_whole(piece))


def _ref_of(link: Found) -> ImageRef:
    key = ImageKey("text", link.url)
    return ImageRef(key, "text", (link.url,), alt=link.alt, optional=link.bare)


def _image_at(named: Mapping[ImageKey, Image], key: ImageKey, place: str) -> Image | None:
    """The picture as it stands at this place: only that one is its source."""
    image = named.get(key)
    if image is None:
        return None
    sources = tuple(source for source in image.sources if source.place == place)
    return replace(image, sources=sources[:1] or (Source("images"),))


def _is_in_words(image: Image) -> bool:
    return image.sources[0].place in {"text", "content"}


def _once(parts: Sequence[Part], in_words: set[str]) -> Iterator[Part]:
    """Each picture once: where it stands in the words, if it does, else where it came first."""
    shown: set[str] = set()
    for part in parts:
        if isinstance(part, Image):
            if part.sha256 in shown or (part.sha256 in in_words and not _is_in_words(part)):
                continue
            shown.add(part.sha256)
        yield part
