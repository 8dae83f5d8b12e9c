"""A draft of any store, made safe: writing to it never fails, and its errors are `StoreError`s."""

from __future__ import annotations

from typing import BinaryIO

from agentkit._log import logger
from agentkit.errors import StoreError
from agentkit.images.store import Draft, ImageStore, MemoryDraft
from agentkit.values.blobs import storing

PICTURE_ROOM = 8 << 20
"""Bytes that the store shall have room for, for each picture that is ordered: more than most have,
so that a disk that is nearly full is noticed before the last picture is bought for it.
"""
LEAST_ROOM = 16 << 20


class SafeDraft:
    """A new draft of `store`. Writing never fails: if the store refuses, the bytes go on in memory.

    A picture that was paid for is not lost to a full disk. The caller bounds the size. `discard`
    never fails either; `keep` and `read_back` raise `StoreError`, whatever the store raised.
    """

    def __init__(self, store: ImageStore) -> None:
        self.trouble: StoreError | None = None
        """Why the store refused; None while it takes what comes."""
        self.size = 0
        """Bytes written so far; 0 after `discard`."""
        self._kept = False
        self._cut = False  # the store lost some: nothing can be appended to what it gives back
        self._draft: Draft
        try:
            with storing("write to"):
                self._draft = store.create()
        except StoreError as error:
            self.trouble = error
            self._draft = MemoryDraft({})

    @property
    def sha256(self) -> str:
        """The digest of what was written so far. Raises `StoreError`."""
        with storing("read from"):
            return self._draft.sha256

    def write(self, data: bytes | memoryview) -> None:
        """Append; nothing more once the store has lost bytes that it had taken."""
        if self._cut:
            return
        try:
            with storing("write to"):
                self._draft.write(data)
        except StoreError as error:
            self.trouble = error
            self._go_on_in_memory(data)
        else:
            self.size += len(data)

    def read_back(self) -> BinaryIO:
        """What was written so far, from its start. Raises `StoreError`."""
        with storing("read from"):
            return self._draft.read_back()

    def keep(self) -> str:
        """Make it a stored picture and return its sha256. Raises `StoreError`, also the one of an
        earlier `write`; `read_back` still works then.
        """
        if self.trouble is not None:
            raise self.trouble
        with storing("write to"):
            sha256 = self._draft.keep()
        self._kept = True
        return sha256

    def discard(self) -> None:
        """Leave no trace. May be called twice, and after `keep`, where it does nothing."""
        if not self._kept:
            self.size = 0
        _discard(self._draft)

    def _go_on_in_memory(self, data: bytes | memoryview) -> None:
        """Take the bytes out of the draft, which refused `data` and may have taken some of it."""
        refused = self._draft
        try:
            with storing("read from"), refused.read_back() as file:
                taken = file.read()
        except StoreError:
            taken = b""
        if len(taken) < self.size:
            self._cut = True
            return
        self._draft = MemoryDraft({})
        self._draft.write(taken)
        self._draft.write(data[len(taken) - self.size :])
        self.size = self._draft.size
        _discard(refused)


def check_room(store: ImageStore, pictures: int = 1) -> None:
    """Raise `StoreError` if it is known already that these pictures cannot be written: before money
    is spent. May block.

    A store of the user's own may have a method `check_room(bytes)`, as `FileImageStore` has.
    """
    draft = SafeDraft(store)
    draft.discard()
    if draft.trouble is not None:
        raise draft.trouble
    ask: object = getattr(store, "check_room", None)
    if callable(ask):
        with storing("write to"):
            ask(_wanted(store, pictures))


def _wanted(store: ImageStore, pictures: int) -> int:
    """Bytes to have room for. A small store that is bounded is not refused for ever."""
    wanted = max(LEAST_ROOM, PICTURE_ROOM * pictures)
    bound: object = getattr(store, "max_bytes", None)
    return min(wanted, max(1, bound // 8)) if isinstance(bound, int) else wanted


def _discard(draft: Draft) -> None:
    """Remove a draft. What cannot be removed is waste: nothing that anybody waits for is lost."""
    try:
        with storing("write to"):
            draft.discard()
    except StoreError as error:
        logger().warning("draft_left_behind", reason=str(error))


def recovered(store: ImageStore, sha256: str) -> bool:
    """Whether a picture is in the store after all: a process that died had written it, and not kept
    it yet. May block.

    A store of the user's own may have a method `recover(sha256)`, as `FileImageStore` has.
    """
    ask: object = getattr(store, "recover", None)
    if not callable(ask):
        return False
    with storing("read from"):
        return ask(sha256) is True
