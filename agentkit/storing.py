"""The door to an image store. One of the user's own (a bucket, a database) raises whatever its library raises: behind this
door it is a `StoreError`, which everything above knows how to survive."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from agentkit.errors import AgentkitError, StoreError

if TYPE_CHECKING:
    from agentkit.pictures import Blobs


@contextmanager
def storing(doing: str) -> Generator[None]:
    """Any error of a store's becomes a `StoreError` that says what was being done: `write to`, `read from`."""
    try:
        yield
    except AgentkitError:
        raise
    except Exception as error:
        raise StoreError(f"cannot {doing} the image store: {type(error).__name__}: {error}") from error


def opened(blobs: Blobs, sha256: str) -> BinaryIO:
    """A stored picture, from its start. Raises `FileNotFoundError` where it is not there, `StoreError` for any other error."""
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
