"""Files that tools left in a container, and the endpoints that give them out.

`GET /containers/{container_id}/files`, `…/files/{file_id}` and `…/files/{file_id}/content`, with
the shapes of `ContainerFile` in OpenRouter's SDK, version 1.3.84.
"""

import hashlib
import mimetypes
import time
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator.ids import Ids
from agentkit.emulator.script import Json


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file under its id."""

    id: str
    container_id: str
    filename: str
    data: bytes = field(repr=False)
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def media_type(self) -> str:
        """As its name tells."""
        return mimetypes.guess_type(self.filename)[0] or "application/octet-stream"

    def citation(self) -> Json:
        """How an item names it."""
        return {
            "type": "container_file_citation",
            "container_id": self.container_id,
            "file_id": self.id,
            "filename": self.filename,
            "start_index": 0,
            "end_index": 0,
        }

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "container.file",
            "container_id": self.container_id,
            "created_at": self.created,
            "bytes": len(self.data),
            "path": f"/mnt/data/{self.filename}",
            "source": "assistant",
        }


@dataclass(slots=True)
class Containers:
    """All files, by container and id."""

    files: dict[str, dict[str, StoredFile]] = field(
        default_factory=dict[str, dict[str, StoredFile]]
    )

    def keep(self, container_id: str, filename: str, data: bytes, ids: Ids) -> StoredFile:
        """Put a file into a container, which is made if there is none."""
        stored = StoredFile(ids.new("cfile_"), container_id, filename, data)
        self.files.setdefault(container_id, {})[stored.id] = stored
        return stored

    def find(self, container_id: str, file_id: str) -> StoredFile | None:
        return self.files.get(container_id, {}).get(file_id)

    def listing(self, container_id: str) -> dict[str, Any] | None:
        """The list of a container's files, if there is such a container."""
        found = self.files.get(container_id)
        if found is None:
            return None
        records = [stored.record() for stored in found.values()]
        return {
            "object": "list",
            "data": records,
            "first_id": records[0]["id"] if records else None,
            "last_id": records[-1]["id"] if records else None,
            "has_more": False,
        }
