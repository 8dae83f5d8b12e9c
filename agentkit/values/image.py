"""Pictures as values: an `Image` is small and names bytes, which a `Blobs` handle reads. The handle
is no part of its equality or its JSON, and `save` and `from_file` are the only things below floor 3
that touch a disk."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, Self
from urllib.parse import urlsplit

from agentkit._check import check_kind, check_number
from agentkit.errors import ImageError
from agentkit.values.blobs import Blobs, MemoryBlobs, storing
from agentkit.values.codec import Amount, OfContext, without_field
from agentkit.values.image_header import EXTENSIONS, HEAD, MAX_PIXELS, describe, sniff
from agentkit.values.named_bytes import open_bytes, pieces_of, saved

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_FILE_STEM = re.compile(r"[\w-]{1,64}\Z", re.ASCII)
Place = Literal[
    "images",  # chat: `message.images`, streamed or not (1, 2)
    "reasoning_details",  # chat: a `reasoning.server_tool_call` (3)
    "text",  # a Markdown image or a link in the answer's text (4)
    "content",  # a content part of a message (5)
    "server_tool",  # Responses: an `openrouter:image_generation` item (6)
    "image_generation_call",  # Responses: the item of that type (7)
    "item",  # any other item, part or field of a reply: a tool's output, an item of a new kind
    "data",  # the Image API, buffered or streamed (9, 10)
    "file",  # a file, no picture, that a server tool left in its container or at a URL
    "tool",  # the result of a user's tool
    "user",  # the user's own
]
_LARGEST = 256 << 20


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Source:
    """A place where a picture was seen, and its URL there, if it had one."""

    place: Place
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a small value that names bytes in the store. Made by `from_file`, `from_bytes` or
    `from_url`.
    """

    sha256: str
    """The digest of its bytes in lowercase hex. Empty for a picture of `from_url` that no run has
    fetched yet.
    """
    media_type: str
    """Such as `image/png`, read from the bytes."""
    size: int
    """Bytes."""
    width: int | None = None
    """Pixels; None if they are not known: SVG, or a picture that was not looked at yet."""
    height: int | None = None
    """Pixels, like `width`."""
    name: str = ""
    """Its handle in a conversation: `img_1`, `img_2`, … A conversation gives each picture the next
    number, whatever name it had before.
    """
    alt: str = ""
    """A description, if one was given."""
    prompt: str | None = None
    """The words that it was drawn from, if they are known."""
    revised_prompt: str | None = None
    """The words that the provider made of the prompt."""
    model: str | None = None
    """The model that drew it, if it is known."""
    parents: tuple[str, ...] = ()
    """Names of the pictures that it was made from: handles in a conversation, digests in a
    `Drawing`.
    """
    invocation_id: str | None = None
    """The id of the tool call that gave it."""
    sources: tuple[Source, ...] = ()
    """Every place where it was seen."""
    cost_usd: Amount | None = None
    """USD, if the reply told the cost of this picture alone; else None."""
    kind: Literal["image"] = "image"
    blobs: Annotated[Blobs | None, OfContext()] = field(default=None, compare=False, repr=False)
    """Where its bytes are read from. Not part of its equality or its JSON."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return without_field(handler(source), "blobs")

    def joined(self, seen: Image) -> Image:
        """This picture with what another sight of the same bytes adds: its sources, and what was
        not known of it yet.
        """
        sources = (
            *self.sources,
            *(source for source in seen.sources if source not in self.sources),
        )
        filled: dict[str, Any] = {
            name: getattr(seen, name)
            for name in (
                "prompt",
                "revised_prompt",
                "model",
                "invocation_id",
                "cost_usd",
                "width",
                "height",
                "blobs",
            )
            if getattr(self, name) is None
        }
        return replace(
            self,
            sources=sources,
            alt=self.alt or seen.alt,
            parents=self.parents or seen.parents,
            **filled,
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, alt: str = "") -> Self:
        """A picture of these bytes. Raises `ImageError` if they are of no kind that is known
        here.
        """
        check_kind("Image.from_bytes(alt={!r})", alt, str, "text")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ImageError(
                f"Image.from_bytes({data!r:.80}): given is "
                f"{type(data).__name__}; accepted are bytes"
            )
        data = bytes(data)
        media_type = sniff(data[:HEAD])
        if media_type is None:
            raise ImageError(
                f"these {len(data)} bytes are no picture that is known here "
                f"({describe(data[:HEAD])}); accepted: {', '.join(sorted(EXTENSIONS.values()))}"
            )
        digest = hashlib.sha256(data).hexdigest()
        return cls(
            digest,
            media_type,
            len(data),
            alt=alt,
            sources=(Source("user"),),
            blobs=MemoryBlobs(data),
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, alt: str = "") -> Self:
        """The picture in a file, read now. Raises `ImageError` if there is none, or if it is larger
        than 256 MiB.
        """
        check_kind("Image.from_file(alt={!r})", alt, str, "text")
        if not isinstance(path, str | os.PathLike):
            raise ImageError(
                f"Image.from_file({path!r:.80}): given is {type(path).__name__}; accepted is a path"
            )
        try:
            info = Path(path).stat()
            if not stat.S_ISREG(info.st_mode):
                raise ImageError(f"cannot read the picture {os.fspath(path)!r}: it is no file")
            if info.st_size > _LARGEST:
                raise ImageError(
                    f"{os.fspath(path)!r} has {info.st_size} bytes; accepted are at most {_LARGEST}"
                )
            data = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise ImageError(
                f"cannot read the picture {os.fspath(path)!r}: {reason or error}"
            ) from error
        try:
            return cls.from_bytes(data, alt=alt)
        except ImageError as error:
            raise ImageError(f"{os.fspath(path)!r}: {error}") from None

    @classmethod
    def from_url(cls, url: str, *, alt: str = "") -> Self:
        """The picture at an http or https URL. It is downloaded, under the agent's `FetchPolicy`,
        when a run first needs it.
        """
        check_kind("Image.from_url(alt={!r})", alt, str, "text")
        if not isinstance(url, str):
            raise ImageError(
                f"Image.from_url({url!r:.80}): given is "
                f"{type(url).__name__}; accepted is an http(s) URL"
            )
        if _scheme(url) not in {"http", "https"}:
            raise ImageError(
                f"a picture's URL must be http or https, not {url[:80]!r}; "
                "for a file, use Image.from_file"
            )
        try:
            url.encode()
        except UnicodeEncodeError:
            raise ImageError(
                f"Image.from_url({url!r:.80}): it holds half of a surrogate pair, which no URL can"
            ) from None
        return cls("", "", 0, alt=alt, sources=(Source("user", url),))

    @property
    def url(self) -> str | None:
        """The first URL that it was seen at. Such URLs expire: `bytes()` and `save()` give the
        picture.
        """
        return next((source.url for source in self.sources if source.url), None)

    @property
    def extension(self) -> str:
        """`png`, `jpg`, …: without a dot."""
        return EXTENSIONS.get(self.media_type, "bin")

    @property
    def file_name(self) -> str:
        """`NAME.EXTENSION`, or the beginning of its sha256 where the name is none of ours: it never
        becomes a path.
        """
        stem = self.name if _FILE_STEM.match(self.name) else self.sha256[:12]
        return f"{stem}.{self.extension}"

    def open(self) -> BinaryIO:
        """The bytes as a file. Raises `ImageError` where they are gone, `StoreError` where the
        store cannot be read.
        """
        return open_bytes(self, ImageError)

    def bytes(self) -> bytes:
        """The whole picture in memory."""
        with storing("read from"), self.open() as file:
            return file.read()

    def data_url(self) -> str:
        """The whole picture as a `data:` URL."""
        import pybase64

        return f"data:{self.media_type};base64,{pybase64.b64encode(self.bytes()).decode('ascii')}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, whole or not at all, and return its path. A folder gets
        `NAME.EXTENSION`.

        Nothing is converted: a JPEG saved as `fox.png` is a JPEG still, as every viewer sees from
        its first bytes; `extension` is the picture's own. Raises `ImageError` where the folder is
        not there, or the file cannot be written.
        """
        return saved(path, self.file_name, pieces_of(self, ImageError), ImageError)

    def to_pillow(self, *, max_pixels: int = MAX_PIXELS) -> PillowImage:
        """The picture, decoded and upright. Raises `ImageError` for SVG, for more than
        `max_pixels`, and for bytes that cannot be decoded.
        """
        from agentkit.values.image_pixels import decoded

        check_number("to_pillow(max_pixels={!r})", max_pixels, whole=True, least=1)
        if self.media_type == "image/svg+xml":
            raise ImageError(f"{self!r} is SVG, which is never rasterised here")
        data = self.bytes()
        try:
            return decoded(data, max_pixels=max_pixels)
        except ImageError as error:
            raise ImageError(f"{self!r}: {error}") from error.__cause__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        """Notebook display: raster pictures with their words, handle and price, as a smaller copy
        where they have more than 300 KB; SVG, which can carry a script, as its repr.
        """
        from agentkit.values.image_display import displayed

        shown = displayed(self)
        return {"text/plain": repr(self), **({"text/html": shown} if shown else {})}

    def __repr__(self) -> str:
        pixels = f" {self.width}×{self.height}" if self.width and self.height else ""
        what = (
            f"{self.media_type}{pixels} {self.size} bytes {self.sha256[:12]}"
            if self.sha256
            else (self.url or "")[:60]
        )
        return f"<Image {self.name + ' ' if self.name else ''}{what}>"


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """A picture that was announced and could not be obtained. `url` is None if there was none, as
    for a server tool that failed.
    """

    source: Source
    url: str | None
    reason: str
    """Why, in words."""
    invocation_id: str | None = None
    kept: str | None = None
    """The digest, in the store, of bytes that arrived and are no whole picture."""
    data: bytes | None = field(default=None, compare=False, repr=False)
    """The bytes themselves, if the store could not write them (the disk is full). Not part of its
    JSON; `Answer.save` writes them.
    """
    kind: Literal["image_failure"] = "image_failure"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return without_field(handler(source), "data")


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Inside raw JSON: here stand the bytes of a stored picture or file, in base64; inside a form
    (`multipart/form-data`), as a file.
    """

    sha256: str
    media_type: str
    form: Literal["data_url", "base64", "file", "text"] = "data_url"
    """`text` stands for the words of a text file."""
    kind: Literal["blob"] = "blob"


Pieces = tuple[bytes | BlobRef, ...]
"""JSON text, or a form, with pictures left out: joined, with the bytes of each reference in its
place, it is the whole.
"""
