"""A short form of `python -m tests.crash.budgets`: five processes spend one budget of 1 USD, and
some are killed.
"""

from __future__ import annotations

from tests.crash.budgets import spent
from tests.postgres import database_url, postgres_server, postgres_url

__all__ = ["database_url", "postgres_server", "postgres_url"]

SEED = 4


def test_no_kill_overshoots_a_shared_budget(database_url: str) -> None:
    found = spent(database_url, 3, SEED, processes=5)
    assert found.faults == [], str(found)
    assert found.kills
