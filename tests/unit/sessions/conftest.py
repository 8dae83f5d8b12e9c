"""The databases of tests: an SQLite file, and a database of a real Postgres server."""

from __future__ import annotations

import pytest

from tests.conftest import Way
from tests.postgres import database_url, postgres_server, postgres_url

SLOW_ON_POSTGRES = {
    "test_archive",
    "test_bad_input",
    "test_budgets_of_runs",
    "test_interrupted_turn",
    "test_processes",
    "test_removal",
    "test_stopped_turns",
}
"""Files whose tests are about what comes above the database: on Postgres they are slow ones."""

__all__ = ["database_url", "postgres_server", "postgres_url", "way"]


@pytest.fixture(params=["chat", "responses"])
def way(request: pytest.FixtureRequest, database_url: str) -> Way:
    """All four ways, two of them on each database."""
    is_chat = request.param == "chat"
    return Way(request.param, stream=is_chat == database_url.startswith("sqlite"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those tests. Here, since the database is a parameter of a fixture."""
    for item in items:
        is_above = item.path.stem in SLOW_ON_POSTGRES and item.path.parent.name == "sessions"
        if is_above and "postgres" in item.name:
            item.add_marker(pytest.mark.slow)
