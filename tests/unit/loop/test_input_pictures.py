"""Pictures that a user gives: refused by name before anything is sent, made smaller only where that
is allowed.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from agentkit import FetchPolicy, Image, ImageFailed, Limits, OpenRouter, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import AgentkitError, DeadlineExceeded, ImageError, UsageError
from agentkit.values import Source
from tests.conftest import Bench, picture

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
RED = Image.from_bytes(picture("red", (12, 12)))


@cache
def wide(width: int, height: int) -> bytes:
    """A real picture of many pixels and few bytes."""
    file = BytesIO()
    PIL.Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


async def refused(bench: Bench, prompt: Any, **options: Any) -> str:
    with pytest.raises(AgentkitError) as caught:
        await bench.ask(bench.agent(**options), prompt)
    assert not [request for request in bench.emulator.requests if request.method == "POST"]
    return str(caught.value)


async def test_a_broken_one_is_named(bench: Bench) -> None:
    broken = Image.from_bytes(PNG_HEAD + b"\0" * 60)
    words = await refused(bench, ["Look", RED, "and", broken])
    assert "picture 2 of the prompt" in words
    assert "PNG" in words


async def test_one_that_is_too_large_is_named(bench: Bench) -> None:
    words = await refused(bench, [Image.from_bytes(wide(9000, 6000))])
    assert "picture 1 of the prompt" in words
    assert "9000×6000" in words
    words = await refused(bench, [RED], fetch=FetchPolicy(max_bytes=50))
    assert f"{RED.size} bytes" in words
    assert "max_bytes" in words


async def test_one_behind_a_url_is_named(bench: Bench) -> None:
    words = await refused(bench, Image.from_url(f"{bench.emulator.origin}/i/none.png"))
    assert "picture 1 of the prompt" in words
    assert "none.png" in words


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "data", "javascript"])
async def test_a_scheme_that_is_not_http(bench: Bench, scheme: str) -> None:
    with pytest.raises(ImageError, match=f"http or https, not '{scheme}:"):
        Image.from_url(f"{scheme}://host/a.png")
    forged = replace(
        RED, sha256="", size=0, sources=(Source("user", f"{scheme}://host/a.png"),), blobs=None
    )
    assert "picture 1 of the prompt" in await refused(bench, forged)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image.from_file(3),  # type: ignore[arg-type]
        lambda: Image.from_file(None),  # type: ignore[arg-type]
        lambda: Image.from_file("a\0b"),
        lambda: Image.from_file("/"),
        lambda: Image.from_file("/dev/null"),
        lambda: Image.from_bytes("text"),  # type: ignore[arg-type]
        lambda: Image.from_bytes(None),  # type: ignore[arg-type]
        lambda: Image.from_bytes(b""),
        lambda: Image.from_url(None),  # type: ignore[arg-type]
        lambda: Image.from_url("http://[half"),
        lambda: Image.from_url(""),
    ],
)
def test_a_wrong_type(make: Any) -> None:
    with pytest.raises(ImageError):
        make()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 300 << 20)
    with pytest.raises(ImageError, match="huge.png.*314572800 bytes"):
        Image.from_file(path)


@pytest.mark.parametrize(
    "prompt", [[RED, Path("cat.png")], [RED, b"x"], {"image": RED}, [["x"]], (3,)], ids=repr
)
async def test_a_wrong_prompt(bench: Bench, prompt: Any) -> None:
    with pytest.raises(UsageError, match="accepted"):
        await bench.ask(bench.agent(), prompt)


async def test_scaled_down_where_the_user_allows_it(bench: Bench) -> None:
    big, small = Image.from_bytes(wide(9000, 6000)), RED
    chat = bench.agent(scale=True).conversation()
    await bench.ask(chat, ["Look", big, small])
    first, second = chat.images.values()
    assert (first.width, first.height) == (8192, 5461)
    assert second.bytes() == RED.bytes()
    assert first.to_pillow().size == (8192, 5461)


async def test_one_that_is_no_picture_is_not_scaled_either(bench: Bench) -> None:
    assert "picture 1" in await refused(bench, Image.from_bytes(PNG_HEAD + b"\0" * 60), scale=True)
    assert "picture 1" in await refused(bench, Image.from_bytes(wide(30000, 30000)), scale=True)


async def test_the_time_to_fetch_it_is_the_runs(bench: Bench) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/a.png"
        async with OpenRouter(
            api_key="sk-or-test-key", base_url=f"http://127.0.0.1:{port}/api/v1"
        ) as client:
            agent = bench.agent(
                client=client, limits=Limits(seconds=0.3), fetch=FetchPolicy(private=True)
            )
            with pytest.raises(DeadlineExceeded, match="picture 2 of the prompt"):
                await bench.ask(agent, [RED, Image.from_url(url)])
    assert not bench.emulator.requests


async def test_a_tools_picture_that_cannot_be_had_is_a_failure(bench: Bench) -> None:
    @tool
    def shoot() -> dict[str, Any]:
        """Takes pictures."""
        return {"good": RED, "bad": Image.from_bytes(PNG_HEAD + b"\0" * 60)}

    bench.emulator.play([Reply([CallTool("shoot", id="s")]), Reply([Say("One.")])])
    async with bench.agent(tools=[shoot]).stream("Go") as stream:
        events = [event async for event in stream]
    answer = stream.answer
    (failure,) = answer.failures
    assert (failure.source.place, failure.invocation_id) == ("tool", "s")
    assert failure.kept is not None
    assert [event.failure for event in events if isinstance(event, ImageFailed)] == [failure]
    assert answer.invocations[0].status == "completed"
    assert '"good":"img_1"' in (answer.invocations[0].result or "")
    assert "a picture that could not be had: " in (answer.invocations[0].result or "")
    assert failure.reason in str(bench.emulator.requests[1].body)
