"""The chat of the command line, in this process: what Ctrl-C leaves."""

from __future__ import annotations

import asyncio
import signal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from agentkit import Agent, Budget, FileImageStore, OpenRouter, tool
from agentkit.cli.chat import run_chat
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say


@tool
async def interrupt() -> str:
    """As a user does who presses Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(3600)
    return "never"


def test_an_interrupt_leaves_the_picture_and_its_cost(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.play(
        [Reply([Draw("a fox"), CallTool("interrupt", {})]), Reply([Draw("a cat"), Say("Meow.")])]
    )
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    typed = "Draw a fox\n/images\nDraw a cat\n/images\n/quit\n"
    monkeypatch.setattr("sys.stdin", StringIO(typed))
    shown, budget = StringIO(), Budget(cost_usd=5.0)
    try:
        with asyncio.Runner() as runner:
            client = OpenRouter(api_key="sk-or-test", base_url=emulator.base_url)
            agent = Agent(
                "openai/gpt-5.2",
                tools=[interrupt],
                client=client,
                store=FileImageStore(tmp_path),
                budget=budget,
                checks=False,
            )
            chat = agent.conversation()
            run_chat(chat, runner, Console(file=shown, width=200), budget=budget)
            runner.run(client.close())
    finally:
        signal.signal(signal.SIGINT, handler)
    lines = [line.strip() for line in shown.getvalue().splitlines()]
    stopped = next(line for line in lines if line.startswith("stopped"))
    assert "$0.0" in stopped
    assert sum(line.startswith("img_1") for line in lines) == 2
    assert sum(line.startswith("img_2") for line in lines) == 1
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert len(emulator.posts) == 2
