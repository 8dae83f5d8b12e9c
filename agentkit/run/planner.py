"""Which of a conversation is sent, request by request.

The plan is made by walking through the conversation as it grew, so that a decision about an earlier
turn depends only on what stood before it. Whatever was sent is therefore sent again in the same
bytes, as a provider's prompt cache needs, until at some prompt of the user's several pictures (or
turns) are left out at once. Within a run nothing is left out.

For the same reason, a conversation that has grown is walked through from where it had grown to: a
request costs what is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agentkit.run.audience import Audience
from agentkit.run.calls import AS_THEY_CAME, CallIds
from agentkit.run.history import (
    ANYBODY,
    KEPT_SHARE,
    NAMED,
    PICTURE_TOKENS,
    History,
    MessageView,
    Plan,
    echoed,
    line,
    tokens_of,
)
from agentkit.values import Api, BlobRef, Image, Message

_LISTED = 20
_BLIND = "You cannot see pictures here; they are told by their handles."
_STATES = 2
"""Walks that are kept: with pictures that are gone from the store, a turn has two."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a plan depends on beside the conversation."""

    policy: History
    api: Api
    audience: Audience
    sees: bool
    gone: frozenset[str]
    is_plain: bool
    """Whether there is nothing that could be left out."""


def plan(
    messages: tuple[Message, ...],
    start: int,
    policy: History,
    *,
    api: Api,
    images: tuple[Image, ...],
    audience: Audience = ANYBODY,
    sees: bool = True,
    gone: frozenset[str] = frozenset(),
) -> Plan:
    """What a `Planner` plans that has planned nothing before."""
    return Planner().plan(
        messages, start, policy, api=api, images=images, audience=audience, sees=sees, gone=gone
    )


class Planner:
    """Plans the requests of one conversation, each from where the one before had come to."""

    def __init__(self) -> None:
        self._states: list[_State] = []

    def plan(
        self,
        messages: tuple[Message, ...],
        start: int,
        policy: History,
        *,
        api: Api,
        images: tuple[Image, ...],
        audience: Audience,
        sees: bool,
        gone: frozenset[str],
    ) -> Plan:
        """The messages to send for a run whose prompt stands at `start`.

        `images` are all pictures of the conversation. `audience` are the models that may answer.
        `sees` says whether they take pictures. Pictures that are `gone` (sha256), deleted from the
        store or of no kind that models take, become a line.
        """
        is_plain = not images and not gone and policy.tokens is None
        asked = Circumstances(policy, api, audience, sees, gone, is_plain)
        states = (each for each in self._states if each.goes_on(asked, messages, start, images))
        state = next(states, None) or _State(asked, messages, images)
        others = [each for each in self._states if each is not state and each.asked != asked]
        self._states = [state, *others[: _STATES - 1]]
        state.take(messages, start, images)
        return state.plan()

    def keep_only(self, messages: tuple[Message, ...]) -> None:
        """Forget what goes on behind these messages: those of a turn that failed are not sent
        again.
        """
        self._states = [each for each in self._states if each.is_within(messages)]


