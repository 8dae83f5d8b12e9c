"""Files as values: a `File` is small and names bytes, like an `Image`, and is read from the same
places.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, Self
from urllib.parse import unquote, urlsplit

from agentkit._check import check_kind, check_optional
from agentkit.errors import FileError
from agentkit.values.blobs import Blobs, MemoryBlobs, storing
from agentkit.values.codec import OfContext, without_field
from agentkit.values.file_kind import (
    EXTENSIONS,
    PDF,
    check_size,
    clean_name,
    decoded,
    file_info,
    is_text,
)
from agentkit.values.image import Pieces
from agentkit.values.named_bytes import open_bytes, pieces_of, saved

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_CHUNK = 1 << 20


class PathBlobs:
    """The bytes of a file of the user's, which are read when they are needed."""

    __slots__ = ("_path", "_sha256")

    def __init__(self, path: Path, sha256: str) -> None:
        self._path, self._sha256 = path, sha256

    def open(self, sha256: str) -> BinaryIO:
        if sha256 != self._sha256:
            raise FileNotFoundError(f"no file {sha256[:12]}… at {self._path}")
        return self._path.open("rb")


@dataclass(frozen=True, slots=True)
class File:
    """A file that a model is given, or a tool gave: a PDF, text, or anything that a model takes. A
    small value that names bytes in the store. Made by `from_path`, `from_bytes` or `from_url`.
    """

    sha256: str
    """The digest of its bytes in lowercase hex. Empty for a file of `from_url` that no run has
    fetched yet.
    """
    media_type: str
    """Such as `application/pdf`, read from the bytes. The name only tells kinds of text apart."""
    size: int
    """Bytes."""
    file_name: str = ""
    """What people call it: `report.pdf`. Never a path."""
    name: str = ""
    """Its handle in a conversation: `file_1`, `file_2`, …"""
    pages: int | None = None
    """Of a PDF, as far as it tells them."""
    encoding: str | None = None
    """Of text: `utf-8`, …; None where it is not known, and for everything else."""
    url: str | None = None
    """Where it was downloaded from."""
    invocation_id: str | None = None
    """The id of the tool call that gave it; None for a file of the user's."""
    kind: Literal["file"] = "file"
    blobs: Annotated[Blobs | None, OfContext()] = field(default=None, compare=False, repr=False)
    """Where its bytes are read from. Not part of its equality or its JSON."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return without_field(handler(source), "blobs")

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str = "") -> Self:
        """A file of these bytes. Raises `FileError` for what nobody can use: no bytes, more than
        100 MiB, a picture, a PDF that is encrypted, or a `name` that says PDF of what is none.
        """
        from io import BytesIO

        check_kind("File.from_bytes(name={!r})", name, str, "text")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise FileError(
                f"File.from_bytes({data!r:.80}): given is {type(data).__name__}; accepted are bytes"
            )
        data = bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return cls._of(BytesIO(data), digest, name, MemoryBlobs(data))

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, name: str | None = None) -> Self:
        """The file at a path. It is looked at now, and read again, in pieces, when a run puts it
        into its store: it must not change before that. Raises `FileError` as `from_bytes` does, and
        where there is no file.
        """
        if not isinstance(path, str | os.PathLike):
            raise FileError(
                f"File.from_path({path!r:.80}): given is {type(path).__name__}; accepted is a path"
            )
        check_optional("File.from_path(name={!r})", name, str, "text")
        told = os.fspath(path)
        try:
            where = Path(path)
            info = where.stat()
            if not stat.S_ISREG(info.st_mode):
                raise FileError(f"cannot read the file {told!r}: it is no file")
            check_size(info.st_size)
            digest = hashlib.sha256()
            with where.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                sha256 = digest.hexdigest()
                given = where.name if name is None else name
                return cls._of(file, sha256, given, PathBlobs(where.absolute(), sha256))
        except FileError as error:
            raise FileError(f"{told!r}: {error}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise FileError(f"cannot read the file {told!r}: {reason or error}") from error

    @classmethod
    def from_url(cls, url: str, *, name: str | None = None) -> Self:
        """The file at an http or https URL. It is downloaded, under the agent's `FetchPolicy`, when
        a run first needs it: the model never gets the URL.
        """
        if not isinstance(url, str):
            raise FileError(
                f"File.from_url({url!r:.80}): given is {type(url).__name__}; "
                "accepted is an http(s) URL"
            )
        check_optional("File.from_url(name={!r})", name, str, "text")
        try:
            parts = urlsplit(url)
            url.encode()
        except ValueError:
            raise FileError(f"File.from_url({url!r:.80}): it is no URL") from None
        if parts.scheme.lower() not in {"http", "https"}:
            raise FileError(
                f"a file's URL must be http or https, not {url[:80]!r}; "
                "for a file on the disk, use File.from_path"
            )
        given = unquote(parts.path.rpartition("/")[2]) if name is None else name
        return cls("", "", 0, given, url=url)

    @classmethod
    def _of(cls, file: BinaryIO, sha256: str, name: str, blobs: Blobs) -> Self:
        info = file_info(file, name)
        shown = clean_name(name, info.media_type)
        return cls(
            sha256,
            info.media_type,
            info.size,
            shown,
            pages=info.pages,
            encoding=info.encoding,
            blobs=blobs,
        )

    @property
    def is_pdf(self) -> bool:
        return self.media_type == PDF

    @property
    def is_text(self) -> bool:
        """Whether it is words: text, JSON, HTML, …"""
        return is_text(self.media_type)

    @property
    def extension(self) -> str:
        """`pdf`, `txt`, …: by what the bytes are, without a dot."""
        return EXTENSIONS.get(self.media_type, "bin")

    @property
    def saved_name(self) -> str:
        """Its name where it is saved: no path, whoever wrote it."""
        return clean_name(self.file_name, self.media_type)

    def open(self) -> BinaryIO:
        """The bytes as a file. Raises `FileError` where they are gone, `StoreError` where the store
        cannot be read.
        """
        return open_bytes(self, FileError)

    def bytes(self) -> bytes:
        """The whole file in memory."""
        with storing("read from"), self.open() as file:
            return file.read()

    def text(self) -> str:
        """The words of a text file. Raises `FileError` for what is none, and where its encoding is
        not known.
        """
        if self.encoding is None:
            raise FileError(f"{self!r} is no text, or its encoding is not known")
        return decoded(self.bytes(), self.encoding)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, whole or not at all, and return its path. A folder gets it under its own
        name, of which no part is a path. Raises `FileError`.
        """
        return saved(path, self.saved_name, self.pieces(), FileError)

    def pieces(self) -> Iterator[bytes]:
        """The bytes, a megabyte at a time."""
        return pieces_of(self, FileError)

    def __repr__(self) -> str:
        pages = "" if self.pages is None else f" {self.pages} pages"
        what = (
            f"{self.file_name} {self.media_type}{pages} {self.size} bytes {self.sha256[:12]}"
            if self.sha256
            else (self.url or "")[:60]
        )
        return f"<File {self.name + ' ' if self.name else ''}{what}>"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What the service read out of a file, as it came with a reply of Chat Completions: sent again
    with the file, it spares reading it once more.
    """

    file_name: str
    """The name that the file was sent under."""
    item: Pieces
    """JSON, with references for the pictures in it."""
