"""The way from each older version of the tables to the next one. A step is written in SQL, since
it stays as it is when `tables.py` goes on.
"""

from __future__ import annotations

from sqlalchemy import Connection, text


def add_notes(connection: Connection) -> None:
    """The table of notes on runs, which there was none of."""
    connection.execute(
        text(
            """
            CREATE TABLE agentkit_notes (
                run VARCHAR(80) NOT NULL,
                data TEXT NOT NULL,
                PRIMARY KEY (run),
                FOREIGN KEY(run) REFERENCES agentkit_runs (id) ON DELETE CASCADE
            )
            """
        )
    )