class _State:
    """How far one walk through a conversation has come."""

    def __init__(
        self, asked: Circumstances, messages: tuple[Message, ...], images: tuple[Image, ...]
    ) -> None:
        self.asked = asked
        self._messages: tuple[Message, ...] = ()
        self._images = images
        self._start = 0
        self._calls = CallIds(asked.audience)
        self._views: dict[int, MessageView] = {}
        """How the messages go where nothing could be left out."""
        self._loose: dict[str, Image] = {}
        """Pictures that stand in no message."""
        self._walk: Walk | None = None
        if asked.is_plain:
            return
        placed = {image.name for message in messages for image in message.images}
        self._loose |= {image.name: image for image in images if image.name not in placed}
        self._walk = Walk(
            asked.policy,
            asked.api,
            asked.audience,
            dict(self._loose),
            sees=asked.sees,
            gone=asked.gone,
        )
        self._teller = Teller(self._walk, self._calls)

    def goes_on(
        self,
        asked: Circumstances,
        messages: tuple[Message, ...],
        start: int,
        images: tuple[Image, ...],
    ) -> bool:
        """Whether this conversation is the one that was walked through, and perhaps more."""
        seen = len(self._messages)
        if asked != self.asked:
            return False
        if start != self._start and self._walk is not None and self._walk.kept_back:
            return False
        if messages[:seen] != self._messages or images[: len(self._images)] != self._images:
            return False
        new = messages[seen:]
        return not any(image.name in self._loose for message in new for image in message.images)

    def is_within(self, messages: tuple[Message, ...]) -> bool:
        """Whether nothing else was walked through than these messages, or the first of them."""
        return messages[: len(self._messages)] == self._messages

    def take(self, messages: tuple[Message, ...], start: int, images: tuple[Image, ...]) -> None:
        """Walk on to the end of these messages."""
        seen, self._start = len(self._messages), start
        for index in range(seen, len(messages)):
            self._calls.take(index, messages[index])
        if self._walk is not None:
            self._walk.known |= self._found_loose(messages[seen:], images)
            for index in range(seen, len(messages)):
                self._walk.take(index, messages[index], may_leave=index <= start)
        self._messages, self._images = messages, images

    def _found_loose(
        self, new: Sequence[Message], images: tuple[Image, ...]
    ) -> Mapping[str, Image]:
        """New pictures that stand in no message."""
        came = images[len(self._images) :]
        if not came:
            return {}
        placed = {image.name for message in new for image in message.images}
        loose = {each.name: each for each in came if each.name not in placed}
        self._loose |= loose
        return loose

    def plan(self) -> Plan:
        """What is sent of the messages that were walked through."""
        if self._walk is not None:
            return self._teller.told(self._messages)
        sent, views = self._calls.sent, self._views
        if len(views) < len(sent):
            views |= {at: MessageView(calls=each) for at, each in sent.items() if at not in views}
        return Plan(self._messages, dict(views))


class Walk:
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
        self.known = known
        """Handle → the picture, of those that a prompt may name."""
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
        self.tellers: dict[str, list[int]] = {}
        """sha256 → the messages behind which the picture is told as a line."""
        self.lines: dict[str, str] = {}
        """Handle → the line that stands for the picture."""
        self.changed: set[int] = set()
        """Messages that showed a picture which left since this was last emptied."""
        self.kept_back = False
        """Whether a prompt was taken at which nothing could leave."""
        self._asked = ""

    def take(self, index: int, message: Message, *, may_leave: bool) -> None:
        """One message more. At one of the user's, things may leave."""
        if self._policy.tokens is not None:
            self._sizes.append(tokens_of(message))
        self._asked = message.text if message.role == "user" else self._asked
        images = message.images
        new = {image.name: image for image in images if image.name}
        for name, image in new.items():
            if name not in self.lines:
                self.lines[name] = line(image, self._asked)
        if message.role == "assistant":
            self.known |= new
            self._reply(index, message)
            return
        named = self._named(message) if message.role == "user" else []
        if message.role == "user":
            self._turns.append(index)
            self.kept_back = self.kept_back or not may_leave
            if may_leave:
                here = {image.sha256 for image in images}
                self._attach(index, [image for image in self._waiting if image.sha256 not in here])
                self._waiting = []
                self._leave(here | {image.sha256 for image in named})
                self._leave_turns(index)
        self.own[index] = tuple([image.sha256 for image in images])
        for sha256 in self.own[index]:
            self._show(sha256, index)
        self._attach(index, [*self._waiting, *named])
        self._waiting = []
        self.known |= new

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
        names = dict.fromkeys(NAMED.findall(message.text))
        return [self.known[name] for name in names if name in self.known]

    def _leave(self, wanted: set[str]) -> None:
        most, images = self._policy.most_images, self._policy.images
        if most is None or images is None or len(self.place) <= most:
            return
        surplus = len(self.place) - images
        unwanted = [each for each in self.place if each not in wanted]
        for sha256 in unwanted[:surplus]:
            self.changed |= {self.place.pop(sha256), *self.tellers.get(sha256, ())}

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


