"""What a tool returned, which may be any Python value, → the text and pictures that the model is
told.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from agentkit.errors import AgentkitError, ImageError
from agentkit.tools.pictures import (
    as_block,
    as_bytes,
    as_image,
    claimed,
    from_tool,
    is_picture,
    of_inline,
)
from agentkit.tools.text import join_surrogates
from agentkit.values import File, Image, ImageFailure, Text, Usage, fast_init
from agentkit.wire import shapes
from agentkit.wire.inline import Inline, may_hold, read_inline

if TYPE_CHECKING:
    from pydantic import BaseModel
    from typing_extensions import TypeIs

MAX_CHARACTERS = 100_000
MAX_DEPTH = 64

ACCEPTED = (
    "text, numbers, lists, dicts, dataclasses, pydantic models, dates, UUIDs, paths, "
    "enums, pictures (Image, Pillow, bytes, BytesIO, arrays, figures, blocks of MCP), "
    "files (File), and None"
)

# Between two halves of a UTF-16 character stands the number of a picture, or, behind an f, of a
# file. No text of a tool's can hold such a half: they are joined or replaced first.
_MARK = re.compile("\udc80(f?)([0-9]+)\udc81")
_WORD_HANDLE = re.compile(r"(?<![\w/])(?:img|file)_[1-9][0-9]{0,8}(?!\w)")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{2,5}\Z")
_LONGEST_PATH = 4096
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Place = tuple[Any, object] | None
"""Where in a result a value stands: (the place of what holds it, its key); None is the result
itself. Told only in errors.
"""


class ToolResultError(AgentkitError):
    """A tool returned something that cannot be told to the model. The message names what and
    where.
    """


@fast_init
@dataclass(frozen=True, slots=True)
class Encoded:
    """A tool's result, ready but for the names of its pictures, which only the run can give."""

    template: str = field(repr=False)
    images: tuple[Image, ...]
    """Each distinct picture, in the order of its first place in the result."""
    files: tuple[File, ...] = ()
    """Each distinct file, likewise."""

    def parts(
        self,
        named: Callable[[Image], Image | ImageFailure | None] = lambda image: image,
        named_file: Callable[[File], File | str] = lambda file: file,
    ) -> tuple[Text | Image | File, ...]:
        """The text, in which each picture and file is its handle, and then the pictures and files.

        `named` gives for each picture the same with its handle, or why it could not be had;
        `named_file` does so for files.
        """
        if not self.images and not self.files:
            return (Text(_cut(self.template)),)
        known = [named(image) for image in self.images]
        files = [named_file(file) for file in self.files]

        def handle(mark: re.Match[str]) -> str:
            index = int(mark[2])
            if mark[1]:
                file = files[index]
                if isinstance(file, File):
                    return file.name or f"file {index + 1}"
                return f"(a file that could not be had: {join_surrogates(file)})"
            image = known[index]
            if isinstance(image, Image):
                return image.name or f"picture {index + 1}"
            reason = f": {join_surrogates(image.reason)}" if image else ""
            return f"(a picture that could not be had{reason})"

        # Two that turned out to be one picture have one name by now.
        distinct = {
            image.name or index: image
            for index, image in enumerate(known)
            if isinstance(image, Image)
        }
        given = {
            file.name or index: file for index, file in enumerate(files) if isinstance(file, File)
        }
        text = Text(_cut(_MARK.sub(handle, self.template)))
        return (text, *distinct.values(), *given.values())


def encode_result(value: object, *, is_image: bool = False) -> Encoded:
    """What the model is told of a tool's result.

    Text goes as it is; None is `null`; everything else is compact JSON. A picture is taken out of
    lists, tuples, sets, dicts, dataclasses and pydantic models, and in the JSON its handle takes
    its place. Pictures are what `agentkit.tools.pictures` knows by its shape, base64 in words
    among it; and, where the tool says that it returns an `Image` (`is_image`), paths and URLs.
    Text is cut at 100,000 characters. Raises `ToolResultError` for what has no such form.
    """
    if type(value) is str and len(value) < _LEAST and not is_image:  # as most results are
        return Encoded(join_surrogates(value), ())
    walk = _Walk(is_image=is_image)
    plain = walk.json(value, None, 0)
    if isinstance(plain, str):
        return Encoded(plain, tuple(walk.images), tuple(walk.files))
    return Encoded(_COMPACT.encode(plain), tuple(walk.images), tuple(walk.files))


