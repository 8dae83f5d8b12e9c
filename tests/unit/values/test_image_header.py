"""Kinds of pictures, told by their first bytes."""

from __future__ import annotations

import pytest

from agentkit.values.image_header import EXTENSIONS, sniff
from tests.conftest import picture


@pytest.mark.parametrize(
    ("format", "wanted"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
    ],
)
def test_the_kinds(format: str, wanted: str) -> None:
    assert sniff(picture(format=format)[:1024]) == wanted
    assert wanted in EXTENSIONS


@pytest.mark.parametrize(
    "head", [b"", b"<html>", b"%PDF-1.7", b"RIFF....WAVE", b"{}", b"<svgx>", b"\x89PNG"]
)
def test_what_is_no_picture(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    "head",
    [
        b"<svg>",
        b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a -->\n<!-- b --><!DOCTYPE svg x><svg ",
        b"<SVG\n",
    ],
)
def test_svg(head: bytes) -> None:
    assert sniff(head) == "image/svg+xml"


def test_comments_of_a_hostile_svg_do_not_make_it_hang() -> None:
    assert sniff(b"<!---->" * 146 + b"x") is None
    assert sniff(b"<!---->" * 140 + b"<svg>") == "image/svg+xml"
