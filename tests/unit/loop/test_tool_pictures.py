"""Pictures that tools return in the shapes of other libraries reach the answer and the model."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest

from agentkit import Image, tool
from agentkit.emulator import CallTool, Reply, Say
from tests.conftest import Bench, picture

PICTURE = picture(size=(64, 48), noise=70)
B64 = base64.b64encode(PICTURE).decode()
BLOCK = {"type": "image", "data": B64, "mimeType": "image/png"}
KINDS: dict[str, Any] = {
    "a block of MCP": {"content": [{"type": "text", "text": "a screenshot"}, BLOCK]},
    "a data URL in words": f"Drawn: ![plot](data:image/png;base64,{B64})",
    "a file in memory": BytesIO(PICTURE),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_picture_of_a_tool(bench: Bench, kind: str) -> None:
    @tool
    def look() -> Any:
        """Takes a picture."""
        return KINDS[kind]

    bench.emulator.play([Reply([CallTool("look", {}, id="call_1")]), Reply([Say("Seen.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Look")
    assert [image.bytes() for image in answer.images] == [PICTURE]
    (call,) = answer.invocations
    assert (call.status, call.images) == ("completed", ("img_1",))
    assert "img_1" in (call.result or "")
    sent = json.dumps(bench.emulator.requests[-1].body)
    assert sent.count(B64) == 1
    assert f"data:image/png;base64,{B64}" in sent
    assert B64[:60] not in answer.run.to_json()


async def test_a_picture_that_is_broken_is_a_failure_that_the_model_is_told_of(
    bench: Bench,
) -> None:
    @tool
    def look() -> Any:
        """Takes a picture."""
        return {**BLOCK, "data": base64.b64encode(PICTURE[:3000]).decode()}

    bench.emulator.play([Reply([CallTool("look", {}, id="call_1")]), Reply([Say("Seen.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Look")
    (failure,) = answer.failures
    assert "cut off" in failure.reason
    assert failure.kept is not None
    assert "could not be had" in (answer.invocations[0].result or "")
    assert B64[:60] not in json.dumps(bench.emulator.requests[-1].body)


async def test_the_path_of_a_tool_that_returns_an_image(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(PICTURE)

    @tool
    def plot() -> Image:
        """Draws."""
        return cast("Image", path)

    @tool
    def where() -> str:
        """Says where it is."""
        return str(path)

    calls = [CallTool("plot", {}, id="call_1"), CallTool("where", {}, id="call_2")]
    bench.emulator.play([Reply(calls), Reply([Say("Seen.")])])
    answer = await bench.ask(bench.agent(tools=[plot, where]), "Plot")
    assert [image.bytes() for image in answer.images] == [PICTURE]
    assert [call.result for call in answer.invocations] == ["img_1", str(path)]
