"""The flat pictures that stand for pictures in cassettes."""

from __future__ import annotations

import random
from base64 import b64encode
from io import BytesIO

import PIL.Image
import pytest

from agentkit.testing.placeholders import (
    encoded_placeholder,
    in_text,
    is_flat,
    loose_summary,
    placeholder,
    summary,
)
from tests.conftest import picture

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")


def opened(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(BytesIO(data))


@pytest.mark.parametrize("kind", KINDS)
def test_a_placeholder_has_the_size_and_the_format_of_its_picture(kind: str) -> None:
    original = picture(size=(640, 360), format=kind, noise=80)
    small = placeholder(original)
    assert (opened(small).format, opened(small).size) == (kind, (640, 360))
    assert len(small) < min(len(original), 5000)
    assert is_flat(small)
    assert placeholder(small) == small
    assert placeholder(original) == small
    assert summary(small) == summary(original)
    assert f"({kind} 640×360 #" in str(summary(original))
    other = picture(size=(640, 360), format=kind, noise=90)
    assert summary(other) != summary(original)
    assert loose_summary(other) == loose_summary(original) == f"({kind} 640×360 any colour)"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0",
        b"%PDF-1.7" + bytes(400),
        picture(noise=3)[:200],
        picture(format="BMP", noise=3),
        b"\x89PNG\r\n\x1a\n" + bytes(300),
    ],
    ids=["nothing", "cut SVG", "PDF", "cut", "BMP", "broken"],
)
def test_what_is_no_picture_that_can_be_written_stays_as_it_is(data: bytes) -> None:
    assert placeholder(data) is data
    assert not is_flat(data)


def test_a_picture_that_is_larger_than_memory_is_not_opened() -> None:
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2
    bomb = head + b"\x08\x02\0\0\0" + bytes(100)
    assert placeholder(bomb) is bomb
    assert summary(bomb) is None


def test_pictures_are_found_in_words_and_in_json_that_is_a_string() -> None:
    data = picture(size=(64, 48), noise=5)
    flat = b64encode(placeholder(data)).decode()
    text = f'see data:image/png;base64,{b64encode(data).decode()}) {{"b64": "{b64encode(data).decode()}"}}'
    (one, end, first), (two, last, second) = in_text(text, encoded_placeholder)
    changed = text[:one] + first + text[end:two] + second + text[last:]
    assert changed == f'see data:image/png;base64,{flat}) {{"b64": "{flat}"}}'
    assert in_text(changed, encoded_placeholder) == []


def test_other_base64_is_no_picture() -> None:
    sealed = b64encode(random.Random(1).randbytes(3000)).decode()
    document = b64encode(b"%PDF-1.7" + bytes(400)).decode()
    text = f"{sealed} {document} {'A' * 401}"
    assert in_text(text, encoded_placeholder) == []
