"""The words of text files, as they stand in a request."""

from __future__ import annotations

from collections.abc import Iterable

from agentkit.images.store import ImageStore
from agentkit.run.file_forms import MOST_TEXT
from agentkit.values.blobs import opened, storing
from agentkit.values.file_kind import bom_encoding, decoded
from agentkit.wire.json import write


def words_of_files(digests: Iterable[str], store: ImageStore) -> dict[str, bytes]:
    """The beginning of each text file as the inside of a string of JSON; those that are no longer
    in the store are left out. It blocks. Raises `StoreError`.
    """
    words: dict[str, bytes] = {}
    for sha256 in digests:
        try:
            file = opened(store, sha256)
        except FileNotFoundError:
            continue
        with storing("read from"), file:
            data = file.read(MOST_TEXT)
        words[sha256] = write(decoded(data, bom_encoding(data) or "utf-8"))[1:-1]
    return words
