"""Databases of older versions, as they were written then: `version_1.json`, and what each one after
that had more.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from agentkit.sessions.schema import APPLICATION_ID


def write_old(url: str, version: int) -> None:
    """The database as it was: the first version, and what each one had more."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for number in range(1, version + 1):
            told = json.loads(Path(__file__).with_name(f"version_{number}.json").read_text())
            for statement in told["made"][connection.dialect.name]:
                connection.execute(text(statement))
            for table, rows in told["rows"].items():
                for row in rows:
                    _insert(connection, table, row)
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        else:
            count = "pg_get_serial_sequence('agentkit_calls', 'id')"
            connection.execute(text(f"SELECT setval({count}, max(id)) FROM agentkit_calls"))
    engine.dispose()


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    values = {
        name: b64decode(value["base64"]) if isinstance(value, dict) else value
        for name, value in row.items()
    }
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)
