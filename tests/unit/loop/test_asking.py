"""A tool that asks a person in the middle of its work: the run pauses, and the answer goes on with
it, in this process or in another one.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Answer, Context, FileImageStore, Image, OpenRouter, Run, Tool, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.events import InvocationStarted
from agentkit.images.store import MemoryImageStore
from agentkit.tools import Edited, Question
from tests.conftest import Bench, picture
from tests.processes import execute, forked

GUESTS: dict[str, Any] = {
    "type": "object",
    "properties": {"guests": {"type": "integer", "minimum": 1}},
    "required": ["guests"],
}
WINE: dict[str, Any] = {"properties": {"wine": {"enum": ["red", "white"]}}, "required": ["wine"]}
DONE = Reply([Say("Done.")])
BOOK = Reply([CallTool("book", {"day": "Mon"}, id="b")])


def table(**options: Any) -> tuple[list[str], Tool[..., Any]]:
    """A tool that asks for the guests, and of more than four for the wine."""
    booked: list[str] = []

    @tool(**options)
    def book(context: Context, day: str) -> str:
        """Books a table."""
        said = context.ask("For how many?", GUESTS)
        if said is None:
            return "nobody said for how many"
        wine = context.ask("Which wine?", WINE) if said["guests"] > 4 else None
        booked.append(f"{day} {said['guests']} {wine and wine['wine']}")
        return f"booked: {booked[-1]}"

    return booked, book


async def asked(bench: Bench, book: Tool[..., Any], **options: Any) -> tuple[Agent[Any], Any]:
    bench.emulator.play([BOOK])
    agent = bench.agent(tools=[book], **options)
    answer = await bench.ask(agent, "Book")
    bench.emulator.play([DONE, DONE])
    return agent, answer


async def go_on(bench: Bench, agent: Any, answer: Answer[Any], **options: Any) -> Answer[Any]:
    if bench.way.stream:
        async with agent.resume_stream(answer.run, **options) as stream:
            return await stream.finish()
    return await agent.resume(answer.run, **options)


async def test_a_person_answers(bench: Bench) -> None:
    booked, book = table()
    agent, answer = await asked(bench, book)
    (call,) = answer.pending
    assert answer.status == "paused"
    assert (call.id, call.arguments) == ("b", {"day": "Mon"})
    assert call.question == Question("For how many?", GUESTS)
    assert len(bench.emulator.requests) == 1
    done = await go_on(bench, agent, answer, answers={"b": {"guests": 2}})
    assert (done.text, done.pending, booked) == ("Done.", (), ["Mon 2 None"])
    (call,) = done.invocations
    assert (call.status, call.result, call.question) == ("completed", "booked: Mon 2 None", None)
    assert done.run.asked == ()


async def test_one_question_after_the_other(bench: Bench) -> None:
    booked, book = table()
    agent, answer = await asked(bench, book)
    answer = await go_on(bench, agent, answer, answers={"b": {"guests": 6}})
    assert (answer.status, booked) == ("paused", [])
    assert answer.pending[0].question == Question("Which wine?", WINE)
    loaded = Run.from_json(answer.run.to_json(), blobs=bench.store)
    assert loaded == answer.run
    done = await go_on(bench, agent, Answer.of(loaded), answers={"b": {"wine": "red"}})
    assert (done.text, booked) == ("Done.", ["Mon 6 red"])


async def test_a_person_declines(bench: Bench) -> None:
    booked, book = table()
    agent, answer = await asked(bench, book)
    done = await go_on(bench, agent, answer, answers={"b": False})
    assert (done.invocations[0].result, booked) == ("nobody said for how many", [])


async def test_nobody_answers(bench: Bench) -> None:
    _, book = table()
    agent, answer = await asked(bench, book)
    again = await go_on(bench, agent, answer)
    assert (again.status, again.pending) == ("paused", answer.pending)
    assert len(bench.emulator.requests) == 1


async def test_a_conversation_goes_on_without_it(bench: Bench) -> None:
    booked, book = table()
    bench.emulator.play([BOOK, DONE])
    chat = bench.agent(tools=[book]).conversation()
    answer = await bench.ask(chat, "Book")
    with pytest.raises(UsageError, match="answers="):
        await bench.ask(chat, "Never mind")
    kept = chat.adopt(answer.run)
    assert kept.invocations[0].status == "cancelled"
    assert kept.invocations[0].question is None
    assert kept.run.asked == ()
    assert (await bench.ask(chat, "Never mind")).text == "Done."
    assert booked == []


MISFITS: list[tuple[Any, str]] = [
    ({"b": True}, "accepted are a mapping"),
    ({"b": "hunter2"}, "accepted are a mapping"),
    ({"b": {"guests": "hunter2"}}, "guests: accepted is a whole number, at least 1"),
    ({"b": {"guests": 0}}, "at least 1"),
    ({"b": {"guests": True}}, "a whole number"),
    ({"b": {"guests": 1.5}}, "a whole number"),
    ({"b": {}}, "guests: it is missing"),
    ({"b": {"guests": 1, "spy": "hunter2"}}, "spy: there is no such field"),
    ({"c": {"guests": 1}}, r"waiting: 'b' for an answer \(answers=\)"),
    (["hunter2"], "accepted is a mapping of call id"),
]


async def test_an_answer_that_does_not_fit(bench: Bench) -> None:
    """No value is ever told: it may be a password."""
    booked, book = table()
    agent, answer = await asked(bench, book)
    for given, words in MISFITS:
        with pytest.raises(UsageError, match=words) as raised:
            await go_on(bench, agent, answer, answers=given)
        assert "hunter2" not in str(raised.value)
    for option in ("approve", "results"):
        with pytest.raises(UsageError, match="waits for that; waiting: 'b' for an answer"):
            await go_on(bench, agent, answer, **{option: {"b": True}})
    assert booked == []
    assert (await go_on(bench, agent, answer, answers={"b": {"guests": 1}})).text == "Done."


async def test_an_answer_is_used_once(bench: Bench) -> None:
    booked, book = table()
    agent, answer = await asked(bench, book)
    copy = Answer.of(Run.from_json(answer.run.to_json(), blobs=bench.store))
    await go_on(bench, agent, answer, answers={"b": {"guests": 2}})
    for each in (answer, copy):
        with pytest.raises(UsageError, match="answered before"):
            await go_on(bench, agent, each, answers={"b": {"guests": 3}})
    assert booked == ["Mon 2 None"]


async def test_an_approved_call_that_asks(bench: Bench) -> None:
    """An answer stands for the approval of the same call; a no does not."""
    booked, book = table(approve=True)
    agent, answer = await asked(bench, book)
    answer = await go_on(bench, agent, answer, approve={"b": Edited({"day": "Tue"})})
    assert answer.pending[0].question is not None
    done = await go_on(bench, agent, answer, answers={"b": {"guests": 2}})
    assert (done.text, booked) == ("Done.", ["Tue 2 None"])


async def test_a_no_is_no_approval(bench: Bench) -> None:
    _, book = table(approve=True)
    agent, answer = await asked(bench, book)
    answer = await go_on(bench, agent, answer, approve={"b": True})
    again = await go_on(bench, agent, answer, answers={"b": False})
    assert again.status == "paused"
    assert [each.why for each in again.run.waiting] == ["approval"]
    done = await go_on(bench, agent, again, approve={"b": True})
    assert done.invocations[0].result == "nobody said for how many"


async def test_a_changed_call_is_not_run(bench: Bench) -> None:
    booked, book = table()
    agent, answer = await asked(bench, book)
    saved = json.loads(answer.run.to_json())
    saved["invocations"][0]["arguments"]["day"] = "Sun"
    run = Run.from_json(json.dumps(saved), blobs=bench.store)
    with pytest.raises(UsageError, match="changed"):
        await go_on(bench, agent, Answer.of(run), answers={"b": {"guests": 2}})
    assert booked == []


async def test_the_calls_beside_it_are_run_once(bench: Bench) -> None:
    ran: list[str] = []

    @tool
    async def paint(colour: str) -> Image:
        """Paints."""
        ran.append(colour)
        return Image.from_bytes(picture(colour))

    booked, book = table()
    calls = [CallTool("book", {"day": day}, id=day) for day in ("Mon", "Tue")]
    bench.emulator.play([Reply([*calls, CallTool("paint", {"colour": "red"}, id="p")])])
    agent = bench.agent(tools=[book, paint])
    answer = await bench.ask(agent, "Book and paint")
    assert {each.id for each in answer.pending} == {"Mon", "Tue"}
    answer = await go_on(bench, agent, answer, answers={"Tue": {"guests": 2}})
    assert ([each.id for each in answer.pending], booked) == (["Mon"], ["Tue 2 None"])
    bench.emulator.play([DONE])
    done = await go_on(bench, agent, answer, answers={"Mon": {"guests": 3}})
    assert (booked, ran) == (["Tue 2 None", "Mon 3 None"], ["red"])
    assert [each.name for each in done.images] == ["img_1"]


async def test_a_sub_agent_asks(bench: Bench) -> None:
    booked, book = table()
    waiter = bench.agent(tools=[book]).as_tool("waiter", "Books.")
    bench.emulator.play([Reply([CallTool("waiter", {"prompt": "Book"}, id="w")]), BOOK])
    agent = bench.agent(tools=[waiter])
    answer = await bench.ask(agent, "Book")
    (call,) = answer.pending
    assert (call.id, call.question) == ("w/b", Question("For how many?", GUESTS))
    bench.emulator.play([DONE, DONE])
    with pytest.raises(UsageError, match="guests: accepted"):
        await go_on(bench, agent, answer, answers={"w/b": {"guests": "x"}})
    done = await go_on(bench, agent, answer, answers={"w/b": {"guests": 2}})
    assert (done.text, booked) == ("Done.", ["Mon 2 None"])


async def test_no_event_and_no_log_has_the_answer(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    _, book = table()

    @tool
    def login(context: Context) -> str:
        """Logs in."""
        said = context.ask("Your password?", {"properties": {"password": {"type": "string"}}})
        return "welcome" if said and said["password"] == "hunter2" else "go away"

    bench.emulator.play([Reply([CallTool("login", {}, id="b")])])
    agent = bench.agent(tools=[login, book])
    answer = await bench.ask(agent, "Log in")
    bench.emulator.play([DONE])
    async with agent.resume_stream(answer.run, answers={"b": {"password": "hunter2"}}) as stream:
        events = [repr(event) async for event in stream]
    assert "hunter2" not in "".join(events) + repr(stream.answer)
    assert "hunter2" not in stream.answer.run.to_json()
    assert "hunter2" not in "".join(capfd.readouterr())
    assert stream.answer.invocations[0].result == "welcome"


async def test_the_question_is_told(client: OpenRouter, emulator: Emulator) -> None:
    _, book = table()
    emulator.play([BOOK])
    agent = Agent("openai/gpt-5.2", client=client, checks=False, tools=[book])
    async with agent.stream("Book") as stream:
        told = [each.invocation async for each in stream if isinstance(each, InvocationStarted)]
    assert [(each.status, each.question is None) for each in told] == [
        ("running", True),
        ("pending", False),
    ]


NO_FORMS: list[tuple[Any, str]] = [
    ({"type": "array"}, "of an object"),
    ({"properties": {"a": {"type": "object"}}}, "'a' is nothing that a person fills in"),
    ({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, "'a' is nothing"),
    ({"properties": {f"a{n}": {"type": "string"} for n in range(51)}}, "50 properties"),
    ({"properties": {}, "title": "x" * 20_000}, "20,000 bytes"),
    ({"properties": {}, "title": {1}}, "JSON values"),
    ("guests", "of an object"),
]


async def test_a_form_that_is_none(client: OpenRouter, emulator: Emulator) -> None:
    """The tool's error goes to the model, and nobody is asked."""

    @tool(repeats=True)
    def ask(context: Context, number: int) -> str:
        """Asks."""
        return str(context.ask("Well?", NO_FORMS[number][0]))

    calls = [CallTool("ask", {"number": n}, id=f"a{n}") for n in range(len(NO_FORMS))]
    emulator.play([Reply(calls), DONE])
    answer = await Agent("openai/gpt-5.2", client=client, checks=False, tools=[ask]).run("Go")
    assert answer.status == "completed"
    for call, (_, words) in zip(answer.invocations, NO_FORMS, strict=True):
        assert words in str(call.error)


