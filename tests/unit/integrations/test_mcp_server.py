"""An agent as an MCP server: pictures, turns, questions, progress and cancellation, as clients of
both eras of the protocol see them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from io import BytesIO
from typing import Any

import PIL.Image
import pytest
from mcp import MCPError
from mcp_types import ElicitResult, ImageContent, ResourceLink, TextContent

from agentkit import Agent, Context, File, Image, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.integrations import mcp
from agentkit.integrations.chats import Chats
from agentkit.integrations.mcp.previews import preview_of
from agentkit.integrations.mcp.results import result_of
from agentkit.integrations.portable import PortableReply
from tests.clock import advance, until
from tests.conftest import picture
from tests.unit.integrations.mcp_clients import WAYS, connected

RED = picture("red", (20, 10))
NOISE = picture(size=(500, 400), noise=7)

ran: list[str] = []


@tool(approve=True)
def send(to: str) -> str:
    """Send the picture."""
    ran.append(to)
    return f"sent to {to}"


@pytest.fixture
def agent(client: OpenRouter, store: MemoryImageStore) -> Agent[Any]:
    ran.clear()
    return Agent("openai/gpt-5.2", client=client, store=store, checks=False, tools=[send])


@pytest.fixture(params=WAYS)
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


def text_of(result: Any) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, TextContent))


async def test_a_picture_and_a_second_turn(
    agent: Agent[Any], emulator: Emulator, protocol: str
) -> None:
    emulator.play([Reply([Say("A fox."), Draw("a fox", data=NOISE)]), Reply([Say("With a hat.")])])
    async with connected(mcp.server(agent), protocol) as client:
        (offered,) = (await client.list_tools()).tools
        assert offered.name == "draw"
        first = await client.call_tool("draw", {"prompt": "Draw a fox"})
        assert not first.is_error
        told, preview, link = first.content
        assert isinstance(told, TextContent)
        assert isinstance(preview, ImageContent)
        assert isinstance(link, ResourceLink)
        assert "A fox." in told.text
        assert "img_1" in told.text
        assert len(preview.data) <= 24_000
        assert max(PIL.Image.open(BytesIO(base64.b64decode(preview.data))).size) <= 384
        data = first.structured_content
        assert data["images"][0]["bytes"] == len(NOISE)
        assert data["images"][0]["uri"] == str(link.uri)
        assert data["status"] == "completed"
        assert data["cost_usd"] > 0
        (read,) = (await client.read_resource(str(link.uri))).contents
        assert base64.b64decode(read.blob) == NOISE
        assert read.mime_type == link.mime_type == "image/png"
        arguments = {"prompt": "Put a hat on img_1", "conversation": data["conversation"]}
        second = await client.call_tool("draw", arguments)
        assert "With a hat." in text_of(second)
        assert second.structured_content["conversation"] == data["conversation"]
    assert "Draw a fox" in json.dumps(emulator.requests[-1].body)


async def test_a_file_is_linked_and_read(
    client: OpenRouter, store: MemoryImageStore, emulator: Emulator, protocol: str
) -> None:
    table = b"day,rain\nMonday,7\n"

    @tool
    def export() -> File:
        """A table."""
        return File.from_bytes(table, name="rain\u202e.csv")

    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False, tools=[export])
    emulator.play(CallTool("export", {}), "Here.")
    async with connected(mcp.server(agent), protocol) as reader:
        result = await reader.call_tool("draw", {"prompt": "Export"})
        told, link = result.content
        assert isinstance(told, TextContent)
        assert isinstance(link, ResourceLink)
        (facts,) = result.structured_content["files"]
        assert (facts["handle"], facts["bytes"], facts["uri"]) == ("file_1", 18, str(link.uri))
        assert (link.name, link.mime_type, link.size) == ("file_1", "text/csv", 18)
        assert f"18 bytes), {link.uri}]" in told.text
        assert "\u202e" not in f"{told.text}{link.title}{facts['name']}"
        (read,) = (await reader.read_resource(str(link.uri))).contents
        assert (base64.b64decode(read.blob), read.mime_type) == (table, "text/csv")
        for wrong in ("0" * 64, "../x", ""):
            with pytest.raises(MCPError, match="no such picture"):
                await reader.read_resource(f"agentkit://files/{wrong}")


@pytest.mark.parametrize(
    ("answer", "is_run"),
    [
        (ElicitResult(action="accept", content={"approve": True}), True),
        (ElicitResult(action="accept", content={"approve": "true"}), False),
        (ElicitResult(action="accept", content={"approve": 1}), False),
        (ElicitResult(action="accept", content={"approve": False, "reason": "too far"}), False),
        (ElicitResult(action="accept"), False),
        (ElicitResult(action="decline"), False),
        (ElicitResult(action="decline", content={"approve": True}), False),
        (ElicitResult(action="cancel"), False),
    ],
    ids=str,
)
async def test_a_person_decides(
    agent: Agent[Any], emulator: Emulator, answer: ElicitResult, is_run: bool
) -> None:
    asked: list[Any] = []

    async def decide(_: Any, params: Any) -> ElicitResult:
        asked.append(params)
        return answer

    emulator.play([Reply([CallTool("send", {"to": "Ada"}, id="a")]), Reply([Say("Well.")])])
    async with connected(mcp.server(agent), WAYS[0], elicitation_callback=decide) as client:
        result = await client.call_tool("draw", {"prompt": "Send it"})
    assert "Well." in text_of(result)
    assert result.structured_content["status"] == "completed"
    assert ran == (["Ada"] if is_run else [])
    assert len(asked) == 1
    assert '"to": "Ada"' in asked[0].message
    if answer.content and answer.content.get("reason"):
        assert "too far" in json.dumps(emulator.requests[-1].body)


async def test_two_calls_and_then_another(
    agent: Agent[Any], emulator: Emulator, protocol: str
) -> None:
    emulator.play(
        [
            Reply(
                [CallTool("send", {"to": "Ada"}, id="a"), CallTool("send", {"to": "Bob"}, id="b")]
            ),
            Reply([CallTool("send", {"to": "Cyd"}, id="c")]),
            Reply([Say("All of them.")]),
        ]
    )

    async def decide(_: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": "Bob" not in params.message})

    async with connected(mcp.server(agent), protocol, elicitation_callback=decide) as client:
        result = await client.call_tool("draw", {"prompt": "Send it"})
    assert "All of them." in text_of(result)
    assert sorted(ran) == ["Ada", "Cyd"]


async def test_a_client_that_cannot_ask_is_told(
    agent: Agent[Any], emulator: Emulator, protocol: str
) -> None:
    emulator.play([Reply([CallTool("send", {"to": "Ada"}, id="a")]), Reply([Say("Never mind.")])])
    async with connected(mcp.server(agent), protocol) as client:
        result = await client.call_tool("draw", {"prompt": "Send it"})
        assert "waits for a person" in text_of(result)
        data = result.structured_content
        assert data["status"] == "paused"
        assert data["pending"] == [{"id": "a", "name": "send", "arguments": {"to": "Ada"}}]
        arguments = {"prompt": "Leave it", "conversation": data["conversation"]}
        assert "Never mind." in text_of(await client.call_tool("draw", arguments))
    assert ran == []


async def test_a_question_that_nobody_answers(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("send", {"to": "Ada"}, id="a")])])
    asked = asyncio.Event()

    async def decide(_: Any, __: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async with connected(mcp.server(agent), WAYS[1], elicitation_callback=decide) as client:
        call = asyncio.ensure_future(client.call_tool("draw", {"prompt": "Send it"}))
        await asked.wait()
        advance(601)
        result = await call
    assert result.structured_content["status"] == "paused"
    assert ran == []


async def test_the_state_of_a_question_is_used_once(agent: Agent[Any], emulator: Emulator) -> None:
    emulator.play(
        [Reply([CallTool("send", {"to": "Ada"}, id="a")]), Reply([Say("Sent.")]), Reply([Say("?")])]
    )

    async def decide(_: Any, __: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    async with connected(mcp.server(agent), WAYS[0], elicitation_callback=decide) as client:
        session, arguments = client.session, {"prompt": "Send it"}
        asked: Any = await session.call_tool("draw", arguments, allow_input_required=True)
        assert list(asked.input_requests) == ["call_1"]
        yes = {"call_1": ElicitResult(action="accept", content={"approve": True})}

        async def answered(state: str, given: Any = arguments) -> Any:
            return await session.call_tool(
                "draw", given, input_responses=yes, request_state=state, allow_input_required=True
            )

        for state, given in (
            (asked.request_state[:-4] + "AAAA", arguments),
            ("made up", arguments),
            (asked.request_state, {"prompt": "Send it to Eve"}),
        ):
            with pytest.raises(MCPError, match="requestState"):
                await answered(state, given)
        assert ran == []
        assert "Sent." in text_of(await answered(asked.request_state))
        again = await answered(asked.request_state)
        assert again.is_error
        assert "answered before" in text_of(again)
    assert ran == ["Ada"]


async def test_progress(agent: Agent[Any], emulator: Emulator, protocol: str) -> None:
    seen: list[tuple[float, str]] = []

    async def hear(progress: float, _: float | None, message: str | None) -> None:
        seen.append((progress, message or ""))

    emulator.play([Reply([CallTool("nothing", {}, id="a")]), Reply([Draw("a fox", data=RED)])])
    async with connected(mcp.server(agent), protocol) as client:
        await client.call_tool("draw", {"prompt": "Draw"}, progress_callback=hear)
        await until(lambda: any("drawn" in words for _, words in seen))
    assert [words for _, words in seen] == [
        "calls nothing",
        "calls openrouter:image_generation",
        "img_1 is drawn",
    ]
    assert seen[0][0] < seen[1][0]


async def test_a_call_that_is_cancelled_stops_the_run(
    agent: Agent[Any], emulator: Emulator, protocol: str
) -> None:
    emulator.play([Reply([Draw("a fox", data=RED), Say("And")], hang=True)])
    server = mcp.server(agent)
    async with connected(server, protocol) as client:
        call = asyncio.ensure_future(client.call_tool("draw", {"prompt": "Draw"}))
        await until(lambda: server.tool.chats.image(Image.from_bytes(RED).sha256))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (chat,) = server.tool.chats._chats.values()
        await until(lambda: len(chat.messages) == 2)
        assert chat.images["img_1"].bytes() == RED
    await server.settled()


async def test_what_came_before_an_error_is_not_lost(
    agent: Agent[Any], emulator: Emulator, protocol: str
) -> None:
    emulator.play(
        [
            Reply([Say("A fox."), Draw("a fox", data=RED), CallTool("nothing", {}, id="a")]),
            Failure("the provider refuses", 400),
        ]
    )
    async with connected(mcp.server(agent), protocol) as client:
        result = await client.call_tool("draw", {"prompt": "Draw"})
        assert result.is_error
        assert "the provider refuses" in text_of(result)
        assert result.structured_content["status"] == "failed"
        uri = result.structured_content["images"][0]["uri"]
        assert base64.b64decode((await client.read_resource(uri)).contents[0].blob) == RED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "accepted is text"),
        ({"prompt": ""}, "accepted is text"),
        ({"prompt": 5}, "accepted is text"),
        ({"prompt": "x", "images": "img_1"}, "a list of texts"),
        ({"prompt": "x", "images": [1]}, "a list of texts"),
        ({"prompt": "x", "images": ["/etc/passwd"]}, "accepted is a data URL"),
        ({"prompt": "x", "images": ["file:///etc/passwd"]}, "accepted is a data URL"),
        ({"prompt": "x", "images": ["http://127.0.0.1:9/x.png"]}, "127.0.0.1"),
        ({"prompt": "x", "conversation": "made-up"}, "not known here"),
        ({"prompt": "x", "conversation": 5}, "accepted is text"),
        ({"prompt": "x", "path": "/tmp"}, "is no argument"),
    ],
    ids=str,
)
async def test_arguments_that_cannot_be_right(
    agent: Agent[Any], emulator: Emulator, arguments: Any, words: str
) -> None:
    async with connected(mcp.server(agent), WAYS[1]) as client:
        result = await client.call_tool("draw", arguments)
    assert result.is_error
    assert words in text_of(result)
    assert emulator.requests == []


@pytest.mark.parametrize(
    "uri",
    [
        "agentkit://images/" + "0" * 64,
        "agentkit://images/../../etc/passwd",
        "agentkit://images/%2e%2e/etc/passwd",
        "agentkit://images/",
        "file:///etc/passwd",
        "https://example.com/a.png",
    ],
)
async def test_only_its_own_pictures_are_read(
    agent: Agent[Any], emulator: Emulator, store: MemoryImageStore, uri: str
) -> None:
    async with connected(mcp.server(agent), WAYS[1]) as client:
        with pytest.raises(MCPError, match="no such picture"):
            await client.read_resource(uri)
        elsewhere = agent.conversation()
        emulator.play([Reply([Draw("a fox", data=RED)])])
        (image,) = (await elsewhere.send("Draw")).images
        with pytest.raises(MCPError, match="no such picture"):
            await client.read_resource(f"agentkit://images/{image.sha256}")


async def test_an_unknown_tool(agent: Agent[Any], protocol: str) -> None:
    async with connected(mcp.server(agent), protocol) as client:
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("paint", {"prompt": "x"})


@pytest.mark.parametrize("limit", [24_000, 2_000, 0])
def test_previews_of_every_kind(limit: int) -> None:
    shapes = [(16, 16), (384, 384), (900, 20)]
    pictures = [picture(size=size, noise=seed) for seed, size in enumerate(shapes, 1)]
    pictures += [
        picture("red", size, form) for size in shapes for form in ("GIF", "BMP", "WEBP", "TIFF")
    ]
    for data in pictures:
        found = preview_of(Image.from_bytes(data), limit)
        if not limit:
            assert found is None
            continue
        assert found is not None
        assert len(found.data) <= limit
        shown = PIL.Image.open(BytesIO(base64.b64decode(found.data)))
        assert max(shown.size) <= 384


def test_what_shows_through_is_white_and_a_vector_has_no_preview() -> None:
    file = BytesIO()
    PIL.Image.new("RGBA", (900, 900), (255, 0, 0, 0)).save(file, "PNG")
    found = preview_of(Image.from_bytes(file.getvalue()), 2_000)
    assert found is not None
    shown: Any = PIL.Image.open(BytesIO(base64.b64decode(found.data))).convert("RGB")
    assert min(shown.getpixel((5, 5))) > 250
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    assert preview_of(Image.from_bytes(svg), 24_000) is None
    assert preview_of(Image.from_bytes(NOISE[: len(NOISE) // 2]), 24_000) is None


async def test_a_result_is_never_too_long(agent: Agent[Any], emulator: Emulator) -> None:
    drawn = [
        Draw(f"noise {seed}", data=picture(size=(90, 90), noise=seed)) for seed in range(1, 51)
    ]
    emulator.play([Reply([Say("“\x01é" * 200_000), *drawn])])
    answer = await agent.run("Draw")
    assert len(answer.images) == 50
    previews = {image.sha256: preview_of(image, 24_000) for image in answer.images}
    result = result_of(PortableReply(answer.shown, answer, "chat"), previews)
    text = result.model_dump_json(by_alias=True, exclude_none=True)
    assert len(text) <= 900_000
    assert sum(isinstance(each, ResourceLink) for each in result.content) == 50
    assert sum(isinstance(each, ImageContent) for each in result.content) >= 40
    assert "[conversation: chat]" in text


@pytest.mark.slow
async def test_previews_of_large_pictures_are_small(agent: Agent[Any], emulator: Emulator) -> None:
    """Fifty pictures of 0.1 to 30 MB: noise, the worst that a preview can be made of."""
    sides = [3_500, *range(200, 1_180, 20)]
    drawn = [Draw(f"noise {side}", data=picture(size=(side, side), noise=side)) for side in sides]
    assert len(drawn[0].data or b"") > 30_000_000
    emulator.play([Reply([Draw(each.prompt, data=each.data)]) for each in drawn])
    for at in range(len(drawn)):
        answer = await agent.run(f"Draw number {at}")
        (image,) = answer.images
        found = preview_of(image, 24_000)
        assert found is not None
        assert len(found.data) <= 24_000
        result = result_of(PortableReply(answer.shown, answer, "c"), {image.sha256: found})
        assert len(result.model_dump_json(by_alias=True)) <= 30_000


@pytest.mark.parametrize("letters", [199_900, 200_001, 500_000])
async def test_a_long_text_leaves_the_note_behind_it(
    agent: Agent[Any], emulator: Emulator, letters: int
) -> None:
    emulator.play([Reply([Say("a" * letters), Draw("a fox", data=RED)])])
    answer = await agent.run("Draw")
    told = text_of(result_of(PortableReply(answer.shown, answer, "chat"), {}))
    assert told.endswith("[conversation: chat]")
    assert "[img_1: 20×10 image/png" in told
    assert ("cut here" in told) == (letters > 200_000)


async def test_the_longest_result_of_all_is_never_too_long(
    agent: Agent[Any], emulator: Emulator
) -> None:
    calls = [CallTool("send", {"to": "x" * 1_900}, id=f"c{at}") for at in range(60)]
    drawn = [Draw("\x01“" * 400, data=picture(size=(9, 9), noise=seed)) for seed in range(1, 421)]
    emulator.play([Reply([Say("\x01“é" * 200_000), *drawn, *calls])])
    answer = await agent.run("Draw")
    result = result_of(PortableReply(answer.shown, answer, "chat"), {}, error="\x01" * 200_000)
    text = result.model_dump_json(by_alias=True, exclude_none=True)
    assert len(text) <= 900_000
    assert text_of(result).endswith("[conversation: chat]")


@pytest.mark.parametrize(
    "options",
    [{"name": "no spaces"}, {"preview": -1}, {"preview": 10**7}, {"preview": True}, {"kept": 0}],
    ids=str,
)
def test_a_server_that_cannot_be(agent: Agent[Any], options: Any) -> None:
    with pytest.raises(UsageError, match="accepted"):
        mcp.server(agent, **options)


def test_without_the_sdk(agent: Agent[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    with pytest.raises(UsageError, match=r"pip install 'agentkit-openrouter\[mcp\]'"):
        mcp.server(agent)


def test_chats_are_found_by_whole_names(agent: Agent[Any]) -> None:
    chats = Chats(agent, 3)
    name, chat = chats.open("")
    chats.keep(name, chat)
    assert chats.open(name) == (name, chat)
    assert chats.image("img_1") is None


def asker() -> Any:
    @tool
    def book(context: Context, day: str) -> str:
        """Book a table."""
        form = {"properties": {"guests": {"type": "integer"}}, "required": ["guests"]}
        said = context.ask("For how\x1b many?", form)
        sure = context.ask("Sure?", {})
        ran.append(f"{day} {said} {sure}")
        return ran[-1]

    return book


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ElicitResult(action="accept", content={"guests": 2}), "{'guests': 2}"),
        (ElicitResult(action="accept", content={"guests": "two"}), "None"),
        (ElicitResult(action="accept"), "None"),
        (ElicitResult(action="decline"), "None"),
        (ElicitResult(action="cancel"), "None"),
    ],
    ids=str,
)
async def test_a_tool_that_asks(
    agent: Agent[Any], emulator: Emulator, answer: ElicitResult, said: str
) -> None:
    asking = Agent(agent.model, client=agent.client, checks=False, tools=[asker()])
    for way in WAYS[:2]:
        asked: list[Any] = []

        async def decide(_: Any, params: Any, asked: list[Any] = asked) -> ElicitResult:
            asked.append(params)
            return answer if len(asked) == 1 else ElicitResult(action="accept", content={})

        ran.clear()
        emulator.play([Reply([CallTool("book", {"day": "Mon"}, id="b")]), Reply([Say("Well.")])])
        async with connected(mcp.server(asking), way, elicitation_callback=decide) as client:
            result = await client.call_tool("draw", {"prompt": "Book"})
        assert "Well." in text_of(result)
        assert ran == [f"Mon {said} {{}}"]
        assert [each.message for each in asked] == ["For how␛ many?", "Sure?"]
        assert asked[0].requested_schema["properties"] == {"guests": {"type": "integer"}}


async def test_a_client_that_cannot_ask_is_told_the_question(
    agent: Agent[Any], emulator: Emulator
) -> None:
    asking = Agent(agent.model, client=agent.client, checks=False, tools=[asker()])
    emulator.play([Reply([CallTool("book", {"day": "Mon"}, id="b")])])
    async with connected(mcp.server(asking), WAYS[0]) as client:
        result = await client.call_tool("draw", {"prompt": "Book"})
    assert "[the person is asked: For how" in text_of(result)
    assert result.structured_content["pending"][0]["question"].endswith("many?")


async def test_a_question_goes_through_two_servers(agent: Agent[Any], emulator: Emulator) -> None:
    """Our client asks our server, whose tool asks: the run that waits is the client's."""
    asking = Agent(agent.model, client=agent.client, checks=False, tools=[asker()])
    emulator.play(
        [
            Reply([CallTool("draw", {"prompt": "Book"}, id="d")]),
            Reply([CallTool("book", {"day": "Mon"}, id="b")]),
        ]
    )
    async with mcp.tools(mcp.server(asking).sdk) as tools:
        caller = Agent(agent.model, client=agent.client, checks=False, tools=[tools])
        answer = await caller.run("Book")
        assert answer.status == "paused"
        answer = await caller.resume(answer.run, answers={"d": {"guests": 3}})
        emulator.play([Reply([Say("Well.")]), Reply([Say("Done.")])])
        done = await caller.resume(answer.run, answers={"d": {}})
    assert done.text == "Done."
    assert ran == ["Mon {'guests': 3} {}"]
