"""What the bytes of a file are, whatever its name says: its media type, how its text is encoded,
how many pages it has. Nothing is unpacked but a bounded part of a PDF.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from dataclasses import dataclass
from typing import BinaryIO

from agentkit.errors import FileError
from agentkit.values.image_header import EXTENSIONS as PICTURES
from agentkit.values.image_header import sniff
from agentkit.values.pdf import read_pdf

PDF = "application/pdf"
SVG = "image/svg+xml"
MOST_BYTES = 100 << 20
"""Bytes of the largest file. Most providers take 20 to 50 MB."""
_HEAD = 4096
_CHUNK = 1 << 18
_LONGEST_NAME = 120
_LONGEST_EXTENSION = 16

_BEGINNINGS = (
    (b"%PDF-", PDF),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = "application/x-ole-storage"
_IN_ZIP = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "epub": "application/epub+zip",
}
_IN_OLE = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
_TEXTS = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "md": "text/markdown",
    "css": "text/css",
    "ics": "text/calendar",
    "py": "text/x-python",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "toml": "application/toml",
    "js": "text/javascript",
    "html": "text/html",
    "htm": "text/html",
}
"""Kinds of text that only the name tells apart."""
EXTENSIONS = {
    PDF: "pdf",
    SVG: "svg",
    "text/plain": "txt",
    "application/rtf": "rtf",
    "application/gzip": "gz",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "video/mp4": "mp4",
    "video/webm": "webm",
    **{kind: name for names in (_IN_ZIP, _IN_OLE, _TEXTS) for name, kind in names.items()},
    "text/html": "html",
    "application/yaml": "yaml",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_ANY_CASE = re.IGNORECASE | re.DOTALL
_HTML = re.compile(rb"\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", _ANY_CASE)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What the bytes of a file tell."""

    media_type: str
    size: int
    """Bytes."""
    encoding: str | None = None
    """Of text, as Python names it; None for what is no text, or whose encoding is not known."""
    pages: int | None = None


def file_info(file: BinaryIO, name: str) -> FileInfo:
    """What a seekable file is. Its name only tells kinds apart whose bytes are alike. Raises
    `FileError` for what nobody can use: no bytes, too many, a picture, a PDF that is none or is
    encrypted.
    """
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise FileError("it has no bytes")
    check_size(size)
    file.seek(0)
    head = file.read(_HEAD)
    extension = extension_of(name)
    media_type, encoding = _kind(head, file, extension)
    if extension == "pdf" and media_type != PDF:
        raise FileError(f"it is no PDF, as its name says, but {media_type}")
    if media_type != PDF:
        return FileInfo(media_type, size, encoding)
    pdf = read_pdf(file, size)
    if pdf.encrypted:
        raise FileError("the PDF is encrypted, so no model reads it: save it without a password")
    return FileInfo(media_type, size, None, pdf.pages)


def check_size(size: int) -> None:
    """Raise `FileError` for more bytes than a file may have."""
    if size > MOST_BYTES:
        most = f"{MOST_BYTES} ({MOST_BYTES >> 20} MiB)"
        raise FileError(f"it has {size} bytes; accepted are at most {most}")


def is_text(media_type: str) -> bool:
    """Whether files of this kind are words."""
    return media_type.startswith("text/") or media_type in {*_TEXTS.values(), SVG}


def extension_of(name: str) -> str:
    """`pdf` of `Report.PDF`; empty where there is none."""
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem and len(extension) <= _LONGEST_EXTENSION else ""


def clean_name(name: str, media_type: str = "") -> str:
    """A name that is no path, has no characters that cannot be seen, and is no longer than 120;
    `file` where nothing is left.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    seen = "".join(each if unicodedata.category(each)[0] not in "CZ" else " " for each in last)
    words = " ".join(seen.split()).strip(". ").replace('"', "'")
    if not words:
        return f"file.{EXTENSIONS.get(media_type, 'bin')}"
    if len(words) <= _LONGEST_NAME:
        return words
    extension = extension_of(words)
    end = f".{extension}" if extension else ""
    return words[: _LONGEST_NAME - len(end) - 1].rstrip(". ") + "…" + end


def bom_encoding(data: bytes) -> str | None:
    """The encoding that a text says at its beginning."""
    return next((name for bom, name in _BOMS if data.startswith(bom)), None)


def decoded(data: bytes, encoding: str) -> str:
    """The text of these bytes, which may end in the middle of a character."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(data)


def _kind(head: bytes, file: BinaryIO, extension: str) -> tuple[str, str | None]:
    """The media type, and the encoding of text."""
    picture = sniff(head)
    if picture is not None and picture != SVG:
        raise FileError(f"it is a picture ({PICTURES[picture]}): use Image in place of File")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for beginning, media_type in _BEGINNINGS:
        if start.startswith(beginning):
            return (_IN_OLE.get(extension, media_type) if media_type == _OLE else media_type), None
    if head.startswith(_ZIP):
        return _IN_ZIP.get(extension, "application/zip"), None
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav", None
    if head[4:8] == b"ftyp":
        return "video/mp4", None
    is_words, encoding = _text_encoding(head, file)
    if not is_words:
        return "application/octet-stream", None
    if picture == SVG:
        return SVG, encoding
    if _HTML.match(start):
        return "text/html", encoding
    return _TEXTS.get(extension, "text/plain"), encoding


def _text_encoding(head: bytes, file: BinaryIO) -> tuple[bool, str | None]:
    """Whether the bytes are text, and how that is encoded, where it is known."""
    marked = bom_encoding(head)
    decoder = codecs.getincrementaldecoder(marked or "utf-8")()
    known: str | None = marked or "utf-8"
    file.seek(0)
    while chunk := file.read(_CHUNK):
        if marked in {None, "utf-8-sig"} and len(chunk.translate(None, _CONTROLS)) < len(chunk):
            return False, None
        known = known if known and _decodes(decoder, chunk) else None
    return True, known if known and _decodes(decoder, b"", final=True) else None


def _decodes(decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    return True
