"""Request bodies as pieces: bytes, and references where a stored picture's base64 goes. Each
history item is serialised once; a body is joined from what is kept, so that a turn costs what is
new."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_not
from typing import Any, Literal

from agentkit.run.audience import Audience
from agentkit.run.file_forms import MOST_TEXT
from agentkit.run.history import PLAIN, MessageView
from agentkit.run.lines import of_file
from agentkit.run.views import AS_THEY_ARE, Views
from agentkit.values import (
    Api,
    BlobRef,
    File,
    Image,
    Message,
    Messages,
    ParsedFile,
    Pieces,
    Text,
    ToolResult,
)
from agentkit.values.messages import BLOCK
from agentkit.wire.cache_marks import Ends, marked, request_fields
from agentkit.wire.fields import standard
from agentkit.wire.heads import Heads
from agentkit.wire.json import write
from agentkit.wire.tool_calls import for_history
from agentkit.wire.types import BLOB, JsonObject, Request

HOLE = f"\ufdd1{secrets.token_hex(8)}:"
"""Cannot be guessed, so no text that is sent can pass for a picture."""

_STRING = re.compile(rb'(?<=")[^"\\]++(?=\\*")')
"""What stands between two quotes, in a string of JSON or between two: a key is looked up, not
searched for.
"""
_BLOB = BLOB.encode()
_REFERENCE = re.compile(rb"agentkit-blob:[\w-]+:\d+")


class Placeholders:
    """Lets JSON be written with pictures left out: `hole` gives a string that `pieces` turns into a
    reference.
    """

    def __init__(self) -> None:
        self._refs: list[BlobRef] = []

    def hole(
        self,
        thing: Image | File,
        form: Literal["data_url", "base64", "text"] = "data_url",
    ) -> str:
        self._refs.append(BlobRef(thing.sha256, thing.media_type, form))
        return f"{HOLE}{len(self._refs) - 1}"

    def pieces(self, value: object) -> Pieces:
        data = write(value)
        if not self._refs:
            return (data,)
        refs = {f"{HOLE}{index}".encode(): ref for index, ref in enumerate(self._refs)}
        return cut(data, refs)


def cut(data: bytes, refs: Mapping[bytes, BlobRef]) -> Pieces:
    """JSON text with each string that is a `refs` key replaced by its reference (the quotes stay);
    so is a reference of the spool in the middle of a string.
    """
    if not refs:
        return (data,)
    pieces: list[bytes | BlobRef] = []
    at = 0
    for match in _STRING.finditer(data):
        ref = refs.get(match[0])
        if ref is not None:
            pieces += (data[at : match.start()], ref)
            at = match.end()
    whole = (*pieces, data[at:])
    return tuple(each for piece in whole for each in _within(piece, refs))


def _within(piece: bytes | BlobRef, refs: Mapping[bytes, BlobRef]) -> Iterator[bytes | BlobRef]:
    """The same for references in the middle of a string: in the arguments of a call."""
    if isinstance(piece, BlobRef) or _BLOB not in piece:
        yield piece
        return
    at = 0
    for match in _REFERENCE.finditer(piece):
        if (ref := refs.get(match[0])) is not None:
            yield from (piece[at : match.start()], ref)
            at = match.end()
    yield piece[at:]


def joined(parts: Iterable[Pieces]) -> Pieces:
    """Pieces one after another, neighbouring bytes as one."""
    result: list[bytes | BlobRef] = []
    run: list[bytes] = []
    for part in parts:
        for piece in part:
            if isinstance(piece, bytes):
                run.append(piece)
            else:
                result += (b"".join(run), piece)
                run = []
    return (*result, b"".join(run))


def listed(items: Sequence[Pieces]) -> Iterable[Pieces]:
    """The items of a JSON array, with commas between them."""
    for index, item in enumerate(items):
        if index:
            yield (b",",)
        yield item


def around(head: bytes, key: str, items: Sequence[Pieces]) -> Pieces:
    """A body: the object `head` with the array `key` of these items behind its members."""
    comma = b"," if len(head) > len(b"{}") else b""
    start = head[:-1] + comma + f'"{key}":['.encode()
    return joined([(start,), *listed(items), (b"]}",)])


def with_marks(request: Request, api: Api, items: list[Pieces], ends: Ends) -> list[Pieces]:
    """The items with the marks of the prompt cache in them, where the request has any."""
    cache = request.cache
    if cache is None or cache.where != "all" or cache.silent:
        return items
    left = max(0, request.marks_left - bool(request.instructions.strip()))
    mark = b"," + write(cache.field(api))[1:-1]
    return marked(items, ends.places(left), mark)


def system_text(request: Request, api: Api, kind: str) -> list[dict[str, Any]]:
    """The instructions as a list of parts, marked for the prompt cache."""
    cache = request.cache
    mark = {} if cache is None or cache.silent or not request.marks_left else cache.field(api)
    return [{"type": kind, "text": request.instructions, **mark}]


_APART = 32
"""The newest messages, which a request looks at one by one: at least so many."""
_LARGEST = 1024 // BLOCK
"""Blocks of messages of the largest chunk. Two chunks of one size become one, up to that; where the
view of a message far back changes, so many are encoded anew."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items of blocks of messages that follow one another, joined."""

    api: str
    first: int
    """The number of its first block."""
    blocks: tuple[tuple[Message, ...], ...]
    views: tuple[tuple[MessageView | None, ...], ...]
    """How each of their messages is shown; empty where all go as they are."""
    pieces: Pieces

    @property
    def stop(self) -> int:
        """The number of the block behind it."""
        return self.first + len(self.blocks)

    def is_in(self, api: str, messages: Messages, views: Views) -> bool:
        """Whether these messages have the same ones at this place, in the same form."""
        first, stop = self.first, self.stop
        return (
            self.api == api
            and messages.blocks[first:stop] == self.blocks
            and views.of_blocks(first, stop) == self.views
        )

    def joined(self, other: Chunk) -> Chunk:
        """This chunk and the one behind it."""
        views = self.views or other.views
        if views:
            views = (
                *(self.views or (AS_THEY_ARE,) * len(self.blocks)),
                *(other.views or (AS_THEY_ARE,) * len(other.blocks)),
            )
        both = [each for each in (self.pieces, other.pieces) if each != (b"",)]
        pieces = joined(listed(both))
        return Chunk(self.api, self.first, (*self.blocks, *other.blocks), views, pieces)


