"""Conversations that do everything in any order: talk, draw, edit, call tools, pause, break, are
left, forked, saved, loaded, moved to another API and model. After each step the requests that the
server got are judged, and no picture is lost or doubled.

A short run belongs to every test run; `STATE_MACHINE_EXAMPLES=2000 pytest -m slow` makes a long
one. Hypothesis prints the steps of the shortest failure, and a `@reproduce_failure` that plays it
again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

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

from agentkit import (
    Agent,
    Answer,
    Conversation,
    Denied,
    History,
    Image,
    ImageGeneration,
    OpenRouter,
    Run,
)
from agentkit.emulator import Emulator, Failure, Reply, Say
from agentkit.errors import RunError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.clock import GUARD
from tests.conftest import examples
from tests.unit.loop import acting, auditing
from tests.unit.loop.acting import PICTURES, Round, Writer, paint
from tests.unit.loop.stepping import (
    CALLERS,
    DRAWERS,
    Open,
    Step,
    Talk,
    Way,
    World,
    asking,
    hereafter,
    leaving,
)

MOST_TALKS = 3


@dataclass(frozen=True)
class Prompt:
    """What the user says: the pictures that it names, and those that come with it."""

    names: tuple[int, ...] = ()
    picks: tuple[int, ...] = ()


@dataclass(frozen=True)
class After:
    """What becomes of a run that is open: it waits for a person, or broke off."""

    what: Literal["later", "resume", "adopt"] = "later"
    verdicts: tuple[str, ...] = ("yes",)
    end: Round = field(default_factory=Round)
    reload: bool = False


apis, models = st.sampled_from(["chat", "responses"]), st.sampled_from(CALLERS + DRAWERS)
ways = st.none() | st.builds(Way, apis, st.booleans(), models)
"""None goes on as before."""
callers = st.none() | st.builds(Way, apis, st.booleans(), st.sampled_from(CALLERS))
which = st.integers(0, MOST_TALKS - 1)
prompts = st.builds(
    Prompt,
    st.lists(st.integers(0, 30), max_size=2).map(tuple),
    st.lists(st.integers(0, PICTURES - 1), max_size=2).map(tuple),
)
afters = st.builds(
    After,
    st.sampled_from(["later", "resume", "resume", "adopt"]),
    st.lists(
        st.sampled_from(["yes", "no", "denied", "later", "picture"]), min_size=1, max_size=3
    ).map(tuple),
    acting.endings,
    st.booleans(),
)


class Conversations(RuleBasedStateMachine):
    """Up to three conversations with one emulator, one client and one store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.emulator = Emulator().start()
        self.client = OpenRouter(
            api_key="sk-or-test-key",
            base_url=self.emulator.base_url,
            timeouts=Timeouts(lookup=0.05),
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
        return self.loop.run_until_complete(asyncio.wait_for(work, GUARD))

    @initialize(
        images=st.sampled_from([3, 1, 0, None]), tokens=st.sampled_from([None, None, 300, 2000])
    )
    def begin(self, images: int | None, tokens: int | None) -> None:
        self.world = World(self.emulator, self.writer, History(images=images, tokens=tokens))
        common: dict[str, Any] = {"client": self.client, "store": self.store}
        studio = Studio(client=self.client, store=self.store)
        painter = Agent("openai/gpt-5.2", tools=[ImageGeneration()], **common).as_tool(
            "paint", "Paints."
        )
        shop = Agent("openai/gpt-5.2", tools=[acting.buy], **common).as_tool("shop", "Shops.")
        tools = [*acting.TOOLS, *studio.tools(), painter, shop, ImageGeneration(size="64x64")]
        self.caller = Agent("openai/gpt-5.2", tools=tools, history=self.world.policy, **common)
        self.drawer = Agent("openai/gpt-5-image", history=self.world.policy, **common)
        self.talks = [Talk(self.caller.conversation())]

    def talk(self, number: int, way: Way | None) -> tuple[Talk, Way]:
        """A conversation, brought to the API and the model that are wanted."""
        talk = self.talks[number % len(self.talks)]
        if talk.chat.waiting is not None:
            with pytest.raises(UsageError, match="waits for a person"):
                self.wait(talk.chat.send("Hello?"))
            assert talk.chat.drop() is not None
        talk.way = way or talk.way
        self.bring(talk.chat, talk.way)
        return talk, talk.way

    def bring(self, chat: Conversation[Any], way: Way) -> None:
        chat.api, chat.model = way.api, way.model  # type: ignore[assignment]
        chat.agent = self.drawer if way.draws else self.caller

    def words(self, talk: Talk, prompt: Prompt) -> list[str | Image]:
        named = " and ".join(talk.handle(number) for number in prompt.names)
        pictures = [Image.from_bytes(paint(pick)) for pick in prompt.picks]
        return [f"do {self.writer.word('prompt')} with {named}", *pictures]

    def step(self, talk: Talk, was: Open | None = None, *, tidy: bool = True) -> Step:
        talk.open = None
        return Step(self.world, talk, was, tidy=tidy)

    # The turns

    @rule(which=which, way=ways, end=acting.endings, prompt=prompts)
    def say(self, which: int, way: Way | None, end: Round, prompt: Prompt) -> None:
        """A turn of one reply."""
        self.undisturbed(*self.talk(which, way), (end,), prompt)

    @rule(
        which=which,
        way=callers,
        turn=st.tuples(acting.rounds) | st.tuples(acting.rounds, acting.rounds),
        end=acting.endings,
        prompt=prompts,
        after=st.tuples(afters, afters),
    )
    def use_tools(
        self,
        which: int,
        way: Way | None,
        turn: tuple[Round, ...],
        end: Round,
        prompt: Prompt,
        after: tuple[After, After],
    ) -> None:
        """A turn with calls of tools; it may stop to wait for a person, who may decide on one call
        after the other.
        """
        talk, way = self.talk(which, way)
        self.undisturbed(talk, way, (end,) if way.draws else (*turn, end), prompt)
        for each in after:
            self.settle(talk, each)

    def undisturbed(self, talk: Talk, way: Way, rounds: tuple[Round, ...], prompt: Prompt) -> None:
        handle = talk.handle(prompt.names[0] if prompt.names else len(talk.known) - 1)
        replies, left = self.writer.script(rounds, handle)
        with self.step(talk) as step:
            step.play(replies)
            step.answered(
                self.wait(asking(talk.chat, self.words(talk, prompt), way)), hereafter(left, handle)
            )

    @rule(which=which, way=ways, name=st.integers(0, 30))
    def talk_freely(self, which: int, way: Way | None, name: int) -> None:
        """A turn that the emulator's own rules answer."""
        talk, way = self.talk(which, way)
        verb = "Describe" if way.draws else "Draw"
        words = f"{verb} a fox {self.writer.word('fox')}, like {talk.handle(name)}"
        with self.step(talk) as step:
            if way.draws:  # it would paint a large one
                step.play([Reply([Say("Red.")])])
            step.answered(self.wait(asking(talk.chat, words, way)), hereafter((), acting.UNKNOWN))

    @rule(
        which=which,
        way=ways,
        turn=st.just(()) | st.tuples(acting.quick_rounds),
        end=acting.endings,
        prompt=prompts,
        form=st.sampled_from(["http", "body", "choice", "stream", "silent", "cut", "cut"]),
        cut=st.integers(0, 6000),
        after=afters,
    )
    def break_off(
        self,
        which: int,
        way: Way | None,
        turn: tuple[Round, ...],
        end: Round,
        prompt: Prompt,
        form: Any,
        cut: int,
        after: After,
    ) -> None:
        """The last reply of a turn breaks."""
        talk, way = self.talk(which, way)
        handle = talk.handle(prompt.names[0] if prompt.names else 0)
        turn = () if way.draws else tuple(each for each in turn if not each.waits)
        replies, _ = self.writer.script(turn, handle)
        broken: dict[str, Any] = (
            {"cut_after": cut} if form == "cut" else {"error": Failure("it broke", 400, form=form)}
        )
        with self.step(talk) as step:
            step.play([*replies, self.writer.reply(end, handle, chunk=50, **broken)])
            try:
                answer = self.wait(asking(talk.chat, self.words(talk, prompt), way))
            except RunError as error:
                step.stopped(error.run, handle)
            else:
                assert form == "cut", "an error was taken for an answer"
                step.answered(
                    answer, hereafter((), handle, whole=False)
                )  # its end, with the cost, may not have come
        self.settle(talk, after)

    @rule(
        which=which,
        way=ways,
        turn=st.just(()) | st.tuples(acting.quick_rounds),
        end=acting.endings,
        prompt=prompts,
        events=st.integers(0, 40),
        hang=st.booleans(),
        after=afters,
    )
    def leave(
        self,
        which: int,
        way: Way | None,
        turn: tuple[Round, ...],
        end: Round,
        prompt: Prompt,
        events: int,
        hang: bool,
        after: After,
    ) -> None:
        """A stream is left in the middle."""
        talk, way = self.talk(which, way)
        handle = talk.handle(prompt.names[0] if prompt.names else 0)
        rounds = (end,) if way.draws or not turn else (turn[0], end)
        replies, _ = self.writer.script(rounds[:-1], handle)
        if not any(each.waits for each in rounds):
            replies.append(self.writer.reply(end, handle, chunk=3, hang=hang))
        with self.step(talk, tidy=False) as step:
            step.play(replies)
            left = self.wait(
                leaving(talk.chat, self.words(talk, prompt), min(events, 4) if hang else events)
            )
            if isinstance(left, Answer):
                step.answered(left, hereafter((end,), handle))
            else:
                step.stopped(left, handle)
        self.settle(talk, after)

    # What becomes of a run that is open. No precondition asks for one: what is open when a stream
    # is left depends on the clock, and Hypothesis wants each choice to be the same again.

    @rule(which=which, after=afters)
    def come_back(self, which: int, after: After) -> None:
        open_ones = [talk for talk in self.talks if talk.open is not None]
        if open_ones:
            self.settle(open_ones[which % len(open_ones)], after)

    def settle(self, talk: Talk, after: After) -> None:
        if talk.open is not None and after.what != "later":
            run = self.reloaded(talk.open.run) if after.reload else talk.open.run
            if after.what == "resume":
                self.resume(talk, talk.open, run, after)
            else:
                self.adopt(talk, talk.open, run)

    def resume(self, talk: Talk, was: Open, run: Run, after: After) -> None:
        approve, results, came = decisions(run, after, len(talk.known))
        replies = [
            Reply([Say(self.writer.word("shopped"))]) for call_id in approve if "/" in call_id
        ]
        left = was.left
        if {*approve, *results} >= {each.call_id for each in run.waiting if each.why != "agent"}:
            more, left = self.writer.script(was.left or (after.end,), was.handle)
            replies += more
        goes_on = talk.chat.messages == run.messages[: run.start] and run.status in {
            "running",
            "paused",
        }
        with self.step(talk, was, tidy=was.tidy) as step:
            talk.chat.agent = self.drawer if run.model in DRAWERS else self.caller
            if goes_on:
                step.play(replies)
                answer = self.wait(talk.chat.resume(run, approve=approve, results=results))
                step.answered(
                    answer,
                    Open(answer.run, left, was.handle, was.whole, was.tidy, came | was.given),
                )
                return
            with pytest.raises(UsageError, match="does not go on|has ended"):
                self.wait(talk.chat.resume(run, approve=approve, results=results))
            step.nothing()

    def adopt(self, talk: Talk, was: Open, run: Run) -> None:
        with self.step(talk, was, tidy=was.tidy) as step:
            if talk.chat.messages != run.messages[: run.start]:
                with pytest.raises(UsageError, match="does not go on"):
                    talk.chat.adopt(run)
                step.nothing()
                return
            answer = talk.chat.adopt(run)
            assert answer.status != "paused"
            assert len(talk.chat.messages) >= len(run.messages)
            assert {image.sha256 for image in run.images} <= {
                image.sha256 for image in talk.chat.images.values()
            }
            step.answered(answer, Open(answer.run, (), was.handle, False, was.tidy, was.given))

    # Futures

    @precondition(lambda self: 0 < len(self.talks) < MOST_TALKS)
    @rule(which=which)
    def fork(self, which: int) -> None:
        talk = self.talks[which % len(self.talks)]
        other = Talk(talk.chat.fork(), dict(talk.known), talk.way, talk.last, talk.open)
        assert other.chat.messages == talk.chat.messages
        assert list(other.chat.images.values()) == list(talk.chat.images.values())
        self.talks.append(other)

    @rule(which=which)
    def save_and_load(self, which: int) -> None:
        talk = self.talks[which % len(self.talks)]
        if talk.last is not None:
            loaded = self.loaded(talk)
            assert loaded.messages == talk.chat.messages
            # Pictures of turns that were given up since are in no run that was kept.
            kept = {name: image.sha256 for name, image in loaded.images.items()}
            assert (
                kept.items()
                <= {name: image.sha256 for name, image in talk.chat.images.items()}.items()
            )
            talk.chat, talk.known = loaded, kept

    def loaded(self, talk: Talk) -> Conversation[Any]:
        """The conversation out of the JSON of its last run."""
        assert talk.last is not None
        return self.caller.conversation(run=self.reloaded(talk.last.run))

    def reloaded(self, run: Run) -> Run:
        loaded = Run.from_json(run.to_json(), blobs=self.store)
        assert loaded == run
        return loaded

    @rule(which=which, way=ways, prompt=prompts)
    def twins_ask_the_same(self, which: int, way: Way | None, prompt: Prompt) -> None:
        """What was serialised before, and what is serialised anew from a saved run, is one
        request.
        """
        talk = self.talks[which % len(self.talks)]
        way = way or talk.way
        if talk.last is None or self.loaded(talk).images != talk.chat.images:
            return
        words = self.words(talk, prompt)
        bodies: list[dict[str, Any]] = []
        for chat in (talk.chat.fork(), self.loaded(talk)):
            twin = Talk(chat, dict(talk.known))
            self.bring(chat, way)
            with self.step(twin) as step:
                step.play([Reply([Say("so it is")])])
                step.answered(self.wait(asking(chat, words, way)), hereafter((), acting.UNKNOWN))
            bodies.append({**auditing.asked(self.emulator.requests)[-1].body, "session_id": None})
        assert bodies[0] == bodies[1]

    @rule()
    def urls_expire(self) -> None:
        self.emulator.expire_urls()

    @invariant()
    def handles_are_for_ever(self) -> None:
        for talk in self.talks:
            now = {name: image.sha256 for name, image in talk.chat.images.items()}
            assert now == talk.known
            assert len(set(now.values())) == len(now), "one picture, two names"
            numbers = [int(name.removeprefix("img_")) for name in now]
            assert numbers == sorted(set(numbers))


def decisions(
    run: Run, after: After, number: int
) -> tuple[dict[str, bool | Denied], dict[str, Any], set[str]]:
    """What a person says of the calls that wait: verdicts, results, and the pictures among
    these.
    """
    approve: dict[str, bool | Denied] = {}
    results: dict[str, Any] = {}
    came: set[str] = set()
    for at, waiting in enumerate(each for each in run.waiting if each.why != "agent"):
        verdict = after.verdicts[at % len(after.verdicts)]
        if verdict == "later":
            continue
        if waiting.why == "approval":
            no: bool | Denied = Denied("too dear") if verdict == "denied" else False
            approve[waiting.call_id] = True if verdict in {"yes", "picture"} else no
        elif verdict == "picture":
            image = Image.from_bytes(paint((number + at) % PICTURES))
            results[waiting.call_id] = image
            came.add(image.sha256)
        else:
            results[waiting.call_id] = f"Ada says {verdict}"
    return approve, results, came


def play(count: int, steps: int) -> None:
    run_state_machine_as_test(
        Conversations,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_conversations_that_do_everything() -> None:
    play(examples(12), 12)


@pytest.mark.slow
def test_conversations_that_do_everything_for_long() -> None:
    count = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))
    if not count:
        pytest.skip("takes long: STATE_MACHINE_EXAMPLES=300 says for how many conversations")
    play(count, 40)
