"""Chats of the tests are kept where the tests are, not where the user's are."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def chats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that `agentkit` keeps conversations in."""
    url = f"sqlite:///{tmp_path / 'chats.db'}"
    monkeypatch.setenv("AGENTKIT_SESSIONS", url)
    return url
