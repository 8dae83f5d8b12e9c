"""Files in a request: what they are, what reads them, and what that costs. Nothing is really read:
the pages of a PDF are counted, and each is told as a line of words.

Sources: "PDF inputs" of OpenRouter's documentation (engines, prices, annotations that spare reading
a file again), and `FileParserPlugin`, `ChatContentFile` and `InputFile` of its specification.
"""

import base64
import binascii
import hashlib
import re
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.json_values import as_object
from agentkit.emulator.listed_model import Model
from agentkit.emulator.wire.errors import ApiError, invalid

PARSER = "file-parser"
ENGINES = ("mistral-ocr", "native", "cloudflare-ai", "pdf-text")
OCR_PAGE_PRICE = 0.002
NATIVE_PAGE_TOKENS = 1500
PARSED_PAGE_TOKENS = 300
OTHER_TOKENS = 500
"""What a file that is no PDF is billed as."""
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_DATA_URL = re.compile(r"data:([\w.+/-]+)(?:;[\w=-]+)*;base64,")
_SIDE = 40


@dataclass(frozen=True, slots=True)
class PastFile:
    """A file in the conversation. `data` is None for one behind a URL, which is not fetched."""

    name: str
    media_type: str
    data: bytes | None

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.data or self.name.encode()).hexdigest()

    @property
    def is_pdf(self) -> bool:
        return self.media_type == "application/pdf"

    @property
    def pages(self) -> int:
        return max(1, len(_PAGE.findall(self.data or b"")))


@dataclass(frozen=True, slots=True)
class Parse:
    """A file that was read for a request: with what, and what that cost on top of the tokens."""

    name: str
    engine: str
    pages: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Read:
    """What came of the files of a request."""

    tokens: int = 0
    parses: tuple[Parse, ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()
    """What a chat completion tells of the files that were parsed for it."""

    @property
    def cost(self) -> float:
        return sum(each.cost_usd for each in self.parses)


def file_of(
    *, file_data: object, file_id: object, filename: object, url: object = None
) -> PastFile:
    """The file of a part. Raises the refusal of one that has none."""
    name = filename if isinstance(filename, str) and filename else "file"
    if isinstance(file_id, str):
        raise ApiError(404, f"File not found: {file_id}")
    given = file_data if isinstance(file_data, str) else url
    if not isinstance(given, str) or not given:
        raise invalid("Invalid input: file: one of file_data, file_url and file_id is required")
    if given.startswith(("http://", "https://")):
        return PastFile(name, "application/pdf", None)
    head = _DATA_URL.match(given)
    if head is None:
        raise invalid("Invalid input: file_data: a URL or a base64 data URL is required")
    try:
        data = base64.b64decode(given[head.end() :], validate=True)
    except binascii.Error:
        raise invalid("Invalid input: file_data is no valid base64") from None
    if head[1] == "application/pdf" and not data.startswith(b"%PDF-"):
        raise ApiError(400, f"Failed to parse {name}: it is no PDF")
    return PastFile(name, head[1], data)


def engine_of(plugins: Sequence[Mapping[str, Any]] | None, model: Model) -> str:
    """What reads PDFs: as the plugin says; else the model itself, or what costs."""
    for plugin in plugins or ():
        if plugin.get("id") == PARSER and plugin.get("enabled") is not False:
            engine = (as_object(plugin.get("pdf")) or {}).get("engine")
            if engine is not None and engine not in ENGINES:
                raise invalid(f"Invalid input: plugins: pdf.engine: {engine!r} is not known")
            if engine is not None:
                return "cloudflare-ai" if engine == "pdf-text" else engine
    return "native" if "file" in model.inputs else "mistral-ocr"


def read_files(
    files: Sequence[PastFile], engine: str, known: Collection[str], model: Model
) -> Read:
    """What reading these costs. `known` are the hashes of those that were read before, as the
    request says. Raises the refusal of a file that the model cannot take.
    """
    takes = "file" in model.inputs
    tokens, parses, notes = 0, list[Parse](), list[dict[str, Any]]()
    for file in files:
        if not takes and (engine == "native" or not file.is_pdf):
            raise ApiError(404, "No endpoints found that support file input")
        if not file.is_pdf:
            tokens += OTHER_TOKENS
        elif engine == "native":
            tokens += NATIVE_PAGE_TOKENS * file.pages
            parses.append(Parse(file.name, engine, file.pages, 0.0))
        else:
            tokens += PARSED_PAGE_TOKENS * file.pages
            if file.hash not in known:
                price = OCR_PAGE_PRICE * file.pages if engine == "mistral-ocr" else 0.0
                parses.append(Parse(file.name, engine, file.pages, price))
                notes.append(_annotation(file, pictures=engine == "mistral-ocr"))
    return Read(tokens, tuple(parses), tuple(notes))


def _annotation(file: PastFile, *, pictures: bool) -> dict[str, Any]:
    """What was read out of a file: words, and, of a scan, a picture of each page."""
    content: list[dict[str, Any]] = [{"type": "text", "text": f'<file name="{file.name}">'}]
    for page in range(1, file.pages + 1):
        content.append({"type": "text", "text": f"Page {page} of {file.name}."})
        if pictures:
            url = f"data:image/png;base64,{_page_picture(file.hash, page)}"
            content.append({"type": "image_url", "image_url": {"url": url}})
    content.append({"type": "text", "text": "</file>"})
    return {"type": "file", "file": {"hash": file.hash, "name": file.name, "content": content}}


def _page_picture(seed: str, page: int) -> str:
    """A picture that no other page has, as base64."""
    noise, rows = hashlib.sha256(f"{seed}{page}".encode()).digest(), list[bytes]()
    for _ in range(_SIDE):
        row = b""
        while len(row) < _SIDE * 3:
            noise = hashlib.sha256(noise).digest()
            row += noise
        rows.append(b"\0" + row[: _SIDE * 3])
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return base64.b64encode(data).decode()
