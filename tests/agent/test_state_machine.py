"""Conversations that do everything in any order: talk, draw, edit, call tools, pause, break, are left, forked, saved, loaded,
moved to another API and model. After each step the requests that the server got are judged, and no picture is lost or doubled.

A short run belongs to every test run; `STATE_MACHINE_EXAMPLES=2000 pytest -m slow` makes a long one. Hypothesis
prints the steps of the shortest failure, and a `@reproduce_failure` that plays it again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agentkit import Agent, Answer, Conversation, Denied, History, Image, ImageGeneration, OpenRouter, Run
from agentkit.emulator import Charge, Emulator, Failure, Post, Reply, Say
from agentkit.errors import RunError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.agent import acting, auditing
from tests.agent.acting import PICTURES, Round, Writer, paint

CALLERS = ("openai/gpt-5.2", "anthropic/claude-sonnet-4.6", "openai/gpt-oss-20b")
DRAWERS = ("google/gemini-2.5-flash-image", "openai/gpt-5-image")
MOST_TALKS = 3


@dataclass(frozen=True)
class Way:
    api: str
    stream: bool
    model: str

    @property
    def draws(self) -> bool:
        return self.model in DRAWERS


ways = st.none() | st.builds(
    Way, st.sampled_from(["chat", "responses"]), st.booleans(), st.sampled_from(CALLERS + DRAWERS)
)
"""None goes on as before."""
calling = st.builds(Way, st.sampled_from(["chat", "responses"]), st.booleans(), st.sampled_from(CALLERS))
which = st.integers(0, MOST_TALKS - 1)
numbers = st.lists(st.integers(0, 30), max_size=2)
given = st.lists(st.integers(0, PICTURES - 1), max_size=2)


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


class Conversations(RuleBasedStateMachine):
    """Up to three conversations with one emulator, one client and one store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.emulator = Emulator().start()
        self.client = OpenRouter(
            api_key="sk-or-test-key", base_url=self.emulator.base_url, timeouts=Timeouts(lookup=0.05)
        )
        self.store = MemoryImageStore()
        self.writer = Writer(self.emulator.origin)
        self.talks: list[Talk] = []

    def teardown(self) -> None:
        self.loop.run_until_complete(self.client.close())
        left = asyncio.all_tasks(self.loop)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.emulator.stop()
        assert not left, left

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 30))

    @initialize(images=st.sampled_from([3, 1, 0, None]), tokens=st.sampled_from([None, None, 300, 2000]))
    def begin(self, images: int | None, tokens: int | None) -> None:
        self.policy = History(images=images, tokens=tokens)
        common: dict[str, Any] = {"client": self.client, "store": self.store}
        studio = Studio(client=self.client, store=self.store)
        painter = Agent("openai/gpt-5.2", tools=[ImageGeneration()], **common).as_tool("paint", "Paints.")
        shop = Agent("openai/gpt-5.2", tools=[acting.buy], **common).as_tool("shop", "Shops.")
        tools = [*acting.TOOLS, *studio.tools(), painter, shop, ImageGeneration(size="64x64")]
        self.caller = Agent("openai/gpt-5.2", tools=tools, history=self.policy, **common)
        self.drawer = Agent("openai/gpt-5-image", history=self.policy, **common)
        self.talks = [Talk(self.caller.conversation())]

    def talk(self, number: int, way: Way | None) -> tuple[Talk, Way]:
        """A conversation, brought to the API and the model that are wanted."""
        talk = self.talks[number % len(self.talks)]
        talk.way = way or talk.way
        self.bring(talk.chat, talk.way)
        return talk, talk.way

    def bring(self, chat: Conversation[Any], way: Way) -> None:
        chat.api, chat.model = way.api, way.model  # type: ignore[assignment]
        chat.agent = self.drawer if way.draws else self.caller

    def prompt(self, talk: Talk, names: Sequence[int], picks: Sequence[int]) -> list[str | Image]:
        words = " and ".join(talk.handle(number) for number in names)
        return [f"do {self.writer.word('prompt')} with {words}", *(Image.from_bytes(paint(pick)) for pick in picks)]

    # The turns

    @rule(
        which=which, way=ways, turn=st.lists(acting.rounds, max_size=2), end=acting.endings, names=numbers, picks=given
    )
    def say(
        self, which: int, way: Way | None, turn: list[Round], end: Round, names: list[int], picks: list[int]
    ) -> None:
        """A turn that nothing disturbs; it may stop to wait for a person."""
        talk, way = self.talk(which, way)
        rounds = (end,) if way.draws else (*turn, end)
        handle = talk.handle(names[0] if names else len(talk.known) - 1)
        replies, left = self.writer.script(rounds, handle)
        talk.open = None
        with self.step(talk) as step:
            step.play(replies)
            step.answered(self.wait(asking(talk.chat, self.prompt(talk, names, picks), way)), hereafter(left, handle))

    @rule(which=which, way=calling, names=numbers)
    def talk_freely(self, which: int, way: Way, names: list[int]) -> None:
        """A turn that the emulator's own rules answer."""
        talk, way = self.talk(which, way)
        talk.open = None
        with self.step(talk) as step:
            words = f"Draw a fox {self.writer.word('fox')}, like {talk.handle(names[0] if names else 0)}"
            step.answered(self.wait(asking(talk.chat, words, way)), hereafter((), acting.UNKNOWN))

    @rule(
        which=which,
        way=ways,
        turn=st.lists(acting.quick_rounds, max_size=1),
        end=acting.endings,
        names=numbers,
        picks=given,
        form=st.sampled_from(["http", "body", "choice", "stream", "silent", "cut", "cut"]),
        cut=st.integers(0, 6000),
    )
    def break_off(
        self,
        which: int,
        way: Way,
        turn: list[Round],
        end: Round,
        names: list[int],
        picks: list[int],
        form: Any,
        cut: int,
    ) -> None:
        """The last reply of a turn breaks."""
        talk, way = self.talk(which, way)
        handle = talk.handle(names[0] if names else 0)
        turn = [] if way.draws else [each for each in turn if not each.waits]
        replies, _ = self.writer.script(turn, handle)
        broken: dict[str, Any] = {"cut_after": cut} if form == "cut" else {"error": Failure("it broke", 400, form=form)}
        talk.open = None
        with self.step(talk) as step:
            step.play([*replies, self.writer.reply(end, handle, chunk=50, **broken)])
            try:
                answer = self.wait(asking(talk.chat, self.prompt(talk, names, picks), way))
            except RunError as error:
                step.stopped(error.run, handle)
            else:
                assert form == "cut", "an error was taken for an answer"
                step.answered(answer, hereafter((), handle, whole=False))  # its end, with the cost, may not have come

    @rule(which=which, way=ways, turn=st.lists(acting.quick_rounds, max_size=1), end=acting.endings, names=numbers,
          picks=given, events=st.integers(0, 40), hang=st.booleans())  # fmt: skip
    def leave(
        self,
        which: int,
        way: Way,
        turn: list[Round],
        end: Round,
        names: list[int],
        picks: list[int],
        events: int,
        hang: bool,
    ) -> None:
        """A stream is left in the middle."""
        talk, way = self.talk(which, way)
        handle = talk.handle(names[0] if names else 0)
        rounds = (end,) if way.draws or not turn else (turn[0], end)
        replies, _ = self.writer.script(rounds[:-1], handle)
        if not any(each.waits for each in rounds):
            replies.append(self.writer.reply(end, handle, chunk=3, hang=hang))
        talk.open = None
        with self.step(talk, tidy=False) as step:
            step.play(replies)
            stream = self.wait(
                leaving(talk.chat, self.prompt(talk, names, picks), events if not hang else min(events, 4))
            )
            if isinstance(stream, Answer):
                step.answered(stream, hereafter((end,), handle))
            else:
                step.stopped(stream, handle)

    # What becomes of a run that is open

    @rule(which=which, verdicts=st.lists(st.sampled_from(["yes", "no", "denied", "later", "picture"]), min_size=1, max_size=4),
          end=acting.endings, reload=st.booleans())  # fmt: skip
    def resume(self, which: int, verdicts: list[str], end: Round, reload: bool) -> None:
        if (found := self.opened(which)) is None:
            return
        talk, open_run = found
        run = self.reloaded(open_run.run) if reload else open_run.run
        approve: dict[str, bool | Denied] = {}
        results: dict[str, Any] = {}
        came = set(open_run.given)
        for number, call in enumerate(Answer.of(run).pending if run.waiting else ()):
            verdict = verdicts[number % len(verdicts)]
            waiting = next((each for each in run.waiting if each.call_id == call.id), None)
            if waiting is None or verdict == "later":
                continue
            if waiting.why == "result":
                pick = number + len(talk.known)
                results[call.id] = (
                    Image.from_bytes(paint(pick % PICTURES)) if verdict == "picture" else f"Ada says {verdict}"
                )
                came |= {results[call.id].sha256} if verdict == "picture" else set()
            else:
                approve[call.id] = verdict in {"yes", "picture"} or (
                    Denied("too dear") if verdict == "denied" else False
                )
        replies = [Reply([Say(self.writer.word("shopped"))]) for call_id in approve if "/" in call_id]
        if not run.waiting or {*approve, *results} >= {each.call_id for each in run.waiting if each.why != "agent"}:
            more, left = self.writer.script(open_run.left or (end,), open_run.handle)
            replies += more
        else:
            left = open_run.left
        talk.open = None
        with self.step(talk, open_run, tidy=open_run.tidy) as step:
            talk.chat.agent = self.drawer if run.model in DRAWERS else self.caller
            step.play(replies)
            if not self.goes_on(talk, run):
                with pytest.raises(UsageError, match="does not go on|has ended"):
                    self.wait(talk.chat.resume(run, approve=approve, results=results))
                step.nothing()
                return
            answer = self.wait(talk.chat.resume(run, approve=approve, results=results))
            step.answered(answer, Open(answer.run, left, open_run.handle, open_run.whole, open_run.tidy, came))

    def goes_on(self, talk: Talk, run: Run) -> bool:
        return talk.chat.messages == run.messages[: run.start] and run.status in {"running", "paused"}

    @rule(which=which, reload=st.booleans())
    def adopt(self, which: int, reload: bool) -> None:
        if (found := self.opened(which)) is None:
            return
        talk, open_run = found
        run = self.reloaded(open_run.run) if reload else open_run.run
        talk.open = None
        with self.step(talk, open_run, tidy=open_run.tidy) as step:
            if talk.chat.messages != run.messages[: run.start]:
                with pytest.raises(UsageError, match="does not go on"):
                    talk.chat.adopt(run)
                step.nothing()
                return
            answer = talk.chat.adopt(run)
            assert answer.status != "paused"
            assert len(talk.chat.messages) >= len(run.messages)
            assert {image.sha256 for image in run.images} == {image.sha256 for image in talk.chat.images.values()}
            step.answered(answer, Open(answer.run, (), open_run.handle, False, open_run.tidy, open_run.given))

    def opened(self, number: int) -> tuple[Talk, Open] | None:
        """A conversation with an open run, if there is one. No precondition of a rule: what is open when a stream is left
        depends on the clock, and Hypothesis wants each choice to be the same again."""
        talks = [(talk, talk.open) for talk in self.talks if talk.open is not None]
        return talks[number % len(talks)] if talks else None

    # Futures

    @precondition(lambda self: 0 < len(self.talks) < MOST_TALKS)
    @rule(which=which)
    def fork(self, which: int) -> None:
        talk = self.talks[which % len(self.talks)]
        other = Talk(talk.chat.fork(), dict(talk.known), talk.way, talk.last, talk.open)
        assert (other.chat.messages, list(other.chat.images.values())) == (
            talk.chat.messages,
            list(talk.chat.images.values()),
        )
        self.talks.append(other)

    @rule(which=which)
    def save_and_load(self, which: int) -> None:
        talk = self.talks[which % len(self.talks)]
        if talk.last is not None:
            loaded = self.loaded(talk)
            assert loaded.messages == talk.chat.messages
            assert list(loaded.images.items()) == list(talk.chat.images.items())
            talk.chat = loaded

    def loaded(self, talk: Talk) -> Conversation[Any]:
        """The conversation out of the JSON of its last run."""
        assert talk.last is not None
        run = self.reloaded(talk.last.run)
        chat = Conversation.holding(self.caller, run)
        chat.adopt(run)
        return chat

    def reloaded(self, run: Run) -> Run:
        loaded = Run.from_json(run.to_json(), blobs=self.store)
        assert loaded == run
        return loaded

    @rule(which=which, way=ways, names=numbers)
    def twins_ask_the_same(self, which: int, way: Way | None, names: list[int]) -> None:
        """What was serialised before, and what is serialised anew from a saved run, is one request."""
        talk = self.talks[which % len(self.talks)]
        way = way or talk.way
        if talk.last is None:
            return
        prompt = self.prompt(talk, names, [])
        bodies: list[dict[str, Any]] = []
        for chat in (talk.chat.fork(), self.loaded(talk)):
            twin = Talk(chat, dict(talk.known))
            self.bring(chat, way)
            with self.step(twin) as step:
                step.play([Reply([Say("so it is")])])
                step.answered(self.wait(asking(chat, prompt, way)), hereafter((), acting.UNKNOWN))
            bodies.append({**auditing.asked(self.emulator.requests)[-1].body, "session_id": None})
        assert bodies[0] == bodies[1]

    @rule()
    def urls_expire(self) -> None:
        self.emulator.expire_urls()

    # After each step

    def step(self, talk: Talk, was: Open | None = None, *, tidy: bool = True) -> Step:
        return Step(self, talk, was, tidy=tidy)

    @invariant()
    def handles_are_for_ever(self) -> None:
        for talk in self.talks:
            now = {name: image.sha256 for name, image in talk.chat.images.items()}
            assert now == talk.known
            assert len(set(now.values())) == len(now), "one picture, two names"
            assert list(now) == [f"img_{number}" for number in range(1, len(now) + 1)]


