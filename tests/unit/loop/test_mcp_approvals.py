"""Calls of MCP servers that the service itself connects to: what it asks for is told to a person,
and what they say goes back with the next request.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkit import Agent, Answer, Denied, OpenRouter, Run, tool
from agentkit.emulator import CallTool, Emulator, Raw, Reply, Say
from agentkit.errors import UsageError
from agentkit.tools import Edited
from tests.conftest import WAYS, Bench, Way

ASKED = {"id": "mcpr_1", "type": "mcp_approval_request", "name": "delete", "server_label": "files", "arguments": '{"path": "a"}'}  # fmt: skip
CALLED = {"id": "mcp_1", "type": "mcp_call", "name": "delete", "server_label": "files", "arguments": '{"path": "a"}', "output": "gone", "approval_request_id": "mcpr_1"}  # fmt: skip
REQUEST, DONE = Reply([Raw(responses=ASKED)]), Reply([Raw(responses=CALLED), Say("Done.")])


@pytest.fixture(params=[each for each in WAYS if each.api == "responses"], ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


def sent(emulator: Emulator) -> list[Any]:
    """The items of the latest request."""
    return emulator.requests[-1].body["input"]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (True, {"approve": True}),
        (False, {"approve": False, "reason": "denied by the user"}),
        (Denied("keep it"), {"approve": False, "reason": "keep it"}),
    ],
    ids=str,
)
async def test_a_person_decides(bench: Bench, verdict: Any, told: dict[str, Any]) -> None:
    bench.emulator.play([REQUEST])
    agent = bench.agent()
    answer = await bench.ask(agent, "Delete a")
    (call,) = answer.pending
    assert answer.status == "paused"
    assert (call.id, call.name, call.arguments) == ("mcpr_1", "delete", {"path": "a"})
    run = Run.from_json(answer.run.to_json(), blobs=bench.store)
    bench.emulator.play([DONE if verdict is True else Reply([Say("Done.")])])
    done = await agent.resume(run, approve={"mcpr_1": verdict})
    assert (done.status, done.text, done.pending) == ("completed", "Done.", ())
    request, response = sent(bench.emulator)[-2:]
    assert request == ASKED
    assert response == {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        **told,
    }
    first, *rest = done.invocations
    assert first.status == ("completed" if verdict is True else "denied")
    assert [each.result for each in rest] == (["gone"] if verdict is True else [])


async def test_beside_calls_of_our_own(bench: Bench) -> None:
    """What was said waits until each call of the reply has its result."""
    ran: list[int] = []

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        ran.append(euros)
        return f"paid {euros}"

    @tool
    def look() -> str:
        """Looks."""
        return "seen"

    calls = [CallTool("pay", {"euros": 3}, id="p"), CallTool("look", {}, id="l")]
    other = {**ASKED, "id": "mcpr_2"}
    bench.emulator.play([Reply([Raw(responses=ASKED), *calls, Raw(responses=other)])])
    agent = bench.agent(tools=[pay, look])
    answer = await bench.ask(agent, "Go")
    assert {each.id for each in answer.pending} == {"p", "mcpr_1", "mcpr_2"}
    answer = await agent.resume(answer.run, approve={"mcpr_1": True})
    assert {each.id for each in answer.pending} == {"p", "mcpr_2"}
    run = Run.from_json(answer.run.to_json(), blobs=bench.store)
    answer = await agent.resume(run, approve={"p": True})
    assert ({each.id for each in answer.pending}, ran) == ({"mcpr_2"}, [3])
    assert len(bench.emulator.requests) == 1
    bench.emulator.play([DONE])
    done = await agent.resume(answer.run, approve={"mcpr_2": False})
    assert done.text == "Done."
    items = [(each["type"], each.get("approval_request_id")) for each in sent(bench.emulator)[-4:]]
    assert items == [
        ("function_call_output", None),
        ("function_call_output", None),
        ("mcp_approval_response", "mcpr_1"),
        ("mcp_approval_response", "mcpr_2"),
    ]


async def test_what_cannot_be_decided(bench: Bench) -> None:
    bench.emulator.play([REQUEST])
    agent = bench.agent()
    answer = await bench.ask(agent, "Delete a")
    with pytest.raises(UsageError, match="the service runs this call as it is"):
        await agent.resume(answer.run, approve={"mcpr_1": Edited({"path": "b"})})
    saved = json.loads(answer.run.to_json())
    saved["invocations"][0]["arguments"]["path"] = "b"
    with pytest.raises(UsageError, match="changed"):
        forged = Run.from_json(json.dumps(saved), blobs=bench.store)
        await agent.resume(forged, approve={"mcpr_1": True})
    bench.emulator.play([DONE])
    await agent.resume(answer.run, approve={"mcpr_1": True})
    with pytest.raises(UsageError, match="used before"):
        await agent.resume(answer.run, approve={"mcpr_1": True})
    assert len(bench.emulator.requests) == 2


async def test_a_conversation_goes_on_without_it(bench: Bench) -> None:
    bench.emulator.play([REQUEST, Reply([Say("Well.")])])
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Delete a")
    assert chat.waiting is not None
    kept = chat.adopt(answer.run)
    assert (kept.pending, kept.invocations[0].status) == ((), "cancelled")
    assert (await bench.ask(chat, "Never mind")).text == "Well."
    assert {"approval_request_id": "mcpr_1", "approve": False}.items() <= sent(bench.emulator)[-2].items()  # fmt: skip


async def test_a_conversation_moves_to_the_other_api(
    client: OpenRouter, emulator: Emulator
) -> None:
    emulator.play([REQUEST, DONE, Reply([Say("Well.")])])
    agent = Agent("openai/gpt-5.2", api="responses", client=client, checks=False)
    chat = agent.conversation()
    answer = await chat.send("Delete a")
    answer = await chat.resume(answer.run, approve={"mcpr_1": True})
    chat.api = "chat"
    assert (await chat.send("And now?")).text == "Well."
    assert "mcpr_1" not in json.dumps(emulator.requests[-1].body)


async def test_a_sub_agent_waits(bench: Bench) -> None:
    keeper = bench.agent().as_tool("keeper", "Keeps files.")
    bench.emulator.play([Reply([CallTool("keeper", {"prompt": "Delete a"}, id="k")]), REQUEST])
    agent = bench.agent(tools=[keeper])
    answer: Answer[Any] = await bench.ask(agent, "Delete a")
    assert [each.id for each in answer.pending] == ["k/mcpr_1"]
    bench.emulator.play([DONE, Reply([Say("It is gone.")])])
    done = await agent.resume(answer.run, approve={"k/mcpr_1": True})
    assert done.text == "It is gone."


async def test_a_caller_that_goes_on_without_a_sub_agent(bench: Bench) -> None:
    keeper = bench.agent().as_tool("keeper", "Keeps files.")
    bench.emulator.play([Reply([CallTool("keeper", {"prompt": "Delete a"}, id="k")]), REQUEST])
    chat = bench.agent(tools=[keeper]).conversation()
    answer = await bench.ask(chat, "Delete a")
    kept = chat.adopt(answer.run)
    assert kept.pending == ()
    assert {each.status for each in kept.invocations} == {"cancelled"}
    bench.emulator.play([Reply([Say("Well.")])])
    assert (await bench.ask(chat, "Never mind")).text == "Well."
    assert "mcp_approval_response" not in json.dumps(sent(bench.emulator))
