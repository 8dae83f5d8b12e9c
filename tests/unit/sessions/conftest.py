"""The databases of tests: an SQLite file, and a database of a real Postgres server."""

from __future__ import annotations

import pytest

from tests.conftest import Way
from tests.postgres import database_url, postgres_server, postgres_url

__all__ = ["database_url", "postgres_server", "postgres_url", "way"]


@pytest.fixture(params=["chat", "responses"])
def way(request: pytest.FixtureRequest, database_url: str) -> Way:
    """All four ways, two of them on each database."""
    is_chat = request.param == "chat"
    return Way(request.param, stream=is_chat == database_url.startswith("sqlite"))
