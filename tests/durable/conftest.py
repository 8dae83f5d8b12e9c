"""Durable runs in tests: a database, agents on the emulator, and a worker in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter, tool
from agentkit.integrations.dbos import Durable
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.sessions.database import Database
from tests.postgres import Postgres, database_url, name_of, postgres_server, postgres_url

__all__ = ["case", "database_url", "postgres_server", "postgres_url"]
QUICK = Handlings(look_seconds=0.1, poll_seconds=0.02)
"""Looks at everything often."""


@dataclass(frozen=True)
class Case:
    """A database of runs, and the agents that tests begin them with."""

    url: str
    folder: Path
    client: OpenRouter

    @property
    def store(self) -> FileImageStore:
        return FileImageStore(self.folder / "store")

    def agent(self, name: str = "fox", **options: Any) -> Agent[Any]:
        """An agent with a tool that is written down, one that a person approves, and drawings."""
        given: dict[str, Any] = {"tools": [self.weather(), buy, ImageGeneration()], **options}
        return Agent(
            "openai/gpt-5.2",
            client=self.client,
            store=self.store,
            checks=False,
            name=name,
            **given,
        )

    def durable(self, *agents: Agent[Any], handlings: Handlings = QUICK, **options: Any) -> Durable:
        return Durable(
            self.url,
            agents=agents or [self.agent()],
            shared_folder=True,
            handlings=handlings,
            **options,
        )

    def weather(self, *, then: Callable[[], object] | None = None) -> Any:
        """A tool that writes down each of its calls, and then does what it is told."""

        @tool
        def weather(city: str) -> str:
            """The weather.

            Args:
                city: Where.
            """
            with (self.folder / "calls").open("a") as file:
                file.write(f"{city}\n")
            if then is not None:
                then()
            return f"{city}: snow"

        return weather

    @property
    def called(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []


@tool(approve=True)
def buy(what: str) -> str:
    """Buy something.

    Args:
        what: What.
    """
    return f"bought {what}"


@pytest.fixture
def case(
    database_url: str, tmp_path: Path, client: OpenRouter, request: pytest.FixtureRequest
) -> Iterator[Case]:
    yield Case(database_url, tmp_path, client)
    if not database_url.startswith("sqlite"):
        server, name = request.getfixturevalue("postgres_server"), name_of(database_url)
        _check_closed(server, name)


def _check_closed(server: Postgres, name: str) -> None:
    """Fail the test that leaves a connection open: later ones would be told of it."""
    asked = f"SELECT query FROM pg_stat_activity WHERE datname = '{name}'"
    until = time.monotonic() + 5.0
    while left := server.execute(asked):
        assert time.monotonic() < until, left
        time.sleep(0.02)


def without(**changes: Any) -> Handlings:
    """The handlings but for some."""
    return replace(QUICK, **changes)


def flows(case: Case) -> str:
    return "workflow_status" if case.url.startswith("sqlite") else "dbos.workflow_status"


def flow_of(run: str) -> str:
    """The condition of the workflow that a run is."""
    return f"workflow_uuid IN (SELECT workflow FROM agentkit_durable_runs WHERE id = '{run}')"


def executed(case: Case, statement: str) -> list[Any]:
    """One statement at the database of the runs, beside what is tested."""
    base = Database(case.url)
    try:
        with base.writing() as connection:
            found = connection.execute(text(statement))
            return list(found.all()) if found.returns_rows else []
    finally:
        base.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Postgres most of these are slow ones: what they are about lies above the database."""
    for item in items:
        if (
            item.path.parent.name == "durable"
            and "postgres" in item.name
            and "lease" not in item.name
        ):
            item.add_marker(pytest.mark.slow)
