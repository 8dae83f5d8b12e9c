"""How much of a conversation is sent again: which pictures and files as such, which of them as a
line of text, and which turns not at all.

A picture is expensive to send: a megabyte on the wire, a thousand tokens and more for the model. So
only the last few are sent as pictures. An older one becomes a line (handle, size, prompt), and is
sent as a picture again when a prompt names its handle. Files go the same way.

`agentkit.run.planner` decides which ones; here is what a user says of it, and what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agentkit._check import check_kind, check_model, check_number
from agentkit.run.audience import Audience
from agentkit.run.calls import AS_THEY_CAME, SentCalls
from agentkit.values import Api, File, Image, Message, Text, ToolCall, ToolResult, fast_init

PICTURE_TOKENS = 1000
"""Estimate for one picture. The true number is the provider's secret, and lies between 85 and some
4,000.
"""
KEPT_SHARE = 0.7
"""Share of `History.tokens` that remains when turns are left out, so that some turns can follow
before the next ones are left out.
"""
NAMED = re.compile(r"(?<![A-Za-z0-9_])(?:img|file)_[1-9][0-9]{0,8}(?![A-Za-z0-9_])")


__all__ = ["Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """That older turns are replaced by a summary, which a model writes. For `History(summary=…)`.

    `after_tokens` is the estimated size of earlier turns, counted as `History.tokens` is, beyond
    which all but the last `keep_turns` are summarised, before the first request of a turn.
    `model` writes the summary; `max_tokens` is the longest it may be. Raises `UsageError` for what
    is no such value.
    """

    model: str
    after_tokens: int = 50_000
    keep_turns: int = 4
    max_tokens: int = 4096

    def __post_init__(self) -> None:
        check_model("Summary(model={!r})", self.model)
        for name, least in (("after_tokens", 1), ("keep_turns", 0), ("max_tokens", 1)):
            given = getattr(self, name)
            check_number(f"Summary({name}={{!r}})", given, whole=True, least=least)


@dataclass(frozen=True, slots=True)
class History:
    """How much of earlier turns is sent again. `None` means all of it.

    `images` is how many pictures of earlier turns the model keeps seeing; those that it has not
    been shown for longest are replaced by a line first. They go a few at a time, so there may be
    half as many more for a while: each change costs the provider's prompt cache. A picture that the
    prompt names (`img_3`), and those of the current run, are always sent. `files` is the same for
    files (`file_1`).

    `tokens` is an estimate: a quarter of the bytes of the text, 1,000 for each picture and 1,500
    for each page of a file. Instructions and tools are not counted. Whole turns are left out, the
    oldest first, never the current one.

    `summary` has a model write down what older turns said, which is sent in their place.

    Raises `UsageError` for a value that is no such number.
    """

    images: int | None = 3
    tokens: int | None = None
    files: int | None = 3
    summary: Summary | None = None

    def __post_init__(self) -> None:
        if self.summary is not None:
            check_kind("History(summary={!r})", self.summary, Summary, "a Summary(…), or None")
        also = ", or None for all"
        if self.images is not None:
            check_number("History(images={!r})", self.images, whole=True, least=0, also=also)
        if self.files is not None:
            check_number("History(files={!r})", self.files, whole=True, least=0, also=also)
        if self.tokens is not None:
            check_number("History(tokens={!r})", self.tokens, whole=True, least=1, also=also)

    @property
    def most_images(self) -> int | None:
        """How many may be in sight before some go."""
        return _most(self.images)

    @property
    def most_files(self) -> int | None:
        """How many may be in sight before some go."""
        return _most(self.files)


def _most(kept: int | None) -> int | None:
    return None if kept is None else kept + (kept + 1) // 2


@dataclass(frozen=True, slots=True)
class MessageView:
    """How one message is sent."""

    note: str = ""
    """Text behind the message: the handles of pictures that came with it, or in the reply before.
    """
    hidden: frozenset[str] = frozenset()
    """Its pictures and files (sha256) that are not sent as such."""
    attached: tuple[tuple[str, Image | File], ...] = ()
    """Pictures and files that are sent beside it as the user's, each with its line: the message
    names them, or they were in a reply that cannot be echoed.
    """
    before: str = ""
    """Text in front of the message: that earlier turns were left out."""
    calls: SentCalls = AS_THEY_CAME
    """How its calls go, or the results of those before it."""
    as_text: frozenset[str] = frozenset()
    """Files (sha256) that go as their words."""
    unparsed: frozenset[str] = frozenset()
    """Names of files that are not sent, and with them what was read out of them before."""


PLAIN = MessageView()
ANYBODY = Audience()


@fast_init
@dataclass(frozen=True, slots=True)
class Plan:
    """The messages to send, and the views (by position) of those that are not sent as they are."""

    messages: Sequence[Message]
    shown: Mapping[int, MessageView] = field(default_factory=dict[int, MessageView])
    files: tuple[File, ...] = ()
    """The files that go as such, or as their words."""

    def behind(self, message: Message) -> Plan:
        """The same with a message in front."""
        shown = {index + 1: view for index, view in self.shown.items()}
        return Plan((message, *self.messages), shown, self.files)


def parents(
    messages: Sequence[Message], start: int, images: Sequence[Image], drawn: Image
) -> tuple[str, ...]:
    """Names of the pictures that a picture of this run was made from: those that its prompt names,
    else those that the prompt holds.

    Nothing beyond that is guessed. A picture that was there before has no new parents.
    """
    if any(image.sha256 == drawn.sha256 for image in images):
        return ()
    prompt = messages[start]
    known = {image.name for image in images}
    named = [name for name in dict.fromkeys(NAMED.findall(prompt.text)) if name in known]
    return tuple(named or dict.fromkeys([image.name for image in prompt.images]))


def echoed(message: Message, api: Api, audience: Audience = ANYBODY) -> bool:
    """Whether the raw items of this message go to that API as they came. A strict service gets
    what it gave itself, and that in Responses alone: what its Chat Completions give in a message
    they do not all take.
    """
    is_reply = message.role == "assistant" and bool(message.raw)
    return is_reply and is_taken_back(message, api, audience)


def is_taken_back(message: Message, api: Api, audience: Audience) -> bool:
    """Whether that API takes what this message refers to: what it gave itself."""
    if message.api != api:
        return False
    # A slug with an author is OpenRouter's.
    return not audience.strict or (api == "responses" and "/" not in (message.asked or ""))


def things_of(message: Message) -> tuple[Image | File, ...]:
    """The pictures and the files of a message."""
    files = message.files
    return (*message.images, *files) if files else message.images


def tokens_of(message: Message) -> int:
    """An estimate without its pictures: a quarter of its bytes."""
    if message.raw:
        pieces = [piece for item in message.raw for piece in item]
        size = sum([len(piece) for piece in pieces if isinstance(piece, bytes)])
        return size // 4 + 4
    size = 0
    for part in message.parts:
        if isinstance(part, Text | ToolResult):
            size += len(part.text.encode("utf-8", "replace"))
        elif isinstance(part, ToolCall):
            size += len(part.arguments.encode("utf-8", "replace")) + len(part.name)
    return size // 4 + 4