@dataclass(slots=True)
class Encoded:
    """What was serialised before: items by message and by how they are shown, those of earlier
    messages joined, and the heads of requests. It lives as long as its conversation."""

    items: dict[tuple[int, str, int], tuple[Message, MessageView, tuple[Pieces, ...]]] = field(
        default_factory=dict[tuple[int, str, int], tuple[Message, MessageView, tuple[Pieces, ...]]]
    )
    """By the ids of the message and of its view. Both are held, so no other gets their ids."""
    heads: Heads = field(default_factory=Heads)
    """Of the requests of its agent."""
    audience: Audience | None = None
    """Whom the items were serialised for."""
    chunks: tuple[Chunk, ...] = ()
    """Of the first messages, in order."""
    in_parts: bool = False
    """Whether their texts are lists of parts, which a mark of the prompt cache needs."""
    unread_writes: int = 0
    """How many requests in a row, up to now, wrote to the prompt cache and read nothing from it."""

    def copy(self) -> Encoded:
        """The same, to go its own way from here."""
        copied = Encoded(dict(self.items), self.heads, self.audience, self.chunks)
        copied.in_parts, copied.unread_writes = self.in_parts, self.unread_writes
        return copied

    def address(self, request: Request) -> None:
        """Forget the items if they are for others: what of a reply goes depends on who reads it."""
        audience, in_parts = request.audience, request.cache is not None and request.cache.in_parts
        if audience != self.audience:
            self.unread_writes = 0
        if audience != self.audience or in_parts != self.in_parts:
            self.items, self.chunks = {}, ()
            self.audience, self.in_parts = audience, in_parts

    def every(
        self,
        request: Request,
        api: str,
        encode: Callable[[Message, MessageView], Sequence[Pieces]],
        ends: Ends,
    ) -> list[Pieces]:
        """The items of all messages. Those far behind come joined, many messages as one item; the
        newest messages have an item or more each. `encode` is asked for what is not known, and
        `ends` is told of the newest messages.
        """
        messages, shown = Messages.of(request.messages), Views.of(request.shown)
        chunks = self._known(api, messages, shown)
        at = chunks[-1].stop * BLOCK if chunks else 0
        while at + BLOCK + _APART <= messages.length:
            chunks.append(self._chunk(api, at // BLOCK, messages, shown, encode))
            at += BLOCK
            while len(chunks) > 1 and _are_one(chunks[-2], chunks[-1]):
                last = chunks.pop()
                chunks[-1] = chunks[-1].joined(last)
        if len(chunks) != len(self.chunks) or any(map(is_not, chunks, self.chunks)):
            self.chunks = tuple(chunks)
        items = [each.pieces for each in chunks if each.pieces != (b"",)]
        kept, has_marks = self.items, request.cache is not None
        newest, views = messages.between(at, messages.length), shown.between(at, messages.length)
        for message, view in zip(newest, views, strict=True):
            found = kept.get((id(message), api, id(view) if view else 0))
            own: Sequence[Pieces]
            own = encode(message, view or PLAIN) if found is None else found[2]
            if has_marks:
                ends.add(message, len(items), own)
            items += own
        return items

    def _known(self, api: str, messages: Messages, views: Views) -> list[Chunk]:
        """The chunks with which the request begins."""
        known: list[Chunk] = []
        for chunk in self.chunks:
            end = chunk.stop * BLOCK
            if end + _APART > messages.length or not chunk.is_in(api, messages, views):
                break
            known.append(chunk)
        return known

    def _chunk(
        self,
        api: str,
        number: int,
        messages: Messages,
        shown: Views,
        encode: Callable[[Message, MessageView], Sequence[Pieces]],
    ) -> Chunk:
        """The next block of messages, whose own items are no longer kept."""
        block = messages.blocks[number]
        items: list[Pieces] = []
        for index, message in enumerate(block, number * BLOCK):
            view = shown.get(index, PLAIN)
            items += encode(message, view)
            self.items.pop((id(message), api, _view_key(view)), None)
        views = shown.of_blocks(number, number + 1)
        return Chunk(api, number, (block,), views, joined(listed(items)))

    def keep_only(self, messages: Messages) -> None:
        """Forget what belongs to other messages than these: those of a turn that failed are not
        sent again.
        """
        self.chunks = tuple([each for each in self.chunks if each.stop * BLOCK <= messages.length])
        at = self.chunks[-1].stop * BLOCK if self.chunks else 0
        ids = {id(message) for message in messages.between(at, messages.length)}
        self.items = {key: kept for key, kept in self.items.items() if key[0] in ids}

    def get(self, message: Message, api: str, shown: MessageView) -> tuple[Pieces, ...] | None:
        kept = self.items.get((id(message), api, _view_key(shown)))
        return None if kept is None else kept[2]

    def put(
        self, message: Message, api: str, shown: MessageView, items: tuple[Pieces, ...]
    ) -> tuple[Pieces, ...]:
        self.items[(id(message), api, _view_key(shown))] = (message, shown, items)
        return items


def _are_one(before: Chunk, behind: Chunk) -> bool:
    """Whether the two become one chunk."""
    size = len(before.blocks)
    return size == len(behind.blocks) and 2 * size <= _LARGEST


def _view_key(shown: MessageView) -> int:
    """The view as a key of the cache, 0 for the many messages that go as they are: a `MessageView`
    is slow to hash.
    """
    return 0 if shown is PLAIN else id(shown)


@dataclass(frozen=True, slots=True)
class FileWords:
    """The place of the words of a text file."""

    file: File


Sent = Text | Image | File | FileWords
"""What goes as a part of a message."""


def visible(parts: Iterable[object], gone: set[str], shown: MessageView = PLAIN) -> Iterator[Sent]:
    """Words, pictures and files as they go: one that is gone, or was shown before, is its handle.
    `gone` learns what is shown.
    """
    for part in parts:
        if isinstance(part, Image | File):
            is_gone = part.sha256 in gone
            gone.add(part.sha256)
            if is_gone:
                kind = "picture" if isinstance(part, Image) else "file"
                yield Text(f"[{part.name or f'a {kind}'}]")
            else:
                yield from _sent(part, shown)
        elif isinstance(part, Text) and part.text.strip():
            yield part


def _sent(thing: Image | File, shown: MessageView) -> Iterator[Sent]:
    """A picture or file as such, or the words of a file, told apart from what others say."""
    if isinstance(thing, Image) or thing.sha256 not in shown.as_text:
        yield thing
        return
    yield Text(f"[the words of {of_file(thing)}:]")
    yield FileWords(thing)
    cut_off = f"; only its first {MOST_TEXT} bytes are here" if thing.size > MOST_TEXT else ""
    yield Text(f"[the end of {thing.name}{cut_off}]")


def lone_text(message: Message) -> str | None:
    """The words of a message that is one text and nothing else, as most prompts are."""
    part = message.parts[0] if len(message.parts) == 1 else None
    return part.text if isinstance(part, Text) and part.text.strip() else None


def with_surroundings(message: Message, shown: MessageView) -> list[Sent]:
    """The parts of a user's message, with what goes in front of them and behind."""
    before = [Text(shown.before)] if shown.before else []
    own = visible(message.parts, set(shown.hidden), shown)
    return [*own] if shown is PLAIN else [*before, *own, *beside(shown)]


def beside(shown: MessageView) -> Iterator[Sent]:
    """What goes with a message behind its own parts: pictures and files that it names, each after
    its line, then the note.
    """
    for line, thing in shown.attached:
        if isinstance(thing, Image):
            yield Text(f"[picture {line}:]")
        elif thing.sha256 not in shown.as_text:
            yield Text(f"[file {line}:]")
        yield from _sent(thing, shown)
    if shown.note:
        yield Text(shown.note)


def notes_of(message: Message, shown: MessageView) -> list[ParsedFile]:
    """What was read out of the files that go again."""
    return [each for each in message.parsed if each.file_name not in shown.unparsed]


def settings(request: Request, api: Api) -> dict[str, Any]:
    """What OpenRouter calls by the same name in both APIs; of it, to other services, what they
    know.
    """
    given = request.settings
    reasoning = given.reasoning
    if isinstance(reasoning, str):
        reasoning = {"effort": reasoning}
    cache = given.cache_control
    if isinstance(cache, str):
        cache = {"type": "ephemeral", "ttl": cache}
    common: dict[str, Any] = {
        "model": request.model,
        "models": given.models,
        "preset": f"@preset/{given.preset.removeprefix('@preset/')}" if given.preset else None,
        "stream": request.stream or None,
        "temperature": given.temperature,
        "top_p": given.top_p,
        "top_k": given.top_k,
        "frequency_penalty": given.frequency_penalty,
        "presence_penalty": given.presence_penalty,
        "stop": given.stop,
        "parallel_tool_calls": given.parallel_tool_calls if request.functions else None,
        "provider": given.provider,
        "plugins": _plugins(request),
        "modalities": given.modalities,
        "image_config": given.image_config,
        "session_id": _session(request),
        "service_tier": given.service_tier,
        "cache_control": cache,
        "prompt_cache_key": given.prompt_cache_key,
        "user": given.user,
        "trace": given.trace,
        "metadata": given.metadata,
        "deferred_tools": given.deferred_tools,
        "reasoning": reasoning,
        "stop_server_tools_when": _stop_conditions(request),
    }
    common |= request_fields(given, request.audience, api)
    body = {name: value for name, value in common.items() if value is not None}
    return body if request.fields.openrouter else standard(body, api)


FILE_PARSER = "file-parser"


def _plugins(request: Request) -> Sequence[JsonObject] | None:
    """The user's plugins, and what reads the PDFs, which is always told: what OpenRouter takes by
    itself may cost.
    """
    given = request.settings.plugins
    is_told = any(each.get("id") == FILE_PARSER for each in given or ())
    if request.pdf_engine is None or is_told:
        return given
    return (*(given or ()), {"id": FILE_PARSER, "pdf": {"engine": request.pdf_engine}})


def _session(request: Request) -> str | None:
    given = request.settings.session_id
    return None if given is False else given or request.session_id


def _stop_conditions(request: Request) -> list[dict[str, Any]] | None:
    """What of our limits OpenRouter can keep for us while its server tools run."""
    if not request.server_tools or request.closing:
        return None
    conditions: list[dict[str, Any]] = []
    if request.server_calls_left is not None:
        conditions.append(
            {"type": "step_count_is", "step_count": max(1, request.server_calls_left)}
        )
    if request.last_server_call is not None:
        conditions.append({"type": "has_tool_call", "tool_name": request.last_server_call})
    if request.cost_left is not None:
        conditions.append({"type": "max_cost", "max_cost_in_dollars": request.cost_left})
    return conditions or None


def fitting_choice(request: Request) -> str | None:
    """The tool choice for this turn, if there is anything to choose from."""
    if request.closing:
        return "none" if request.functions else None
    has_tools = bool(request.functions or request.server_tools)
    return (request.tool_choice or None) if has_tools else None


def words(message: Message) -> str:
    """The words of a message, if there is more than white space in them: providers refuse that."""
    text = "".join([part.text for part in message.parts if isinstance(part, Text)])
    return text if text.strip() else ""


EMPTY = "(empty)"
"""The result of a tool that returned no words: many providers refuse an empty one."""


def result_text(result: ToolResult) -> str:
    """The words of a tool's result."""
    text = result.text
    return text if text and not text.isspace() else EMPTY


def things_in(result: ToolResult, gone: set[str], shown: MessageView) -> list[Sent]:
    """The pictures and files of a tool's result that go as such, or as their words."""
    things: list[Sent] = []
    for part in result.parts:
        if not isinstance(part, Text) and part.sha256 not in gone:
            gone.add(part.sha256)
            things += _sent(part, shown)
    return things


def called_in_words(message: Message, view: MessageView) -> str:
    """What a reply whose calls are told in words says itself."""
    names = dict.fromkeys([call.name for call in view.calls.in_words])
    return words(message) or f"I use {' and '.join(names)}."


def results_in_words(message: Message, view: MessageView) -> list[Sent]:
    """The calls of the reply before this message, each with its result, as the user's words."""
    calls = {call.id: call for call in view.calls.in_words}
    gone = set(view.hidden)
    told: list[Sent] = []
    for result in message.parts:
        if not isinstance(result, ToolResult) or result.approved is not None:
            continue
        call = calls.get(result.call_id)
        arguments = for_history(call.arguments) if call is not None else ""
        head = f"[{result.name} was called with {arguments}; its result:]\n{result_text(result)}"
        told += [Text(head), *things_in(result, gone, view)]
    return [*told, *beside(view)]
