"""A request as a form (`multipart/form-data`), whose pictures are files that are read from the
store while they are sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from agentkit.values import BlobRef, Image, Pieces
from agentkit.wire.body import joined
from agentkit.wire.json import join_surrogates, write

_EXTENSIONS = {"image/jpeg": "jpg", "image/svg+xml": "svg"}


@dataclass(frozen=True, slots=True)
class Body:
    """What is posted, and its `Content-Type`: that of a form says where its parts begin."""

    pieces: Pieces
    content_type: str = "application/json"


def form_of(fields: Mapping[str, object], files: Sequence[tuple[str, Image]]) -> Body:
    """The form with these fields, then these pictures by the names of their fields. What is None
    is left out. The members of a list or an object are fields of their own (`svg[model]`,
    `tags[]`), as OpenAI's own client has them.
    """
    boundary = secrets.token_hex(16)  # cannot be guessed, so no text that is sent can hold it
    parts: list[Pieces] = []
    for name, value in fields.items():
        for each, text in _flat(name, value):
            parts.append((_head(boundary, each) + b"\r\n\r\n" + text + b"\r\n",))
    for name, image in files:
        ref = BlobRef(image.sha256, image.media_type, "file")
        parts.append((_head(boundary, name) + b"; ", ref, b"\r\n"))
    pieces = joined([*parts, (f"--{boundary}--\r\n".encode(),)])
    return Body(pieces, f"multipart/form-data; boundary={boundary}")


def file_head(media_type: str) -> bytes:
    """What stands before the bytes of a file: its name and its type, which are those of the
    picture as it is sent.
    """
    extension = _EXTENSIONS.get(media_type, media_type.rpartition("/")[2])
    return f'filename="picture.{extension}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()


def _head(boundary: str, name: str) -> bytes:
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{escaped}"'
    return head.encode("utf-8", "replace")


def _flat(name: str, value: object) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, Mapping):
        for key, each in cast("Mapping[str, object]", value).items():
            yield from _flat(f"{name}[{key}]", each)
    elif isinstance(value, list | tuple):
        for each in cast("Sequence[object]", value):
            yield from _flat(f"{name}[]", each)
    elif isinstance(value, str):
        yield name, join_surrogates(value).encode()
    elif value is not None:
        yield name, write(value)
