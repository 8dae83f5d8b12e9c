"""What somebody who has read the README alone runs into: each mistake is told at once, and what is
obvious works.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import Any

import pytest

from agentkit import Agent, Answer, Conversation, Denied, Image, ImageGeneration, Run, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import APIError, ConversationBusy, ImageError, RunError, UsageError
from agentkit.images.store import MemoryImageStore
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)


@tool(approve=True)
def pay(euros: int) -> str:
    """Pays."""
    return f"paid {euros}"


@tool(external=True)
def ask_ada(question: str) -> str:
    """Asks Ada."""
    raise AssertionError("never run")


def paying(*more: Reply) -> list[Reply]:
    return [Reply([CallTool("pay", {"euros": 3}, id="p")]), *more]


def said(words: str) -> Reply:
    return Reply([Say(words)])


@pytest.fixture
def agent(emulator: Emulator, client: Any, store: MemoryImageStore) -> Agent[Any]:
    return Agent("openai/gpt-5.2", tools=[pay, ask_ada], client=client, store=store, checks=False)


# One turn at a time


async def test_a_stream_has_the_conversation_from_its_first_line_on(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([said("streamed")])
    chat = agent.conversation()
    async with chat.stream("One") as stream:
        with pytest.raises(ConversationBusy, match="fork"):
            await chat.send("Two")
        assert (await stream.finish()).text == "streamed"
    assert [message.text for message in chat.messages] == ["One", "streamed"]


async def test_of_two_streams_the_second_is_refused_where_it_is_entered(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([said("first"), said("second")])
    chat = agent.conversation()
    one, two = chat.stream("One"), chat.stream("Two")
    async with one:
        with pytest.raises(ConversationBusy):
            await two.__aenter__()
        assert (await one.finish()).text == "first"
    async with two:  # it was not begun, so it can be entered now
        assert (await two.finish()).text == "second"


async def test_a_stream_that_was_made_and_never_entered_holds_nothing(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([said("Fine.")])
    chat = agent.conversation()
    never = chat.stream("Never")
    assert (await chat.send("Hello")).text == "Fine."
    del never


async def test_a_stream_left_before_its_first_step_frees_the_conversation(
    agent: Agent[Any], emulator: Emulator
) -> None:
    chat = agent.conversation()
    async with chat.stream("Never mind"):
        pass  # the run's task was never given a moment
    assert emulator.requests == []
    emulator.play([said("Fine.")])
    assert (await chat.send("Hello")).text == "Fine."
    assert len(asyncio.all_tasks()) == 1


# Other threads


async def test_a_stream_is_read_in_its_own_loop_and_stopped_from_anywhere(
    emulator: Emulator, client: Any, store: MemoryImageStore
) -> None:
    began = asyncio.Event()

    async def look() -> str:
        """Looks."""
        began.set()
        await asyncio.Event().wait()
        raise AssertionError("never reached")

    emulator.play([Reply([CallTool("look", {})])])
    agent = Agent("openai/gpt-5.2", tools=[look], client=client, store=store, checks=False)
    turn = agent.conversation().start("Look")
    await began.wait()

    async def read() -> None:
        async for _ in turn:
            pass

    for work in (read, turn.answer):
        with pytest.raises(UsageError, match="another event loop"):  # it would wait forever
            await asyncio.to_thread(asyncio.run, work())
    asyncio.get_running_loop().set_debug(True)  # says what is not safe in another thread
    await asyncio.to_thread(turn.stop)
    assert (await turn.answer()).status == "interrupted"
    await asyncio.to_thread(asyncio.run, read())  # it has ended: nothing is waited for


# A turn that waits


async def test_a_turn_that_waits_is_not_lost_by_the_next_prompt(bench: Bench) -> None:
    bench.emulator.play(paying())
    chat = bench.agent(tools=[pay]).conversation()
    paused = await bench.ask(chat, "Pay")
    sent = len(bench.emulator.requests)
    with pytest.raises(UsageError) as caught:
        await bench.ask(chat, "Hello")
    assert len(bench.emulator.requests) == sent
    for words in (
        paused.run.id,
        "'p'",
        "chat.resume(run, approve=",
        "chat.adopt(run)",
        "chat.drop()",
    ):
        assert words in str(caught.value)
    assert chat.waiting == paused.run
    bench.emulator.play([said("Paid."), said("Hello.")])
    assert (await chat.resume(paused.run, approve={"p": True})).text == "Paid."
    assert chat.waiting is None
    assert (await bench.ask(chat, "Hello")).text == "Hello."


async def test_what_ends_a_wait(agent: Agent[Any], emulator: Emulator) -> None:
    chat = agent.conversation()
    emulator.play(paying())
    paused = await chat.send("Pay")
    with pytest.raises(UsageError, match="no call with this id"):  # a wrong decision ends nothing
        await chat.resume(paused.run, approve={"x": True})
    assert chat.waiting == paused.run
    assert chat.drop() == paused.run
    assert (chat.drop(), chat.waiting, chat.messages) == (None, None, ())

    emulator.play(paying())
    paused = await chat.send("Pay")
    chat.adopt(paused.run)
    assert chat.waiting is None

    emulator.play(paying(said("Paid.")))
    paused = await chat.send("Pay")
    elsewhere = await agent.resume(paused.run, approve={"p": True})
    with pytest.raises(UsageError, match="waits"):  # nobody has told the conversation
        await chat.send("Hello")
    chat.adopt(elsewhere.run)
    emulator.play([said("Hello.")])
    assert (await chat.send("Hello")).text == "Hello."
    assert "Paid." in [message.text for message in chat.messages]


async def test_a_resumed_turn_that_fails_waits_no_more(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play(paying(Reply(error=Failure("no", 400))))
    chat = agent.conversation()
    paused = await chat.send("Pay")
    with pytest.raises(APIError) as caught:
        await chat.resume(paused.run, approve={"p": True})
    assert chat.waiting is None
    assert caught.value.run is not None
    emulator.play([said("Paid.")])
    assert (await chat.resume(caught.value.run)).text == "Paid."


async def test_a_turn_that_waits_twice(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("pay", {"euros": at}, id=f"p{at}") for at in (1, 2)])])
    chat = agent.conversation()
    first = await chat.send("Pay")
    second = await chat.resume(first.run, approve={"p1": True})
    assert chat.waiting == second.run
    with pytest.raises(UsageError, match="'p2'"):
        await chat.send("Hello")


async def test_a_fork_of_a_conversation_that_waits_is_free(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play(paying(said("Hello."), said("Paid."), said("Paid too.")))
    chat = agent.conversation()
    paused = await chat.send("Pay")
    other, third = chat.fork(), chat.fork()
    assert other.waiting is None
    assert (await other.send("Hello")).text == "Hello."
    with pytest.raises(UsageError, match="does not go on"):
        await other.resume(paused.run, approve={"p": True})
    assert chat.waiting == paused.run
    assert (await chat.resume(paused.run, approve={"p": True})).text == "Paid."
    assert (await third.resume(paused.run, approve={"p": False})).text == "Paid too."


# What is handed over is looked at


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("api", "resp", "'chat' and 'responses'"),
        ("api", None, "'chat' and 'responses'"),
        ("model", None, "openai/gpt-5.2"),
        ("model", "", "openai/gpt-5.2"),
        ("model", "two words", "openai/gpt-5.2"),
    ],
)
def test_api_and_model_are_looked_at_when_they_are_set(
    agent: Agent[Any], name: str, value: Any, accepted: str
) -> None:
    chat = agent.conversation()
    with pytest.raises(UsageError) as caught:
        setattr(chat, name, value)
    assert f"chat.{name} = {value!r}" in str(caught.value)
    assert accepted in str(caught.value)
    assert (chat.api, chat.model) == ("chat", "openai/gpt-5.2")
    if value is not None:
        with pytest.raises(UsageError, match=name):
            agent.conversation(**{name: value})


async def test_what_is_no_run(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play(paying())
    chat = agent.conversation()
    answer = await chat.send("Pay")
    for value in (
        answer,
        answer.run.to_json(),
        answer.run.to_json().encode(),
        None,
        {"id": 1},
        RunError("x"),
    ):
        for use in (chat.resume, agent.resume):
            with pytest.raises(UsageError) as caught:
                await use(value)  # type: ignore[arg-type]
            _names(caught.value, type(value).__name__)
        for take in (
            chat.adopt,
            lambda run: agent.conversation(run=run) if run is not None else chat.adopt(run),
        ):
            with pytest.raises(UsageError) as caught:
                take(value)  # type: ignore[arg-type]
            _names(caught.value, type(value).__name__)
    assert chat.waiting == answer.run


def _names(error: UsageError, given: str) -> None:
    for words in (given, "answer.run", "error.run", "Run.from_json(text, blobs=agent.store)"):
        assert words in str(error)


@pytest.mark.parametrize("value", [True, False, "p", ["p"], [], {"p"}, 3], ids=repr)
@pytest.mark.parametrize("argument", ["approve", "results"])
async def test_decisions_that_are_no_mapping(
    agent: Agent[Any], emulator: Emulator, argument: str, value: object
) -> None:
    emulator.play(paying())
    chat = agent.conversation()
    answer = await chat.send("Pay")
    for use in (chat.resume, agent.resume):
        with pytest.raises(UsageError) as caught:
            await use(answer.run, **{argument: value})  # type: ignore[arg-type]
        assert f"resume({argument}={value!r})" in str(caught.value)
        assert "mapping of call id" in str(caught.value)
        assert ("Denied" in str(caught.value)) == (argument == "approve")


async def test_a_decision_of_the_wrong_kind_names_what_waits_for_what(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play(
        [
            Reply(
                [
                    CallTool("pay", {"euros": 3}, id="p"),
                    CallTool("ask_ada", {"question": "?"}, id="q"),
                ]
            )
        ]
    )
    answer = await agent.run("Pay and ask")
    for decisions in (
        {"results": {"p": "paid"}},
        {"approve": {"q": True}},
        {"approve": {"z": True}},
    ):
        with pytest.raises(UsageError) as caught:
            await agent.resume(answer.run, **decisions)  # type: ignore[arg-type]
        assert "waiting: 'p' for an approval (approve=), 'q' for a result (results=)" in str(
            caught.value
        )


# What a run that stopped says of itself


async def test_a_run_that_an_error_stopped_is_interrupted(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([Reply(error=Failure("no", 400))])
    with pytest.raises(APIError) as caught:
        await agent.run("Hello")
    so_far = caught.value.answer_so_far
    assert so_far is not None
    assert (so_far.status, so_far.pending) == ("interrupted", ())
    assert "interrupted" in repr(so_far)


async def test_bytes_of_a_run_that_was_loaded_without_a_store(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([Reply([Draw("a fox", data=BIG), Say("Here.")])])
    drawn = await replaced(agent, tools=[ImageGeneration()]).run("Draw")
    text = drawn.run.to_json()
    bare = Answer.of(Run.from_json(text))
    with pytest.raises(ImageError, match=r"Run\.from_json\(text, blobs=agent\.store\)"):
        bare.images[0].bytes()
    assert Answer.of(Run.from_json(text, blobs=agent.store)).images[0].bytes() == BIG


def replaced(agent: Agent[Any], **options: Any) -> Agent[Any]:
    return Agent(agent.model, client=agent.client, store=agent.store, checks=False, **options)


# Saved and loaded


def loaded(agent: Agent[Any], run: Run) -> Conversation[Any]:
    return agent.conversation(run=Run.from_json(run.to_json(), blobs=agent.store))


async def test_a_conversation_is_loaded_from_its_last_run(bench: Bench) -> None:
    agent = bench.agent(tools=[ImageGeneration()])
    chat = agent.conversation()
    await bench.ask(chat, "My name is Ada.")
    answer = await bench.ask(chat, ["Draw a fox like this", Image.from_bytes(BIG)])
    again = loaded(agent, answer.run)
    assert again.messages == chat.messages
    assert list(again.images.items()) == list(chat.images.items())
    assert (again.api, again.model, again.session_id) == (chat.api, chat.model, chat.session_id)
    assert again.waiting is None
    assert (await bench.ask(again, "What is my name?")).text.count("Ada")


async def test_a_turn_that_waits_is_loaded_waiting(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play([said("Hi."), *paying(said("Paid."))])
    chat = agent.conversation(api="responses")
    await chat.send("Hello")
    paused = await chat.send(["Pay for this", Image.from_bytes(BIG)])
    again = loaded(agent, paused.run)
    assert (again.messages, again.waiting) == (chat.messages, paused.run)
    assert list(again.images.items()) == list(chat.images.items())
    with pytest.raises(UsageError, match="waits"):
        await again.send("Hello")
    assert (await again.resume(paused.run, approve={"p": True})).text == "Paid."
    assert list(again.images) == ["img_1"]
    assert len(again.messages) == 6


async def test_a_turn_that_failed_is_loaded_and_goes_on(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([Reply(error=Failure("no", 400)), said("Better."), said("Well.")])
    chat = agent.conversation()
    with pytest.raises(APIError) as caught:
        await chat.send("Go")
    assert caught.value.run is not None
    again = loaded(agent, caught.value.run)
    assert (again.messages, again.waiting) == ((), None)
    assert (await again.resume(caught.value.run)).text == "Better."
    assert (await loaded(agent, caught.value.run).send("Other")).text == "Well."


async def test_a_picture_of_earlier_turns_stays_where_it_comes_again(
    agent: Agent[Any], emulator: Emulator
) -> None:
    emulator.play([said("A cat."), *paying()])
    chat = agent.conversation()
    await chat.send(["What is it?", Image.from_bytes(BIG)])
    paused = await chat.send(["Pay for it", Image.from_bytes(BIG)])
    assert list(loaded(agent, paused.run).images) == ["img_1"]


async def test_a_loaded_conversation_in_another_way(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play([said("Hi.")])
    answer = await agent.run("Hello")
    chat = agent.conversation(api="responses", model="openai/gpt-5-mini", run=answer.run)
    assert (chat.api, chat.model, len(chat.messages)) == ("responses", "openai/gpt-5-mini", 2)


# Sync forms, and what is printed


def test_resume_without_async(emulator: Emulator, store: MemoryImageStore) -> None:
    from agentkit import OpenRouter

    client = OpenRouter(api_key="sk-or-test-key", base_url=emulator.base_url)
    agent = Agent("openai/gpt-5.2", tools=[pay], client=client, store=store, checks=False)
    emulator.play(paying(said("Pity."), *paying(said("Paid."))))
    first = agent.run_sync("Pay")
    assert agent.resume_sync(first.run, approve={"p": Denied("no")}).text == "Pity."
    chat = agent.conversation()
    second = chat.send_sync("Pay")
    assert chat.resume_sync(second.run, approve={"p": True}).text == "Paid."
    with pytest.raises(UsageError, match=r"answer\.run"):
        agent.resume_sync(first)  # type: ignore[arg-type]


async def test_a_conversation_says_what_it_is(agent: Agent[Any], emulator: Emulator) -> None:
    chat = agent.conversation()
    assert repr(chat) == "<Conversation 'openai/gpt-5.2' api='chat' 0 messages 0 images>"
    emulator.play([said("A cat."), *paying()])
    await chat.send(["What is it?", Image.from_bytes(BIG)])
    assert repr(chat) == "<Conversation 'openai/gpt-5.2' api='chat' 2 messages 1 images>"
    await chat.send("Pay")
    assert repr(chat) == "<Conversation 'openai/gpt-5.2' api='chat' 2 messages 1 images waiting>"


def test_help_names_each_argument() -> None:
    for kind in (Agent,):
        told = inspect.getdoc(kind) or ""
        for name in inspect.signature(kind).parameters:
            assert f"`{name}`" in told, name


async def test_a_handle_of_ones_own_is_not_kept(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play([said("A harbour.")])
    chat = agent.conversation()
    await chat.send(["What is it?", replace(Image.from_bytes(BIG), name="harbour")])
    assert list(chat.images) == ["img_1"]
