"""Bytes on their way into a store: what a draft is, one in memory, and one that survives whatever
its store does.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import BinaryIO, Protocol

from agentkit._log import logger
from agentkit.errors import StoreError
from agentkit.values import Blobs
from agentkit.values.blobs import storing


class Draft(Protocol):
    """Bytes on their way into a store."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    @property
    def sha256(self) -> str:
        """The digest of what was written so far."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises `StoreError`; the bytes can be had by `read_back` even then."""
        ...

    def read_back(self) -> BinaryIO:
        """What was written so far, from its start. Writing may go on afterwards."""
        ...

    def keep(self) -> str:
        """Make it a stored picture, whole or not at all, and return its sha256.

        Raises `StoreError`: where that was the disk's fault, `read_back` still works.
        """
        ...

    def discard(self) -> None:
        """Leave no trace. May be called twice, and after `keep`, where it does nothing."""
        ...


class ImageStore(Blobs, Protocol):
    """Where pictures are kept, by the sha256 of their bytes."""

    def create(self) -> Draft:
        """A new, empty draft. Raises `StoreError` where it is known already that nothing can be
        written.
        """
        ...

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture, from its start. Raises `FileNotFoundError` where it is not there."""
        ...

    def delete(self, sha256: str) -> bool:
        """Remove a picture; False where it was not there."""
        ...

    def size(self) -> int:
        """The bytes of all stored pictures."""
        ...


class MemoryDraft:
    """A draft in memory. `shelf` is where `keep` puts the bytes; without one, it cannot be kept."""

    def __init__(self, shelf: dict[str, bytes] | None = None) -> None:
        self._shelf = shelf
        self._data = bytearray()
        self._hash = hashlib.sha256()
        self._open = True

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        if not self._open:
            raise StoreError("this draft was kept or discarded: nothing can be written to it")
        self._data += data
        self._hash.update(data)

    def read_back(self) -> BinaryIO:
        return BytesIO(bytes(self._data))

    def keep(self) -> str:
        if not self._open or self._shelf is None:
            raise StoreError("this draft was discarded, or has no store: it cannot be kept")
        self._open = False
        self._shelf[self.sha256] = bytes(self._data)
        self._data.clear()
        return self.sha256

    def discard(self) -> None:
        self._open = False
        self._data.clear()


class GuardedDraft:
    """A new draft of any store, whose errors are all `StoreError`s. It counts for itself, and its
    `discard` never fails.
    """

    def __init__(self, store: ImageStore) -> None:
        with storing("write to"):
            self._draft = store.create()
        self._size = 0
        self._kept = False

    @property
    def size(self) -> int:
        return self._size

    @property
    def sha256(self) -> str:
        with storing("write to"):
            return self._draft.sha256

    def write(self, data: bytes | memoryview) -> None:
        with storing("write to"):
            self._draft.write(data)
        self._size += len(data)

    def read_back(self) -> BinaryIO:
        with storing("read from"):
            return self._draft.read_back()

    def keep(self) -> str:
        with storing("write to"):
            sha256 = self._draft.keep()
        self._kept = True
        return sha256

    def discard(self) -> None:
        if not self._kept:
            self._size = 0
        # What is left behind is waste; nothing that anybody waits for is lost.
        try:
            with storing("write to"):
                self._draft.discard()
        except StoreError as error:
            logger().warning("draft_left_behind", reason=str(error))


def check_writable(store: ImageStore) -> None:
    """Raise `StoreError` where it is known already that nothing can be written: before money is
    spent.
    """
    GuardedDraft(store).discard()


class SafeDraft:
    """A draft whose writing never fails: where the store refuses, the bytes go on in memory.

    `trouble` is then the store's error: a picture that was paid for is not lost to a full disk. The
    caller bounds the size.
    """

    def __init__(self, store: ImageStore) -> None:
        self.trouble: StoreError | None = None
        self._cut = (
            False  # the store does not even give back what it had: nothing can be put behind that
        )
        try:
            self.draft: Draft = GuardedDraft(store)
        except StoreError as error:
            self.trouble = error
            self.draft = MemoryDraft()

    def write(self, data: bytes | memoryview) -> None:
        if self._cut:
            return
        before = self.draft.size
        try:
            self.draft.write(data)
        except StoreError as error:
            self.trouble = error
            self._go_on_in_memory(before, data)

    def _go_on_in_memory(self, before: int, data: bytes | memoryview) -> None:
        """From `before` bytes that the store had taken, and these, of which it may have taken
        some.
        """
        try:
            with storing("read from"), self.draft.read_back() as file:
                had = file.read()
        except StoreError:
            had = b""
        if len(had) < before:
            self._cut = True
            return
        refused, self.draft = self.draft, MemoryDraft()
        self.draft.write(had)
        self.draft.write(data[len(had) - before :])
        refused.discard()
