"""A Jupyter kernel, whose cells run on a loop that runs already."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.emulator import Emulator
from tests.embedding.programs import printed

KERNEL = """
from jupyter_client.manager import KernelManager

CELLS = '''
from agentkit import Agent, ImageGeneration, TextDelta
agent = Agent("openai/gpt-5.2", tools=[ImageGeneration(size="64x64")])
chat = agent.conversation()
(await chat.send("What is 2 + 2?")).text
###
agent.run_sync("What is 3 + 3?").text  # blocks the loop of the kernel, and works
###
async with chat.stream("What is 4 + 4?") as stream:
    said = "".join([event.text async for event in stream if isinstance(event, TextDelta)])
said
###
chat.send_sync("Draw a fox")
'''
manager = KernelManager(kernel_name="python3", transport="ipc")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
try:
    client.wait_for_ready(timeout=GUARD)
    for cell in CELLS.split("###"):
        shown = []
        reply = client.execute_interactive(cell, output_hook=shown.append, timeout=GUARD)
        assert reply["content"]["status"] == "ok", reply["content"]
        kinds = [each for each in shown if each["msg_type"] in ("execute_result", "stream")]
        for each in kinds:
            assert each["msg_type"] == "execute_result", each["content"]
            data = each["content"]["data"]
            print(*sorted(data), data["text/plain"][:40] if len(data) == 1 else "")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


@pytest.mark.slow  # starting a kernel takes as long as ten other tests
def test_a_jupyter_kernel(emulator: Emulator, tmp_path: Path) -> None:
    for name in ("ipykernel", "jupyter_client"):  # 100 MB, so they are not in the lock
        pytest.importorskip(name)
    said = printed(KERNEL, emulator, tmp_path, "-W", "ignore")
    assert said == [
        "text/plain '2 + 2 = 4'",
        "text/plain '3 + 3 = 6'",
        "text/plain '4 + 4 = 8'",
        "text/html text/markdown text/plain ",
    ]
