"""What is fuzzed, against what: a plain reader written from the standard, the same input in other
slices, or its own echo.
"""

from __future__ import annotations

import base64
import json
import math
import random
import re
from collections.abc import Hashable
from io import BytesIO

import PIL.Image

from agentkit import Answer, Image, Message, Run, Text, Usage, tool
from agentkit.errors import AgentkitError, ImageError, ProtocolError, UsageError
from agentkit.images import MemoryImageStore, Spool, decode_base64, inspect
from agentkit.run import next_step
from agentkit.tools.arguments import BadArguments, parse_arguments
from agentkit.tools.checking import check_arguments
from agentkit.values import Invocation, ToolCall, ToolResult
from agentkit.wire.base64text import unescape
from agentkit.wire.sse import EventStream
from agentkit.wire.tool_calls import for_history, parse_object
from tests.fuzz.engine import Target, slices

# server-sent events


def read_events(data: bytes) -> list[bytes]:
    """The events of a whole stream by the WHATWG standard; the last counts without its blank line,
    if its lines are whole.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = text.split(b"\n")[:-1]
    events: list[bytes] = []
    held: list[bytes] = []
    for line in [*lines, b""]:
        field, _, value = line.partition(b":")
        if not line and held:
            events.append(b"\n".join(held))
            held = []
        elif field == b"data":
            held.append(value.removeprefix(b" "))
    return events


def check_sse(data: bytes, chance: random.Random) -> Hashable:
    expected = read_events(data)
    for parts in ([data], slices(data, chance), slices(data, chance)):
        stream = EventStream()
        got = [event for part in parts for event in stream.feed(part)] + stream.close()
        assert got == expected, (got, expected)
    cap = chance.randint(1, 60)
    capped = EventStream(max_line=cap)
    try:
        for part in slices(data, chance):
            for event in capped.feed(part):
                assert event in expected
    except ProtocolError:
        return "capped", len(expected)
    lengths = sorted({min(len(event), 20) for event in expected})
    return len(expected), tuple(lengths), data[-2:], b"\r" in data, data[:1] == b"\xef"


# pictures


def _picture(kind: str, size: tuple[int, int] = (9, 9)) -> bytes:
    file = BytesIO()
    PIL.Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3)).save(
        file, kind
    )
    return file.getvalue()


_PICTURES = [_picture(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")] + [
    b"<svg>" + b"x" * 300 + b"</svg>"
]
_TEXTS = [base64.b64encode(each) for each in _PICTURES]


def unwrapped(text: bytes) -> bytes:
    r"""Without white space and escapes, which base64 may lose on its way (`\/`, `\n`, `\u002b`,
    line ends), in one alphabet.
    """
    plain = re.sub(rb"\\+u00([0-9a-fA-F]{2})", lambda found: bytes((int(found[1], 16),)), text)
    return (
        re.sub(rb"\\+[nrt]|\s", b"", plain)
        .replace(b"\\", b"")
        .replace(b"-", b"+")
        .replace(b"_", b"/")
    )


def check_spool(data: bytes, chance: random.Random) -> Hashable:
    threshold, limit = chance.choice([0, 30, 300, 4_096]), chance.choice([100, 400, 1 << 26])
    seen: list[object] = []
    out, spool = b"", Spool(MemoryImageStore())
    for parts in ([data], slices(data, chance), slices(data, chance)):
        spool = Spool(MemoryImageStore(), threshold=threshold, max_image_bytes=limit, token="TOKEN")
        out = b"".join(map(spool.feed, parts)) + spool.close()
        seen.append((out, [(b.reason, b.size, b.media_type, b.key) for b in spool.blobs.values()]))
    assert seen[0] == seen[1] == seen[2], "slicing made a difference"
    blobs = spool.blobs
    if not blobs:
        assert out == data, "bytes were lost"
        return "none", len(data) // 1_000
    told = b""
    if b"TOKEN" not in data and all(blob.reason is None for blob in blobs.values()):
        restored = re.sub(
            rb"agentkit-blob:TOKEN:\d+", lambda found: blobs[found[0].decode()].text().encode(), out
        )
        told = b"restored"
        assert unwrapped(restored) == unwrapped(data), "the text is not the same"
    for blob in blobs.values():
        try:
            blob.keep()
        except ImageError as error:
            told += str(error)[:12].encode()
    spool.discard()
    return len(blobs), told, limit


_ALPHABET = re.compile(r"[A-Za-z0-9+/]*\Z")


def check_base64(data: bytes, chance: random.Random) -> Hashable:
    text = data.decode("utf-8", "surrogateescape" if chance.random() < 0.1 else "replace")
    body = (
        re.sub(r"\A\s*data:[^,;]*(?:;[^,;]*)*;base64\s*,", "", text[:1024], flags=re.IGNORECASE)
        + text[1024:]
    )
    digits = re.sub(r"[ \t\r\n\f\v]", "", body).replace("-", "+").replace("_", "/")
    bare = digits.rstrip("=")
    good = _ALPHABET.match(bare) is not None and len(bare) % 4 != 1
    try:
        got = decode_base64(text)
    except ImageError as error:
        assert not good or "=" in digits, (str(error), text[:80])
        return str(error)[:24]
    assert good, text[:80]
    assert got == base64.b64decode(bare + "=" * (-len(bare) % 4))
    depth = chance.randrange(5)
    assert unescape(base64.b64encode(got), depth) == base64.b64encode(got)
    try:
        info = inspect(BytesIO(got))
    except ImageError as error:
        return str(error)[:40]
    return info.media_type, info.width is None


# tool arguments


@tool
def painted(
    title: str, size: int = 3, tags: list[str] | None = None, box: dict[str, float] | None = None
) -> str:
    """A tool with parameters of many kinds.

    Args:
        title: What it shows.
    """
    return f"{title}{size}{tags}{box}"


def _depth(value: object) -> int:
    level, deep = [value], 0
    while level := [
        inner
        for each in level
        for inner in (
            each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        )
    ]:
        deep += 1
    return deep


def check_arguments_text(data: bytes, chance: random.Random) -> Hashable:
    text = data.decode("utf-8", chance.choice(["replace", "surrogateescape"]))
    history = for_history(text)
    kept = json.loads(history)
    assert isinstance(kept, dict)
    history.encode()
    assert _depth(kept) <= 65
    loose = parse_object(text)
    assert loose is None or json.loads(json.dumps(loose, allow_nan=False)) == loose
    try:
        values = parse_arguments(text)
    except BadArguments as error:
        assert len(str(error)) < 5_000
        return str(error)[25:60]
    json.dumps(values, allow_nan=False).encode()
    assert _depth(values) <= 64
    try:
        checked = check_arguments(painted.parameters, text)
    except BadArguments as error:
        assert len(str(error)) < 8_000
        return str(error)[25:70]
    assert set(checked) <= {"title", "size", "tags", "box"}
    return tuple(sorted(checked)), len(values)


# saved runs


def _run() -> Run:
    call = ToolCall("call_1", "weather", '{"city":"Oslo"}')
    image = Image(
        "a" * 64,
        "image/png",
        9,
        2,
        2,
        name="img_1",
        alt="a fox",
        prompt="fox",
        parents=("img_1",),
        cost_usd=0.04,
    )
    done = Invocation(
        "call_1", "weather", {"city": "Oslo"}, status="completed", result="-4 °C", seconds=0.2
    )
    messages = (
        Message("user", (Text("Draw"),)),
        Message(
            "assistant", (Text("Here:"), image, call), ((b'{"role":"assistant"}',),), "chat", "a/b"
        ),
        Message("tool", (ToolResult("call_1", "weather", (Text("-4 °C"), image)),)),
        Message("assistant", (Text("Done."),), (), "chat", "a/b"),
    )
    usage = Usage(input_tokens=9, output_tokens=3, requests=1, priced_requests=1, cost_usd=0.01)
    return Run(
        "run_1",
        "a/b",
        "chat",
        messages,
        0,
        invocations=(done,),
        images=(image,),
        arrived=("img_1",),
        spent=(usage,),
    )


def check_run(data: bytes, chance: random.Random) -> Hashable:
    text: str | bytes = data if chance.random() < 0.5 else data.decode("utf-8", "replace")
    try:
        run = Run.from_json(text, blobs=MemoryImageStore())
    except UsageError as error:
        words = str(error)
        assert len(words) < 500
        return re.sub(r"\d+", "", words)[:110]
    saved = run.to_json()
    again = Run.from_json(saved)
    assert again == run or "NaN" in saved or _has_nan(run)
    assert again.to_json() == saved
    assert math.isfinite(run.seconds)
    try:
        step = type(next_step(run)).__name__
    except AgentkitError as error:
        step = type(error).__name__
    answer = Answer.of(run)
    shown = answer.to_markdown() + answer.to_html() + repr(answer)
    shown.encode()
    return step, run.status, len(run.messages), len(run.invocations), len(run.images)


def _has_nan(run: Run) -> bool:
    return "nan" in repr(run)


_EVENT = b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
_JSON = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"true",
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"\\ud83d",
    b"\\u0000",
    b"\\",
    b"1" * 400,
    b"[" * 200,
    b'{"a":' * 100,
]

TARGETS = {
    target.name: target
    for target in (
        Target(
            "sse",
            [
                _EVENT * 3 + b"data: [DONE]\n\n", b": OPENROUTER PROCESSING\n\n" + _EVENT, _EVENT.replace(b"\n", b"\r\n"), _EVENT.replace(b"\n", b"\r"),
                b"\xef\xbb\xbf" + _EVENT, b"event: x\nid: 1\nretry: 3\ndata: a\ndata:b\ndata\n\n", "data: \u2028\u0085\n\n".encode(), b"",
            ],
            [b"data: ", b"data:", b"data", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b":", b" ", b"\xef\xbb\xbf", b"event: x\n", b"\x00", b"[DONE]", b"datax: y\n"],
            check_sse,
        ),
        Target(
            "spool",
            [
                *(b'{"b64_json":"' + text + b'"}' for text in _TEXTS), b'{"url":"data:image/png;base64,' + _TEXTS[0] + b'","a":"b"}',
                json.dumps({"result": json.dumps({"imageB64": _TEXTS[0].decode()})}).encode(), b'data: {"a":"' + _TEXTS[1] + b'"}\n\n' * 2,
                b'{"a":"' + _TEXTS[0].replace(b"/", b"\\/") + b'"}', b'{"a":"' + b"\\n".join(_TEXTS[1][at : at + 76] for at in range(0, 400, 76)) + b'"}',
            ],
            [*_TEXTS[:2], b'"', b"\\", b"\\/", b"\\n", b"\\\\n", b"\n", b"\r", b"=", b"==", b"-", b"_", b" ", b"\t", b"data:image/png;base64,", b"iVBORw0KGgo", b"/9j/", b"PHN2Zy", b"\\u002b", b'\\"', b'\\\\\\"', b"UklGR", b"agentkit-blob:"],
            check_spool,
        ),
        Target(
            "base64",
            [*_TEXTS, b"data:image/png;base64," + _TEXTS[0], b" data:IMAGE/PNG;charset=x;BASE64 ," + _TEXTS[1], b"", b"QUJD", b"QUI=", b"QQ==", base64.urlsafe_b64encode(_PICTURES[1])],
            [b"=", b"==", b"-", b"_", b"+", b"/", b"\n", b"\r\n", b" ", b"\t", b"data:", b";base64,", b",", b"\xff", "é".encode(), b"A", b"AAAA", b"\x00"],
            check_base64,
        ),
        Target(
            "arguments",
            [
                b'{"title":"a fox"}', b'{"title":"a","size":4,"tags":["x"],"box":{"w":1.5}}', b"{}", b"", b"null", json.dumps('{"title":"x"}').encode(), b'{"title":"\\ud83d\\ude00"}',
                b'{"title":"a","title":"b"}', b'{"size":NaN}', b'\xef\xbb\xbf{"title":"x"}',
            ],
            [*_JSON, b'"title"', b'"size"', b'"tags"', b'"box"', b'"x":', b"\xef\xbb\xbf", b"\\ude00"],
            check_arguments_text,
        ),
        Target(
            "run",
            [_run().to_json().encode(), Run("r", "a/b", "responses", (Message("user", (Text("hi"),)),), 0).to_json().encode()],
            [*_JSON, b'"kind":"image"', b'"kind":"text"', b'"kind":"tool_call"', b'"start":', b'"version":1', b'"img_1"', b'"pending"', b'"running"', b'"role":"tool"', b'"messages":[]', b"../../x", b"\x00", b'"status":"completed"'],
            check_run,
        ),
    )
}  # fmt: skip
