"""The databases of tests: an SQLite file, and a database of a real Postgres server."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conftest import Way
from tests.postgres import database_url, postgres_server, postgres_url

SLOW_ON_POSTGRES = {
    "test_archive",
    "test_bad_input",
    "test_budgets_of_runs",
    "test_forks",
    "test_gallery",
    "test_interrupted_turn",
    "test_late_pictures",
    "test_many_waiting",
    "test_processes",
    "test_removal",
    "test_rewind",
    "test_run_notes",
    "test_stopped_turns",
}
"""Files whose tests are about what comes above the database: on Postgres they are slow ones."""
SOME_ON_POSTGRES = {
    "test_budgets",
    "test_calls",
    "test_catalogue",
    "test_saved_conversation",
    "test_sessions",
}
"""Files of which each third test is run on Postgres, and the others are slow there."""

__all__ = ["database_url", "postgres_server", "postgres_url", "way"]


@pytest.fixture(params=["chat", "responses"])
def way(request: pytest.FixtureRequest, database_url: str) -> Way:
    """All four ways, two of them on each database."""
    is_chat = request.param == "chat"
    return Way(request.param, stream=is_chat == database_url.startswith("sqlite"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those tests. Here, since the database is a parameter of a fixture."""
    seen: Counter[str] = Counter()
    for item in items:
        if "postgres" not in item.name or item.path.parent.name != "sessions":
            continue
        name = item.path.stem
        seen[name] += 1
        if name in SLOW_ON_POSTGRES or (name in SOME_ON_POSTGRES and seen[name] % 3):
            item.add_marker(pytest.mark.slow)
