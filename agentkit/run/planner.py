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
from functools import cached_property

from agentkit.run.audience import Audience
from agentkit.run.calls import AS_THEY_CAME, CallIds
from agentkit.run.file_forms import form_of, tokens_of_file
from agentkit.run.history import (
    ANYBODY,
    KEPT_SHARE,
    NAMED,
    PICTURE_TOKENS,
    History,
    MessageView,
    Plan,
    echoed,
    things_of,
    tokens_of,
)
from agentkit.run.lines import left_out, line, note
from agentkit.run.sizes import Sizes
from agentkit.run.summary import Summaries
from agentkit.run.views import NONE
from agentkit.values import (
    Api,
    BlobRef,
    File,
    Image,
    Message,
    Messages,
    ParsedFile,
    fast_init,
    replace,
)
from agentkit.values.messages import NO_MESSAGES

Thing = Image | File
_BLIND = "You cannot see pictures here; they are told by their handles."
_STATES = 2
"""Walks that are kept: with pictures that are gone from the store, a turn has two."""


@fast_init
@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a plan depends on beside the conversation."""

    policy: History
    api: Api
    audience: Audience
    sees: bool
    takes_files: bool | None
    gone: frozenset[str]
    is_plain: bool
    """Whether there is nothing that could be left out."""


def plan(
    messages: Sequence[Message],
    start: int,
    policy: History,
    *,
    api: Api,
    images: tuple[Image, ...],
    files: tuple[File, ...] = (),
    audience: Audience = ANYBODY,
    sees: bool = True,
    takes_files: bool | None = None,
    gone: frozenset[str] = frozenset(),
) -> Plan:
    """What a `Planner` plans that has planned nothing before."""
    return Planner().plan(
        messages,
        start,
        policy,
        api=api,
        images=images,
        files=files,
        audience=audience,
        sees=sees,
        takes_files=takes_files,
        gone=gone,
    )


class Planner:
    """Plans the requests of one conversation, each from where the one before had come to."""

    def __init__(self) -> None:
        self._states: list[_State] = []
        self.never_sent: tuple[tuple[Image, ...], int, frozenset[str]] | None = None
        """The pictures of a conversation, and those of them (sha256) that no model takes, as of so
        many refusals.
        """
        self.summaries = Summaries()

    @cached_property
    def sizes(self) -> Sizes:
        """What was measured to price a request before, of a run whose money is limited."""
        return Sizes()

    def plan(
        self,
        messages: Sequence[Message],
        start: int,
        policy: History,
        *,
        api: Api,
        images: tuple[Image, ...],
        files: tuple[File, ...] = (),
        audience: Audience,
        sees: bool,
        takes_files: bool | None = None,
        gone: frozenset[str],
    ) -> Plan:
        """The messages to send for a run whose prompt stands at `start`.

        `images` and `files` are all those of the conversation. `audience` are the models that may
        answer. `sees` says whether they take pictures, `takes_files` the same of files, as far as
        that is known. What is `gone` (sha256), deleted from the store or of no kind that models
        take, becomes a line.
        """
        is_plain = not images and not files and not gone and policy.tokens is None
        asked = Circumstances(policy, api, audience, sees, takes_files, gone, is_plain)
        known, messages = Known(images, files), Messages.of(messages)
        states = (each for each in self._states if each.goes_on(asked, messages, start, known))
        state = next(states, None) or _State(asked, messages, known)
        others = [each for each in self._states if each is not state and each.asked != asked]
        self._states = [state, *others[: _STATES - 1]]
        state.take(messages, start, known)
        return state.plan()

    def keep_only(self, messages: Messages) -> None:
        """Forget what goes on behind these messages: those of a turn that failed are not sent
        again.
        """
        self._states = [each for each in self._states if each.is_within(messages)]
        if "sizes" in vars(self):
            self.sizes.keep_only(messages)


@dataclass(frozen=True, slots=True)
class Known:
    """Every picture and file of a conversation, in order."""

    images: tuple[Image, ...]
    files: tuple[File, ...]

    def goes_on(self, before: Known) -> bool:
        """Whether these are those of before, and perhaps more."""
        images, files = before.images, before.files
        if self.images is images and self.files is files:
            return True
        return self.images[: len(images)] == images and self.files[: len(files)] == files

    def since(self, before: Known) -> tuple[Thing, ...]:
        """Those that have come since."""
        return (*self.images[len(before.images) :], *self.files[len(before.files) :])


class _State:
    """How far one walk through a conversation has come."""

    def __init__(self, asked: Circumstances, messages: Messages, known: Known) -> None:
        self.asked = asked
        self._messages = NO_MESSAGES
        self._known = known
        self._start = 0
        self._calls = CallIds(asked.audience)
        self._views = NONE
        """How the messages go where nothing could be left out."""
        self._loose: dict[str, Thing] = {}
        """Pictures and files that stand in no message."""
        self._walk: Walk | None = None
        if asked.is_plain:
            return
        placed = {each.name for message in messages for each in things_of(message)}
        things = (*known.images, *known.files)
        self._loose |= {each.name: each for each in things if each.name not in placed}
        self._walk = Walk(
            asked.policy,
            asked.api,
            asked.audience,
            dict(self._loose),
            sees=asked.sees,
            takes_files=asked.takes_files,
            gone=asked.gone,
        )
        self._teller = Teller(self._walk, self._calls)

    def goes_on(
        self,
        asked: Circumstances,
        messages: Messages,
        start: int,
        known: Known,
    ) -> bool:
        """Whether this conversation is the one that was walked through, and perhaps more."""
        seen = self._messages.length
        if asked != self.asked:
            return False
        if start != self._start and self._walk is not None and self._walk.kept_back:
            return False
        if not messages.begins_with(self._messages) or not known.goes_on(self._known):
            return False
        new = messages.between(seen, messages.length) if self._loose else ()
        return not any(each.name in self._loose for message in new for each in things_of(message))

    def is_within(self, messages: Messages) -> bool:
        """Whether nothing else was walked through than these messages, or the first of them."""
        return messages.begins_with(self._messages)

    def take(self, messages: Messages, start: int, known: Known) -> None:
        """Walk on to the end of these messages."""
        seen, self._start = self._messages.length, start
        new = messages.between(seen, messages.length)
        for index, message in enumerate(new, seen):
            self._calls.take(index, message)
        if self._walk is not None:
            self._walk.known |= self._found_loose(new, known)
            for index, message in enumerate(new, seen):
                self._walk.take(index, message, may_leave=index <= start)
        else:
            sent = self._calls.sent
            changed = [each for each in range(seen, messages.length) if each in sent]
            views = {each: MessageView(calls=sent[each]) for each in changed}
            self._views = self._views.changed(views)
        self._messages, self._known = messages, known

    def _found_loose(self, new: Sequence[Message], known: Known) -> Mapping[str, Thing]:
        """New pictures and files that stand in no message."""
        came = known.since(self._known)
        if not came:
            return {}
        placed = {each.name for message in new for each in things_of(message)}
        loose = {each.name: each for each in came if each.name not in placed}
        self._loose |= loose
        return loose

    def plan(self) -> Plan:
        """What is sent of the messages that were walked through."""
        if self._walk is not None:
            return self._teller.told(self._messages)
        return Plan(self._messages, self._views)


class Walk:
    """Goes through a conversation as it grew, and keeps what of it is in sight."""

    def __init__(
        self,
        policy: History,
        api: Api,
        audience: Audience,
        known: dict[str, Thing],
        *,
        sees: bool,
        takes_files: bool | None,
        gone: frozenset[str],
    ) -> None:
        self._policy = policy
        self._audience = audience
        self.known = known
        """Handle → the picture or file, of those that a prompt may name."""
        self._gone = gone
        self.sees = sees
        self._takes_files = takes_files
        self.files: dict[str, File] = {}
        """The files that were shown, or could not be, by sha256."""
        self.parsed: dict[int, tuple[ParsedFile, ...]] = {}
        """Message → what came with it that was read out of files."""
        self._api: Api = api
        self._waiting: list[Image] = []
        self._turns: list[int] = []
        self._sizes: list[int] = []
        self.first = 0
        """The first message that is sent."""
        self.place: dict[str, int] = {}
        """sha256 → the message that shows the picture or file. What was shown or named last is
        last.
        """
        self.own: dict[int, tuple[str, ...]] = {}
        """Message → the pictures and files (sha256) that stand in it."""
        self.attached: dict[int, list[Thing]] = {}
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
        things = things_of(message)
        new = {each.name: each for each in things if each.name}
        for name, each in new.items():
            if name not in self.lines:
                self.lines[name] = line(each, self._asked)
        if message.parsed:
            self.parsed[index] = message.parsed
        if message.role == "assistant":
            self.known |= new
            self._reply(index, message)
            return
        named = self._named(message) if message.role == "user" else []
        if message.role == "user":
            self._turns.append(index)
            self.kept_back = self.kept_back or not may_leave
            if may_leave:
                here = {each.sha256 for each in things}
                self._attach(index, [image for image in self._waiting if image.sha256 not in here])
                self._waiting = []
                self._leave(here | {each.sha256 for each in named})
                self._leave_turns(index)
        self.own[index] = tuple([each.sha256 for each in things])
        for each in things:
            self._show(each.sha256, index, each)
        self._attach(index, [*self._waiting, *named])
        self._waiting = []
        self.known |= new

    def _attach(self, index: int, things: Iterable[Thing]) -> None:
        """Send pictures and files beside this message, those that are not in sight yet."""
        for each in things:
            if self._show(each.sha256, index, each):
                self.attached.setdefault(index, []).append(each)

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

    def _show(self, sha256: str, index: int, thing: Thing | None = None) -> bool:
        """Bring a picture or file in sight, at this message. Returns False if it was in sight
        before, or cannot be.
        """
        can_be = self.sees
        if isinstance(thing, File):
            self.files[sha256] = thing
            can_be = form_of(thing, self._takes_files) is not None
        if not can_be or sha256 in self._gone:
            return False
        before = self.place.pop(sha256, None)
        if before is None and isinstance(thing, File):
            self.changed |= self._read_out_at(thing)
        self.place[sha256] = index if before is None else before
        return before is None

    def _read_out_at(self, file: File) -> set[int]:
        """The messages with which came what was read out of a file."""
        return {
            index
            for index, parsed in self.parsed.items()
            if any(each.file_name == file.file_name for each in parsed)
        }

    def unparsed(self, index: int) -> frozenset[str]:
        """The names of the files that do not go, of those of which something was read out here; or
        of which a picture is gone that was in it.
        """
        parsed = self.parsed.get(index, ())
        if not parsed:
            return frozenset()
        sent = {file.file_name for file in self.sent_files()}
        return frozenset(
            [
                each.file_name
                for each in parsed
                if each.file_name not in sent
                or any(isinstance(ref, BlobRef) and ref.sha256 in self._gone for ref in each.item)
            ]
        )

    def sent_files(self) -> tuple[File, ...]:
        """The files in sight."""
        return tuple([self.files[each] for each in self.place if each in self.files])

    def as_text(self, shas: Iterable[str]) -> frozenset[str]:
        """Those of the files that go as their words."""
        if not self.files:
            return frozenset()
        forms = {
            each: form_of(self.files[each], self._takes_files)
            for each in shas
            if each in self.files
        }
        return frozenset([each for each, form in forms.items() if form == "text"])

    def _named(self, message: Message) -> list[Thing]:
        names = dict.fromkeys(NAMED.findall(message.text))
        return [self.known[name] for name in names if name in self.known]

    def _leave(self, wanted: set[str]) -> None:
        policy, files = self._policy, self.files
        shown = [each for each in self.place if each not in files]
        self._leave_some(shown, policy.images, policy.most_images, wanted)
        if files:
            shown = [each for each in self.place if each in files]
            self._leave_some(shown, policy.files, policy.most_files, wanted)

    def _leave_some(
        self, shown: Sequence[str], kept: int | None, most: int | None, wanted: set[str]
    ) -> None:
        if most is None or kept is None or len(shown) <= most:
            return
        unwanted = [each for each in shown if each not in wanted]
        for sha256 in unwanted[: len(shown) - kept]:
            self.changed |= {self.place.pop(sha256), *self.tellers.get(sha256, ())}
            if sha256 in self.files:
                self.changed |= self._read_out_at(self.files[sha256])

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
        files = self.sent_files()
        pictures = PICTURE_TOKENS * (len(self.place) - len(files))
        return sum(self._sizes[self.first :]) + pictures + sum(map(tokens_of_file, files))


class Teller:
    """Says of each message how it goes, each picture and file told once, beside the first message
    of the user's side that it comes with.
    """

    def __init__(self, walk: Walk, calls: CallIds) -> None:
        self._walk, self._calls = walk, calls
        self._begin(0)

    def _begin(self, first: int) -> None:
        self._first, self._next = first, first
        self._before = ""
        """What stands before the first message, if turns are left out."""
        self._sent = NO_MESSAGES
        """The messages from the first one on that is sent, where that is not the first of all."""
        self._views = NONE
        """How they go, by their positions among those that are sent."""
        self._told: dict[str, Thing] = {}
        """The pictures and files that are told by now, by their handles."""
        self._fresh: dict[str, Thing] = {}
        """Those that came in a reply, and are not told yet."""
        self._telling: dict[int, dict[str, Thing]] = {}
        """Message → the pictures and files that are told behind it."""
        self._blind_at: int | None = None
        """The message that says that the model sees no pictures."""
        self._walk.tellers.clear()

    def told(self, messages: Messages) -> Plan:
        """The messages that are sent. Only what is new is looked at, and what lost its picture."""
        first = self._walk.first
        if first != self._first:
            self._begin(first)
            for message in messages.between(0, first):
                self._told |= {each.name: each for each in things_of(message) if each.name}
            self._before = _left_out(self._told, self._walk.lines)
        changed = [each for each in self._walk.changed if first <= each < self._next]
        self._walk.changed.clear()
        new = messages.between(self._next, messages.length)
        for index, message in enumerate(new, self._next):
            self._find_fresh(index, message)
        views = {
            index - first: self._view(index, self._before if index == first else "")
            for index in (*changed, *range(self._next, messages.length))
        }
        self._views = self._views.changed(views)
        self._next = messages.length
        self._sent = messages if first == 0 else self._sent.with_more(*new)
        return Plan(self._sent, self._views, self._walk.sent_files())

    def _find_fresh(self, index: int, message: Message) -> None:
        if not self._walk.lines:
            return
        for each in things_of(message):
            if each.name and each.name not in self._told:
                self._fresh[each.name] = each
        if message.role == "assistant" or not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        self._told |= fresh
        self._telling[index] = fresh
        has_pictures = any(isinstance(each, Image) for each in fresh.values())
        if self._blind_at is None and not self._walk.sees and has_pictures:
            self._blind_at = index
        for each in fresh.values():
            self._walk.tellers.setdefault(each.sha256, []).append(index)

    def _view(self, index: int, before: str) -> MessageView | None:
        """How this message goes; None where it goes as it is."""
        walk, place, lines = self._walk, self._walk.place, self._walk.lines
        calls = self._calls.sent.get(index)
        own, attached = walk.own.get(index, ()), walk.attached.get(index, ())
        telling = self._telling.get(index)
        unparsed = walk.unparsed(index)
        if not (own or attached or telling or calls or before or unparsed):
            return None
        hidden = frozenset([each for each in own if place.get(each) != index])
        beside = [each for each in attached if place.get(each.sha256) == index]
        told = "" if telling is None else self._note(index, telling, beside)
        as_text = walk.as_text((*own, *[each.sha256 for each in beside]))
        if not (hidden or beside or told or before or calls or as_text or unparsed):
            return None
        shown = tuple([(lines.get(each.name) or line(each), each) for each in beside])
        view = MessageView(told, hidden, shown, before, calls or AS_THEY_CAME)
        if as_text or unparsed:
            view = replace(view, as_text=as_text, unparsed=unparsed)
        return view

    def _note(self, index: int, telling: dict[str, Thing], beside: Sequence[Thing]) -> str:
        walk, place = self._walk, self._walk.place
        shown = {each.name for each in beside}
        pictures: list[tuple[str, bool]] = []
        files: list[tuple[str, bool]] = []
        for name, each in telling.items():
            if name in shown:
                continue
            is_away = place.get(each.sha256, index + 1) > index
            if isinstance(each, File):
                files.append((walk.lines[name], is_away))
            else:
                pictures.append((walk.lines[name], is_away and walk.sees))
        words = note("pictures", pictures)
        if index == self._blind_at:
            words = f"[{_BLIND}] {words}"
        return " ".join([each for each in (words, note("files", files)) if each])


def _left_out(told: Mapping[str, Thing], lines: Mapping[str, str]) -> str:
    """The text for the turns that were left out, in which these pictures and files were."""
    pictures = [lines[name] for name, each in told.items() if not isinstance(each, File)]
    files = [lines[name] for name, each in told.items() if isinstance(each, File)]
    return left_out(pictures, files)
