"""Chat Completions: from the wire to a reply. A stream is gathered into the message that a buffered
body would hold, and both are then read by the same code, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, cast

from agentkit.errors import APIError
from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire import faults
from agentkit.wire.common import (
    IMAGE_PARTS,
    citations,
    picture_of_part,
    uncounted,
)
from agentkit.wire.json import (
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    write,
)
from agentkit.wire.parts import standard_part
from agentkit.wire.server_calls import (
    Called,
    refs_of,
    result_text,
    server_detail,
    text_without_base64,
    without_base64,
)
from agentkit.wire.size import SizeLimit
from agentkit.wire.tool_calls import CallBuilder, for_history, parse_object, settle
from agentkit.wire.types import (
    ImageKey,
    ImageRef,
    JsonObject,
    NewFilter,
    Reply,
    ReplyPart,
    ServerCall,
    Signal,
    Unfiltered,
    Words,
)
from agentkit.wire.usage import Bill

_ANY = "*"
"""In place of a call's id: the latest detail of an index and a type, whatever its call."""
_KNOWN = frozenset(
    {
        "role",
        "content",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "images",
        "tool_calls",
        "annotations",
        "refusal",
        "audio",
        "function_call",
        "name",
    }
)
_PLAIN = ("reasoning", "reasoning_content")
"""Where reasoning comes as mere words: some gateways give both, and models ask for one of them."""
_JOINED = ("text", "summary", "data", "arguments", "result")


