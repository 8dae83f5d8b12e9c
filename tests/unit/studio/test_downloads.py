"""Pictures that the Image API gives as URLs: fetched under the same policy as any other, and named
where they cannot be had.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import FetchPolicy
from agentkit.errors import ImageError
from tests.conftest import picture
from tests.unit.studio.conftest import EVENTS, JSON, Line, b64, sse

Made = Callable[..., Any]
SMALL = picture("blue", (8, 8))
FORBIDDEN = [
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/fox.png",
    "http://[::ffff:127.0.0.1]/fox.png",
    "http://2130706433/fox.png",
    "http://localhost:1/fox.png",
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("url", FORBIDDEN)
async def test_a_forbidden_address(line: Line, at_line: Made, url: str, stream: bool) -> None:
    """The other picture of the reply stands; nothing is connected to, nothing is drawn again."""
    entries = [{"url": url}, {"b64_json": b64(SMALL)}]
    if stream:
        line.say(sse(*({"type": "image_generation.completed", **each} for each in entries)), EVENTS)
        async with at_line().stream("two", n=2) as watched:
            drawing = await watched.finish()
    else:
        line.say(json.dumps({"data": entries}).encode(), JSON)
        drawing = await at_line().draw("two", n=2)
    assert [image.bytes() for image in drawing.images] == [SMALL]
    (failure,) = drawing.failures
    assert failure.url == url
    assert failure.reason.startswith("not fetched")
    assert (len(line.posts), line.gets) == (1, [])


@pytest.mark.parametrize("url", FORBIDDEN)
async def test_a_picture_to_start_from_at_a_forbidden_address(
    line: Line, at_line: Made, url: str
) -> None:
    with pytest.raises(ImageError, match="not fetched"):
        await at_line().edit(url, "a hat on it")
    assert line.posts == []


async def test_one_that_is_not_there_and_one_that_is_too_large(line: Line, at_line: Made) -> None:
    line.record = SMALL
    urls = [f"{line.url}/gone.png", f"{line.url}/generation?fox.png"]
    line.say(json.dumps({"data": [{"url": url} for url in urls]}).encode())
    drawing = await at_line(fetch=FetchPolicy(max_bytes=len(SMALL) - 1)).draw("two", n=2)
    assert [failure.url for failure in drawing.failures] == urls
    assert ["404" in drawing.failures[0].reason, "too large" in drawing.failures[1].reason] == [
        True,
        True,
    ]
    assert (len(line.posts), len(line.gets)) == (1, 2)
