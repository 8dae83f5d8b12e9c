"""The way from each older version of the tables to the next one. A step is written in SQL, since
it stays as it is when `tables.py` goes on.
"""

from __future__ import annotations

from sqlalchemy import Connection, text


def add_notes(connection: Connection) -> None:
    """From 1 to 2: the table of notes on runs, which there was none of."""
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


def order_runs_by_name(connection: Connection) -> None:
    """From 2 to 3: the key of `agentkit_conversation_runs` begins with the run, and is the order in
    which SQLite keeps the rows. So the index of the runs is gone, and a turn changes fewer pages.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE_3 if is_sqlite else _POSTGRES_3:
        connection.execute(text(statement))


_SQLITE_3 = (
    "ALTER TABLE agentkit_conversation_runs RENAME TO agentkit_conversation_runs_2",
    "DROP INDEX ix_agentkit_conversation_runs_run",
    """
    CREATE TABLE agentkit_conversation_runs (
        run VARCHAR(80) NOT NULL,
        conversation VARCHAR(200) NOT NULL,
        turn INTEGER,
        PRIMARY KEY (run, conversation),
        UNIQUE (conversation, turn),
        FOREIGN KEY(run) REFERENCES agentkit_runs (id),
        FOREIGN KEY(conversation) REFERENCES agentkit_conversations (id) ON DELETE CASCADE
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO agentkit_conversation_runs (run, conversation, turn)
    SELECT run, conversation, turn FROM agentkit_conversation_runs_2
    """,
    "DROP TABLE agentkit_conversation_runs_2",
)
_POSTGRES_3 = (
    "DROP INDEX ix_agentkit_conversation_runs_run",
    """
    ALTER TABLE agentkit_conversation_runs
    DROP CONSTRAINT agentkit_conversation_runs_pkey,
    ADD CONSTRAINT agentkit_conversation_runs_pkey PRIMARY KEY (run, conversation)
    """,
)
