"""Long data URLs in the middle of strings are taken out of a reply before it is parsed."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.images.embedded import ReplySpool
from agentkit.images.store import MemoryImageStore
from tests.conftest import picture

PICTURE = picture(size=(80, 60), noise=90)
URL = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
LONG = json.dumps({"text": f"Here: ![a]({URL}) and <img src='{URL}'>", "n": 1})
OTHERS = {
    "short": json.dumps({"text": f"![a]({URL[:3000]})"}),
    "no picture": json.dumps({"text": "![a](data:image/png;base64," + "QUJD" * 3000 + ")"}),
    "broken": json.dumps({"text": f"![a]({URL[:6000]}=x{URL[6000:]})"[:0] + "data:image" * 9}),
    "wrapped": json.dumps({"text": f"![a]({URL[:76]}\n{URL[76:152]})"}),
    "the beginning of a header": '{"text": "data:image/png;bas',
}


def passed(text: str, edges: list[int]) -> tuple[bytes, ReplySpool]:
    spool = ReplySpool(MemoryImageStore())
    spool.token = "0"
    data = text.encode()
    given_on = [spool.feed(data[start:end]) for start, end in pairwise(edges)]
    return b"".join([*given_on, spool.close()]), spool


@given(st.lists(st.integers(0, len(LONG)), max_size=9), st.booleans())
def test_slices_change_nothing(cuts: list[int], escaped: bool) -> None:
    text = LONG.replace("/", "\\/") if escaped else LONG
    out, spool = passed(text, sorted({0, len(text), *cuts}))
    words = json.loads(out)["text"]
    one, two = spool.blobs
    assert words == f"Here: ![a]({one}) and <img src='{two}'>"
    assert [blob.take() for blob in spool.blobs.values()] == [PICTURE, PICTURE]


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_passes_byte_for_byte(name: str) -> None:
    text = OTHERS[name]
    for edges in ([0, len(text)], [*range(0, len(text), 100), len(text)]):
        out, spool = passed(text, edges)
        assert out == text.encode()
        assert spool.blobs == {}


def test_a_reply_that_ends_inside_a_picture() -> None:
    out, spool = passed(LONG[:7000], [0, 7000])
    (reference, blob) = next(iter(spool.blobs.items()))
    assert out.decode().endswith(f"![a]({reference}")
    assert "cut off" in (blob.reason or "")


SMALL = picture("red", (5, 4))
EVENT = f'data: {{"url": "data:image/png;base64,{base64.b64encode(SMALL).decode()}"}}\n\n'


def test_an_event_that_ends_with_a_short_picture_is_passed_on_at_once() -> None:
    spool = ReplySpool(MemoryImageStore())
    assert spool.feed(EVENT.encode()) == EVENT.encode()


@pytest.mark.parametrize("behind", ['"', '"}', '"}\n'])
def test_a_short_picture_that_a_break_follows_is_salvaged(behind: str) -> None:
    body = EVENT[: EVENT.rindex('"')] + behind
    for cut in (0, 1, 30, len(body) - 1):
        spool = ReplySpool(MemoryImageStore())
        passed_on = [spool.feed(body[:cut].encode()), spool.feed(body[cut:].encode())]
        spool.salvage(passed_on)
        assert [blob.take() for blob in spool.blobs.values()] == [SMALL]


@pytest.mark.parametrize(
    ("before", "data"),
    [('{"url": "', SMALL), ('{"url": "', PICTURE), ('{"text": "Here: ![a](', PICTURE)],
    ids=["short", "long", "in words"],
)
def test_a_picture_that_lacks_nothing_but_its_quote_is_one(before: str, data: bytes) -> None:
    text = f"{before}data:image/png;base64,{base64.b64encode(data).decode()}"
    for missing, usable in ((0, [data]), (9, [])):
        spool = ReplySpool(MemoryImageStore())
        spool.salvage([spool.feed(text[: len(text) - missing].encode())])
        spool.close()
        blobs = spool.blobs.values()
        assert [blob.take() for blob in blobs if blob.reason is None] == usable
        assert all("cut off" in (blob.reason or "cut off") for blob in blobs)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP"])
def test_no_half_a_picture_is_taken_for_a_whole_one(kind: str) -> None:
    data = picture(size=(9, 7), noise=90, format=kind)
    text = '{"url": "' + base64.b64encode(data).decode()
    for end in range(60, len(text)):
        spool = ReplySpool(MemoryImageStore())
        spool.salvage([spool.feed(text[:end].encode())])
        assert all(blob.take() == data for blob in spool.blobs.values())
