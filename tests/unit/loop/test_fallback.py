"""`ImageGeneration(fallback=studio)`: the server tool where it can be had, the studio's tools where
it is refused.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkit import ImageGeneration, ModelSettings
from agentkit.emulator import CallTool, Draw, RawReply, Reply, Say
from agentkit.errors import APIError, PermissionRefused, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import Bench

REFUSED = RawReply(404, b'{"error": {"code": 404, "message": "No endpoints found that support the server tool openrouter:image_generation"}}')  # fmt: skip


def tools_of(request: Any) -> list[str]:
    return [each.get("name") or each.get("function", {}).get("name") or each["type"] for each in request.body["tools"]]  # fmt: skip


def posts(bench: Bench) -> list[Any]:
    return [request for request in bench.emulator.requests if request.method == "POST" and "/images" not in request.path]  # fmt: skip


def studio_of(bench: Bench) -> Studio:
    return Studio(client=bench.client, store=bench.store)


async def test_the_server_tool_is_used_where_it_can(bench: Bench) -> None:
    agent = bench.agent(tools=[ImageGeneration(fallback=studio_of(bench))])
    answer = await bench.ask(agent, "Draw a fox in the snow")
    assert len(answer.images) == 1
    assert [call.executor for call in answer.invocations] == ["server"]


async def test_the_studio_where_it_is_refused(bench: Bench) -> None:
    bench.emulator.play(
        [
            REFUSED,
            Reply([CallTool("draw_image", {"prompt": "a fox"})]),
            Reply([Draw("a fox")]),
            Reply([Say("There it is.")]),
            Reply([Say("Hello.")]),
        ]
    )
    agent = bench.agent(tools=[ImageGeneration(aspect_ratio="3:2", fallback=studio_of(bench))])
    chat = agent.conversation()
    answer = await bench.ask(chat, "Draw a fox")
    assert answer.text == "There it is."
    assert [image.name for image in answer.images] == ["img_1"]
    assert [(call.name, call.executor, call.images) for call in answer.invocations] == [
        ("draw_image", "client", ("img_1",))
    ]
    drawn = next(request for request in bench.emulator.requests if request.path.endswith("/images"))
    assert drawn.body["aspect_ratio"] == "3:2"
    await bench.ask(chat, "Hello")  # what was refused once is not tried again
    assert [tools_of(request) for request in posts(bench)] == [
        ["openrouter:image_generation"],
        *[["draw_image", "edit_image"]] * 3,
    ]


async def test_a_forced_drawing_is_forced_there_too(bench: Bench) -> None:
    bench.emulator.play(
        [
            REFUSED,
            Reply([CallTool("draw_image", {"prompt": "a fox"})]),
            Reply([Draw("a fox")]),
            Reply([Say("There.")]),
        ]
    )
    settings = ModelSettings(tool_choice="openrouter:image_generation")
    agent = bench.agent(tools=[ImageGeneration(fallback=studio_of(bench))], settings=settings)
    assert len((await bench.ask(agent, "Draw a fox")).images) == 1
    assert "draw_image" in json.dumps(posts(bench)[1].body["tool_choice"])


@pytest.mark.parametrize(
    "reply",
    [
        RawReply(404, b'{"error": {"message": "No such model"}}'),
        RawReply(401, b'{"error": {"message": "server tools need a key"}}'),
        RawReply(402, b'{"error": {"message": "no credits for image_generation"}}'),
    ],
    ids=lambda each: str(each.status),
)
async def test_another_error_is_an_error(reply: RawReply, bench: Bench) -> None:
    bench.emulator.play([reply])
    with pytest.raises(APIError):
        await bench.ask(
            bench.agent(tools=[ImageGeneration(fallback=studio_of(bench))]), "Draw a fox"
        )
    assert len(posts(bench)) == 1


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "The image_generation request was refused",
            "metadata": {"reasons": ["violence"]},
        },
        {"message": "image_generation: your prompt was flagged by our moderation"},
        {
            "message": "Provider returned error",
            "metadata": {"raw": "image_generation was blocked by the safety system"},
        },
    ],
    ids=["reasons", "words", "raw"],
)
async def test_what_moderation_refused_is_not_drawn_by_another_tool(
    error: dict[str, Any], bench: Bench
) -> None:
    refused = RawReply(403, json.dumps({"error": {"code": 403, **error}}).encode())
    bench.emulator.play([refused, Reply([CallTool("draw_image", {"prompt": "gore"})])])
    agent = bench.agent(tools=[ImageGeneration(fallback=studio_of(bench))])
    with pytest.raises(PermissionRefused):
        await bench.ask(agent, "Draw gore")
    assert len(posts(bench)) == 1
    bench.emulator.play([Reply([Say("Hello.")])])
    await bench.ask(agent, "Hello")  # nor is the server tool taken for one that cannot be had
    assert tools_of(posts(bench)[1]) == ["openrouter:image_generation"]


async def test_without_a_fallback_a_refusal_is_an_error(bench: Bench) -> None:
    bench.emulator.play([REFUSED])
    with pytest.raises(APIError, match="server tool"):
        await bench.ask(bench.agent(tools=[ImageGeneration()]), "Draw a fox")


def test_options_that_the_studio_cannot_draw_with_are_refused_at_once(
    store: MemoryImageStore,
) -> None:
    studio = Studio(store=store)
    with pytest.raises(
        UsageError,
        match=r"ImageGeneration\(fallback=…\): the studio cannot draw like this: .*contradict",
    ):
        ImageGeneration(size="1024x1024", aspect_ratio="16:9", fallback=studio)
    assert ImageGeneration(aspect_ratio="16:9", fallback=studio).fallback is studio