async def test_outside_of_a_call_nobody_is_asked() -> None:
    from agentkit.values import Invocation

    with pytest.raises(UsageError, match="a tool that a run calls"):
        Context[Any](None, Invocation("a", "b")).ask("Well?", {})


async def test_a_tool_that_catches_everything(client: OpenRouter, emulator: Emulator) -> None:
    @tool
    async def ask(context: Context) -> str:
        """Asks."""
        try:
            said = context.ask("Well?", {"properties": {"yes": {"type": "boolean"}}})
        except Exception as error:  # noqa: BLE001 - as tools do
            return f"caught {error}"
        return f"said {said}"

    emulator.play([Reply([CallTool("ask", {}, id="a")]), DONE])
    agent = Agent("openai/gpt-5.2", client=client, checks=False, tools=[ask])
    answer = await agent.run("Go")
    assert answer.status == "paused"
    done = await agent.resume(answer.run, answers={"a": {"yes": True}})
    assert done.invocations[0].result == "said {'yes': True}"


async def test_a_run_that_is_stopped_after_the_answer(
    client: OpenRouter, emulator: Emulator
) -> None:
    """Whether the call is made once more is for a person to say; the answer is kept for it."""
    began, booked = asyncio.Event(), 0

    @tool
    async def book(context: Context) -> str:
        """Books a table."""
        nonlocal booked
        said = context.ask("For how many?", GUESTS)
        booked += 1
        began.set()
        if booked == 1:
            await asyncio.Event().wait()
        return f"for {said and said['guests']}"

    emulator.play([Reply([CallTool("book", {}, id="b")])])
    chat = Agent("openai/gpt-5.2", client=client, checks=False, tools=[book]).conversation()
    answer = await chat.send("Book")
    going = asyncio.ensure_future(chat.resume(answer.run, answers={"b": {"guests": 2}}))
    await began.wait()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    run = chat.waiting
    assert run is not None
    assert [each.why for each in run.waiting] == ["approval"]
    emulator.play([DONE])
    done = await chat.resume(run, approve={"b": True})
    assert (done.invocations[0].result, booked) == ("for 2", 2)


OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from agentkit import Agent, Context, FileImageStore, OpenRouter, Run, tool

@tool
def book(context: Context, day: str) -> str:
    "Books a table."
    said = context.ask("For how many?", GUESTS)
    return f"{day} for {said['guests']}"

async def main(base_url, folder):
    store = FileImageStore(folder / "images")
    run = Run.from_json((folder / "run.json").read_text("utf-8"), blobs=store)
    async with OpenRouter(api_key="sk-or-test-key", base_url=base_url) as client:
        agent = Agent("openai/gpt-5.2", api=run.api, tools=[book], client=client, store=store)
        answer = await agent.resume(run, answers={"b": {"guests": 2}})
    print(answer.invocations[-1].result, "|", answer.text)

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
""".replace("GUESTS", repr(GUESTS))


async def test_another_process_goes_on(
    client: OpenRouter, emulator: Emulator, tmp_path: Path
) -> None:
    booked, book = table()
    emulator.play([BOOK])
    store = FileImageStore(tmp_path / "images")
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, tools=[book])
    answer = await agent.run("Book")
    (tmp_path / "run.json").write_text(answer.run.to_json(), encoding="utf-8")
    emulator.play([DONE])
    program = (OTHER_PROCESS, (emulator.base_url, str(tmp_path)))
    done = await asyncio.to_thread(forked, execute, *program)
    assert (done.stderr, done.stdout.strip()) == ("", "Mon for 2 | Done.")
    assert booked == []


async def test_a_run_that_an_older_version_saved(client: OpenRouter, emulator: Emulator) -> None:
    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        return f"paid {euros}"

    emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")])])
    store = MemoryImageStore()
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, tools=[pay])
    answer = await agent.run("Pay")
    saved = json.loads(answer.run.to_json())
    del saved["asked"], saved["invocations"][0]["question"]
    emulator.play([DONE])
    run = Run.from_json(json.dumps(saved), blobs=store)
    done = await agent.resume(run, approve={"p": True})
    assert done.invocations[0].result == "paid 3"
