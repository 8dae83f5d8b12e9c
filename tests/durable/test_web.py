"""A chat server whose turns workers take: what two processes before one database tell of them. The
worker is that of the test; the browser's own test is `tests/web_page/test_workers.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from agentkit import Budget, Context, ImageGeneration, tool, web
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.integrations.dbos import Durable
from agentkit.sessions import Sessions
from tests.clock import GUARD
from tests.durable.conftest import QUICK, Case, buy, executed
from tests.unit.web.talking import TOKEN, Talker, kinds, message, text_of, told, wait_for
from tests.web_server import serving_app

DRAWS = Reply([Say("Look."), Draw("a fox", size=(64, 64)), CallTool("weather", {"city": "Oslo"})])


@contextmanager
def servers(case: Case, agent: Any, number: int = 2) -> Generator[list[Talker]]:
    """Chat servers with nothing in common but the database and the store, and a reader for each."""
    with ExitStack() as stack:
        pages: list[Talker] = []
        for _ in range(number):
            durable = Durable(case.url, agents=[agent], shared_folder=True, handlings=QUICK)
            app = web.app(agent, durable=durable, token=TOKEN, emulator=True)
            served = stack.enter_context(serving_app(app, lifespan="on"))
            pages.append(Talker(served, {"authorization": f"Bearer {TOKEN}"}))
        try:
            yield pages
        finally:  # else the servers wait for their readers
            for stream in (each for page in pages for each in page.streams):
                stream.leave()


class Gate:
    """Where a tool waits."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    @contextmanager
    def opened_at_last(self) -> Generator[None]:
        """Where a check fails, no worker waits for the step under way."""
        try:
            yield
        finally:
            self.opened.set()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(GUARD)


async def test_two_servers_tell_of_the_turns_of_a_worker(case: Case, emulator: Emulator) -> None:
    """One worker for all of it: to start one takes a second."""
    gate = Gate()
    agent = case.agent(tools=[case.weather(then=gate.wait), buy, ImageGeneration()])
    durable = case.durable(agent)
    with servers(case, agent) as pages:
        async with durable.working(2):
            with gate.opened_at_last():
                await asyncio.to_thread(_watched_twice, pages, gate, emulator)
                await asyncio.to_thread(_decided_elsewhere, pages, emulator)
                await asyncio.to_thread(_stopped_elsewhere, case, pages, gate, emulator)
        await asyncio.to_thread(_stopped_in_the_queue, pages)
    await durable.close()


def _watched_twice(pages: list[Talker], gate: Gate, emulator: Emulator) -> None:
    """A turn that one server began, read from its start at the other one."""
    one, other = pages
    emulator.play(DRAWS, "Done.")
    began = one.begin("fox", "Draw a fox")
    assert began.status == 200
    wait_for(gate.reached.is_set)
    assert other.ask("POST", "/api/chat", message("fox", "And a cat")).status == 409
    history = other.history("fox")
    assert (history["status"], [told(each) for each in history["messages"]]) == (
        "running",
        ["Draw a fox"],
    )
    assert [each["status"] for each in other.get("/api/chats")["chats"]] == ["running"]
    assert other.ask("DELETE", "/api/chat/fox").status == 409
    joined = other.open("GET", "/api/chat/fox/stream")
    gate.opened.set()
    here, there = list(began.chunks()), list(joined.chunks())
    for chunks in (here, there):
        assert text_of(chunks) == "Look.Done."
        assert kinds(chunks)[-1] == "finish"
        assert kinds(chunks).count("file") == 1
    assert len({each["messageId"] for each in (here[0], there[0])}) == 1
    picture = next(each["url"] for each in there if each["type"] == "file")
    assert all(page.ask("GET", f"/{picture}").status == 200 for page in pages)
    after = one.history("fox")
    assert (after["status"], after["turns"]) == ("idle", 1)
    assert after == other.history("fox")


def _decided_elsewhere(pages: list[Talker], emulator: Emulator) -> None:
    """A call waits: one says yes at the second server, whose stream has the rest alone; whoever
    comes back has all of it; and who says yes a second time is told.
    """
    one, other = pages
    emulator.play(Reply([Say("A hat?"), CallTool("buy", {"what": "a hat"})]), "Bought.")
    asked = one.say("fox", "Buy a hat")
    assert "tool-approval-request" in kinds(asked)
    last = other.history("fox")["messages"][-1]
    for part in last["parts"]:
        if part.get("state") == "approval-requested":
            part |= {"state": "approval-responded"}
            part["approval"] |= {"approved": True}
    body = {"id": "fox", "trigger": "submit-message", "messages": [last]}
    rest = other.open("POST", "/api/chat", body)
    assert rest.status == 200
    again = one.ask("POST", "/api/chat", body)
    assert again.status == 409, again
    assert text_of(list(rest.chunks())) == "Bought."
    history = one.history("fox")
    assert told(history["messages"][-1]) == "A hat?Bought."
    states = [each["state"] for each in history["messages"][-1]["parts"] if "state" in each]
    assert "output-available" in states
    assert history == other.history("fox")