def encode_words(
    text: str, images: Mapping[str, Image], files: Mapping[str, File] | None = None
) -> Encoded:
    """Words that name pictures and files by handles that are not the run's: each will get the run's
    own. Those that no word names are listed at the end.
    """
    files = files or {}
    marks = {name: _marked(index) for index, name in enumerate(images)}
    file_marks = {name: _marked_file(index) for index, name in enumerate(files)}
    every = marks | file_marks
    text = join_surrogates(text)
    template = _WORD_HANDLE.sub(lambda found: every.get(found[0], found[0]), text)
    for what, known in (("pictures", marks), ("files", file_marks)):
        if left := [mark for mark in known.values() if mark not in template]:
            template += f"{chr(10) * 2 if template else ''}[{what}: {', '.join(left)}]"
    return Encoded(template, tuple(images.values()), tuple(files.values()))


def _marked(index: int) -> str:
    return f"\udc80{index}\udc81"


def _marked_file(index: int) -> str:
    return f"\udc80f{index}\udc81"


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}\n[cut here: {MAX_CHARACTERS:,} of {len(text):,} characters]"


def _told(place: Place) -> str:
    """`the result['pages'][3]`."""
    return "the result" if place is None else f"{_told(place[0])}[{place[1]!r}]"


class _Walk:
    """One pass over a result, which gathers the pictures and makes the rest JSON."""

    def __init__(self, *, is_image: bool) -> None:
        self.images: list[Image] = []
        self.files: list[File] = []
        self._is_image = is_image

    def json(self, value: object, place: Place, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._words(cast("str", value), place)
        if value is None or kind is int or kind is bool:
            return value
        if depth > MAX_DEPTH:
            raise ToolResultError(
                f"{_told(place)[:200]} is nested deeper than {MAX_DEPTH} levels, or holds itself"
            )
        if isinstance(value, File):
            return self._mark_file(value)
        image = _image_in(value, place)
        if image is not None:
            return self._mark(image)
        if isinstance(value, PurePath):
            return self._words(str(value), place)
        if isinstance(value, Enum):
            return self.json(cast("object", value.value), place, depth + 1)
        if isinstance(value, str):
            return self._words(value, place)
        if isinstance(value, int | float):
            return _scalar(value)
        if isinstance(value, Text):
            return self._words(value.text, place)
        return self._container(value, place, depth)

    def _container(self, value: object, place: Place, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(cast("Mapping[object, object]", value), place, depth)
        if isinstance(value, list | tuple | AbstractSet):
            each_of = cast("list[object]", value)
            return [
                self.json(each, (place, index), depth + 1) for index, each in enumerate(each_of)
            ]
        if _is_model(value) or _is_dataclass(value):
            own_serializer = hasattr(type(value), "__pydantic_serializer__")
            if not own_serializer or _needs_walk(value, 0):
                return self._mapping(dict(_fields(value)), place, depth)
        return self._leaf(value, place, depth)

    def _mapping(self, fields: Mapping[Any, object], place: Place, depth: int) -> Any:
        """A block that is a picture, as its handle; any other mapping as an object."""
        if (block := as_block(fields)) is not None:
            return self._mark(block)
        is_claimed = shapes.claims_picture(fields)
        return {
            _key(key, place): self._claimed(each, fields, place)
            if is_claimed and isinstance(each, str)
            else self.json(each, (place, key), depth + 1)
            for key, each in fields.items()
        }

    def _claimed(self, text: str, fields: Mapping[Any, object], place: Place) -> str:
        """A string of a mapping that is said to hold a picture."""
        image = claimed(text, fields)
        return self._words(text, place) if image is None else self._mark(image)

    def _words(self, text: str, place: Place) -> str:
        """Words, with the handle of each picture that was written into them."""
        text = join_surrogates(text)
        if self._is_image and (image := _image_at(text, place)) is not None:
            return self._mark(image)
        if len(text) < _LEAST or not may_hold(text):
            return text
        return "".join([self._told(each) for each in read_inline(text)])

    def _told(self, piece: str | Inline) -> str:
        if isinstance(piece, str):
            return piece
        image = of_inline(piece)
        return piece.text if image is None else self._mark(image)

    def _leaf(self, value: object, place: Place, depth: int) -> Any:
        kind = type(value).__qualname__
        if isinstance(value, Iterator):
            raise ToolResultError(
                f"{_told(place)} is a {kind}, which may have no end; return a list"
            )
        if (data := as_bytes(value)) is not None:
            raise ToolResultError(
                f"{_told(place)} is {len(data)} bytes that are no picture; return text, "
                "or File.from_bytes(data)"
            )
        for name in _AS_BLOCK:
            if callable(method := getattr(type(value), name, None)):
                return self.json(method(value), place, depth + 1)
        from pydantic_core import to_jsonable_python

        try:
            plain: object = to_jsonable_python(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise ToolResultError(
                f"{_told(place)} is a {kind}, which cannot be told to the model: "
                f"{_why(error)}; accepted are {ACCEPTED}"
            ) from None
        # Once more, for what its own serializer gave: lone surrogates, infinities.
        return self.json(plain, place, depth + 1)

    def _mark_file(self, file: File) -> str:
        for index, known in enumerate(self.files):
            if known.sha256 == file.sha256 and (known.sha256 or known.url == file.url):
                return _marked_file(index)
        self.files.append(file)
        return _marked_file(len(self.files) - 1)

    def _mark(self, image: Image) -> str:
        for index, known in enumerate(self.images):
            if known.sha256 == image.sha256 and (known.sha256 or known.url == image.url):
                return _marked(index)
        self.images.append(image)
        return _marked(len(self.images) - 1)


_LEAST = 40
"""Characters of the shortest words that can hold a picture."""
_AS_BLOCK = ("to_image_content", "tolist")
"""How pictures of MCP's servers, and arrays that are none, say what they are."""


def _image_in(value: object, place: Place) -> Image | None:
    try:
        return as_image(value)
    except ImageError as error:
        raise ToolResultError(f"{_told(place)} cannot be told to the model: {error}") from None


def _image_at(text: str, place: Place) -> Image | None:
    """The picture at a path or URL; None for words that are neither."""
    if text[:8].lower().startswith(("http://", "https://")):
        return from_tool(Image.from_url(text))
    if not text.strip() or "\n" in text or len(text) > _LONGEST_PATH or text.startswith("data:"):
        return None
    try:
        return from_tool(Image.from_file(text))
    except ImageError as error:
        if _EXTENSION.search(text) is None:
            return None
        raise ToolResultError(f"{_told(place)}: {error}") from None


def _scalar(value: float) -> str | float:
    return value if math.isfinite(value) else str(value)


def _key(key: object, place: Place) -> str:
    if type(key) is str:
        return join_surrogates(key)
    from pydantic_core import to_jsonable_python

    try:
        (text,) = cast("dict[str, object]", to_jsonable_python({key: 0}))
    except (ValueError, TypeError) as error:
        raise ToolResultError(
            f"{_told(place)} has the key {key!r}, which JSON cannot hold: {_why(error)}"
        ) from None
    return join_surrogates(text)


def _why(error: Exception) -> str:
    return str(error).split("\n")[0][:200]


def _is_model(value: object) -> TypeIs[BaseModel]:
    """Without loading pydantic for values that cannot be of it."""
    if "pydantic" not in sys.modules:
        return False
    from pydantic import BaseModel

    return isinstance(value, BaseModel)


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _fields(value: object) -> list[tuple[str, object]]:
    """What a pydantic model or a dataclass holds."""
    if _is_model(value):
        return list(value)
    return [
        (each.name, getattr(value, each.name)) for each in dataclasses.fields(cast("Any", value))
    ]


def _needs_walk(value: object, depth: int) -> bool:
    """Whether pydantic cannot write this alone: a picture is inside, or a lone surrogate. Else its
    own serializers do it.
    """
    if isinstance(value, str):
        return join_surrogates(value) != value
    if isinstance(value, bytes | bytearray | File) or is_picture(value):
        return isinstance(value, File) or is_picture(value)
    inside: Iterable[object] = ()
    if _is_model(value) or _is_dataclass(value):
        fields = dict(_fields(value))
        if as_block(fields) is not None:
            return True
        inside = fields.values()
    elif isinstance(value, Mapping):
        inside = cast("Mapping[object, object]", value).values()
    elif isinstance(value, list | tuple | AbstractSet):
        inside = cast("Iterable[object]", value)
    return depth <= MAX_DEPTH and any(_needs_walk(each, depth + 1) for each in inside)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Billed(Generic[T]):
    """What a tool returns together with what it spent: the model is told `value` alone, the run
    adds `usage` to its own, and the invocation gets its cost."""

    value: T
    usage: Usage
