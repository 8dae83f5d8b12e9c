"""The spool against a plain decoder: any JSON, any slicing, the same values."""

from __future__ import annotations

import base64
import json
import random
import re
from io import BytesIO
from typing import Any

import PIL.Image
import PIL.PngImagePlugin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.images import MemoryImageStore, Spool, decode_base64
from tests.conftest import examples

REFERENCE = re.compile(r"agentkit-blob:TOKEN:\d+\Z")


def _picture(kind: str, size: int) -> bytes:
    file = BytesIO()
    image = PIL.Image.new("RGB", (8, 8), "teal")
    padding = random.Random(size).randbytes(size).hex()
    if kind == "PNG":
        text = PIL.PngImagePlugin.PngInfo()
        text.add_text("padding", padding)
        image.save(file, kind, pnginfo=text)
    elif kind == "SVG":
        file.write(f"<svg xmlns='http://www.w3.org/2000/svg'><!--{padding}--></svg>".encode())
    else:
        image.save(file, kind, comment=padding.encode()[:60_000])
    return file.getvalue()


PICTURES = [
    _picture(kind, size) for kind in ("PNG", "JPEG", "GIF", "SVG") for size in (1_600, 2_501, 5_002)
]

#: By number, since Hypothesis prints what it chooses from.
pictures = st.integers(0, len(PICTURES) - 1).map(
    lambda number: base64.b64encode(PICTURES[number]).decode()
)
picture_strings = st.one_of(
    pictures,
    pictures.map(lambda text: text.rstrip("=")),
    pictures.map(lambda text: text.replace("+", "-").replace("/", "_")),
    pictures.map(lambda text: "\n  ".join(text[at : at + 76] for at in range(0, len(text), 76))),
    st.tuples(
        st.sampled_from(["data:image/png;base64,", "Data:image/JPEG;charset=x;Base64,"]), pictures
    ).map("".join),
)
#: What only looks like one; each is as long as a picture, so nothing but its content tells.
look_alikes = st.one_of(
    st.tuples(
        pictures,
        st.integers(0, 4_000),
        st.sampled_from(["!", "=", "==", "\\", '"', "é", "\u2028", "\x00"]),
    ).map(lambda each: each[0][: each[1]] + each[2] + each[0][each[1] :]),
    st.tuples(pictures, st.integers(1, 9_000)).map(lambda each: each[0][: each[1]]),
    st.integers(0, 5).map(lambda seed: "/9j/" + "prose with a lie at its head " * 200 + str(seed)),
    st.integers(0, 5).map(
        lambda seed: base64.urlsafe_b64encode(random.Random(seed).randbytes(31_500)).decode()
    ),
    st.integers(0, 5).map(
        lambda seed: (
            "data:image/png;base64,"
            + base64.b64encode(random.Random(seed).randbytes(4_000)).decode()
        )
    ),
    st.text(alphabet=' \\"/\n:,[]{}iVBO', max_size=30),
    st.text(max_size=30),
    pictures.map(lambda text: f"Here: {text} and there"),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)


def documents(strings: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(scalars, strings),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.one_of(st.text(max_size=12), st.sampled_from(["b64_json", "result", "a b"])),
                inner,
                max_size=4,
            ),
            inner.map(json.dumps),
        ),
        max_leaves=8,
    )


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    value = draw(documents(st.one_of(picture_strings, look_alikes)))
    text = json.dumps(
        value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1]))
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/")
    return text.encode("utf-8", "surrogatepass")


slicings = st.one_of(
    st.just([1 << 30]),
    st.just([1]),
    st.lists(st.one_of(st.integers(1, 20), st.integers(1, 9_000)), min_size=1, max_size=12),
)


