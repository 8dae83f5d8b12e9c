"""The lines that were typed, over all chats: what Up and Ctrl-R find."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory


def history_file() -> Path:
    """The file of the history, in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("agentkit", appauthor=False) / "chat-history"


class LineHistory(FileHistory):
    """A history in a file that only its owner may read. Where the file cannot be read or written,
    the history ends with the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
            self._is_kept = True
        except OSError:
            self._is_kept = False
        super().__init__(str(path))

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings()) if self._is_kept else []
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        try:
            if self._is_kept:
                super().store_string(string)
        except OSError:  # the disk is full: what is typed is sent all the same
            self._is_kept = False
