"""Pictures are known by their shape: wherever in a reply they stand, and however new the item is."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest

from agentkit import ImageGeneration
from agentkit.emulator import Draw, Raw, Reply, Say
from agentkit.errors import UsageError
from tests.conftest import Bench, picture
from tests.unit.loop import orphans

BIG = picture(size=(64, 48), noise=70)
SMALL = picture("red", (8, 8))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url(data: bytes) -> str:
    return f"data:image/png;base64,{b64(data)}"


def block(data: bytes) -> dict[str, Any]:
    return {"type": "image", "data": b64(data), "mimeType": "image/png"}


def interpreter(*outputs: Any) -> dict[str, Any]:
    return {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "plot()",
            "container_id": "cntr_1", "outputs": list(outputs)}  # fmt: skip


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": "it_1", "status": "completed", **fields}


def items(data: bytes) -> dict[str, dict[str, Any]]:
    logs = {"type": "logs", "logs": "hello"}
    return {
        "the output of code": interpreter(logs, {"type": "image", "url": url(data)}),
        "a file": interpreter({"type": "file", "media_type": "image/png", "data": b64(data)}),
        "a screenshot": item("openrouter:browser_use", action="look", screenshotB64=b64(data)),
        "json of MCP": item("mcp_call", name="shot", output=json.dumps([block(data)])),
        "words of MCP": item("mcp_call", name="shot", output=f"Here: ![x]({url(data)})."),
        "a new kind": item("openrouter:hologram", thing={"deep": [b64(data)]}),
        "no call": item("strange_thing", payload=[{"inline_data": block(data)}]),
        "a part": item("message", role="assistant", content=[
            {"type": "output_text", "text": "Here.", "annotations": []},
            {"type": "file", "file": {"filename": "a.png", "file_data": url(data)}},
        ]),
    }  # fmt: skip


@pytest.mark.parametrize("name", items(BIG))
async def test_a_picture_in_an_item(bench: Bench, name: str) -> None:
    """Also a short one, which the spool does not see, if its shape tells."""
    if bench.way.api == "chat":
        return
    for data in (BIG, SMALL):
        bench.emulator.play([Reply([Raw(responses=items(data)[name])]), Reply([Say("Yes.")])])
        chat = bench.agent().conversation()
        answer = await bench.ask(chat, "Plot")
        assert [image.bytes() for image in answer.images] == [data]
        assert answer.failures == ()
        for call in answer.invocations:
            assert call.images == ("img_1",)
            assert "img_1" in (call.result or "")
            assert "base64" not in (call.result or "")
        await bench.ask(chat, "Do you see it?")
        body = json.dumps(bench.emulator.requests[-1].body)
        # An API takes a picture as a part of a message, and nowhere else here.
        assert (b64(data)[:60] in body) == (name == "a part")
        assert "agentkit-blob" not in body
        assert "img_1" in body
        assert orphans.complaints(bench.emulator.requests[-1].body) == []


@pytest.mark.parametrize("data", [BIG, SMALL])
async def test_a_picture_in_the_record_of_any_server_tool(bench: Bench, data: bytes) -> None:
    if bench.way.api == "responses":
        return
    detail = {
        "type": "reasoning.server_tool_call",
        "tool_name": "openrouter:code_interpreter",
        "tool_call_id": "c_1",
        "arguments": '{"code": "plot()"}',
        "result": json.dumps({"stdout": "ok", "images": [{"type": "image", "url": url(data)}]}),
        "index": 0,
    }
    bench.emulator.play(
        [Reply([Raw(chat={"reasoning_details": [detail]}), Say("Here.")]), Reply([Say("Yes.")])]
    )
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Plot")
    assert [image.bytes() for image in answer.images] == [data]
    (call,) = answer.invocations
    assert (call.name, call.images) == ("openrouter:code_interpreter", ("img_1",))
    assert json.loads(call.result or "")["images"] == [{"type": "image", "url": "img_1"}]
    await bench.ask(chat, "Do you see it?")
    assert b64(data)[:60] not in json.dumps(bench.emulator.requests[-1].body)


async def test_a_temporary_url_is_shown_to_nobody(bench: Bench) -> None:
    """The emulator signs its URLs with a `token`."""
    places = (
        ("server_tool_call",)
        if bench.way.api == "chat"
        else ("code_interpreter_call", "server_tool_item")
    )
    draws = [Draw("a fox", places=(place,), shape="file", data=BIG) for place in places]
    if bench.way.api == "chat":
        draws = [Draw("a fox", places=places, shape="url", data=BIG)]
    bench.emulator.play([Reply([*draws, Say("Here.")])])
    async with bench.agent(tools=[ImageGeneration()]).stream("Draw") as stream:
        events = [str(event) async for event in stream]
    answer = stream.answer
    assert [image.bytes() for image in answer.images] == [BIG]
    assert "img_1" in (answer.invocations[0].result or "")
    assert "token=" not in answer.run.to_json()
    assert "token=" not in "".join(events)


NOT_RUN = "not run: such a call is left to the program, and agentkit has no tool for it"
CALLS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "output": (
        item("mcp_call", name="look", server_label="x", arguments='{"a": 1}', output="seen"),
        ("look", "completed", {"a": 1}, "seen", None),
    ),
    "an error": (
        item("mcp_call", name="look", arguments="{}", status="failed", error={"message": "no"}),
        ("look", "failed", {}, None, "no"),
    ),
    "a page": (
        item("openrouter:web_fetch", url="https://a.example", title="A", content="words"),
        ("openrouter:web_fetch", "completed", {"url": "https://a.example"},
         '{"title":"A","content":"words"}', None),
    ),
    "logs": (
        interpreter({"type": "logs", "logs": "hello"}),
        ("code_interpreter_call", "completed", {"code": "plot()"},
         '[{"type":"logs","logs":"hello"}]', None),
    ),
    "advice": (
        item("openrouter:advisor", prompt="How?", advice="Slowly."),
        ("openrouter:advisor", "completed", {"prompt": "How?"}, "Slowly.", None),
    ),
    "queries": (
        item("file_search_call", queries=["a", "b"], results=[{"text": "found"}]),
        ("file_search_call", "completed", {"queries": ["a", "b"]}, '[{"text":"found"}]', None),
    ),
    "blocked": (
        item("openrouter:armor_blocked", name="rm", arguments='{"f": 1}', reason="not allowed"),
        ("rm", "denied", {"f": 1}, "not allowed", "not allowed"),
    ),
    "a call that nobody ran": (
        item("custom_tool_call", name="doit", call_id="c_1", input="x"),
        ("doit", "cancelled", {"input": "x"}, None, NOT_RUN),
    ),
    "a call that failed": (
        item("custom_tool_call", name="doit", call_id="c_1", input="x", status="failed"),
        ("doit", "failed", {"input": "x"}, None, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_told_whole_and_as_it_ended(bench: Bench, name: str) -> None:
    if bench.way.api == "chat":
        return
    given, expected = CALLS[name]
    bench.emulator.play([Reply([Raw(responses=given), Say("Done.")])])
    answer = await bench.ask(bench.agent(), "Go")
    (call,) = answer.invocations
    assert (call.name, call.status, call.arguments, call.result, call.error) == expected
    assert answer.pending == ()


async def test_what_a_server_of_mcp_asks_for_is_pending(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    asked = item("mcp_approval_request", name="delete", server_label="x", arguments='{"f": 1}')
    bench.emulator.play([Reply([Raw(responses=asked)])])
    answer = await bench.ask(bench.agent(), "Go")
    (call,) = answer.pending
    assert (call.id, call.name, call.arguments) == ("it_1", "delete", {"f": 1})


async def test_what_the_reply_says_it_drew_and_nobody_finds(bench: Bench) -> None:
    usage = {"completion_tokens_details": {"image_tokens": 1290}}
    details = {"output_tokens_details": {"image_tokens": 1290}}
    quirk = Reply(
        [Say("Here: ![a fox](https://pictures.example/fox.png)")],
        usage=usage if bench.way.api == "chat" else details,
    )
    bench.emulator.play([quirk])
    answer = await bench.ask(bench.agent(model="google/gemini-2.5-flash-image"), "Draw")
    (failure,) = answer.failures
    assert "1290" in failure.reason
    assert "FetchPolicy(hosts=" in failure.reason
    assert "pictures.example" in failure.reason
    bench.emulator.play([Reply([Say("See ![a fox](https://pictures.example/fox.png)")])])
    assert (await bench.ask(bench.agent(), "Show")).failures == ()


async def test_bodies_do_not_grow_with_pictures(bench: Bench) -> None:
    """A plot and a picture in words in each turn: later turns carry a line for each."""

    def said(number: int) -> Reply:
        plot = picture(size=(64, 48), noise=100 + number)
        drawn = picture(size=(64, 48), noise=200 + number)
        output = {"type": "image", "url": url(plot)}
        mcp = item("mcp_call", id=f"m_{number}", name="shot", output=json.dumps([block(plot)]))
        words = Say(f"Here: ![a]({url(drawn)}) and no more.")
        if bench.way.api == "chat":
            return Reply([words])
        code = {**interpreter(output), "id": f"ci_{number}"}
        return Reply([Raw(responses=code), Raw(responses=mcp), words])

    bench.emulator.play([said(number) for number in range(10)])
    chat = bench.agent().conversation()
    for _ in range(10):
        await bench.ask(chat, "Once more")
    sizes = [len(json.dumps(request.body)) for request in bench.emulator.requests]
    steps = [after - before for before, after in pairwise(sizes[6:])]
    assert max(steps) < 1500, sizes
    assert len(chat.images) == (10 if bench.way.api == "chat" else 20)


async def test_an_id_is_one_segment_of_a_path(bench: Bench) -> None:
    for container, file in (("../..", "f"), ("c", "a/b"), ("c", ""), ("c", "..")):
        with pytest.raises(UsageError, match="path segment"):
            await bench.client.container_file(container, file, lambda _: None)


def cited(container: str, name: str = "plot.png") -> dict[str, Any]:
    return {"type": "container_file_citation", "container_id": container, "file_id": "cfile_1",
            "filename": name, "start_index": 0, "end_index": 0}  # fmt: skip


async def test_files_that_a_shell_left_in_its_container(bench: Bench) -> None:
    if bench.way.api == "chat":
        return
    plot = Draw("a plot", places=("container_file",), data=BIG)
    bench.emulator.play([Reply([plot, Say("Done.")])])
    answer = await bench.ask(bench.agent(), "Plot")
    assert [image.bytes() for image in answer.images] == [BIG]
    assert answer.invocations[0].images == ("img_1",)
    for container, name, reason in (
        ("../../models", "plot.png", "no single path segment"),
        ("cntr_none", "plot.png", "404"),
    ):
        shell = item("openrouter:shell", files=[cited(container, name)])
        bench.emulator.play([Reply([Raw(responses=shell), Say("Done.")])])
        answer = await bench.ask(bench.agent(), "Plot")
        (failure,) = answer.failures
        assert reason in failure.reason


@pytest.mark.parametrize("data", [BIG, SMALL])
async def test_a_picture_in_the_form_of_another_api_goes_again_in_the_form_of_this_one(
    bench: Bench, data: bytes
) -> None:
    if bench.way.api == "responses":
        return
    source = {"type": "base64", "media_type": "image/png", "data": b64(data)}
    messages: list[dict[str, Any]] = [
        {"images": [{"inline_data": {"mime_type": "image/png", "data": b64(data)}}]},
        {"images": [url(data)]},
    ]
    if bench.way.stream:  # the emulator writes the content of a buffered message itself
        file = {"filename": "a.png", "file_data": url(data)}
        messages += [
            {"content": [{"type": "image", "source": source}]},
            {"content": [{"type": "file", "file": file}]},
        ]
    for message in messages:
        bench.emulator.play([Reply([Raw(chat=message)]), Reply([Say("Yes.")])])
        chat = bench.agent(model="google/gemini-2.5-flash-image").conversation()
        answer = await bench.ask(chat, "Draw")
        assert [image.bytes() for image in answer.images] == [data]
        await bench.ask(chat, "Do you see it?")
        (said,) = [
            each
            for each in orphans.items_of(bench.emulator.requests[-1].body)
            if each["role"] == "assistant"
        ]
        (part,) = said.get("images") or said["content"]
        assert part == {"type": "image_url", "image_url": {"url": url(data)}}


async def test_pictures_in_fields_that_are_not_known(bench: Bench) -> None:
    if bench.way.api == "responses":
        return
    for message in ({"picture": b64(BIG)}, {"files": [{"name": "a.png", "data": url(SMALL)}]}):
        bench.emulator.play([Reply([Raw(chat=message), Say("Here.")])])
        answer = await bench.ask(bench.agent(), "Draw")
        assert len(answer.images) == 1
        assert [source.place for source in answer.images[0].sources] == ["item"]


async def test_the_pages_of_a_file_that_was_given_are_no_pictures_of_the_reply(
    bench: Bench,
) -> None:
    if bench.way.api == "responses":
        return
    page = {"type": "image_url", "image_url": {"url": url(BIG)}}
    file = {"type": "file", "file": {"hash": "x", "name": "a.pdf", "content": [page]}}
    bench.emulator.play([Reply([Say("Read."), Raw(chat={"annotations": [file]})])])
    answer = await bench.ask(bench.agent(), "Read it")
    assert (answer.images, answer.failures) == ((), ())
