"""When something breaks: no picture that had arrived is lost, and no request is sent twice that may
have been billed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import ImageFailed, ImageReady
from agentkit.errors import (
    DeadlineExceeded,
    OutcomeUnknown,
    ProtocolError,
    ProviderFailed,
    RunError,
    StoreError,
    StreamInterrupted,
)
from agentkit.images.store import FileImageStore, MemoryImageStore
from tests.conftest import picture
from tests.unit.loop.test_own_store import Bucket
from tests.unit.studio.conftest import EVENTS, JSON, Line, b64, body, completed, partial, sse

BIG = picture(size=(160, 120), noise=1)
OTHER = picture(size=(120, 90), noise=2)
SMALL = picture("blue", (8, 8))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'

Made = Callable[..., Any]


async def broken(studio: Any, *, stream: bool, **options: Any) -> RunError:
    """The error of a request that has to fail."""
    with pytest.raises(RunError) as caught:
        if stream:
            async with studio.stream("a fox", **options) as watched:
                await watched.finish()
        else:
            await studio.draw("a fox", **options)
    assert caught.value.drawing is not None
    assert caught.value.generation_id == "gen-img-1"
    return caught.value


def images(error: RunError) -> list[bytes]:
    assert error.drawing is not None
    return [image.bytes() for image in error.drawing.images]


async def test_a_buffered_body_that_breaks_after_a_picture(line: Line, at_line: Made) -> None:
    line.say(body(BIG, SMALL)[:-6], whole=False)
    error = await broken(at_line(), stream=False, n=2)
    assert isinstance(error, OutcomeUnknown)
    assert images(error) == [BIG]
    assert len(line.posts) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_what_became_of_it_is_asked_and_told(line: Line, at_line: Made, stream: bool) -> None:
    line.record = json.dumps(
        {"data": {"id": "gen-img-1", "total_cost": 0.25, "cancelled": False}}
    ).encode()
    line.say(
        *((sse(partial(BIG), done=False), EVENTS) if stream else (body(BIG)[:-6], JSON)),
        whole=False,
    )
    error = await broken(at_line(lookup=5), stream=stream)
    assert isinstance(error, StreamInterrupted if stream else OutcomeUnknown)
    assert error.generation is not None
    assert error.generation.cost_usd == 0.25
    assert error.drawing is not None
    assert error.drawing.usage.cost_usd == 0.25
    assert line.gets == ["/api/v1/generation?id=gen-img-1"]
    assert len(line.posts) == 1


async def test_a_buffered_body_that_breaks_inside_a_picture(
    line: Line, at_line: Made, store: MemoryImageStore
) -> None:
    line.say(body(BIG)[:9000], whole=False)
    error = await broken(at_line(), stream=False)
    assert images(error) == []
    assert error.drawing is not None
    (failure,) = error.drawing.failures
    assert failure.kept is not None
    assert BIG.startswith(store.open(failure.kept).read())


async def test_a_body_cut_cleanly_is_no_reply(line: Line, at_line: Made) -> None:
    line.say(body(BIG)[:-3])
    error = await broken(at_line(), stream=False)
    assert isinstance(error, ProtocolError)
    assert images(error) == [BIG]


@pytest.mark.parametrize("whole", [False, True])
async def test_a_stream_that_breaks_after_one_of_two(
    line: Line, at_line: Made, whole: bool
) -> None:
    line.say(sse(partial(OTHER), completed(BIG), done=False), EVENTS, whole=whole)
    error = await broken(at_line(), stream=True, n=2)
    assert isinstance(error, StreamInterrupted)
    assert images(error) == [BIG]
    assert len(line.posts) == 1


async def test_fewer_pictures_than_were_asked_for_are_all_there_are_once_the_stream_says_so(
    line: Line, at_line: Made
) -> None:
    """`n` is an upper bound."""
    line.say(sse(completed(BIG, usage={"cost": 0.25})), EVENTS)
    async with at_line().stream("a fox", n=3) as watched:
        drawing = await watched.finish()
    assert [image.bytes() for image in drawing.images] == [BIG]
    assert drawing.usage.cost_usd == 0.25


@pytest.mark.parametrize("pictures", [(BIG, OTHER), (BIG, BIG)], ids=["two", "one twice"])
async def test_all_that_were_asked_for_need_no_done(
    line: Line, at_line: Made, pictures: tuple[bytes, ...]
) -> None:
    line.say(sse(*map(completed, pictures), done=False), EVENTS)
    async with at_line().stream("a fox", n=2) as watched:
        drawing = await watched.finish()
    assert [image.bytes() for image in drawing.images] == list(dict.fromkeys(pictures))


async def test_a_connection_that_breaks_after_the_last_picture_is_no_error(
    line: Line, at_line: Made
) -> None:
    line.say(sse(completed(BIG, usage={"cost": 0.25}), done=False), EVENTS, whole=False)
    async with at_line().stream("a fox") as watched:
        drawing = await watched.finish()
    assert drawing.image.bytes() == BIG
    assert drawing.image.cost_usd == 0.25


@pytest.mark.parametrize("event", [partial(BIG), completed(BIG)])
@pytest.mark.parametrize("cut", [3, 6000])
async def test_a_stream_that_breaks_inside_an_event(
    line: Line, at_line: Made, store: MemoryImageStore, event: dict[str, Any], cut: int
) -> None:
    """Nothing tells a preview from a picture there: it is no picture of the drawing, and it is not
    lost.
    """
    line.say(sse(partial(OTHER), event, done=False)[:-cut], EVENTS, whole=False)
    error = await broken(at_line(), stream=True)
    assert isinstance(error, StreamInterrupted)
    assert error.drawing is not None
    assert images(error) == []
    (failure,) = error.drawing.failures
    assert failure.kept is not None
    assert BIG.startswith(store.open(failure.kept).read())


async def test_only_previews_and_then_nothing(
    line: Line, at_line: Made, store: MemoryImageStore
) -> None:
    line.say(sse(partial(OTHER), partial(BIG, 1), done=False), EVENTS)
    assert isinstance(await broken(at_line(), stream=True), StreamInterrupted)
    assert store.size() == 0


async def test_an_error_event_after_a_picture(line: Line, at_line: Made) -> None:
    problem = {
        "type": "error",
        "error": {"message": "The provider broke", "code": "upstream_error", "type": None},
    }
    line.say(sse(completed(BIG), problem), EVENTS)
    error = await broken(at_line(), stream=True, n=2)
    assert isinstance(error, ProviderFailed)
    assert "The provider broke" in str(error)
    assert images(error) == [BIG]


@pytest.mark.parametrize(
    "data",
    [
        b'{"created":0,"data":[]}',
        b'{"created":0}',
        b'{"data":{}}',
        b"{}",
        b'{"data":[1,"x"]}',
        b'{"data":null}',
    ],
)
async def test_a_body_without_a_picture_is_no_success(
    line: Line, at_line: Made, data: bytes
) -> None:
    line.say(data)
    assert isinstance(await broken(at_line(), stream=False), ProtocolError)


async def test_a_200_that_is_an_error(line: Line, at_line: Made) -> None:
    line.say(b'{"error":{"message":"No credits","code":402}}')
    assert "No credits" in str(await broken(at_line(), stream=False))


async def test_html_with_a_200(line: Line, at_line: Made) -> None:
    line.say(b"<html>sign in</html>", "text/html")
    assert isinstance(await broken(at_line(), stream=False), ProtocolError)


async def test_the_deadline_after_a_picture(line: Line, at_line: Made) -> None:
    line.hang = True
    line.say(sse(completed(BIG), done=False), EVENTS, whole=False)
    error = await broken(at_line(seconds=0.6), stream=True, n=2)
    assert isinstance(error, DeadlineExceeded)
    assert images(error) == [BIG]


async def test_a_cancelled_request_keeps_what_had_come(
    line: Line, at_line: Made, store: MemoryImageStore
) -> None:
    line.hang = True
    line.say(sse(completed(BIG), done=False), EVENTS, whole=False)
    seen: list[Any] = []
    async with at_line().stream("a fox", n=2) as stream:
        async for event in stream:
            seen.append(event)
            break
    assert isinstance(seen[0], ImageReady)
    assert seen[0].image.bytes() == BIG
    assert not [
        task
        for task in asyncio.all_tasks()
        if "agentkit" in repr(task.get_coro()) and not task.done()
    ]


async def test_an_unknown_event_is_passed_over(line: Line, at_line: Made) -> None:
    events = (
        {"type": "image_generation.heartbeat", "x": 1},
        {"odd": True},
        completed(BIG),
        {"type": "usage"},
    )
    line.say(b": OPENROUTER PROCESSING\n\n" + sse(*events), EVENTS)
    async with at_line().stream("a fox") as stream:
        assert (await stream.finish()).image.bytes() == BIG


async def test_markup_that_never_got_its_last_event(line: Line, at_line: Made) -> None:
    chunks = [
        {"type": "image_generation.text_chunk", "phase": "content", "text": text}
        for text in (SVG[:20].decode(), SVG[20:].decode())
    ]
    line.say(sse(*chunks, done=False), EVENTS, whole=False)
    assert images(await broken(at_line(), stream=True)) == [SVG]
    line.say(sse(chunks[0], done=False), EVENTS, whole=False)
    error = await broken(at_line(), stream=True)
    assert error.drawing is not None
    assert (error.drawing.images, bool(error.drawing.failures[0].kept)) == ((), True)


async def test_markup_whose_last_event_has_no_bytes(line: Line, at_line: Made) -> None:
    thought = {
        "type": "image_generation.text_chunk",
        "phase": "draft",
        "text": "<svg>a circle?</svg>",
    }
    chunk = {"type": "image_generation.text_chunk", "phase": "content", "text": SVG.decode()}
    line.say(sse(thought, chunk, {"type": "image_generation.completed", "created": 0}), EVENTS)
    async with at_line().stream("a fox") as stream:
        kinds = [event.kind async for event in stream]
    assert kinds == ["reasoning_delta", "text_delta", "image_ready"]
    assert stream.result.image.bytes() == SVG


async def test_another_form_of_the_same_picture(line: Line, at_line: Made) -> None:
    """A data URL in place of base64, a claimed type that is wrong, and white space inside."""
    text = b64(BIG)
    entries = [{"b64_json": f"data:image/jpeg;base64,{text}", "media_type": "image/jpeg"}]
    entries += [
        {"b64_json": text[:80] + "\r\n" + text[80:]},
        {"url": f"data:image/png;base64,{b64(SMALL)}"},
    ]
    line.say(json.dumps({"data": entries, "usage": {"cost": 10**400}}).encode())
    drawing = await at_line().draw("a fox", n=3)
    assert [(image.media_type, image.bytes()) for image in drawing.images] == [
        ("image/png", BIG),
        ("image/png", SMALL),
    ]
    assert drawing.usage.cost_usd is None


async def test_a_store_that_cannot_be_written_is_told_before_anything_is_sent(
    line: Line, at_line: Made, tmp_path: Any
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        await at_line(store=FileImageStore(tmp_path / "file")).draw("a fox")
    assert line.posts == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("does", ["write", "keep"])
async def test_a_store_that_fills_up_meanwhile_loses_no_picture(
    line: Line, at_line: Made, *, does: str, stream: bool
) -> None:
    line.say(sse(completed(BIG)) if stream else body(BIG), EVENTS if stream else JSON)
    studio = at_line(store=Bucket(does))
    if stream:
        async with studio.stream("a fox") as watched:
            drawing = await watched.finish()
    else:
        drawing = await studio.draw("a fox")
    (failure,) = drawing.failures
    assert failure.data == BIG
    assert "cannot write to the image store" in failure.reason


async def test_a_picture_that_is_none_is_told_as_a_failure(line: Line, at_line: Made) -> None:
    line.say(
        sse(
            {"type": "image_generation.completed", "b64_json": "bm90IGEgcGljdHVyZQ=="},
            completed(BIG),
        ),
        EVENTS,
    )
    async with at_line().stream("two", n=2) as stream:
        events = [event async for event in stream]
    assert [type(event) for event in events] == [ImageFailed, ImageReady]
    assert [image.bytes() for image in stream.result.images] == [BIG]
    assert len(stream.result.failures) == 1