class ChatReply:
    """Gathers one reply; see `agentkit.wire.types.Decoder`. `server_tools` are the types that the
    request carried; `new_filter` makes what takes pictures out of the words.
    """

    closed = False
    """Never: the usage follows the finish."""

    def __init__(
        self, server_tools: Sequence[str] = (), new_filter: NewFilter = Unfiltered
    ) -> None:
        self._new_filter = new_filter
        self._filter = new_filter()
        self._tools = tuple(server_tools)
        self._held = SizeLimit()
        self._id: str | None = None
        self._model: str | None = None
        self._number: int | None = None  # of the choice that is read
        self._words: list[str | JsonObject] = []
        self._others = 0  # pieces of `_words` that are no words
        self._reasoning: list[str] = []
        self._plain: tuple[str, ...] = ()  # the fields in which reasoning came as mere words
        self._details: list[dict[str, Any]] = []
        self._growing: dict[tuple[int | str, str | None, str | None], dict[str, Any]] = {}
        self._images: list[JsonObject] = []
        self._others_seen: list[ImageRef] = []  # pictures in fields that are not known
        self._annotations: list[JsonObject] = []
        self._parsed: list[JsonObject] = []  # what was read out of the files that were sent
        self._calls = CallBuilder()
        self._refusal: list[str] = []
        self._bill = Bill()
        self._finish: str | None = None
        self._native: object = None
        self._error: APIError | None = None
        self._ended = False
        self._seen: set[str] = set()
        # Of the server tools' calls, by the identity of their record.
        self._numbers: dict[int, int] = {}
        self._touched: dict[int, dict[str, Any]] = {}
        self._untold: dict[int, dict[str, Any]] = {}
        self._told: set[int] = set()
        self._owners: dict[str, int] = {}
        self._mend_words, self._mend_reasoning = SurrogateJoiner(), SurrogateJoiner()
        self._is_flushed = False
        """Whether nothing has come since what was held back was said."""

    @property
    def finished(self) -> bool:
        return self._ended or self._finish is not None or self._error is not None

    def feed(self, event: JsonObject) -> list[Signal]:
        words = _only_words(event) if self._id is not None else None
        if words is None:
            return self._take(event, "delta")
        return self._say(words)

    def whole(self, body: JsonObject) -> list[Signal]:
        signals = self._take(body, "message")
        self._ended = any(
            as_object(choice.get("message")) or as_object(choice.get("delta"))
            for choice in as_objects(body.get("choices"))
        )
        return signals + self._say_rest()

    def _take(self, chunk: JsonObject, holder: str) -> list[Signal]:
        if self._id is None:
            self._id = as_text(chunk.get("id"))
            self._model = as_text(chunk.get("model"))
        if usage := chunk.get("usage"):
            self._bill.add(usage)
        if (told := chunk.get("error")) and (error := faults.error_object(told)):
            self._error = faults.from_error(error, generation_id=self._id)
        signals: list[Signal] = []
        choices = as_objects(chunk.get("choices"))
        if self._number is None and choices:
            self._number = min(map(_number_of, choices))
        for choice in choices:
            if usage := choice.get("usage"):  # where Moonshot's own API tells it
                self._bill.add(usage)
            if _number_of(choice) == self._number:
                self._held.value(choice)
                name = self._holder(choice, holder)
                if delta := as_object(choice.get(name)):
                    signals += self._delta(delta, whole_call=name == "message")
                self._end(choice)
        if self.finished:
            signals += self._say_rest()
        if self._touched or self._untold:
            signals += self._server_signals()
        return signals

    def _holder(self, choice: JsonObject, expected: str) -> str:
        """The field that has the content. Gateways that only pretend to stream send the `message`
        of a buffered reply; where deltas came before it, it repeats them.
        """
        other = "delta" if expected == "message" else "message"
        is_first = not (self._words or self._images or self._details or self._reasoning)
        is_first = is_first and not self._calls.growing
        is_other = is_first and not choice.get(expected) and as_object(choice.get(other))
        return other if is_other else expected

    def _end(self, choice: JsonObject) -> None:
        if finish := as_text(choice.get("finish_reason")):
            native = choice.get("native_finish_reason")
            self._finish = faults.finish_of(finish, native)
            self._native = native or (finish if finish != self._finish else None)
        if (told := choice.get("error")) and (error := faults.error_object(told)):
            self._error = faults.from_error(error, generation_id=self._id)
        elif finish == "error" and self._error is None:
            self._error = faults.bare(self._native, self._id)

    def _delta(self, delta: JsonObject, *, whole_call: bool) -> list[Signal]:
        self._is_flushed = False
        signals: list[Signal] = []
        if delta.get("reasoning") or delta.get("reasoning_content") or "reasoning_details" in delta:
            signals += self._think(delta)
        content = delta.get("content")
        if isinstance(content, str) and content:
            signals += self._say(content)
        elif isinstance(content, list | dict):
            for part in _parts_of(cast("object", content)):
                signals += self._part_or_words(part)
        if images := delta.get("images"):
            for entry in _entries(images):
                signals += self._image(standard_part(entry, self._new_filter, "image_url"))
        if calls := delta.get("tool_calls"):
            for call in as_objects(calls):
                self._calls.feed(call, whole_call=whole_call)
        if annotations := delta.get("annotations"):
            self._annotate(as_objects(annotations))
        if isinstance(refusal := delta.get("refusal"), str):
            self._refusal.append(refusal)
        if not _KNOWN.issuperset(delta):
            signals += self._unknown_fields(delta)
        return signals

    def _think(self, delta: JsonObject) -> list[Signal]:
        """Reasoning: as words, as details, or as both."""
        signals: list[Signal] = []
        given = [name for name in _PLAIN if as_text(delta.get(name))]
        reasoning = delta.get(given[0]) if given else None
        details = as_objects(delta.get("reasoning_details"))
        if isinstance(reasoning, str) and reasoning:
            self._plain = tuple(dict.fromkeys((*self._plain, *given)))
        elif not self._plain:  # else these are the words that came already
            reasoning = "".join(
                str(each.get("text") or each.get("summary") or "") for each in details
            )
        if isinstance(reasoning, str) and (shown := self._mend_reasoning.more(reasoning)):
            self._reasoning.append(shown)
            signals.append(Words(shown, "reasoning"))
        for detail in details:
            self._detail(detail)
        return signals

    def _annotate(self, annotations: Sequence[JsonObject]) -> None:
        """Citations, and what was read out of files; a stream may tell that more than once."""
        for each in annotations:
            if each.get("type") != "file":
                self._annotations.append(each)
            elif each not in self._parsed:
                self._parsed.append(each)

    def _unknown_fields(self, delta: JsonObject) -> list[Signal]:
        """The pictures in fields that no API is known to have."""
        fields = {name: value for name, value in delta.items() if name not in _KNOWN}
        key = ImageKey("item", str(len(self._others_seen)))
        refs = refs_of(dict(without_base64(fields, self._new_filter)), key, "item")
        self._others_seen += refs
        return list(refs)

    def _say(self, content: str) -> list[Signal]:
        self._is_flushed = False
        mend = self._mend_words
        if mend.held or not content.isascii():
            content = mend.more(content)
        words = self._filter.more(content)
        self._held.words(words)  # not what was taken out of them
        if not words:
            return []
        self._words.append(words)
        return [Words(words, "text", self._others)]

    def _part_or_words(self, part: str | JsonObject) -> list[Signal]:
        if isinstance(part, str):
            return self._say(part) if part else []
        return self._part(standard_part(part, self._new_filter, "image_url"))

    def _part(self, part: JsonObject) -> list[Signal]:
        if as_text(part.get("type")) in IMAGE_PARTS:
            self._words.append(part)
            values = picture_of_part(part)
            self._others += 1
            return [_content_ref(self._others - 1, values)] if values else []
        text = part.get("text")
        if isinstance(text, str) and text:
            return self._say(text)
        self._words.append(part)
        self._others += 1
        return []

    def _image(self, entry: JsonObject) -> list[Signal]:
        values = picture_of_part(entry)
        if not values or values[0] in self._seen:
            return []
        self._seen.add(values[0])
        self._images.append(entry)
        return [_image_ref(len(self._images) - 1, values)]

    def _detail(self, fragment: JsonObject) -> None:
        """Join the fragments of one reasoning detail, which share `index` and `type`; a signature
        comes late.
        """
        kind, index, call_id = (fragment.get(name) for name in ("type", "index", "tool_call_id"))
        called = kind == "reasoning.server_tool_call"
        if isinstance(index, int | str):
            key = (
                index,
                as_text(kind),
                as_text(call_id) if called and "tool_call_id" in fragment else _ANY,
            )
            if (known := self._growing.get(key)) is not None:
                _join(known, fragment)
                self._touch(known, called=called)
                return
        detail = dict(fragment)
        self._details.append(detail)
        self._touch(detail, called=called)
        if isinstance(index, int | str):
            self._growing[index, as_text(kind), as_text(call_id)] = self._growing[
                index, as_text(kind), _ANY
            ] = detail

    def _touch(self, detail: dict[str, Any], *, called: bool) -> None:
        if called:
            number = self._numbers.setdefault(id(detail), len(self._numbers))
            if number not in self._told:
                self._touched[number] = self._untold[number] = detail

    def _server_signals(self) -> list[Signal]:
        """The calls of server tools whose record is whole now, each once. Only what is new is
        looked at, and at the end all.
        """
        signals: list[Signal] = []
        looked_at, self._touched = self._touched, {}
        if self.finished:
            looked_at, self._untold = self._untold, {}
        for number, detail in sorted(looked_at.items()):
            result = result_text(detail)
            if result is None or (not self.finished and parse_object(result) is None):
                continue  # the rest of the result comes in a later fragment
            if isinstance(detail["result"], str):
                detail["result"] = text_without_base64(result, self._new_filter)
            invocation, refs = self._server_call(number, detail)
            self._told.add(number)
            self._untold.pop(number, None)
            signals += [ServerCall(invocation), *refs]
        return signals

    def _server_call(self, number: int, detail: JsonObject) -> Called:
        """The call and its pictures; two records with one id are two calls."""
        invocation, refs = server_detail(detail, f"{self._seed}_{number}")
        if self._owners.setdefault(invocation.id, number) != number:
            invocation = replace(invocation, id=f"{invocation.id}_{number}")
        owned = [
            replace(
                ref,
                key=ImageKey("server", f"{number}:{at}" if at else str(number)),
                invocation_id=invocation.id,
            )
            for at, ref in enumerate(refs)
        ]
        return invocation, tuple(owned)

    def _server_details(self) -> list[dict[str, Any]]:
        return [
            detail for detail in self._details if detail.get("type") == "reasoning.server_tool_call"
        ]

    def reply(self) -> Reply:
        """What has come so far: server tools' pictures, words with what stands in them, `images`,
        calls.
        """
        self._say_rest()
        server: list[Invocation] = []
        parts: list[ReplyPart] = [Reasoning("".join(self._reasoning))] if self._reasoning else []
        if self._details:
            for number, detail in enumerate(self._server_details()):
                invocation, refs = self._server_call(number, detail)
                server.append(invocation)
                parts += refs
        pieces = self._pieces()
        parts += self._content_parts(pieces)
        if self._images:
            parts += [
                _image_ref(number, picture_of_part(entry))
                for number, entry in enumerate(self._images)
            ]
        parts += self._others_seen
        calls: tuple[ToolCall, ...] = ()
        if self._calls.growing:
            cut = self._finish in {"length", "content_filter"} or not self.finished
            calls = settle(self._calls.calls(), seed=self._seed, cut=cut)
            parts += calls
        usage = self._bill.usage()
        if usage.server_tool_calls > len(server):
            server += uncounted(self._bill, len(server), self._tools, self._seed)
        return Reply(
            id=self._id,
            model=self._model,
            parts=tuple(parts),
            raw=(write(self._message(pieces, calls)),),
            server_calls=tuple(server),
            usage=usage,
            tells_cache=self._bill.tells_cache,
            finish=self._finish,
            refusal=self._refusal_words(),
            error=self._error or self._malformed(),
            parsed=tuple(self._parsed),
        )

    @property
    def _seed(self) -> str:
        return (self._id or "reply")[-12:]

    def _say_rest(self) -> list[Signal]:
        """Flush a lone UTF-16 surrogate left when the stream was cut between two halves."""
        if self._is_flushed:
            return []
        self._is_flushed = True
        signals: list[Signal] = []
        half = self._mend_words.rest() if self._mend_words.held else ""
        if rest := (self._filter.more(half) if half else "") + self._filter.rest():
            self._words.append(rest)
            signals.append(Words(rest, "text", self._others))
        if self._mend_reasoning.held and (rest := self._mend_reasoning.rest()):
            self._reasoning.append(rest)
            signals.append(Words(rest, "reasoning"))
        return signals

    def _refusal_words(self) -> str | None:
        if self._refusal and (words := join_surrogates("".join(self._refusal))):
            return words
        if self._finish == "content_filter":
            return faults.filter_words(self._native)
        if not (faults.filtered(self._native) and self._is_silent()):
            return None
        return faults.filter_words(self._native)

    def _malformed(self) -> APIError | None:
        if not (faults.malformed(self._native) and self._is_silent()):
            return None
        return faults.bare(self._native, self._id)

    def _is_silent(self) -> bool:
        """Whether no word, picture or call has come."""
        has_content = any(not isinstance(piece, str) or piece.strip() for piece in self._words)
        return not (has_content or self._images or self._calls.calls())

    def _pieces(self) -> list[str | JsonObject]:
        """The content, neighbouring words as one."""
        if not self._others:  # as in almost all replies
            return ["".join(cast("list[str]", self._words))] if self._words else []
        pieces: list[str | JsonObject] = []
        for is_words, group in groupby(self._words, key=lambda piece: isinstance(piece, str)):
            if is_words:
                pieces.append("".join(cast("Iterator[str]", group)))
            else:
                pieces.extend(group)
        return pieces

    def _content_parts(self, pieces: Sequence[str | JsonObject]) -> list[ReplyPart]:
        parts: list[ReplyPart] = []
        number = 0
        cited = citations(self._annotations) if self._annotations else ()
        last = max(
            (index for index, piece in enumerate(pieces) if isinstance(piece, str)), default=-1
        )
        for index, piece in enumerate(pieces):
            if isinstance(piece, str):
                parts.append(Text(piece, cited if index == last else ()))
                continue
            if as_text(piece.get("type")) in IMAGE_PARTS and (values := picture_of_part(piece)):
                parts.append(_content_ref(number, values))
            number += 1
        return parts

    def _message(
        self, pieces: Sequence[str | JsonObject], calls: Sequence[ToolCall]
    ) -> Mapping[str, Any]:
        """The message to echo: what OpenRouter wants back, in order, and nothing that providers
        reject.
        """
        if self._others:
            content: object = [
                {"type": "text", "text": piece} if isinstance(piece, str) else piece
                for piece in pieces
                if not isinstance(piece, str) or piece.strip()
            ]
        else:
            text = "".join(cast("list[str]", pieces))
            content = text if text.strip() else ""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content or ("" if not calls else None),
        }
        if calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": for_history(call.arguments)},
                }
                for call in calls
            ]
        if self._details:
            message["reasoning_details"] = self._details
        if calls and self._plain and len(self._server_details()) == len(self._details):
            message |= dict.fromkeys(self._plain, "".join(self._reasoning))
        if self._images:
            message["images"] = self._images
        if self._refusal and (refusal := join_surrogates("".join(self._refusal))):
            message["refusal"] = refusal
        return message


