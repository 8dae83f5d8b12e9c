"""The files of a message as its stream tells them: a `data-file` part each, and a `file` part for
clients that know no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentkit.run import Run
from agentkit.values import File
from agentkit.web import chunks
from agentkit.web.addresses import file_url
from agentkit.web.chunks import Chunk


@dataclass
class _Place:
    id: str
    data: dict[str, Any]

    def changed(self, file: File) -> list[Chunk]:
        """What tells the names that a file of a sub-agent has got from its caller."""
        names = {"name": file.name, "filename": file.file_name}
        if all(self.data[key] == value for key, value in names.items()):
            return []
        self.data.update(names)
        return [chunks.data("file", self.id, self.data)]


class ToldFiles:
    """What was told of the files of one message. Each method returns what has to be told."""

    def __init__(self) -> None:
        self._by_digest: dict[str, _Place] = {}

    def given(self, files: Iterable[File], call_id: str, *, is_nested: bool) -> list[Chunk]:
        """A call, `call_id` on the wire, has given files. Those of a sub-agent (`is_nested`) get
        their handles later, from the caller.
        """
        told: list[Chunk] = []
        for file in files:
            place = self._by_digest.get(file.sha256)
            if place is None:
                number = len(self._by_digest) + 1
                inner = file.invocation_id or ""
                own = inner if inner.startswith(f"{call_id}/") else call_id
                place = _Place(f"file-{number}", _facts(file, own, is_named=not is_nested))
                self._by_digest[file.sha256] = place
                told += [chunks.data("file", place.id, place.data), _file(file)]
            elif not is_nested:
                told += place.changed(file)
        return told

    def settled(self, run: Run) -> list[Chunk]:
        """What is known of the files by now."""
        told: list[Chunk] = []
        for file in run.files:
            place = self._by_digest.get(file.sha256)
            told += [] if place is None else place.changed(file)
        return told


def user_file(file: File, number: int) -> list[Chunk]:
    """The parts of a file that the user gave."""
    facts = _facts(file, None, is_named=True)
    return [
        chunks.data("file", f"file-{number}", facts),
        {**_file(file), "filename": file.file_name},
    ]


def _facts(file: File, call_id: str | None, *, is_named: bool) -> dict[str, Any]:
    return {
        "name": file.name if is_named else None,
        "filename": file.file_name,
        "url": file_url(file.sha256),
        "mediaType": file.media_type,
        "size": file.size,
        "pages": file.pages,
        "invocationId": call_id,
    }


def _file(file: File) -> Chunk:
    return {"type": "file", "url": file_url(file.sha256), "mediaType": file.media_type}
