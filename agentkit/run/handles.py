"""The names by which a model, a tool and a user call a picture or a file of a conversation."""

from __future__ import annotations

import re
from collections.abc import Collection

HANDLE = re.compile(r"img_([1-9][0-9]{0,8})\Z")
FILE_HANDLE = re.compile(r"file_([1-9][0-9]{0,8})\Z")


def unused_name(name: str, taken: Collection[str]) -> str:
    """The name of a file that no other has: `report-2.pdf`."""
    stem, dot, extension = name.rpartition(".")
    stem, end = (stem, dot + extension) if stem else (name, "")
    called, number = name, 1
    while called in taken:
        number += 1
        called = f"{stem}-{number}{end}"
    return called
