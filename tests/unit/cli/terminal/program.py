"""A chat on an emulator, for tests that drive it in a real terminal: `program.py SCENARIO FOLDER`.

Each scenario is a list of scripted replies; where it is empty, the rules of the emulator answer.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agentkit import Agent, FileImageStore, OpenRouter, tool
from agentkit.cli import open_chat
from agentkit.emulator import CallTool, Draw, Emulator, Fault, Reply, Say, Socket, When
from agentkit.sessions import Sessions

TABLE = "| row | square |\n|----:|-------:|\n" + "".join(
    f"| r{number:03} | {number * number} |\n" for number in range(60)
)
LINES = "".join(
    f"line {number:03} of the answer, which is rather long as lines go\n" for number in range(60)
)
WIDE = " ".join(f"word{number:04}" for number in range(600))


@tool(approve=True)
def pay(to: str, euros: int) -> str:
    """Pay somebody."""
    return f"paid {euros} to {to}"


@tool
async def wait() -> str:
    """Wait until somebody stops it."""
    await asyncio.sleep(3600)
    return "never"


@tool
def noisy() -> str:
    """Print something."""
    print("printed by \x1b[31ma tool")
    print("and to stderr", file=sys.stderr)
    return "done"


SCENARIOS: dict[str, list[Reply]] = {
    "rules": [],
    "lines": [Reply([Say(LINES)])],
    "table": [Reply([Say(f"Before.\n\n{TABLE}\nAfter.")])],
    "wide": [Reply([Say(WIDE)])],
    "pay": [Reply([CallTool("pay", {"to": "Ada", "euros": 300})]), Reply([Say("It is done.")])],
    "picture": [
        Reply([Say("Here is it:\n"), Draw("a fox", size=(256, 256)), CallTool("wait", {})]),
        Reply([Say("Hello again.")]),
    ],
    "half": [
        Reply([Say("Here it comes:\n"), Draw("a fox", ("message_images",), shape="data_url")]),
        Reply([Say("Hello again.")]),
    ],
    "slow": [Reply([Say("Here it comes:\n"), Draw("a fox", size=(128, 128))])],
    "noisy": [Reply([CallTool("noisy", {})]), Reply([Say("It was noisy.")])],
    "turns": [
        Reply(
            [Say(f"answer {number:02} begins\nand answer {number:02} ends")]
            + ([Draw(f"picture {number}", size=(64, 64))] if number % 10 == 0 else [])
        )
        for number in range(50)
    ],
}


FAULTS: dict[str, list[Fault]] = {
    # The bytes of the picture stop coming in the middle of it.
    "half": [Fault(when=When(nth=(1,)), socket=Socket("stall", at="body", byte=400_000))],
    # The download of the picture takes a few seconds.
    "slow": [Fault(when=When(api="pictures"), socket=Socket("drip", at="body", rate=9_000))],
}


def main(name: str, folder: str, delay: str = "0") -> None:
    with Emulator(chunk_delay=float(delay), faults=FAULTS.get(name, [])) as emulator:
        emulator.play(SCENARIOS[name])
        client = OpenRouter(api_key="sk-or-test", base_url=emulator.base_url, proxy=False)
        store = FileImageStore(Path(folder) / "store")
        agent = Agent(
            "openai/gpt-5.2", tools=[pay, wait, noisy], client=client, store=store, checks=False
        )
        sessions = Sessions(f"sqlite:///{Path(folder) / 'chats.db'}", store=store)
        open_chat(agent, "ada", sessions=sessions, note="A test.")


if __name__ == "__main__":
    main(*sys.argv[1:])