class Teller:
    """Says of each message how it goes, each picture told once, beside the first message of the
    user's side that it comes with.
    """

    def __init__(self, walk: Walk, calls: CallIds) -> None:
        self._walk, self._calls = walk, calls
        self._begin(0)

    def _begin(self, first: int) -> None:
        self._first, self._next = first, first
        self._before = ""
        """What stands before the first message, if turns are left out."""
        self._views: dict[int, MessageView] = {}
        self._told: dict[str, Image] = {}
        """The pictures that are told by now, by their handles."""
        self._fresh: dict[str, Image] = {}
        """Those that came in a reply, and are not told yet."""
        self._telling: dict[int, dict[str, Image]] = {}
        """Message → the pictures that are told behind it."""
        self._blind_at: int | None = None
        """The message that says that the model sees no pictures."""
        self._walk.tellers.clear()

    def told(self, messages: tuple[Message, ...]) -> Plan:
        """The messages that are sent. Only what is new is looked at, and what lost its picture."""
        first = self._walk.first
        if first != self._first:
            self._begin(first)
            for message in messages[:first]:
                self._told |= {image.name: image for image in message.images if image.name}
            self._before = _left_out([self._walk.lines[name] for name in self._told])
        changed = [each for each in self._walk.changed if first <= each < self._next]
        self._walk.changed.clear()
        for index in range(self._next, len(messages)):
            self._find_fresh(index, messages[index])
        for index in (*changed, *range(self._next, len(messages))):
            view = self._view(index, self._before if index == first else "")
            if view is None:
                self._views.pop(index, None)
            else:
                self._views[index] = view
        self._next = len(messages)
        if first == 0:
            return Plan(messages, dict(self._views))
        return Plan(messages[first:], {at - first: view for at, view in self._views.items()})

    def _find_fresh(self, index: int, message: Message) -> None:
        if not self._walk.lines:
            return
        for image in message.images:
            if image.name and image.name not in self._told:
                self._fresh[image.name] = image
        if message.role == "assistant" or not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        self._told |= fresh
        self._telling[index] = fresh
        if self._blind_at is None and not self._walk.sees:
            self._blind_at = index
        for image in fresh.values():
            self._walk.tellers.setdefault(image.sha256, []).append(index)

    def _view(self, index: int, before: str) -> MessageView | None:
        """How this message goes; None where it goes as it is."""
        walk, place, lines = self._walk, self._walk.place, self._walk.lines
        calls = self._calls.sent.get(index)
        own, attached = walk.own.get(index, ()), walk.attached.get(index, ())
        telling = self._telling.get(index)
        if not own and not attached and telling is None and calls is None and not before:
            return None
        hidden = frozenset([each for each in own if place.get(each) != index])
        beside = [each for each in attached if place.get(each.sha256) == index]
        note = "" if telling is None else self._note(index, telling, beside)
        if not (hidden or beside or note or before or calls):
            return None
        shown = tuple([(lines.get(image.name) or line(image), image) for image in beside])
        return MessageView(note, hidden, shown, before, calls or AS_THEY_CAME)

    def _note(self, index: int, telling: dict[str, Image], beside: Sequence[Image]) -> str:
        walk, place = self._walk, self._walk.place
        shown = {image.name for image in beside}
        told = [
            (walk.lines[name], walk.sees and place.get(image.sha256, index + 1) > index)
            for name, image in telling.items()
            if name not in shown
        ]
        note = _note(told)
        return f"[{_BLIND}] {note}" if index == self._blind_at else note


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
