"""How much of a conversation is sent again: which pictures as pictures, which pictures as a line of
text, and which turns not at all.

A picture is expensive to send: a megabyte on the wire, a thousand tokens and more for the model. So
only the last few are sent as pictures. An older one becomes a line (handle, size, prompt), and is
sent as a picture again when a prompt names its handle.

The plan is made by walking through the conversation as it grew, so that a decision about an earlier
turn depends only on what stood before it. Whatever was sent is therefore sent again in the same
bytes, as a provider's prompt cache needs, until at some prompt of the user's several pictures (or
turns) are left out at once. Within a run nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agentkit._check import check_number
from agentkit.run.audience import Audience
from agentkit.run.calls import AS_THEY_CAME, SentCalls, sent_calls
from agentkit.values import Api, BlobRef, Image, Message, Text, ToolCall, ToolResult

PICTURE_TOKENS = 1000
"""Estimate for one picture. The true number is the provider's secret, and lies between 85 and some
4,000.
"""
KEPT_SHARE = 0.7
"""Share of `History.tokens` that remains when turns are left out, so that some turns can follow
before the next ones are left out.
"""
_PROMPT = 80
_LISTED = 20
_NAMED = re.compile(r"(?<![A-Za-z0-9_])img_[1-9][0-9]{0,8}(?![A-Za-z0-9_])")
_BLIND = "You cannot see pictures here; they are told by their handles."


@dataclass(frozen=True, slots=True)
class History:
    """How much of earlier turns is sent again. `None` means all of it.

    `images` is how many pictures of earlier turns the model keeps seeing; those that it has not
    been shown for longest are replaced by a line first. They go a few at a time, so there may be
    half as many more for a while: each change costs the provider's prompt cache. A picture that the
    prompt names (`img_3`), and those of the current run, are always sent.

    `tokens` is an estimate: a quarter of the bytes of the text, and 1,000 for each picture.
    Instructions and tools are not counted. Whole turns are left out, the oldest first, never the
    current one.

    Raises `UsageError` for a value that is no such number.
    """

    images: int | None = 3
    tokens: int | None = None

    def __post_init__(self) -> None:
        also = ", or None for all"
        if self.images is not None:
            check_number("History(images={!r})", self.images, whole=True, least=0, also=also)
        if self.tokens is not None:
            check_number("History(tokens={!r})", self.tokens, whole=True, least=1, also=also)

    @property
    def most_images(self) -> int | None:
        """How many may be in sight before some go."""
        return None if self.images is None else self.images + (self.images + 1) // 2


@dataclass(frozen=True, slots=True)
class MessageView:
    """How one message is sent."""

    note: str = ""
    """Text behind the message: the handles of pictures that came with it, or in the reply before.
    """
    hidden: frozenset[str] = frozenset()
    """Its pictures (sha256) that are not sent as pictures."""
    attached: tuple[tuple[str, Image], ...] = ()
    """Pictures that are sent beside it as the user's, each with its line: the message names them,
    or they were in a reply that cannot be echoed.
    """
    before: str = ""
    """Text in front of the message: that earlier turns were left out."""
    calls: SentCalls = AS_THEY_CAME
    """How its calls go, or the results of those before it."""


PLAIN = MessageView()
ANYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Plan:
    """The messages to send, and the views (by position) of those that are not sent as they are."""

    messages: tuple[Message, ...]
    shown: Mapping[int, MessageView] = field(default_factory=dict[int, MessageView])


def plan(
    messages: tuple[Message, ...],
    start: int,
    policy: History,
    *,
    api: Api,
    images: Sequence[Image],
    audience: Audience = ANYBODY,
    sees: bool = True,
    gone: frozenset[str] = frozenset(),
) -> Plan:
    """The messages to send for a run whose prompt stands at `start`.

    `images` are all pictures of the conversation. `audience` are the models that may answer. `sees`
    says whether they take pictures. Pictures that are `gone` (sha256), deleted from the store or of
    no kind that models take, become a line.
    """
    calls = sent_calls(messages, audience)
    if not images and not gone and policy.tokens is None:
        return Plan(messages, {index: MessageView(calls=each) for index, each in calls.items()})
    placed = {image.name for message in messages for image in message.images}
    loose = {image.name: image for image in images if image.name not in placed}
    walk = _Walk(policy, api, audience, loose, sees=sees, gone=gone)
    for index, message in enumerate(messages):
        walk.take(index, message, may_leave=index <= start)
    return _told(messages, walk, calls)


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
    named = [name for name in dict.fromkeys(_NAMED.findall(prompt.text)) if name in known]
    return tuple(named or dict.fromkeys([image.name for image in prompt.images]))


def echoed(message: Message, api: Api, audience: Audience = ANYBODY) -> bool:
    """Whether the raw items of this message go to that API as they came. A strict service gets
    what it gave itself, and that in Responses alone: what its Chat Completions give in a message
    they do not all take.
    """
    if message.role != "assistant" or message.api != api or not message.raw:
        return False
    # A slug with an author is OpenRouter's.
    return not audience.strict or (api == "responses" and "/" not in (message.asked or ""))


def line(image: Image, asked: str = "") -> str:
    """The picture in words: `img_3 (1024×768, "a red fox in the snow")`. Where no prompt of its own
    is known, what the user had `asked` for says what it shows."""
    about: list[str] = []
    if image.width and image.height:
        about.append(f"{image.width}×{image.height}")
    elif image.media_type == "image/svg+xml":
        about.append("SVG")
    description = _short(image.prompt or image.alt)
    request = _short(asked)
    if description:
        about.append(f'"{description}"')
    elif any(source.place == "user" for source in image.sources):
        about.append("from the user")
    elif request:
        about.append(f'for "{request}"')
    return f"{image.name} ({', '.join(about)})" if about else image.name


def _short(text: str) -> str:
    """The text on one line, cut to a length that a list of pictures can bear."""
    words = " ".join(text.split())
    return words if len(words) <= _PROMPT else words[: _PROMPT - 1] + "…"


class _Walk:
    """Goes through a conversation as it grew, and keeps what of it is in sight."""

    def __init__(
        self,
        policy: History,
        api: Api,
        audience: Audience,
        known: dict[str, Image],
        *,
        sees: bool,
        gone: frozenset[str],
    ) -> None:
        self._policy = policy
        self._audience = audience
        self._known = known
        self._gone = gone
        self.sees = sees
        self._api: Api = api
        self._waiting: list[Image] = []
        self._turns: list[int] = []
        self._sizes: list[int] = []
        self.first = 0
        """The first message that is sent."""
        self.place: dict[str, int] = {}
        """sha256 → the message that shows the picture. The picture shown or named last is last."""
        self.own: dict[int, tuple[str, ...]] = {}
        """Message → the pictures (sha256) that stand in it."""
        self.attached: dict[int, list[Image]] = {}
        self.lines: dict[str, str] = {}
        """Handle → the line that stands for the picture."""
        self._asked = ""

    def take(self, index: int, message: Message, *, may_leave: bool) -> None:
        """One message more. At one of the user's, things may leave."""
        if self._policy.tokens is not None:
            self._sizes.append(tokens_of(message))
        self._asked = message.text if message.role == "user" else self._asked
        new = {image.name: image for image in message.images if image.name}
        for name, image in new.items():
            if name not in self.lines:
                self.lines[name] = line(image, self._asked)
        if message.role == "assistant":
            self._known |= new
            self._reply(index, message)
            return
        named = self._named(message) if message.role == "user" else []
        if message.role == "user":
            self._turns.append(index)
            if may_leave:
                here = {image.sha256 for image in message.images}
                self._attach(index, [image for image in self._waiting if image.sha256 not in here])
                self._waiting = []
                self._leave(here | {image.sha256 for image in named})
                self._leave_turns(index)
        self.own[index] = tuple(image.sha256 for image in message.images)
        for sha256 in self.own[index]:
            self._show(sha256, index)
        self._attach(index, [*self._waiting, *named])
        self._waiting = []
        self._known |= new

    def _attach(self, index: int, images: Iterable[Image]) -> None:
        """Send pictures beside this message, those that are not in sight yet."""
        for image in images:
            if self._show(image.sha256, index):
                self.attached.setdefault(index, []).append(image)

    def _reply(self, index: int, message: Message) -> None:
        """A reply's own pictures are shown by its echo, if the same model reads it again. To
        another model or API they are the user's input: an assistant's picture is something that
        only those who draw know, and that only by their own ids."""
        refs = tuple(
            piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)
        )
        if not echoed(message, self._api, self._audience):
            self._waiting += message.images
            return
        self.own[index] = refs
        if self._audience.is_own(message):
            for sha256 in refs:
                self._show(sha256, index)
        else:
            self._waiting += [image for image in message.images if image.sha256 in refs]

    def _show(self, sha256: str, index: int) -> bool:
        """Bring a picture in sight, at this message. Returns False if it was in sight before, or
        cannot be.
        """
        if not self.sees or sha256 in self._gone:
            return False
        before = self.place.pop(sha256, None)
        self.place[sha256] = index if before is None else before
        return before is None

    def _named(self, message: Message) -> list[Image]:
        names = dict.fromkeys(_NAMED.findall(message.text))
        return [self._known[name] for name in names if name in self._known]

    def _leave(self, wanted: set[str]) -> None:
        most, images = self._policy.most_images, self._policy.images
        if most is None or images is None or len(self.place) <= most:
            return
        surplus = len(self.place) - images
        unwanted = [each for each in self.place if each not in wanted]
        for sha256 in unwanted[:surplus]:
            del self.place[sha256]

    def _leave_turns(self, index: int) -> None:
        limit = self._policy.tokens
        if limit is None or self._size() <= limit:
            return
        for turn in self._turns:
            if self.first < turn <= index:
                self.first = turn
                self.place = {sha256: at for sha256, at in self.place.items() if at >= turn}
                if self._size() <= KEPT_SHARE * limit:
                    break
        # The reply before it is gone, and with it the pictures that would have come from it.
        if self.first == index:
            self.place, self.attached = {}, {}

    def _size(self) -> int:
        return sum(self._sizes[self.first :]) + PICTURE_TOKENS * len(self.place)


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