def sliced(body: bytes, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    start = 0
    while start < len(body):
        parts.append(body[start : start + sizes[len(parts) % len(sizes)]])
        start += len(parts[-1])
    return parts


def spooled(body: bytes, sizes: list[int], threshold: int) -> tuple[bytes, Spool]:
    spool = Spool(MemoryImageStore(), threshold=threshold, token="TOKEN")
    return b"".join([spool.feed(part) for part in sliced(body, sizes)]) + spool.close(), spool


def unwrapped(text: str) -> str:
    """Without white space, escaped or not: base64 comes back in one line."""
    return re.sub(r"\\+[nrt]|\s", "", text)


def assert_same(plain: Any, got: Any, spool: Spool) -> None:
    """`got`, its references resolved, is `plain`."""
    assert type(plain) is type(got)
    if isinstance(plain, dict):
        assert len(plain) == len(got)
        for (key, value), (other, replaced) in zip(plain.items(), got.items(), strict=True):
            assert key == spool.restore(other)
            assert_same(value, replaced, spool)
    elif isinstance(plain, list):
        assert len(plain) == len(got)
        for value, replaced in zip(plain, got, strict=True):
            assert_same(value, replaced, spool)
    elif isinstance(plain, str):
        restored = spool.restore(got)
        assert restored == plain or (restored != got and unwrapped(restored) == unwrapped(plain))
        if REFERENCE.match(got) and spool.blobs[got].reason is None:
            assert decode_base64(plain) == decode_base64(spool.blobs[got].text())
    else:
        assert plain == got


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(bodies(), slicings, st.sampled_from([4_096, 4_096, 300, 5_000]))
def test_any_json_in_any_slices(body: bytes, sizes: list[int], threshold: int):
    whole, _ = spooled(body, [1 << 30], threshold)
    out, spool = spooled(body, sizes, threshold)
    assert out == whole
    assert_same(json.loads(body), json.loads(out), spool)
    if not spool.blobs:
        assert out == body


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(picture_strings, min_size=1, max_size=4), slicings)
def test_each_long_picture_is_taken_out(strings: list[str], sizes: list[int]):
    value = [{"result": text, "i": place} for place, text in enumerate(strings)]
    out, spool = spooled(json.dumps(value).encode(), sizes, 1_000)
    assert [item["result"] for item in json.loads(out)] == list(spool.blobs)
    assert [blob.take() for blob in spool.blobs.values()] == [
        decode_base64(text) for text in strings
    ]


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(
        st.one_of(bodies().map(lambda body: json.dumps(json.loads(body)).encode()), st.none()),
        max_size=4,
    ),
    st.sampled_from([b"\n", b"\r", b"\r\n"]),
    slicings,
)
def test_lines_of_sse_in_any_slices(events: list[bytes | None], end: bytes, sizes: list[int]):
    lines = [b': "odd iVBORw0KGgo' if event is None else b"data: " + event for event in events]
    body = (end + end).join(lines) + end + end
    whole, _ = spooled(body, [1 << 30], 4_096)
    out, spool = spooled(body, sizes, 4_096)
    assert out == whole
    read = [line for line in out.split(end) if line]
    assert len(read) == len(lines)
    for line, event in zip(read, events, strict=True):
        if event is not None:
            assert_same(json.loads(event), json.loads(line.removeprefix(b"data: ")), spool)


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    b'"',
                    b"\\",
                    b"\n",
                    b"=",
                    b"data:image/png;base64,",
                    b"iVBORw0KGgo",
                    b"/9j/",
                    b":",
                    b"\\u00",
                    b"2b",
                ]
            ),
            st.binary(max_size=10),
            st.integers(0, 3).map(lambda number: base64.b64encode(PICTURES[number])),
        ),
        max_size=12,
    ),
    slicings,
    st.sampled_from([0, 10, 4_096]),
)
def test_garbage_in_any_slices(parts: list[bytes], sizes: list[int], threshold: int):
    """No JSON at all: never an error, never a byte lost where nothing was taken out."""
    body = b"".join(parts)
    whole, first = spooled(body, [1 << 30], threshold)
    out, spool = spooled(body, sizes, threshold)
    assert out == whole
    assert [(b.reason, b.size) for b in spool.blobs.values()] == [
        (b.reason, b.size) for b in first.blobs.values()
    ]
    if not spool.blobs:
        assert out == body


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(bodies(), slicings, st.floats(0, 1))
def test_a_body_cut_anywhere(body: bytes, sizes: list[int], where: float):
    cut = body[: int(len(body) * where)]
    whole, _ = spooled(cut, [1 << 30], 4_096)
    out, spool = spooled(cut, sizes, 4_096)
    assert out == whole
    if not spool.blobs:
        assert out == cut
