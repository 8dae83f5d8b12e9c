"""What an `Image` and a `File` have in common: they name bytes, which are read from a store, and
saved to the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from agentkit._files import write_whole
from agentkit.errors import AgentkitError
from agentkit.values.blobs import Blobs, opened, read_some

_CHUNK = 1 << 20


class NamesBytes(Protocol):
    """An `Image` or a `File`."""

    @property
    def sha256(self) -> str: ...
    @property
    def blobs(self) -> Blobs | None: ...


def open_bytes(value: NamesBytes, kind: type[AgentkitError]) -> BinaryIO:
    """The bytes as a file. Raises an error of this kind where they are gone, `StoreError` where the
    store cannot be read.
    """
    if value.blobs is None or not value.sha256:
        lacking = "no store is attached: load its run with Run.from_json(text, blobs=agent.store)"
        raise kind(
            f"{value!r} has no bytes here: {lacking if value.sha256 else 'it was not fetched yet'}"
        )
    try:
        return opened(value.blobs, value.sha256)
    except FileNotFoundError:
        raise kind(f"the bytes of {value!r} are no longer in the store") from None


def pieces_of(value: NamesBytes, kind: type[AgentkitError]) -> Iterator[bytes]:
    """The bytes, a megabyte at a time. Raises as `open_bytes` does."""
    with open_bytes(value, kind) as source:
        while chunk := read_some(source, _CHUNK):
            yield chunk


def saved(
    path: str | os.PathLike[str], name: str, pieces: Iterable[bytes], kind: type[AgentkitError]
) -> Path:
    """Write a file, whole or not at all, and return its path. A folder gets it under this name.
    Raises an error of this kind where the folder is not there, or it cannot be written.
    """
    if not isinstance(path, str | os.PathLike):
        raise kind(f"save({path!r:.80}): given is {type(path).__name__}; accepted is a path")
    try:
        target = Path(path)
        if target.is_dir():
            target = target / name
        if not target.parent.is_dir():
            why = "is no folder" if target.parent.exists() else "is not there: make it first"
            raise kind(f"save({str(path)!r}): the folder {str(target.parent)!r} {why}")
        write_whole(target, pieces)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise kind(f"save({str(path)!r}): {reason or error}") from error
    return target