def _stopped_elsewhere(case: Case, pages: list[Talker], gate: Gate, emulator: Emulator) -> None:
    """The button of the other server ends it, and what came is the turn."""
    one, other = pages
    gate.reached.clear()
    gate.opened.clear()
    emulator.play(DRAWS)
    began = one.begin("fox", "Draw another")
    wait_for(gate.reached.is_set)
    assert other.ask("POST", "/api/chat/fox/stop", {}).json() == {"stopped": True}
    # The server answers at once: until it is written, the worker goes on.
    stopped = "SELECT 1 FROM agentkit_durable_runs WHERE status = 'cancelled'"
    wait_for(lambda: bool(executed(case, stopped)))
    gate.opened.set()
    chunks = list(began.chunks())
    assert "abort" in kinds(chunks)
    wait_for(lambda: other.history("fox")["status"] == "idle")  # it hears of the end by itself
    history = other.history("fox")
    assert history["turns"] == 3
    last = history["messages"][-1]
    assert (told(last), last["metadata"]["status"]) == ("Look.", "stopped")
    assert [each["type"] for each in last["parts"]].count("file") == 1


def _stopped_in_the_queue(pages: list[Talker]) -> None:
    """No worker is there: what was said stays, and is not sent."""
    one, other = pages
    began = one.begin("owl", "Draw an owl")
    assert (began.status, other.history("owl")["status"]) == (200, "running")
    assert told(other.history("owl")["messages"][0]) == "Draw an owl"
    assert other.ask("POST", "/api/chat/owl/stop", {}).json() == {"stopped": True}
    assert "abort" in kinds(list(began.chunks()))
    wait_for(lambda: one.history("owl")["status"] == "idle")
    assert told(one.history("owl")["messages"][0]) == "Draw an owl"


@pytest.mark.slow
async def test_a_stream_that_joins_after_an_answer_has_all_of_it(
    case: Case, emulator: Emulator
) -> None:
    """The turn waited, was decided on, and goes on: who comes then is told no question."""
    gate = Gate()
    form = {"type": "object", "properties": {"when": {"type": "string"}}, "required": ["when"]}

    @tool
    def book(context: Context[None]) -> str:
        """Book a table."""
        said = context.ask("When?", form)
        gate.wait()
        return f"booked: {said is not None}"

    agent = case.agent(tools=[book])
    durable = case.durable(agent)

    def talk(pages: list[Talker]) -> None:
        one, other = pages
        emulator.play(Reply([Say("When?"), CallTool("book", {})]), "Booked.")
        one.say("table", "Book a table")
        last = one.history("table")["messages"][-1]
        for part in last["parts"]:
            if part.get("state") == "approval-requested":
                part |= {"state": "approval-responded"}
                part["approval"] |= {"approved": True}
                call = part["toolCallId"]
        said = {"answers": {call: {"when": "nine"}}}
        body = {"id": "table", "trigger": "submit-message", "messages": [last], **said}
        rest = one.open("POST", "/api/chat", body)
        assert rest.status == 200
        wait_for(gate.reached.is_set)
        joined = other.open("GET", "/api/chat/table/stream")
        assert joined.status == 200
        gate.opened.set()
        chunks = list(joined.chunks())
        assert text_of(chunks) == "When?Booked."
        assert "tool-approval-request" not in kinds(chunks)
        assert text_of(list(rest.chunks())) == "Booked."

    with servers(case, agent) as pages:
        async with durable.working(2):
            with gate.opened_at_last():
                await asyncio.to_thread(talk, pages)
    await durable.close()


def test_what_does_not_go_with_workers_is_told(case: Case) -> None:
    agent = case.agent()
    durable = case.durable(agent)
    sessions = Sessions(case.url, store=agent.store)
    for wrong, words in (
        ({"sessions": sessions}, "in the database of the runs"),
        ({"budget": lambda _: Budget(1.0)}, "Agent(budget=…)"),
        ({"deps": lambda _: None}, "workers give theirs"),
    ):
        with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
            web.app(agent, durable=durable, **wrong)
    with pytest.raises(UsageError, match="another agent of the name 'fox'"):
        web.app(case.agent(), durable=durable)
    with pytest.raises(UsageError, match="Durable"):
        web.app(agent, durable="postgresql://x")  # type: ignore[arg-type]
