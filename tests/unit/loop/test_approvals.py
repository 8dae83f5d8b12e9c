"""Approvals: bound to the run, the call and what the person saw; used once; only True approves. And
results from outside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from agentkit import Agent, Answer, Context, Denied, FileImageStore, Image, Run, Tool, tool
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import APIError, ImageError, UsageError
from agentkit.show import plain
from agentkit.tools import Edited
from tests.conftest import Bench, picture
from tests.processes import execute, forked

BIG = picture(size=(160, 120), noise=90)


def purse() -> tuple[list[int], Tool[..., Any]]:
    spent: list[int] = []

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        spent.append(euros)
        return f"paid {euros}"

    return spent, pay


PAY = Reply([CallTool("pay", {"euros": 3}, id="p")])
DONE = Reply([Say("Done.")])

OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from agentkit import Agent, FileImageStore, Image, OpenRouter, Run, tool

@tool(approve=True)
def pay(euros: int, receipt: Image) -> str:
    "Pays."
    return f"paid {euros} with {receipt.name} of {receipt.size} bytes"

async def main(base_url, folder):
    store = FileImageStore(folder / "images")
    run = Run.from_json((folder / "run.json").read_text("utf-8"), blobs=store)
    async with OpenRouter(api_key="sk-or-test-key", base_url=base_url) as client:
        agent = Agent("openai/gpt-5.2", api=run.api, tools=[pay], client=client, store=store)
        answer = await agent.resume(run, approve={"p": True})
    print(answer.invocations[-1].result, "|", answer.text, "|", answer.usage.requests)

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


async def test_another_process_goes_on(bench: Bench, tmp_path: Path) -> None:
    @tool(approve=True)
    def pay(euros: int, receipt: Image) -> str:
        """Pays."""
        raise AssertionError("not in this process")

    store = FileImageStore(tmp_path / "images")
    bench.emulator.play(
        [
            Reply(
                [
                    Draw(
                        "a receipt",
                        data=BIG,
                        places=("message_images",) if bench.way.api == "chat" else (),
                    ),
                    Say("Here."),
                ]
            ),
            Reply([CallTool("pay", {"euros": 3, "receipt": "img_1"}, id="p")]),
            DONE,
        ]
    )
    chat = bench.agent(tools=[pay], store=store).conversation()
    await bench.ask(chat, "Draw a receipt")
    answer = await bench.ask(chat, "Pay")
    assert answer.status == "paused"
    (tmp_path / "run.json").write_text(answer.run.to_json(), encoding="utf-8")
    program = (OTHER_PROCESS, (bench.emulator.base_url, str(tmp_path)))
    done = await asyncio.to_thread(forked, execute, *program)
    assert done.stderr == ""
    assert done.stdout.strip() == f"paid 3 with img_1 of {len(BIG)} bytes | Done. | 2"


async def waiting(bench: Bench, pay: Tool[..., Any]) -> tuple[Agent[Any], Answer[Any]]:
    bench.emulator.play([PAY])
    agent = bench.agent(tools=[pay])
    answer = await bench.ask(agent, "Pay")
    assert answer.status == "paused"
    bench.emulator.play([DONE, DONE])
    return agent, answer


async def test_an_approval_is_used_once(bench: Bench) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    again = Run.from_json(answer.run.to_json(), blobs=bench.store)
    assert (await agent.resume(answer.run, approve={"p": True})).text == "Done."
    for run in (answer.run, again):
        with pytest.raises(UsageError, match="used before"):
            await bench.agent(tools=[pay]).resume(run, approve={"p": True})
    assert spent == [3]


async def test_two_at_once_run_it_once(bench: Bench) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    both = [agent.resume(answer.run, approve={"p": True}) for _ in range(2)]
    await asyncio.gather(*both, return_exceptions=True)
    assert spent == [3]


@pytest.mark.parametrize("verdict", [1, "yes", "True", None, {}, [True], 1.0], ids=repr)
async def test_only_true_approves(bench: Bench, verdict: Any) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    with pytest.raises(UsageError, match="accepted are True, False and Denied"):
        await agent.resume(answer.run, approve={"p": verdict})
    assert spent == []
    no = await agent.resume(answer.run, approve={"p": False})
    assert (no.invocations[0].status, spent) == ("denied", [])


async def test_a_person_changes_the_arguments(bench: Bench) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    for wrong in ({"euros": "much"}, {"dollars": 2}, {}, [2]):
        with pytest.raises(UsageError, match=r"Edited\("):
            await agent.resume(answer.run, approve={"p": Edited(wrong)})  # type: ignore[arg-type]
    assert spent == []
    done = await agent.resume(answer.run, approve={"p": Edited({"euros": 2})})
    assert (done.text, spent) == ("Done.", [2])
    assert done.invocations[0].arguments == {"euros": 2}
    with pytest.raises(UsageError, match="used before"):
        await agent.resume(answer.run, approve={"p": Edited({"euros": 1})})
    assert spent == [2]


def without_waits(run: dict[str, Any]) -> None:
    run["waiting"], run["status"] = [], "running"


def without_the_invocation(run: dict[str, Any]) -> None:
    run["waiting"], run["invocations"], run["status"] = [], [], "running"


def already_running(run: dict[str, Any]) -> None:
    run["waiting"] = []
    run["invocations"][0]["status"] = "running"


@pytest.mark.parametrize(
    "forge",
    [without_waits, without_the_invocation, already_running],
    ids=lambda forge: forge.__name__,
)
async def test_a_saved_run_cannot_say_that_it_was_approved(
    bench: Bench, forge: Callable[[dict[str, Any]], None]
) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    saved = json.loads(answer.run.to_json())
    forge(saved)
    resumed = await agent.resume(Run.from_json(json.dumps(saved), blobs=bench.store))
    assert (resumed.status, spent) == ("paused", [])
    assert [each.id for each in resumed.pending] == ["p"]


def other_arguments(run: dict[str, Any]) -> None:
    run["invocations"][0]["arguments"]["euros"] = 3000


def other_name(run: dict[str, Any]) -> None:
    run["invocations"][0]["name"] = "pay_all"


def other_run(run: dict[str, Any]) -> None:
    run["id"] = "run_of_someone_else"


@pytest.mark.parametrize(
    "forge", [other_arguments, other_name, other_run], ids=lambda forge: forge.__name__
)
async def test_what_was_changed_after_it_was_shown_is_not_run(
    bench: Bench, forge: Callable[[dict[str, Any]], None]
) -> None:
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    saved = json.loads(answer.run.to_json())
    forge(saved)
    with pytest.raises(UsageError, match="changed after it was shown"):
        await agent.resume(Run.from_json(json.dumps(saved), blobs=bench.store), approve={"p": True})
    assert spent == []


async def test_what_is_run_is_what_was_shown(bench: Bench) -> None:
    """The words of the model behind the call do not count, once a person has seen the call."""
    spent, pay = purse()
    agent, answer = await waiting(bench, pay)
    saved = json.loads(answer.run.to_json())
    for part in saved["messages"][-1]["parts"]:
        if part["kind"] == "tool_call":
            part["arguments"] = '{"euros": 3000}'
    resumed = await agent.resume(
        Run.from_json(json.dumps(saved), blobs=bench.store), approve={"p": True}
    )
    assert (resumed.status, spent) == ("completed", [3])


async def test_a_function_decides_by_what_will_be_run(bench: Bench) -> None:
    seen: list[object] = []

    def dear(arguments: Any) -> bool:
        seen.append(dict(arguments))
        return arguments["euros"] > 10 or arguments["tip"]

    @tool(approve=dear)
    def pay(euros: int, tip: bool = False) -> str:
        """Pays."""
        return f"paid {euros}"

    bench.emulator.play(
        [
            Reply(
                [
                    CallTool("pay", {"euros": "5"}, id="a"),
                    CallTool("pay", {"euros": "50"}, id="b"),
                    CallTool("pay", {"euros": 1, "tip": True}, id="c"),
                    CallTool("pay", {"euros": "a lot"}, id="d"),
                ]
            ),
            DONE,
        ]
    )
    answer = await bench.ask(bench.agent(tools=[pay]), "Pay")
    assert [each.id for each in answer.pending] == ["b", "c"]
    assert seen[0] == {"euros": 5, "tip": False}
    by_id = {each.id: each for each in answer.invocations}
    assert (by_id["a"].result, by_id["d"].status) == ("paid 5", "failed")


async def test_a_function_that_breaks_or_hesitates_asks(bench: Bench) -> None:
    @tool(approve=lambda arguments: arguments["nothing"])
    def breaks(euros: int) -> str:
        """Pays."""
        return "paid"

    @tool(approve=lambda _: None)  # type: ignore[arg-type,return-value]
    def hesitates(euros: int) -> str:
        """Pays."""
        return "paid"

    bench.emulator.play(
        [
            Reply(
                [
                    CallTool("breaks", {"euros": 1}, id="a"),
                    CallTool("hesitates", {"euros": 1}, id="b"),
                ]
            )
        ]
    )
    answer = await bench.ask(bench.agent(tools=[breaks, hesitates]), "Pay")
    assert [each.id for each in answer.pending] == ["a", "b"]


async def test_some_now_and_some_later(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([Reply([CallTool("pay", {"euros": at}, id=f"p{at}") for at in (1, 2, 3)])])
    agent = bench.agent(tools=[pay])
    answer = await bench.ask(agent, "Pay")
    first = await agent.resume(answer.run, approve={"p1": True})
    assert (first.status, spent, [each.id for each in first.pending]) == (
        "paused",
        [1],
        ["p2", "p3"],
    )
    bench.emulator.play([DONE])
    last = await agent.resume(first.run, approve={"p2": Denied("no"), "p3": True})
    assert (last.status, spent) == ("completed", [1, 3])
    assert [each.status for each in last.invocations] == ["completed", "denied", "completed"]


async def test_an_error_after_the_call_does_not_run_it_again(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([PAY])
    agent = bench.agent(tools=[pay])
    answer = await bench.ask(agent, "Pay")
    bench.emulator.play([Reply(error=Failure("no", 400)), DONE])
    with pytest.raises(APIError) as caught:
        await agent.resume(answer.run, approve={"p": True})
    assert caught.value.run is not None
    assert (await agent.resume(caught.value.run)).text == "Done."
    assert spent == [3]


async def test_results_from_outside(bench: Bench) -> None:
    @tool(external=True)
    def ask_ada(question: str) -> Image:
        """Asks Ada."""
        raise AssertionError("never run")

    bench.emulator.play([Reply([CallTool("ask_ada", {"question": "?"}, id="q")])])
    agent = bench.agent(tools=[ask_ada])
    answer = await bench.ask(agent, "Ask")
    for wrong, words in (({"z": 1}, "waiting: 'q'"), ({"p": 1}, "no call with this id")):
        with pytest.raises(UsageError, match=words):
            await agent.resume(answer.run, results=wrong)
    with pytest.raises(UsageError, match="no call with this id waits for that"):
        await agent.resume(answer.run, approve={"q": True})
    with pytest.raises(ImageError):
        await agent.resume(
            answer.run, results={"q": Image.from_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 60)}
        )
    saved = json.loads(answer.run.to_json())
    saved["invocations"][0]["arguments"] = {"question": "!"}
    with pytest.raises(UsageError, match="changed after it was shown"):
        await agent.resume(Run.from_json(json.dumps(saved), blobs=bench.store), results={"q": 1})
    approval = json.loads(answer.run.to_json())
    approval["waiting"][0]["why"] = "approval"
    still = await agent.resume(
        Run.from_json(json.dumps(approval), blobs=bench.store), approve={"q": True}
    )
    assert still.status == "paused"
    bench.emulator.play([DONE])
    resumed = await agent.resume(answer.run, results={"q": {"it": [BIG]}})
    assert resumed.invocations[0].result == '{"it":["img_1"]}'
    assert resumed.images[0].bytes() == BIG


async def test_what_a_person_is_shown_obeys_nothing(bench: Bench) -> None:
    mean = "Ada\x1b[2K\x1b]0;x\x07\x9b\u202e\u2066\r\n\tfree"

    @tool(approve=True)
    def pay(to: str, notes: dict[str, str]) -> str:
        """Pays."""
        return to

    bench.emulator.play([Reply([CallTool("pay", {"to": mean, "notes": {mean: mean}}, id="p")])])
    answer = await bench.ask(bench.agent(tools=[pay]), "Pay")
    shown = plain.call(answer.pending[0])
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set("\u202e\u2066") & set(shown)
    assert shown.startswith('pay(to="Ada')
    assert shown.count("free") == 3
    assert "\n" not in plain.call(
        replace(answer.pending[0], name="pay\n\x1b[2K", arguments={"a\nb": 1})
    )


async def test_a_turn_that_is_kept_has_no_dangling_call(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([PAY])
    chat = bench.agent(tools=[pay]).conversation()
    answer = await bench.ask(chat, "Pay")
    chat.adopt(answer.run)
    bench.emulator.play([DONE])
    await bench.ask(chat, "Never mind")
    assert "cancelled" in json.dumps(bench.emulator.requests[-1].body)
    assert spent == []
    with pytest.raises(UsageError):
        await chat.resume(answer.run, approve={"p": True})


async def test_a_context_of_the_resumed_run(bench: Bench) -> None:
    @tool(approve=True)
    def who(context: Context[str]) -> str:
        """Tells who asks."""
        return f"{context.deps} {context.invocation.id}"

    bench.emulator.play([Reply([CallTool("who", id="w")])])
    agent = bench.agent(tools=[who])
    answer = await bench.ask(agent, "Go", deps="Ada")
    bench.emulator.play([DONE])
    resumed = await agent.resume(answer.run, approve={"w": True}, deps="Bob")
    assert resumed.invocations[0].result == "Bob w"


async def test_a_check_that_fails_once_opens_no_door(bench: Bench) -> None:
    """A call that does not fit is not shown to a person, so where it fits a moment later it is not
    run either.
    """
    spent: list[str] = []
    looked_up: list[str] = []

    def known(name: str) -> str:
        looked_up.append(name)
        if len(looked_up) == 1:
            raise ConnectionError("the directory cannot be reached")
        return name

    @tool(approve=True)
    def pay(to: Annotated[str, AfterValidator(known)]) -> str:
        """Pays."""
        spent.append(to)
        return "paid"

    bench.emulator.play([Reply([CallTool("pay", {"to": "Eve"}, id="p")]), DONE])
    answer = await bench.ask(bench.agent(tools=[pay]), "Pay")
    (call,) = answer.invocations
    assert (spent, call.status) == ([], "failed")
    assert "needs the approval of a person" in (call.error or "")


async def test_the_last_gate_asks_a_function_too(bench: Bench) -> None:
    spent: list[int] = []
    asked: list[int] = []

    def dear(arguments: Any) -> bool:
        asked.append(arguments["euros"])
        if len(asked) > 1:
            raise RuntimeError("it broke")
        return False

    @tool(approve=dear)
    def pay(euros: int) -> str:
        """Pays."""
        spent.append(euros)
        return "paid"

    bench.emulator.play([PAY, DONE])
    answer = await bench.ask(bench.agent(tools=[pay]), "Pay")
    assert (spent, answer.invocations[0].status) == ([], "failed")


async def test_a_saved_run_that_claims_an_agent_behind_a_tool_lets_nothing_pass(
    bench: Bench,
) -> None:
    spent, pay = purse()
    bench.emulator.play([PAY])
    agent = bench.agent(tools=[pay])
    paused = await bench.ask(agent, "Pay")
    forged, inner = json.loads(paused.run.to_json()), json.loads(paused.run.to_json())
    inner["waiting"] = forged["waiting"] = []
    forged["nested"] = [{"call_id": "p", "run": inner}]
    again = await agent.resume(Run.from_json(json.dumps(forged), blobs=agent.store))
    assert (again.status, [each.name for each in again.pending], spent) == ("paused", ["pay"], [])


async def test_a_second_call_with_the_id_of_an_approved_one_is_asked_for_anew(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([PAY, PAY, DONE])
    agent = bench.agent(tools=[pay])
    paused = await bench.ask(agent, "Pay")
    again = await agent.resume(paused.run, approve={"p": True})
    assert (again.status, len(again.pending), spent) == ("paused", 1, [3])
    done = await agent.resume(again.run, approve={"p": True})
    assert (done.text, spent) == ("Done.", [3, 3])
