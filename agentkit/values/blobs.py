"""The door to an image store. One of the user's own (a bucket, a database) raises whatever its
library raises: behind this door it is a `StoreError`, which everything above knows how to
survive."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO, Protocol

from agentkit.errors import AgentkitError, StoreError


class Blobs(Protocol):
    """Where an image's bytes are read from."""

    def open(self, sha256: str) -> BinaryIO:
        """The bytes with this digest, from their start. Raises `FileNotFoundError` where they are
        not there.
        """
        ...


class MemoryBlobs:
    """Bytes that are held in memory: those of `Image.from_bytes`, until a run puts them into its
    store.
    """

    __slots__ = ("_data",)

    def __init__(self, *data: bytes) -> None:
        self._data = {hashlib.sha256(each).hexdigest(): each for each in data}

    def open(self, sha256: str) -> BinaryIO:
        try:
            return BytesIO(self._data[sha256])
        except KeyError:
            raise FileNotFoundError(f"no image {sha256[:12]}… in memory") from None


@contextmanager
def storing(doing: str) -> Generator[None]:
    """Any error of a store's becomes a `StoreError` that says what was being done: `write to`,
    `read from`.
    """
    try:
        yield
    except AgentkitError:
        raise
    except Exception as error:
        raise StoreError(
            f"cannot {doing} the image store: {type(error).__name__}: {error}"
        ) from error


def opened(blobs: Blobs, sha256: str) -> BinaryIO:
    """A stored picture, from its start. Raises `FileNotFoundError` where it is not there,
    `StoreError` for any other error.
    """
    with storing("read from"):
        try:
            return blobs.open(sha256)
        except FileNotFoundError as error:
            missing = error
    raise missing


def read_some(file: BinaryIO, size: int) -> bytes:
    """The next bytes of a stored picture; none at its end. Raises `StoreError`."""
    with storing("read from"):
        return file.read(size)
