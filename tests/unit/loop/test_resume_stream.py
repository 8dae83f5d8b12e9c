"""A run that is resumed can be watched as well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentkit import InvocationFinished, RunFinished, TextDelta, Tool, tool
from agentkit.emulator import CallTool, Failure, Reply, Say
from agentkit.errors import APIError, ConversationBusy, UsageError
from tests.conftest import Bench, Way

STREAMED = [Way("chat", True), Way("responses", True)]
ASK = Reply([Say("Let me pay."), CallTool("pay", {"euros": 3}, id="p")])
DONE = Reply([Say("It is paid.")], chunk=3)


def purse() -> tuple[list[int], Tool[..., Any]]:
    spent: list[int] = []

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        spent.append(euros)
        return f"paid {euros}"

    return spent, pay


@pytest.mark.parametrize("way", STREAMED, ids=str, indirect=True)
async def test_a_conversation_goes_on_as_a_stream(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([ASK, DONE, Reply([Say("Bye.")])])
    chat = bench.agent(tools=[pay]).conversation()
    async with chat.stream("Pay") as stream:
        before = "".join([event.text async for event in stream if isinstance(event, TextDelta)])
    assert stream.answer.status == "paused"
    async with chat.resume_stream(stream.answer.run, approve={"p": True}) as resumed:
        with pytest.raises(ConversationBusy):
            await chat.send("At once")
        events = [event async for event in resumed]
    said = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(said) > 2
    assert bench.emulator.requests[-1].body["stream"] is True
    assert before + "".join(said) == resumed.answer.text == "Let me pay.\n\nIt is paid."
    assert [
        event.invocation.status for event in events if isinstance(event, InvocationFinished)
    ] == ["completed"]
    assert isinstance(events[-1], RunFinished)
    assert spent == [3]
    assert chat.waiting is None
    assert chat.messages == resumed.answer.run.messages
    assert (await chat.send("Bye")).text == "Bye."


@pytest.mark.parametrize("way", STREAMED, ids=str, indirect=True)
async def test_an_agent_goes_on_as_a_stream(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([ASK, DONE])
    agent = bench.agent(tools=[pay])
    answer = await agent.run("Pay")
    async with agent.resume_stream(answer.run, approve={"p": True}) as stream:
        ended = await stream.finish()
    assert (ended.text, ended.status, spent) == ("Let me pay.\n\nIt is paid.", "completed", [3])
    assert stream.run == ended.run


@pytest.mark.parametrize("way", STREAMED, ids=str, indirect=True)
async def test_what_is_wrong_is_told(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([ASK])
    chat = bench.agent(tools=[pay]).conversation()
    answer = await chat.send("Pay")
    with pytest.raises(UsageError, match="no run"):
        chat.resume_stream("run")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="other"):
        async with chat.resume_stream(answer.run, approve={"other": True}) as stream:
            await stream.finish()
    assert chat.waiting == answer.run
    assert spent == []


@pytest.mark.parametrize("way", STREAMED, ids=str, indirect=True)
async def test_after_an_error_the_decision_is_used_up(bench: Bench) -> None:
    spent, pay = purse()
    bench.emulator.play([ASK, Reply(error=Failure("No", 403)), DONE])
    chat = bench.agent(tools=[pay]).conversation()
    answer = await chat.send("Pay")
    with pytest.raises(APIError) as caught:
        async with chat.resume_stream(answer.run, approve={"p": True}) as stream:
            async for _ in stream:
                await asyncio.sleep(0)
    assert chat.waiting is None
    assert caught.value.run is not None
    async with chat.resume_stream(caught.value.run) as again:
        assert (await again.finish()).text == "Let me pay.\n\nIt is paid."
    assert spent == [3]
