"""Base64 as servers write it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ImageError
from agentkit.images import decode_base64
from agentkit.wire.base64text import unescape

DATA = bytes(range(256)) + b"\xfb\xff\xfe?>"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(DATA).decode(),
        base64.b64encode(DATA).decode().rstrip("="),
        base64.urlsafe_b64encode(DATA).decode(),
        base64.urlsafe_b64encode(DATA).decode().rstrip("="),
        base64.encodebytes(DATA).decode(),
        " " + base64.encodebytes(DATA).decode().replace("\n", "\r\n\t") + " ",
        "data:image/png;base64," + base64.b64encode(DATA).decode(),
        "DATA:IMAGE/PNG;charset=utf-8;BASE64," + base64.b64encode(DATA).decode(),
        " data:;base64," + base64.b64encode(DATA).decode(),
    ],
)
def test_it_is_read_in_every_form(text: str):
    assert decode_base64(text) == DATA


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("QUJD!", "outside its alphabet"),
        ("QUJDR", "cut off"),
        ("QQ==QQ==", "after its padding"),
        ("QUJD===", "after its padding"),
        ("QUJDé", "not ASCII"),
        ("data:image/svg+xml,<svg/>", "outside its alphabet"),
    ],
)
def test_what_is_none_is_refused(text: str, why: str):
    with pytest.raises(ImageError, match=why):
        decode_base64(text)


@given(st.binary(), st.integers(0, 1000))
def test_any_bytes_come_back(data: bytes, width: int):
    text = base64.b64encode(data).decode()
    if width:
        text = "\n".join(text[start : start + width] for start in range(0, len(text), width))
    assert decode_base64(text) == data


@given(st.text(alphabet="ab+/=-_\n\r\t /\\", max_size=40), st.integers(0, 3))
def test_escapes_are_undone_as_a_decoder_undoes_them(text: str, depth: int):
    """Where `unescape` leaves no backslash, it says what JSON says; `\\n` may stand for any white
    space.
    """
    raw = text
    for _ in range(depth + 1):
        raw = json.dumps(raw)[1:-1].replace("/", "\\/")
    if "\\" not in text:
        read = unescape(raw.encode(), depth).decode()
        assert read.translate(str.maketrans("\r\t", "\n\n")) == text.translate(
            str.maketrans("\r\t", "\n\n")
        )
    else:
        assert b"\\" in unescape(raw.encode(), depth)


@given(st.text(alphabet="\\/nru02f+b", max_size=24))
def test_no_escape_is_undone_that_json_would_refuse(text: str):
    read = unescape(text.encode(), 0)
    if b"\\" not in read:
        assert json.loads(f'"{text}"').replace("\r", "\n").encode("latin-1") == read.replace(
            b"\r", b"\n"
        )
