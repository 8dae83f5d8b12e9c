"""What the state machine knows of its conversations, and how a step of one of them is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from agentkit import Answer, Conversation, History, Run
from agentkit.emulator import Charge, Emulator, Post, Reply
from agentkit.errors import RunError, UsageError
from tests.unit.loop import acting, auditing
from tests.unit.loop.acting import Round, Writer

CALLERS = ("openai/gpt-5.2", "anthropic/claude-sonnet-4.6", "openai/gpt-oss-20b")
DRAWERS = ("google/gemini-2.5-flash-image", "openai/gpt-5-image")


@dataclass(frozen=True)
class Way:
    api: str
    stream: bool
    model: str

    @property
    def draws(self) -> bool:
        return self.model in DRAWERS


@dataclass
class Open:
    """A run that waits for a person, or that broke off."""

    run: Run
    left: tuple[Round, ...] = ()
    """What the model would say after it."""
    handle: str = acting.UNKNOWN
    whole: bool = True
    """Whether nothing broke in it, so that each picture and each cent has to be there."""
    tidy: bool = True
    """Whether nobody left in the middle, so that what the server got rid of has come."""
    given: set[str] = field(default_factory=set)
    """Pictures that came from outside."""
    posts: tuple[int, ...] = ()
    charges: tuple[int, ...] = ()
    """What the run has asked and paid for so far, by its number at the emulator."""


@dataclass
class Talk:
    """A conversation, and what is known of it."""

    chat: Conversation[Any]
    known: dict[str, str] = field(default_factory=dict)
    """Handle → sha256, as it was first told."""
    way: Way = Way("responses", False, CALLERS[0])
    last: Answer[Any] | None = None
    open: Open | None = None

    def handle(self, number: int) -> str:
        names = list(self.known)
        return names[number % len(names)] if names else acting.UNKNOWN


@dataclass
class World:
    """What all conversations share."""

    emulator: Emulator
    writer: Writer
    policy: History


class Step:
    """One step of one conversation: what the server saw of it, and what is to hold after it."""

    def __init__(self, world: World, talk: Talk, was: Open | None, *, tidy: bool) -> None:
        self.world, self.talk, self.was, self.tidy = world, talk, was, tidy
        self.before = (talk.chat.messages, list(talk.chat.images.values()))
        self.counts = self._counts()
        self.run: Run | None = None
        self.settled = False

    def _counts(self) -> tuple[int, int, int]:
        emulator = self.world.emulator
        return len(emulator.requests), len(emulator.posts), len(emulator.ledger)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert self.settled
            requests = self.world.emulator.requests[self.counts[0] :]
            auditing.audit_requests(requests, self.run, self.world.writer, self.world.policy)
        self.world.emulator._state.script.clear()

    def play(self, replies: Sequence[Reply]) -> None:
        self.world.emulator.play(list(replies))

    def nothing(self) -> None:
        """Nothing happened, and nothing was asked."""
        self.settled = True
        assert self._counts()[1] == self.counts[1]
        assert (self.talk.chat.messages, list(self.talk.chat.images.values())) == self.before

    def _history_stays(self, run: Run) -> None:
        """The turn is not over, or was given up: its pictures are kept, its words are not."""
        chat = self.talk.chat
        assert chat.messages == self.before[0]
        assert {image.sha256 for image in chat.images.values()} >= {
            image.sha256 for image in (*self.before[1], *run.images)
        }
        self._album_grows()

    def _album_grows(self) -> None:
        """No handle is given twice, and each picture can be read."""
        for name, image in self.talk.chat.images.items():
            assert self.talk.known.setdefault(name, image.sha256) == image.sha256
            assert len(image.bytes()) == image.size

    def _own(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The posts and the charges of this run, those of earlier sittings too, by their
        numbers.
        """
        now = self._counts()
        posts, charges = (self.was.posts, self.was.charges) if self.was is not None else ((), ())
        return (*posts, *range(self.counts[1], now[1])), (*charges, *range(self.counts[2], now[2]))

    def _posts(self) -> list[Post]:
        posts = self.world.emulator.posts
        return [posts[at] for at in self._own()[0]]

    def _charges(self) -> list[Charge]:
        ledger = self.world.emulator.ledger
        return [ledger[at] for at in self._own()[1]]

    def stopped(self, run: Run | None, handle: str) -> None:
        """The turn broke off: the conversation is as it was, and the run holds all that had
        come.
        """
        assert run is not None
        self.settled, self.run = True, run
        self._history_stays(run)
        if self.tidy:
            # a picture that was lent out before, by its URL, counts as delivered wherever it is
            # drawn again
            before = {
                sha256
                for post in self.world.emulator.posts[: min(self._own()[0], default=0)]
                for sha256 in post.images
            }
            had = {image.sha256 for image in run.images}
            missing = auditing.expected_pictures(run, self._posts(), whole=False) - had - before
            assert not missing, ("lost in a break", missing)
        auditing.audit_messages(run.messages, unfinished=True)
        posts, charges = self._own()
        self.talk.open = Open(
            run, (), handle, whole=False, tidy=self.tidy, posts=posts, charges=charges
        )

    def answered(self, answer: Answer[Any], then: Open) -> None:
        """The turn ended, or waits."""
        self.settled, self.run = True, answer.run
        run, chat = answer.run, self.talk.chat
        auditing.audit_answer(answer, run)
        posts = self._posts()
        if self.tidy and then.whole:
            assert not self.world.emulator._state.script, "replies that nobody asked for"
            auditing.audit_costs(answer, self._charges(), posts)
        had = {image.sha256 for image in run.images}
        expected = auditing.expected_pictures(run, posts, whole=then.whole) if self.tidy else set()
        if not then.whole:
            first = min(self._own()[0], default=0)
            expected -= {
                sha256 for post in self.world.emulator.posts[:first] for sha256 in post.images
            }
        assert expected | then.given <= had, ("lost", expected - had)
        assert chat.waiting == (run if answer.status == "paused" else None)
        if answer.status == "paused":
            self._history_stays(run)
            self.talk.open = Open(
                run, then.left, then.handle, then.whole, self.tidy, then.given, *self._own()
            )
            return
        assert chat.messages == run.messages
        assert chat.messages[: len(self.before[0])] == self.before[0]
        assert {image.sha256 for image in chat.images.values()} >= had
        prompt = {image.sha256 for image in run.messages[run.start].images}
        strange = had - set(self.talk.known.values()) - prompt - expected - then.given
        assert not strange or not (self.tidy and then.whole), ("pictures from nowhere", strange)
        self._album_grows()
        self.talk.last = answer


def hereafter(left: tuple[Round, ...], handle: str, *, whole: bool = True) -> Any:
    """What is to follow a run that has only begun."""
    return Open(None, left, handle, whole)  # type: ignore[arg-type]


async def asking(chat: Conversation[Any], prompt: Any, way: Way) -> Answer[Any]:
    if not way.stream:
        return await chat.send(prompt)
    async with chat.stream(prompt) as stream:
        return await stream.finish()


async def leaving(chat: Conversation[Any], prompt: Any, events: int) -> Answer[Any] | Run | None:
    """A stream that is left after so many events: the answer, where it ended before that, else its
    run.
    """
    try:
        async with chat.stream(prompt) as stream:
            async for _ in stream:
                if not events:
                    break
                events -= 1
    except RunError as error:
        return error.run
    await chat.settled()
    try:
        return stream.answer
    except UsageError:
        return stream.run
