"""A picture that the spool has taken out of a reply."""

from __future__ import annotations

import threading
from contextlib import suppress

from agentkit.errors import ImageError, StoreError
from agentkit.images.drafts import SafeDraft
from agentkit.images.inspect import BrokenImage, Stored, inspect_stored
from agentkit.images.store import ImageStore
from agentkit.values.blobs import opened, storing
from agentkit.values.image_header import MAX_PIXELS
from agentkit.wire.base64text import url_safe


class Blob:
    """The bytes for which a reference stands. They are `keep`-ed, `take`-n or `discard`-ed; the
    methods may block.

    Each method may be called from any thread, and again.
    """

    def __init__(
        self,
        reference: str,
        draft: SafeDraft,
        store: ImageStore,
        *,
        media_type: str | None = None,
        key: str | None = None,
        reason: str | None = None,
        header: str = "",
        tail: bytes = b"",
        dashed: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.reference = reference
        self.media_type = media_type
        """The media type that the data URL claims; None for bare base64."""
        self.key = key
        """The JSON key right before the string, such as `b64_json`; None where there is none."""
        self.reason = reason
        """Why this is no usable picture, where that is known without looking at its bytes."""
        self.header = header
        """`data:image/png;base64,` as it came; empty for bare base64."""
        self.kept: str | None = None
        """The sha256 under which the bytes are in the store, usable or not; None before `keep`."""
        self._draft = draft
        self._store = store
        self._tail = tail  # the last digits and the padding, as they came
        self._dashed = dashed
        self._max_pixels = max_pixels
        self._stored: Stored | None = None
        self._failure: ImageError | None = None
        self._gone = False
        self._sha256: str | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        what = self.reason or self.media_type or "a picture"
        return f"<Blob {self.reference.rpartition(':')[2]} {what} {self._draft.size} bytes>"

    @property
    def size(self) -> int:
        """Bytes that had arrived; 0 where they were taken or discarded."""
        return 0 if self._gone and self.kept is None else self._draft.size

    @property
    def sha256(self) -> str | None:
        """The digest of its bytes, stored, taken or neither; None where they cannot be read."""
        if self._sha256 is None and not self._gone:
            with suppress(StoreError):
                self._sha256 = self._draft.sha256
        return self._sha256

    def keep(self) -> Stored:
        """Put the bytes into the store, once, and tell what they are.

        Raises `ImageError` whose message is the reason where they are no usable picture; `kept`
        then says where they are kept aside. Where the store would not take them, `take` still has
        them.
        """
        with self._lock:
            if self._stored is not None:
                return self._stored
            if self._failure is None:
                try:
                    self._stored = self._keep()
                    return self._stored
                except ImageError as error:
                    self._failure = error
            raise BrokenImage(str(self._failure), kept=self.kept) from self._failure.__cause__

    def take(self) -> bytes:
        """The bytes, which are gone from here then: for previews. Raises `ImageError` where there
        are none.
        """
        with self._lock:
            data = self._read()
            self._sha256 = self.sha256
            self._forget()
            return data

    def discard(self) -> None:
        """Leave no trace, unless it was kept."""
        with self._lock:
            self._forget()

    def text(self) -> str:
        """The string for which the reference stands: white space apart, it is as it came. For
        strings that are none of the places of a picture, such as a tool call's arguments. Raises
        `ImageError` where the bytes are gone."""
        import pybase64

        with self._lock:
            data = self._read()
        whole = len(data) // 3 * 3 if self._tail else len(data)
        digits = pybase64.b64encode(data[:whole])
        return self.header + (
            url_safe(digits + self._tail) if self._dashed else digits + self._tail
        ).decode("ascii")

    def _keep(self) -> Stored:
        self._check_there()
        try:
            self.kept = self._draft.keep()
            if self.reason is not None:
                raise ImageError(self.reason)
            return inspect_stored(self._store, self.kept, max_pixels=self._max_pixels)
        except StoreError as error:
            raise ImageError(str(error)) from error

    def _read(self) -> bytes:
        if self.kept is None:
            self._check_there()
        try:
            with storing("read from"):
                source = (
                    self._draft.read_back() if self.kept is None else opened(self._store, self.kept)
                )
                with source as file:
                    return file.read()
        except StoreError as error:
            raise ImageError(str(error)) from error

    def _check_there(self) -> None:
        if self._gone:
            raise ImageError(self.reason or "the bytes of this picture were taken or discarded")

    def _forget(self) -> None:
        self._gone = True
        self._draft.discard()