def _told(messages: tuple[Message, ...], walk: _Walk, calls: Mapping[int, SentCalls]) -> Plan:
    """The messages that are sent, each picture told once, beside the first message of the user's
    side that it comes with.
    """
    first, place, lines = walk.first, walk.place, walk.lines
    shown: dict[int, MessageView] = {}
    told = {
        image.name: image for message in messages[:first] for image in message.images if image.name
    }
    before = _left_out([lines[name] for name in told]) if first else ""
    fresh: dict[str, Image] = {}
    blind = not walk.sees
    for index, message in enumerate(messages[first:], first):
        fresh |= {
            image.name: image for image in message.images if image.name and image.name not in told
        }
        hidden = frozenset(each for each in walk.own.get(index, ()) if place.get(each) != index)
        beside = [each for each in walk.attached.get(index, ()) if place.get(each.sha256) == index]
        note = ""
        if message.role != "assistant" and fresh:
            told |= fresh
            for image in beside:
                fresh.pop(image.name, None)
            away = {
                name for name, image in fresh.items() if place.get(image.sha256, index + 1) > index
            }
            note = _note([(lines[name], name in away and walk.sees) for name in fresh])
            note, blind = (f"[{_BLIND}] {note}" if blind else note), False
            fresh = {}
        if hidden or beside or note or before or index in calls:
            attached = tuple((lines.get(image.name) or line(image), image) for image in beside)
            sent = calls.get(index, AS_THEY_CAME)
            shown[index - first] = MessageView(note, hidden, attached, before, sent)
        before = ""
    return Plan(messages[first:], shown)


def _note(lines: Sequence[tuple[str, bool]]) -> str:
    """The lines of pictures, in two groups: those in sight, and those that are away, though the
    model could see them.
    """
    shown = "; ".join([words for words, away in lines if not away])
    hidden = "; ".join([words for words, away in lines if away])
    notes = [f"[pictures: {shown}]"] if shown else []
    if hidden:
        notes.append(f"[pictures that are not shown here: {hidden}]")
    return " ".join(notes)


def _left_out(lines: Sequence[str]) -> str:
    """The text for turns that were left out, with the latest of their pictures."""
    if not lines:
        return "[earlier turns were left out]"
    rest = f"; {len(lines) - _LISTED} more before" if len(lines) > _LISTED else ""
    return f"[earlier turns were left out; their pictures: {'; '.join(lines[-_LISTED:])}{rest}]"