def _number_of(choice: JsonObject) -> int:
    """The `index` of a choice, which may be missing, null, or a text."""
    index = choice.get("index")
    return int(index) if isinstance(index, str) and index.isdecimal() else as_count(index)


def _only_words(chunk: JsonObject) -> str | None:
    """The words of a chunk that brings nothing else, as most do; None where it has to be looked
    through.
    """
    if chunk.get("usage") or chunk.get("error"):
        return None
    content: Any = None
    try:
        (choice,) = chunk["choices"]
        if choice.get("finish_reason") or choice.get("error"):
            return None
        if choice.get("index", 0) not in (0, None):
            return None
        for name, value in choice["delta"].items():
            if name == "content":
                content = value
            elif value and name != "role":
                return None
    except (AttributeError, KeyError, TypeError, ValueError):  # it has another form
        return None
    return content if content and isinstance(content, str) else None


def _parts_of(content: object) -> list[str | JsonObject]:
    """The parts of a content that is no text: objects, texts, or one object alone."""
    if isinstance(content, dict):
        return [cast("JsonObject", content)]
    return [each for each in cast("list[Any]", content) if isinstance(each, str | dict)]


def _entries(images: object) -> list[JsonObject]:
    """The entries of `images`; some servers give bare URLs."""
    if not isinstance(images, list):
        return as_objects(images)
    return [
        {"type": "image_url", "image_url": {"url": each}} if isinstance(each, str) else each
        for each in cast("list[Any]", images)
        if isinstance(each, str | dict)
    ]


def _content_ref(number: int, values: tuple[str, ...]) -> ImageRef:
    return ImageRef(ImageKey("content", str(number)), "content", values)


def _image_ref(number: int, values: tuple[str, ...]) -> ImageRef:
    return ImageRef(ImageKey("images", str(number)), "images", values)


def _join(known: dict[str, Any], fragment: JsonObject) -> None:
    for name, value in fragment.items():
        old = known.get(name)
        if name in _JOINED and isinstance(value, str) and isinstance(old, str):
            known[name] = old if value == old and name not in {"text", "summary"} else old + value
        elif value is not None:
            known[name] = value
