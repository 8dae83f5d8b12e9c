"""In which form a file goes to a model: as a file, as its words, or as a line alone."""

from __future__ import annotations

from typing import Literal

from agentkit.values import File
from agentkit.values.file_kind import SVG

MOST_TEXT = 256 << 10
"""Bytes of a text file that go where it goes as words."""
OCR_PAGE_USD = 0.002
"""What a page costs that `mistral-ocr` reads."""
_PAGE_TOKENS = 1500
_PAGE_BYTES = 50 << 10
"""Bytes of a page, where a PDF does not tell how many it has."""
_BYTES_A_TOKEN = 4
_OTHER_TOKENS = 2000
Form = Literal["file", "text"]


def form_of(file: File, takes_files: bool | None) -> Form | None:
    """How a file goes to a model of which the catalogue says that it takes files, or not, or
    nothing (None). A PDF goes to any, since OpenRouter reads it for those that cannot. None: the
    model cannot have it.
    """
    if file.is_pdf:
        return "file"
    if file.encoding is not None and (takes_files is not True or file.media_type == SVG):
        return "text"
    return "file" if takes_files is not False and file.media_type != SVG else None


def pages_of(file: File) -> int:
    """The pages of a PDF; guessed by its size where it does not tell them."""
    return max(1, file.size // _PAGE_BYTES) if file.pages is None else file.pages


def tokens_of_file(file: File) -> int:
    """An estimate of what a file is to a model that reads it."""
    if file.is_pdf:
        return _PAGE_TOKENS * pages_of(file)
    if file.is_text:
        return min(file.size, MOST_TEXT) // _BYTES_A_TOKEN + 1
    return _OTHER_TOKENS
