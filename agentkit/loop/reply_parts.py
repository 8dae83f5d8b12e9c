"""From a decoded reply to the parts of a message: words and pictures in order, each picture once,
at its place in the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from agentkit.errors import ImageError
from agentkit.images.spool import Spool
from agentkit.run import Run
from agentkit.run.repeats import MOST_CUT_REPLIES
from agentkit.values import (
    File,
    Image,
    Invocation,
    Message,
    Part,
    Reasoning,
    Source,
    Text,
    ToolCall,
    fast_init,
)
from agentkit.wire import faults, markdown, retold
from agentkit.wire.json import write
from agentkit.wire.markdown import Found, Reading
from agentkit.wire.types import IMAGE_GENERATION, ImageKey, ImageRef, Reply

_NO_FILES: Mapping[str, tuple[File | Image, ...]] = {}
_PRETENDED = re.compile(r"!\[[^\]\n]{0,500}\]\(<?((?:sandbox|attachment|file|/mnt):?/[^\s)>]*)")


@dataclass(frozen=True, slots=True)
class LinkedText:
    """Words of a reply, and the links in them."""

    text: Text
    links: Reading


@fast_init
@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply whose words were read for links to pictures, once: see `parse`."""

    reply: Reply
    pieces: tuple[ImageRef | LinkedText | Reasoning | ToolCall, ...]
    """Its parts."""
    spool: Spool | None
    may_have_pictures: bool = True
    """Whether it has pictures, or words with links."""

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
                    yield self._ref_of(markdown_images.get(link.url, link))

    def _ref_of(self, link: Found) -> ImageRef:
        """A picture in the words: one that was taken out of them, or one that a link points to."""
        key = ImageKey("text", link.url)
        if self._is_inside(link.url):
            return ImageRef(key, "content", (link.url,), alt=link.alt)
        return ImageRef(key, "text", (link.url,), alt=link.alt, optional=link.bare)

    def _is_inside(self, url: str) -> bool:
        """Whether this stands for a picture that was taken out of the words."""
        return self.spool is not None and self.spool.is_reference(url)

    def _markdown_images(self) -> dict[str, Found]:
        """The first Markdown image of each URL: it says more than a bare link."""
        images: dict[str, Found] = {}
        for piece in self.pieces:
            if isinstance(piece, LinkedText):
                for link in piece.links.found:
                    if not link.bare:
                        images.setdefault(link.url, link)
        return images

    def said_to_draw(self) -> str | None:
        """What of the reply says that it drew a picture; None where nothing does."""
        calls = [
            each
            for each in self.reply.server_calls
            if each.name == IMAGE_GENERATION and each.status == "completed"
        ]
        if calls:
            number = sum(each.count for each in calls)
            return f"{number} call{'s' if number > 1 else ''} of {IMAGE_GENERATION}"
        tokens = self.reply.usage.image_tokens
        return f"{tokens} tokens of pictures" if tokens else None

    def pretended(self) -> str | None:
        """What the words show as a picture and only the model's own machine could hold:
        `sandbox:/mnt/data/fox.png`. None where they show nothing such.
        """
        for piece in self.pieces:
            found = _PRETENDED.search(piece.text.text) if isinstance(piece, LinkedText) else None
            if found is not None:
                return found[1][:80]
        return None

    def linked_hosts(self) -> list[str]:
        """The hosts of the links in the words, pictures first."""
        links = [
            link
            for piece in self.pieces
            if isinstance(piece, LinkedText)
            for link in piece.links.found
            if not self._is_inside(link.url)
        ]
        hosts = [urlsplit(each.url).hostname for each in sorted(links, key=lambda each: each.bare)]
        return list(dict.fromkeys([host for host in hosts if host]))

    def references_elsewhere(self) -> frozenset[str]:
        """What stands for pictures that are not the reply's: in the arguments of calls, which are
        the tools', and in annotations, which repeat the pages of the user's files.
        """
        if self.spool is None or not self.spool.blobs:
            return frozenset()
        texts = [part.arguments for part in self.reply.parts if isinstance(part, ToolCall)]
        cited = [part.citations for part in self.reply.parts if isinstance(part, Text)]
        texts += [write([dict(each) for each in found]).decode() for found in cited if found]
        texts += [write(dict(each)).decode() for each in self.reply.parsed]
        return frozenset(each for text in texts for each in self.spool.references(text))

    def parts(self, named: Mapping[ImageKey, Image]) -> tuple[Part, ...]:
        """The parts of the message. `named` has the pictures that are stored."""
        parts: list[Part] = []

        def linked(url: str) -> Image | None:
            place = "content" if self._is_inside(url) else "text"
            return _image_at(named, ImageKey("text", url), place)

        for piece in self.pieces:
            match piece:
                case ImageRef(key=key, place=place):
                    if (image := _image_at(named, key, place)) is not None:
                        parts.append(image)
                case LinkedText(text=text, links=links):
                    if links.found:
                        parts += markdown.place(text, linked, links, self._is_inside)
                    else:
                        parts.append(text)
                case ToolCall():
                    parts.append(self._restored(piece))
                case Reasoning():
                    parts.append(piece)
        for key, image in named.items():
            if key.where == "unclaimed":
                parts.append(replace(image, sources=(Source("item"),)))
        images = [part for part in parts if isinstance(part, Image)]
        if not images:
            return tuple(parts)
        return tuple(_once(parts, {each.sha256 for each in images if _is_in_words(each)}))

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
        handles: Mapping[str, str],
        taken: set[str],
        timed: Callable[[Invocation], Invocation],
        turns: int,
        files: Mapping[str, tuple[File | Image, ...]] = _NO_FILES,
    ) -> tuple[Invocation, ...]:
        """The server tools' calls with the names of their pictures and files, under ids that are
        not taken. `handles` has what to tell in the place of each picture's URL or bytes.
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
            left = files.get(invocation.id, ())
            shown = [each.name for each in left if isinstance(each, Image)]
            images = tuple(dict.fromkeys((*drawn.get(invocation.id, ()), *shown)))
            is_hidden = invocation.arguments is None and invocation.name == IMAGE_GENERATION
            if is_hidden and not images:
                images = tuple(nobodys)
            number = f"{invocation.id}_{turns}" if invocation.id in taken else invocation.id
            told = with_handles(invocation, handles)
            given = tuple(each.name for each in left if isinstance(each, File))
            found.append(replace(timed(told), images=images, files=given, id=number))
        return tuple(found)


def with_handles(call: Invocation, handles: Mapping[str, str]) -> Invocation:
    """The call with handles in the places of pictures: temporary URLs are shown to nobody."""
    if not handles:
        return call
    arguments = cast("Any", retold.told_within(call.arguments, handles))
    result = call.result if call.result is None else retold.told(call.result, handles)
    return replace(call, arguments=arguments, result=result)


def parse(reply: Reply, spool: Spool | None) -> ParsedReply:
    """Read the words of a reply for links, and for the references of its spool."""
    pieces: list[ImageRef | LinkedText | Reasoning | ToolCall] = []
    may_have_pictures = False
    for part in reply.parts:
        if isinstance(part, Text):
            links = markdown.read_whole(part.text)
            pieces.append(LinkedText(part, links))
            may_have_pictures = may_have_pictures or bool(links.found)
        else:
            pieces.append(part)
            may_have_pictures = may_have_pictures or isinstance(part, ImageRef)
    return ParsedReply(reply, tuple(pieces), spool, may_have_pictures)


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


def may_ask_again(run: Run, reply: Message) -> bool:
    """Whether a reply that reached `max_tokens` is followed by another: calls that are whole are
    run, and one that was cut off is asked for once more."""
    is_cut = any(call.fault for call in reply.calls)
    return bool(reply.calls) and not (is_cut and run.cut_replies + 1 >= MOST_CUT_REPLIES)


def refusal_of(reply: Reply, message: Message, run: Run) -> str | None:
    """Why there is no answer, or not the picture that was asked for: the model's words, or those of
    the provider that turned the drawing down. A reply with calls goes on, and where a picture came
    there is an answer."""
    if message.calls:
        return None
    if reply.refusal is not None or run.arrived:
        return reply.refusal
    refused = [
        each.reason
        for each in run.failures
        if each.url is None and faults.says_refused(each.reason)
    ]
    return refused[-1] if refused else None
