"""A turn whose process was killed: what a conversation finds of it, and how it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Budget, FileImageStore, ImageGeneration, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Fault, Lookup, Reply, Say, Socket, When
from agentkit.errors import ConversationBusy, UsageError
from agentkit.hooks import Asking, Hooks
from agentkit.openrouter import Timeouts
from agentkit.sessions import SavedConversation, Sessions
from agentkit.values import Message
from tests.clock import until
from tests.processes import PATIENCE, started

DRAWN = [Draw("a fox", size=(64, 64)), Say("A fox.")]


@dataclass(frozen=True)
class Case:
    """A conversation that several processes take up, one after the other."""

    url: str
    base_url: str
    folder: Path
    api: Any = "chat"

    def open(
        self, client: OpenRouter, *, wait: float = PATIENCE, **options: Any
    ) -> SavedConversation[Any]:
        """The conversation. A database server may notice late that a process was killed: until then
        a turn waits.
        """
        store = FileImageStore(self.folder / "store")
        tools = [self.weather(), ImageGeneration()]
        given: dict[str, Any] = {"tools": tools, "checks": False, **options}
        agent = Agent("openai/gpt-5.2", api=self.api, client=client, store=store, **given)
        sessions = Sessions(self.url, store=store)
        opened.append(sessions)
        return agent.conversation("ada", sessions=sessions, wait=wait)

    def weather(self, *, then: Callable[[], object] | None = None) -> Any:
        """A tool that writes down each of its calls, and then does what it is told."""

        @tool
        def weather(city: str) -> str:
            """The weather.

            Args:
                city: Where.
            """
            with (self.folder / "calls").open("a") as file:
                file.write(f"{city}\n")
            if then is not None:
                then()
            return f"{city}: snow"

        return weather

    def painter(self, client: OpenRouter, **options: Any) -> Any:
        """An agent that draws, as a tool."""
        store = FileImageStore(self.folder / "store")
        given: dict[str, Any] = {"client": client, "store": store, "checks": False, **options}
        return Agent("openai/gpt-5.2", api=self.api, **given).as_tool("paint", "Paints.")

    @property
    def called(self) -> list[str]:
        return (self.folder / "calls").read_text().split()


opened: list[Sessions] = []
"""Those of the test that runs."""


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def take_a_turn(case: Case, **options: Any) -> None:
    async with OpenRouter(base_url=case.base_url, api_key="sk-or-any") as client:
        chat = case.open(client, **options)
        async with chat.stream("Draw a fox") as stream:
            await stream.finish()


def dies_in_a_tool(case: Case) -> None:
    asyncio.run(take_a_turn(case, tools=[case.weather(then=die), ImageGeneration()]))


def dies_with_the_reply(case: Case) -> None:
    def after_reply(asking: Asking, reply: Message) -> None:
        die()

    asyncio.run(take_a_turn(case, hooks=Hooks(after_reply=after_reply)))


def dies_before_it_asks(case: Case) -> None:
    asyncio.run(take_a_turn(case, hooks=Hooks(before_request=die)))


def hangs_in_a_tool(case: Case) -> None:
    asyncio.run(take_a_turn(case, tools=[case.weather(then=threading.Event().wait)]))


def killed(case: Case, call: Callable[[Case], None]) -> None:
    child = started(call, case, folder=case.folder)
    child.join(PATIENCE)
    assert child.exitcode == -signal.SIGKILL, (case.folder / "stderr").read_text()


@pytest.fixture(params=["chat", "responses"])
def case(
    request: pytest.FixtureRequest, database_url: str, emulator: Emulator, tmp_path: Path
) -> Iterator[Case]:
    yield Case(database_url, emulator.base_url, tmp_path, request.param)
    while opened:
        opened.pop().close()


def posts(emulator: Emulator) -> int:
    return len(emulator.posts)


async def test_a_reply_that_was_received_is_not_paid_for_again(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply(DRAWN), "Thanks."])
    await asyncio.to_thread(killed, case, dies_with_the_reply)
    assert posts(emulator) == 1
    chat = case.open(client)
    assert chat.messages == ()
    found = chat.interrupted
    assert found is not None
    assert found.run.messages[0].text == "Draw a fox"
    assert [each.is_received for each in found.calls] == [True]
    assert found.in_flight == ()
    answer = await chat.go_on()
    assert answer.status == "completed"
    assert answer.text == "A fox."
    assert posts(emulator) == 1
    assert answer.images[0].bytes()
    assert chat.interrupted is None
    again = case.open(client)
    assert again.messages == chat.messages
    assert again.interrupted is None
    assert again.usage == answer.usage


async def test_a_new_prompt_keeps_what_was_received(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply(DRAWN), "Hello."])
    await asyncio.to_thread(killed, case, dies_with_the_reply)
    chat = case.open(client)
    answer = await chat.send("Hello?")
    assert answer.text == "Hello."
    assert posts(emulator) == 2
    assert [each.text for each in chat.messages] == [
        "Draw a fox",
        "A fox.",
        "Hello?",
        "Hello.",
    ]
    assert list(chat.images) == ["img_1"]
    assert chat.usage.requests == 2
    assert case.open(client).messages == chat.messages


async def test_a_new_prompt_does_not_call_what_was_being_called(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    call = CallTool("weather", {"city": "Oslo"}, id="c1")
    emulator.play([Reply([call]), "Hello."])
    await asyncio.to_thread(killed, case, dies_in_a_tool)
    chat = case.open(client)
    assert chat.interrupted is not None
    assert [each.name for each in chat.interrupted.run.pending] == ["weather"]
    answer = await chat.send("Hello?")
    assert answer.text == "Hello."
    assert case.called == ["Oslo"]
    assert posts(emulator) == 2
    results = [part for each in chat.messages for part in each.parts if part.kind == "tool_result"]
    assert [each.text for each in results] == ["cancelled: the run was stopped"]


async def test_a_turn_that_was_going_on_elsewhere_when_it_was_loaded(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    """Its process writes nothing more, and dies: nothing but its lock tells that."""
    call = CallTool("weather", {"city": "Oslo"}, id="c1")
    emulator.play([Reply([call]), "Hello."])
    child = started(hangs_in_a_tool, case, folder=case.folder)
    await until((case.folder / "calls").exists)
    chat = case.open(client, wait=0)
    assert chat.interrupted is None
    with pytest.raises(ConversationBusy):
        await chat.send("Hello?")
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join(PATIENCE)
    chat.wait = PATIENCE
    answer = await chat.send("Hello?")
    assert answer.text == "Hello."
    assert [each.text for each in chat.messages if each.role == "user"] == ["Draw a fox", "Hello?"]
    assert posts(emulator) == 2


async def test_a_wrong_argument_leaves_it_interrupted(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply(DRAWN)])
    await asyncio.to_thread(killed, case, dies_before_it_asks)
    chat = case.open(client)
    wrong: Any = "1 USD"
    with pytest.raises(UsageError, match="budget"):
        await chat.go_on(budget=wrong)
    assert chat.interrupted is not None
    assert (await chat.go_on()).text == "A fox."


async def test_a_call_that_was_cut_is_made_again_by_go_on(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    call = CallTool("weather", {"city": "Oslo"}, id="c1")
    emulator.play([Reply([call]), Reply(DRAWN)])
    await asyncio.to_thread(killed, case, dies_in_a_tool)
    chat = case.open(client)
    async with chat.go_on_stream() as stream:
        answer = await stream.finish()
    assert answer.text == "A fox."
    assert case.called == ["Oslo", "Oslo"]
    assert posts(emulator) == 2


async def test_a_turn_that_had_sent_nothing_is_interrupted_too(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply(DRAWN)])
    await asyncio.to_thread(killed, case, dies_before_it_asks)
    assert posts(emulator) == 0
    chat = case.open(client)
    assert chat.interrupted is not None
    assert chat.interrupted.calls == ()
    answer = await chat.go_on()
    assert answer.text == "A fox."
    assert posts(emulator) == 1


def dies_in_an_agent(case: Case) -> None:
    """With the reply of an agent that is a tool, which has a picture."""

    async def take() -> None:
        async with OpenRouter(base_url=case.base_url, api_key="sk-or-any") as client:
            hooks = Hooks(after_reply=lambda *_: die())
            chat = case.open(client, tools=[case.painter(client, hooks=hooks)])
            await chat.send("Draw a fox")

    asyncio.run(take())


async def test_a_new_prompt_loses_nothing_that_a_tool_has_paid_for(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    call = CallTool("paint", {"prompt": "a fox"}, id="c.1/2")
    emulator.play([Reply([call]), Reply(DRAWN), "There it is.", "Hello."])
    await asyncio.to_thread(killed, case, dies_in_an_agent)
    chat = case.open(client, tools=[case.painter(client)])
    assert chat.interrupted is not None
    assert chat.interrupted.paying_tools == ("paint",)
    with pytest.raises(UsageError, match=r"paid for 'paint': chat\.go_on\(\)"):
        await chat.send("Hello?")
    assert posts(emulator) == 2
    answer = await chat.go_on()
    assert (answer.text, len(answer.images)) == ("There it is.", 1)
    assert (await chat.send("Hello?")).text == "Hello."
    assert posts(emulator) == 4
    assert chat.usage.requests == 4


async def test_an_interrupted_turn_is_dropped(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply(DRAWN), "Hello."])
    await asyncio.to_thread(killed, case, dies_before_it_asks)
    chat = case.open(client)
    run = chat.drop()
    assert run is not None
    assert chat.interrupted is None
    assert case.open(client).interrupted is None
    with pytest.raises(UsageError, match="no turn that was interrupted"):
        await chat.go_on()
    assert (await chat.send("Draw a fox")).text == "A fox."
    assert len(chat.messages) == 2


async def test_a_drawing_that_was_in_flight_waits_for_a_person(
    case: Case, emulator: Emulator
) -> None:
    """It may have been billed, so neither `go_on` nor a new prompt buys it again."""
    emulator.play([Reply(DRAWN), Reply(DRAWN)])
    stalled = Fault(socket=Socket("stall", at="body"), billed=True, when=When(times=1))
    emulator.faults.add(stalled, Fault(lookup=Lookup("error"), when=When(api="generation")))
    child = started(takes_a_turn, case, folder=case.folder)
    await until(lambda: emulator.posts)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join(PATIENCE)
    quick = Timeouts(lookup=0.2)
    async with OpenRouter(base_url=case.base_url, api_key="sk-or-any", timeouts=quick) as client:
        chat = case.open(client)
        found = chat.interrupted
        assert found is not None
        assert [each.is_received for each in found.in_flight] == [False]
        assert found.may_cost_usd is None  # nobody asked for a price
        with pytest.raises(UsageError, match="outcomes="):
            await chat.send("Hello?")
        waiting = case.open(client).waiting
        assert waiting is not None
        [question] = waiting.waiting
        assert question.why == "outcome"
        assert len(emulator.posts) == 1
        answer = await chat.resume(waiting, outcomes={question.call_id: "again"})
    assert answer.text == "A fox."
    assert len(emulator.posts) == 2


def takes_a_turn(case: Case) -> None:
    asyncio.run(take_a_turn(case))


async def test_what_an_interrupted_turn_has_brought_and_may_cost(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    call = CallTool("weather", {"city": "Oslo"}, id="c1")
    emulator.play([Reply([*DRAWN, call]), Reply(DRAWN)])
    emulator.faults.add(Fault(socket=Socket("stall", at="body"), billed=True, when=When(nth=(2,))))
    child = started(takes_a_turn_of_5_usd, case, folder=case.folder)
    await until(lambda: posts(emulator) == 2)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join(PATIENCE)
    found = case.open(client).interrupted
    assert found is not None
    assert [each.name for each in found.images] == ["img_1"]
    assert found.cost_usd == found.run.usage.cost_usd
    assert len(found.in_flight) == 1
    assert found.may_cost_usd is not None
    assert 0 < found.may_cost_usd < 5


def takes_a_turn_of_5_usd(case: Case) -> None:
    asyncio.run(take_a_turn(case, budget=Budget(cost_usd=5.0), checks=True))


async def test_a_turn_that_another_one_has_gone_on_with(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    """Both found it interrupted; the second one comes when it is over."""
    emulator.play([Reply(DRAWN), "Once more."])
    await asyncio.to_thread(killed, case, dies_with_the_reply)
    first, second = case.open(client), case.open(client)
    found = second.interrupted
    assert found is not None
    answer = await first.go_on()
    with pytest.raises(UsageError, match="went on"):
        await second.go_on()
    assert second.interrupted is None
    assert second.messages == first.messages
    with pytest.raises(UsageError, match="does not go on from where"):
        await second.resume(found.run)
    assert posts(emulator) == 1
    assert (await second.send("Again")).text == "Once more."
    assert case.open(client).usage.requests == answer.usage.requests + 1


async def test_a_turn_that_another_one_has_given_up(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    await asyncio.to_thread(killed, case, dies_before_it_asks)
    first, second = case.open(client), case.open(client)
    first.drop()
    with pytest.raises(UsageError, match="given up there"):
        async with second.go_on_stream() as stream:
            await stream.finish()
    assert second.interrupted is None
    assert posts(emulator) == 0


async def test_a_turn_that_came_further_elsewhere(
    case: Case, emulator: Emulator, client: OpenRouter
) -> None:
    """The one that goes on with it dies too: the last one makes no call that had ended."""
    first = CallTool("weather", {"city": "Oslo"}, id="c1")
    second = CallTool("weather", {"city": "Bergen"}, id="c2")
    emulator.play([Reply([first]), Reply([second]), Reply(DRAWN)])
    await asyncio.to_thread(killed, case, dies_in_a_tool)
    chat = case.open(client)
    assert chat.interrupted is not None
    await asyncio.to_thread(killed, case, goes_on_and_dies)
    assert (await chat.go_on()).text == "A fox."
    assert case.called == ["Oslo", "Oslo", "Bergen", "Bergen"]
    assert posts(emulator) == 3


def goes_on_and_dies(case: Case) -> None:
    """Continue the turn, up to the call for Bergen."""

    def then() -> None:
        if case.called[-1] == "Bergen":
            die()

    async def go_on() -> None:
        async with OpenRouter(base_url=case.base_url, api_key="sk-or-any") as client:
            await case.open(client, tools=[case.weather(then=then), ImageGeneration()]).go_on()

    asyncio.run(go_on())


def goes_on(case: Case, number: int) -> None:
    """Continue the turn, once all others have found it too."""

    async def go_on() -> None:
        async with OpenRouter(base_url=case.base_url, api_key="sk-or-any") as client:
            chat = case.open(client, wait=0)
            assert chat.interrupted is not None
            (case.folder / f"found-{number}").touch()
            await until(lambda: len(list(case.folder.glob("found-*"))) == RIVALS)
            try:
                outcome = (await chat.go_on()).text
            except (ConversationBusy, UsageError) as error:
                outcome = type(error).__name__
            (case.folder / f"outcome-{number}").write_text(outcome)

    asyncio.run(go_on())


RIVALS = 4


@pytest.mark.parametrize("dies", [dies_with_the_reply, dies_before_it_asks])
async def test_of_processes_that_go_on_with_one_turn_one_does(
    case: Case, emulator: Emulator, client: OpenRouter, dies: Callable[[Case], None]
) -> None:
    emulator.play([Reply(DRAWN)])
    await asyncio.to_thread(killed, case, dies)
    children = []
    for number in range(RIVALS):
        place = case.folder / f"rival-{number}"
        place.mkdir()
        children.append((started(goes_on, case, number, folder=place), place))
    for child, place in children:
        await asyncio.to_thread(child.join, PATIENCE)
        assert child.exitcode == 0, (place / "stderr").read_text()
    outcomes = [each.read_text() for each in case.folder.glob("outcome-*")]
    assert len(outcomes) == RIVALS
    assert outcomes.count("A fox.") == 1
    assert posts(emulator) == 1
    chat = case.open(client)
    assert [each.text for each in chat.messages] == ["Draw a fox", "A fox."]
    assert chat.interrupted is None
    assert chat.usage.requests == 1
