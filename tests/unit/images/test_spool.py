"""The spool: pictures leave the wire, everything else passes byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import resource
import signal
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import PIL.Image
import pytest

from agentkit.errors import ImageError, UsageError
from agentkit.images import Blob, FileImageStore, MemoryImageStore, Spool
from tests.conftest import spread

SLICES = (1, 2, 3, 7, 64, 1_000, 4_096, 65_536, 1 << 30)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(kind: str = "PNG", size: int = 6_000, seed: int = 1) -> bytes:
    """A real picture of about `size` bytes."""
    noise = random.Random(seed).randbytes(size)
    if kind == "SVG":
        return (
            b'<svg xmlns="http://www.w3.org/2000/svg"><!--'
            + noise.hex().encode()[:size]
            + b"--></svg>"
        )
    image = PIL.Image.frombytes("RGB", (50, size // 150), noise[: 150 * (size // 150)])
    file = BytesIO()
    image.save(file, kind, **({"quality": 100} if kind in {"JPEG", "WEBP", "AVIF"} else {}))
    return file.getvalue()


PNG = picture()
B64 = base64.b64encode(PNG).decode()
URL = "data:image/png;base64," + B64


def run(body: bytes, size: int = 1 << 30, **options: object) -> tuple[bytes, Spool]:
    spool = Spool(options.pop("store", None) or MemoryImageStore(), token="TOKEN", **options)  # type: ignore[arg-type]
    out = b"".join([spool.feed(body[start : start + size]) for start in range(0, len(body), size)])
    return out + spool.close(), spool


def everyhow(body: bytes, **options: object) -> tuple[bytes, Spool]:
    """In slices of every size: all must give the same."""
    first, spool = run(body, **options)
    for size in SLICES:
        out, other = run(body, size, **options)
        assert out == first
        assert [
            (b.reference, b.key, b.reason, b.size, b.media_type) for b in other.blobs.values()
        ] == [(b.reference, b.key, b.reason, b.size, b.media_type) for b in spool.blobs.values()]
        other.discard()
    return first, spool


def only(spool: Spool) -> Blob:
    (blob,) = spool.blobs.values()
    return blob


@pytest.mark.parametrize(
    "kind", spread(["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "SVG"], 3)
)
@pytest.mark.parametrize("form", ["bare", "url"])
def test_each_kind_of_picture_is_taken_out(kind: str, form: str):
    data = picture(kind, 15_000)
    text = base64.b64encode(data).decode()
    media_type = f"image/{kind.lower()}"
    body = json.dumps(
        {"b64_json": text if form == "bare" else f"data:{media_type};base64,{text}", "n": 1}
    ).encode()
    out, spool = everyhow(body)
    blob = only(spool)
    assert json.loads(out) == {"b64_json": blob.reference, "n": 1}
    assert blob.reference == "agentkit-blob:TOKEN:1"
    assert (blob.key, blob.reason, blob.size) == ("b64_json", None, len(data))
    assert blob.media_type == (None if form == "bare" else media_type)
    stored = blob.keep()
    assert stored == blob.keep()
    assert (stored.sha256, stored.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (stored.width, stored.height) == ((None, None) if kind == "SVG" else (50, 100))


def urlsafe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_").rstrip("=")


WRITINGS: dict[str, Callable[[str], str]] = {
    "slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "every sign escaped": lambda text: (
        json.dumps(text).replace("/", "\\u002F").replace("+", "\\u002b").replace("=", "\\u003d")
    ),
    "wrapped": lambda text: json.dumps(
        "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n"
    ),
    "white space around": lambda text: json.dumps(f" \n{text}\t "),
    "letters escaped": lambda text: (
        '"' + text[:30] + "".join(f"\\u{ord(each):04x}" for each in text[30:60]) + text[60:] + '"'
    ),
    "no padding": lambda text: json.dumps(text.rstrip("=")),
    "upper case": lambda text: json.dumps(
        text.replace("data:image/png;base64", "DATA:Image/PNG;BASE64")
    ),
    "parameters": lambda text: json.dumps(text.replace("/png;", "/png;charset=utf-8;name=a.png;")),
}


@pytest.mark.parametrize("writing", spread(WRITINGS, 4))
@pytest.mark.parametrize("text", [B64, URL], ids=["bare", "url"])
@pytest.mark.parametrize("size", spread([6_000, 6_001, 6_002], 2))
def test_however_it_is_written(writing: str, text: str, size: int):
    data = PNG[:6_000] + b"x" * (size - 6_000)
    text = text.replace(B64, base64.b64encode(data).decode())
    body = b'{"a":' + WRITINGS[writing](text).encode() + b',"b":"x"}'
    out, spool = everyhow(body)
    assert json.loads(out) == {"a": only(spool).reference, "b": "x"}
    assert only(spool).take() == data


def test_the_url_safe_alphabet():
    jpeg = picture("JPEG")
    text = urlsafe(base64.b64encode(jpeg).decode())
    out, spool = everyhow(json.dumps([text]).encode())
    assert json.loads(out) == [only(spool).reference]
    assert spool.restore(only(spool).reference) == text
    assert only(spool).take() == jpeg


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("escape", [False, True])
def test_json_in_json(depth: int, escape: bool):
    value: object = {"status": "ok", "imageUrl": URL, "more": [B64, "x"]}
    for _ in range(depth):
        value = json.dumps(value)
        if escape:
            value = value.replace("/", "\\/")
    out, spool = everyhow(json.dumps({"result": value, "after": "b"}).encode())
    read = json.loads(out)
    assert read["after"] == "b"
    inner = read["result"]
    for _ in range(depth):
        inner = json.loads(inner)
    first, second = spool.blobs.values()
    assert inner == {"status": "ok", "imageUrl": first.reference, "more": [second.reference, "x"]}
    assert (first.key, second.key) == ("imageUrl", None)
    assert first.take() == second.take() == PNG


def test_a_json_string_in_a_json_string():
    out, spool = everyhow(json.dumps(json.dumps(URL)).encode())
    assert json.loads(json.loads(out)) == only(spool).reference


PASSING = {
    "short": "iVBORw0KGgo" + "A" * 4_000,
    "prose": "word and more " * 1_000,
    "encrypted reasoning": "gAAAAAB"
    + base64.urlsafe_b64encode(random.Random(3).randbytes(31_500)).decode(),
    "invalid in the middle": B64[:5_000] + "!" + B64[5_000:],
    "invalid at the end": B64 + "!",
    "a quote inside": B64[:5_000] + '"' + B64[5_000:],
    "a backslash inside": B64[:5_000] + "\\" + B64[5_000:],
    "a backslash at the end": B64.rstrip("=") + "\\",
    "goes on after its padding": B64[:6_000] + "==" + B64[6_000:],
    "too much padding": B64.rstrip("=") + "===",
    "not ASCII": B64[:5_000] + "é" + B64[5_000:],
    "invalid behind escapes": "/9j/" * 2_000 + "\n" + "A" * 400 + "?" + "A" * 10,
    "no picture": "data:image/png;base64,"
    + base64.b64encode(random.Random(4).randbytes(9_000)).decode(),
    "text in a data URL": "data:image/svg+xml;utf8,<svg>" + "x" * 9_000,
    "another kind of data": "data:application/pdf;base64," + B64,
    "a picture in prose": "Look: " + URL,
    "Markdown": f"![a]({URL})",
    "HTML": f'<img src="{URL}">',
    "like a picture's beginning": "iVBORw0KGgo is how every PNG begins. " * 300,
    "starts with a blank": " " + "The quick brown fox. " * 500,
}


@pytest.mark.parametrize("name", spread(PASSING, 6))
@pytest.mark.parametrize("nested", [False, True])
def test_every_other_string_passes_byte_for_byte(name: str, nested: bool):
    value: object = {"text": PASSING[name], "n": [1, "x"]}
    for body in (
        json.dumps(value),
        json.dumps(value).replace("/", "\\/"),
        json.dumps(value, ensure_ascii=False),
    ):
        text = (json.dumps({"arguments": body}) if nested else body).encode()
        out, spool = everyhow(text)
        assert out == text
        assert not spool.blobs


def test_what_turns_out_to_be_none_leaves_nothing_on_the_disk(tmp_path: Path):
    data = base64.b64encode(picture(size=600_000)).decode()
    wrapped = "\n".join(data[at : at + 100] for at in range(0, len(data), 100))
    body = json.dumps([data + "!", wrapped + "!"]).encode()
    out, spool = run(body, 10_000, store=FileImageStore(tmp_path))
    assert out == body
    assert not spool.blobs
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("threshold", [0, 16, 100, len(B64) - 1, len(B64), 20_000])
def test_the_threshold(threshold: int):
    body = json.dumps({"picture": B64, "short": "iVBORw0KGgo="}).encode()
    out, spool = everyhow(body, threshold=threshold)
    assert ("picture" in [blob.key for blob in spool.blobs.values()]) == (len(B64) > threshold)
    if not spool.blobs:
        assert out == body


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_of_sse(end: str):
    lines = [
        ': a comment with an odd quote "iVBORw0KGgo',
        ": OPENROUTER PROCESSING",
        "",
        f"data: {json.dumps({'partial_image_b64': B64, 'output_index': 0})}",
        "",
        ': "' + "A" * 5_000,
        f"data: {json.dumps({'result': URL, 'text': 'x' * 5_000})}",
        "",
        "data: [DONE]",
        "",
    ]
    body = end.join(lines).encode()
    out, spool = everyhow(body)
    first, second = spool.blobs.values()
    assert out.decode() == end.join(lines).replace(URL, second.reference).replace(
        B64, first.reference
    )
    assert (first.key, second.key) == ("partial_image_b64", "result")


def test_a_comment_with_an_odd_quote_delays_nothing():
    spool = Spool(MemoryImageStore())
    comment = b': "iVBORw0KGgo\n\n'
    assert spool.feed(comment) == comment
    event = b'data: {"delta":"A word"}\n\n'
    assert spool.feed(event) == event
    assert spool.close() == b""


@pytest.mark.parametrize("cut", [4_200, 5_000, 6_000])
@pytest.mark.parametrize("end", ["", '\n\ndata: {"next":"event"}\n\n'])
def test_a_picture_that_is_cut_off_is_kept_aside(cut: int, end: str):
    body = ('data: {"b64_json":"' + B64[:cut] + end).encode()
    out, spool = everyhow(body)
    blob = only(spool)
    assert out.decode() == 'data: {"b64_json":"' + blob.reference + end
    with pytest.raises(ImageError, match="cut off: ") as caught:
        blob.keep()
    assert str(caught.value) == blob.reason
    assert blob.kept == caught.value.kept  # type: ignore[attr-defined]
    assert blob.take() == PNG[: cut * 3 // 4]


@pytest.mark.parametrize(("cut", "pictures"), [("", 1), ("!", 0), ("?" * 50, 0)])
def test_a_short_body_that_is_cut_off(cut: str, pictures: int):
    body = ('{"a":"' + B64[:2_000] + cut).encode()
    out, spool = everyhow(body, threshold=100)
    assert [blob.reason for blob in spool.blobs.values()] == [
        "cut off: the reply ended inside it"
    ] * pictures
    assert out == (b'{"a":"agentkit-blob:TOKEN:1' if pictures else body)


def test_base64_that_lacks_a_digit_is_a_broken_picture():
    out, spool = everyhow(json.dumps([B64[:6_001]]).encode())
    blob = only(spool)
    assert json.loads(out) == [blob.reference]
    assert blob.reason == "cut off: its base64 is not whole"
    assert spool.restore(blob.reference) == B64[:6_001]


def test_a_whole_string_of_half_a_picture_is_kept_aside():
    store = MemoryImageStore()
    _, spool = run(json.dumps([base64.b64encode(PNG[:-20]).decode()]).encode(), store=store)
    blob = only(spool)
    assert blob.reason is None
    for _ in range(2):
        with pytest.raises(ImageError, match=r"the PNG is cut off \(\d+ bytes are missing\)"):
            blob.keep()
    assert blob.kept == hashlib.sha256(PNG[:-20]).hexdigest()
    with store.open(blob.kept) as file:
        assert file.read() == PNG[:-20]


@pytest.mark.parametrize("limit", [4_000, len(PNG) - 1])
@pytest.mark.parametrize(
    "text", [URL, B64 + "!" + B64, B64 + '\\"' + B64], ids=["good", "bad", "quoted"]
)
def test_a_picture_that_is_too_large(limit: int, text: str):
    body = json.dumps({"a": {"result": text}, "b": json.dumps({"x": URL})}).encode()
    out, spool = everyhow(body, max_image_bytes=limit)
    first, second = spool.blobs.values()
    assert json.loads(out) == {
        "a": {"result": first.reference},
        "b": json.dumps({"x": second.reference}),
    }
    with pytest.raises(ImageError, match=f"too large: more than {limit} bytes"):
        first.keep()
    assert first.kept is None


def test_a_picture_of_just_the_size_allowed_is_not_too_large():
    _, spool = everyhow(json.dumps([URL]).encode(), max_image_bytes=len(PNG))
    assert only(spool).keep().size == len(PNG)


def test_references_cannot_be_forged():
    tokens = {Spool(MemoryImageStore()).token for _ in range(10)}
    assert len(tokens) == 10
    assert all(len(token) == 32 for token in tokens)
    out, spool = run(b'{"a":"agentkit-blob:TOKEN:1"}')
    assert out == b'{"a":"agentkit-blob:TOKEN:1"}'
    assert not spool.blobs
    assert spool.restore("agentkit-blob:TOKEN:1") == "agentkit-blob:TOKEN:1"


def test_text_in_which_a_reference_stands_is_restored():
    arguments = json.dumps({"image": URL, "scale": 2})
    out, spool = run(json.dumps({"arguments": arguments}).encode())
    read = json.loads(out)["arguments"]
    assert read != arguments
    assert spool.restore(read) == arguments
    only(spool).keep()
    assert spool.restore(read) == arguments
    assert spool.restore("nothing here") == "nothing here"


def test_taking_and_discarding(tmp_path: Path):
    big = base64.b64encode(picture(size=300_000)).decode()
    body = json.dumps([big, big, big]).encode()
    _, spool = run(body, 65_536, store=FileImageStore(tmp_path))
    first, second, third = spool.blobs.values()
    assert len(list(tmp_path.iterdir())) == 3
    assert hashlib.sha256(first.take()).hexdigest() == third.keep().sha256
    second.discard()
    assert [path.is_dir() for path in tmp_path.iterdir()] == [True]
    for gone in (first, second):
        with pytest.raises(ImageError, match="taken or discarded"):
            gone.take()
        with pytest.raises(ImageError, match="taken or discarded"):
            gone.keep()
    third.discard()
    assert len(third.take()) == third.size
    assert "Blob 3" in repr(third)


def test_a_reply_that_is_left_in_the_middle_leaves_nothing_on_the_disk(tmp_path: Path):
    big = base64.b64encode(picture(size=300_000)).decode()
    spool = Spool(FileImageStore(tmp_path))
    spool.feed(json.dumps([big, big]).encode()[:600_000])
    assert len(list(tmp_path.iterdir())) == 2
    spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_refuses_loses_no_picture(tmp_path: Path):
    store = FileImageStore(tmp_path, max_bytes=1_000)
    _, spool = run(json.dumps([URL]).encode(), 100, store=store)
    blob = only(spool)
    with pytest.raises(ImageError, match=f"the image store {tmp_path} is full"):
        blob.keep()
    assert blob.kept is None
    assert blob.take() == PNG

    (tmp_path / "file").write_bytes(b"")
    _, spool = run(json.dumps([URL]).encode(), 100, store=FileImageStore(tmp_path / "file"))
    with pytest.raises(ImageError, match="cannot write to the image store"):
        only(spool).keep()
    assert only(spool).take() == PNG


def test_a_disk_that_is_full_in_the_middle_loses_no_picture(tmp_path: Path):
    data = picture(size=400_000)
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        body = json.dumps([text, wrapped + "!"]).encode()
        out, spool = run(body, 10_000, store=FileImageStore(tmp_path))
        assert json.loads(out) == [only(spool).reference, wrapped + "!"]
        with pytest.raises(
            ImageError, match=f"cannot write to the image store {tmp_path}: File too large"
        ):
            only(spool).keep()
        assert only(spool).take() == data
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_picture(tmp_path: Path):
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
    image += chunk(b"IDAT", random.Random(5).randbytes(8 << 20)) + chunk(b"IEND", b"")
    body = json.dumps([base64.b64encode(image).decode()]).encode()
    spool = Spool(FileImageStore(tmp_path))
    with memoryview(body) as view:
        tracemalloc.start()
        out = b"".join(
            [
                spool.feed(bytes(view[start : start + 65_536]))
                for start in range(0, len(body), 65_536)
            ]
        )
        stored = only(spool).keep()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert json.loads(out + spool.close()) == [only(spool).reference]
    assert stored.size == len(image)
    assert peak < 1 << 20


def test_wrong_arguments():
    with pytest.raises(UsageError, match="threshold"):
        Spool(MemoryImageStore(), threshold=-1)
    with pytest.raises(UsageError, match="max_image_bytes"):
        Spool(MemoryImageStore(), max_image_bytes=0)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("size", [700, 1 << 12, 1 << 16])
def test_a_large_picture_with_a_fault_inside_stays_a_picture(nested: bool, size: int) -> None:
    """It is not given back as words, which nobody could hold: its bytes are kept aside, up to the
    fault.
    """
    store = MemoryImageStore()
    data = PNG + bytes(3 << 19)
    text = base64.b64encode(data).decode()
    inner = json.dumps({"url": f"data:image/png;base64,{text}%{text[:50_000]}"})
    document = json.dumps({"a": inner, "b": 1}) if nested else inner[:-1] + ',"b":1}'
    spool = Spool(store)
    passed = (
        b"".join(
            spool.feed(document[at : at + size].encode()) for at in range(0, len(document), size)
        )
        + spool.close()
    )
    assert len(passed) < 500
    assert json.loads(passed)["b"] == 1
    (blob,) = spool.blobs.values()
    assert blob.reference in passed.decode()
    with pytest.raises(ImageError, match="not valid"):
        blob.keep()
    assert blob.kept is not None
    with store.open(blob.kept) as file:
        assert data.startswith(file.read()[: 1 << 20])
