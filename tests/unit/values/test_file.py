"""What a file is, whatever its name says."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from agentkit import File
from agentkit.errors import FileError, UsageError
from agentkit.values.file_kind import MOST_BYTES, clean_name
from tests.conftest import picture
from tests.documents import pdf


@pytest.mark.parametrize(
    ("data", "name", "media_type", "encoding"),
    [
        (pdf(), "a.pdf", "application/pdf", None),
        (pdf(), "notes.txt", "application/pdf", None),
        (b"Hello", "a.txt", "text/plain", "utf-8"),
        (b"a,b\n1,2\n", "a.CSV", "text/csv", "utf-8"),
        (b'{"a": 1}', "a.json", "application/json", "utf-8"),
        (b"# Hello", "", "text/plain", "utf-8"),
        ("Grüße".encode("utf-8-sig"), "a.md", "text/markdown", "utf-8-sig"),
        ("Grüße".encode("utf-16"), "a.txt", "text/plain", "utf-16"),
        ("Grüße".encode("latin-1"), "a.txt", "text/plain", None),
        (b" <!DOCTYPE html><p>no", "page.txt", "text/html", "utf-8"),
        (b"<svg xmlns='x'></svg>", "a.svg", "image/svg+xml", "utf-8"),
        (b"PK\x03\x04" + bytes(30), "a.docx", (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        ), None),
        (b"PK\x03\x04" + bytes(30), "a.exe", "application/zip", None),
        (b"MZ\x90\0\x03" + bytes(30), "a.txt", "application/octet-stream", None),
    ],
)  # fmt: skip
def test_the_media_type_comes_from_the_bytes(
    data: bytes, name: str, media_type: str, encoding: str | None
) -> None:
    file = File.from_bytes(data, name=name)
    assert (file.media_type, file.encoding, file.size) == (media_type, encoding, len(data))
    assert file.bytes() == data
    assert file.is_text == (encoding is not None or media_type == "text/plain")
    if encoding is not None:
        assert file.text() == data.decode(encoding)


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"", "a.pdf", "no bytes"),
        (b"<html><body>Please log in", "report.pdf", "no PDF, as its name says, but text/html"),
        (pdf(trailer=b"/Encrypt 8 0 R"), "a.pdf", "encrypted"),
        (pdf(packed=True, trailer=b"/Encrypt <</V 5>>"), "a.pdf", "encrypted"),
        (picture(), "a.pdf", "use Image"),
    ],
    ids=["empty", "a page", "encrypted", "encrypted, packed", "a picture"],
)
def test_what_nobody_can_use_is_refused(data: bytes, name: str, told: str) -> None:
    with pytest.raises(FileError, match=told):
        File.from_bytes(data, name=name)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.truncate(500 << 20)
    with pytest.raises(FileError, match=rf"524288000 bytes; accepted are at most {MOST_BYTES}"):
        File.from_path(path)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.pdf", "a.pdf"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("a\0b\r\n.txt", "a b .txt"),
        ("x" * 300 + ".pdf", "x" * 115 + "….pdf"),
        ("  ..  ", "file.bin"),
        ("", "file.bin"),
        ("\udc80.pdf", "pdf"),
    ],
)
def test_a_name_is_no_path_and_hides_nothing(given: str, shown: str) -> None:
    assert clean_name(given) == shown
    assert len(clean_name(given)) <= 120


def test_pages_are_counted_without_trust() -> None:
    def pages(data: bytes) -> int | None:
        return File.from_bytes(data).pages

    assert pages(pdf(7)) == 7
    assert pages(pdf(7, packed=True)) == 7
    assert pages(b"%PDF-1.7\nnothing") is None
    assert pages(b"%PDF-1.7\n<</Type/Pages/Count 999999999>>") is None
    # A bomb is unpacked up to a bound, and no page of it is believed beyond that.
    bomb = zlib.compress(bytes(64 << 20)) + b"<</Type/Pages/Count 3>>"
    assert pages(b"%PDF-1.7\n<</Type/ObjStm/N 1>>stream\n" + bomb) == 3
    assert pages(b"%PDF-1.7\n" + b"<</Type/ObjStm>>stream\n" * 20_000) is None
    # A dictionary that lies across the border of two pieces is found.
    assert pages(pdf(4, words=b"x" * ((1 << 20) - 60))) == 4


def test_a_path_is_read_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(2))
    file = File.from_path(path)
    assert (file.file_name, file.pages, file.size) == ("report.pdf", 2, path.stat().st_size)
    assert repr(file).startswith("<File report.pdf application/pdf 2 pages")
    assert file.save(tmp_path / "copy.pdf").read_bytes() == path.read_bytes()
    folder = tmp_path / "out"
    folder.mkdir()
    assert File.from_bytes(pdf(), name="../x.pdf").save(folder) == folder / "x.pdf"


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        File.from_path(tmp_path / "none.pdf")
    with pytest.raises(FileError, match="it is no file"):
        File.from_path(tmp_path)
    with pytest.raises(FileError, match="accepted are bytes"):
        File.from_bytes("text")  # pyright: ignore[reportArgumentType]
    with pytest.raises(FileError, match="accepted is a path"):
        File.from_path(3)  # pyright: ignore[reportArgumentType]
    for url in ("file:///etc/passwd", "ftp://x/y", "//x", "https://[bad"):
        with pytest.raises(FileError, match="URL"):
            File.from_url(url)
    assert File.from_url("https://a.example/x/r%20eport.pdf?y=1").file_name == "r eport.pdf"
    with pytest.raises(FileError, match="not fetched yet"):
        File.from_url("https://a.example/x.pdf").bytes()
    with pytest.raises(UsageError):
        File.from_bytes(b"x", name=3)  # pyright: ignore[reportArgumentType]