class Step:
    """One step of one conversation: what the server saw of it, and what is to hold after it."""

    def __init__(self, machine: Conversations, talk: Talk, was: Open | None, *, tidy: bool) -> None:
        self.machine, self.talk, self.was, self.tidy = machine, talk, was, tidy
        self.before = (talk.chat.messages, list(talk.chat.images.values()))
        self.counts = self._counts()
        self.run: Run | None = None
        self.settled = False

    def _counts(self) -> tuple[int, int, int]:
        emulator = self.machine.emulator
        return len(emulator.requests), len(emulator.posts), len(emulator.ledger)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert self.settled
            requests = self.machine.emulator.requests[self.counts[0] :]
            auditing.audit_requests(requests, self.run, self.machine.writer, self.machine.policy)
        self.machine.emulator._state.script.clear()

    def play(self, replies: Sequence[Reply]) -> None:
        self.machine.emulator.play(list(replies))

    def nothing(self) -> None:
        """Nothing happened, and nothing was asked."""
        self.settled = True
        assert self._counts()[1] == self.counts[1]
        assert (self.talk.chat.messages, list(self.talk.chat.images.values())) == self.before

    def _own(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The posts and the charges of this run, those of earlier sittings too, by their numbers."""
        now = self._counts()
        posts, charges = (self.was.posts, self.was.charges) if self.was is not None else ((), ())
        return (*posts, *range(self.counts[1], now[1])), (*charges, *range(self.counts[2], now[2]))

    def _posts(self) -> list[Post]:
        posts = self.machine.emulator.posts
        return [posts[at] for at in self._own()[0]]

    def _charges(self) -> list[Charge]:
        ledger = self.machine.emulator.ledger
        return [ledger[at] for at in self._own()[1]]

    def stopped(self, run: Run | None, handle: str) -> None:
        """The turn broke off: the conversation is as it was, and the run holds all that had come."""
        assert run is not None
        self.settled, self.run = True, run
        assert (self.talk.chat.messages, list(self.talk.chat.images.values())) == self.before
        if self.tidy:
            # a picture that was lent out before, by its URL, counts as delivered wherever it is drawn again
            before = {
                sha256
                for post in self.machine.emulator.posts[: min(self._own()[0], default=0)]
                for sha256 in post.images
            }
            had = {image.sha256 for image in run.images}
            missing = auditing.expected_pictures(run, self._posts(), whole=False) - had - before
            assert not missing, ("lost in a break", missing)
        auditing.audit_messages(run.messages, unfinished=True)
        posts, charges = self._own()
        self.talk.open = Open(run, (), handle, whole=False, tidy=self.tidy, posts=posts, charges=charges)

    def answered(self, answer: Answer[Any], then: Open) -> None:
        """The turn ended, or waits."""
        self.settled, self.run = True, answer.run
        run, chat = answer.run, self.talk.chat
        auditing.audit_answer(answer, run)
        posts = self._posts()
        if self.tidy and then.whole:
            assert not self.machine.emulator._state.script, "replies that nobody asked for"
            auditing.audit_costs(answer, self._charges(), posts)
        had = {image.sha256 for image in run.images}
        expected = auditing.expected_pictures(run, posts, whole=then.whole) if self.tidy else set()
        if not then.whole:
            first = min(self._own()[0], default=0)
            expected -= {sha256 for post in self.machine.emulator.posts[:first] for sha256 in post.images}
        assert expected | then.given <= had, ("lost", expected - had)
        if answer.status == "paused":
            assert (chat.messages, list(chat.images.values())) == self.before
            self.talk.open = Open(run, then.left, then.handle, then.whole, self.tidy, then.given, *self._own())
            return
        assert chat.messages == run.messages
        assert chat.messages[: len(self.before[0])] == self.before[0]
        assert {image.sha256 for image in chat.images.values()} == had
        prompt = {image.sha256 for image in run.messages[run.start].images}
        strange = had - set(self.talk.known.values()) - prompt - expected - then.given
        assert not strange or not (self.tidy and then.whole), ("pictures from nowhere", strange)
        for name, image in chat.images.items():
            assert self.talk.known.setdefault(name, image.sha256) == image.sha256
            assert len(image.bytes()) == image.size
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
    """A stream that is left after so many events: the answer, where it ended before that, else its run."""
    try:
        async with chat.stream(prompt) as stream:
            async for _ in stream:
                if not events:
                    break
                events -= 1
    except RunError as error:
        return error.run
    try:
        return stream.answer
    except UsageError:
        return stream.run


def play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Conversations,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_conversations_that_do_everything() -> None:
    play(25, 12)


@pytest.mark.slow
def test_conversations_that_do_everything_for_long() -> None:
    examples = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))
    if not examples:
        pytest.skip("takes long: STATE_MACHINE_EXAMPLES=300 says for how many conversations")
    play(examples, 40)
