"""The tables of a session database, the same in SQLite and Postgres.

A run has its own messages, each once. A conversation is a list of runs: its history is the messages
of those that were kept as turns, in order. So a fork copies a list of ids and no message, and what
is written for a turn does not grow with what is behind it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 3
"""Of the schema. A database of a higher one is refused, one of a lower one is migrated."""

metadata = MetaData()

about = Table(
    # What this database is: `version`, and whatever else concerns all of it.
    "agentkit_about",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

conversations = Table(
    "agentkit_conversations",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("owner", String(200), index=True),  # the user it belongs to, or NULL
    Column("title", Text, nullable=False, default=""),
    Column("agent", Text, nullable=False, default=""),  # its name, for a person who reads a list
    Column("api", String(20), nullable=False),
    Column("model", Text, nullable=False),
    Column("session", Text, nullable=False),  # what its requests carry as `session_id`
    Column("handles", Integer, nullable=False, default=0),  # up to this number they are taken
    Column("turns", Integer, nullable=False, default=0),  # how many runs were kept as turns
    Column("active", String(80)),  # the run that is under way, or waits for a person
    Column("version", Integer, nullable=False, default=0),  # higher with each change
    Column("created_at", Float, nullable=False),  # Unix time in seconds, as all times here
    Column("changed_at", Float, nullable=False, index=True),
    Column("forked_from", String(200)),
    Column("forked_at", Integer),  # how many of its turns were taken
)


def _of_conversation() -> Column[str]:
    belongs = ForeignKey(conversations.c.id, ondelete="CASCADE")
    return Column("conversation", String(200), belongs, primary_key=True)


runs = Table(
    "agentkit_runs",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("state", Text, nullable=False),  # JSON: the run without messages, pictures and usage
    Column("spent", Text, nullable=False, default="[]"),  # JSON: the usage of each request
    Column("failures", Text, nullable=False, default="[]"),  # JSON: pictures that did not come
    Column("started_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
)

conversation_runs = Table(
    # Every run of a conversation. `turn` is its place in the history; NULL: it was not kept.
    "agentkit_conversation_runs",
    metadata,
    Column("run", String(80), ForeignKey(runs.c.id), primary_key=True),
    _of_conversation(),
    Column("turn", Integer),
    UniqueConstraint("conversation", "turn"),
    sqlite_with_rowid=False,
)

messages = Table(
    # The messages that a run added, its prompt first. `number` counts from 0 within the run.
    "agentkit_messages",
    metadata,
    Column("run", String(80), ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),  # JSON
    Column("checksum", BigInteger, nullable=False),  # CRC-32 of `data`
)

notes = Table(
    # What a program that shows the runs has noted of them: text of its own.
    "agentkit_notes",
    metadata,
    Column("run", String(80), ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("data", Text, nullable=False),
)

pictures = Table(
    # The pictures of a conversation under their handles. `sha256` names the bytes in the store, and
    # decides who may see them. The row of a picture outlives a turn that was not kept. One that was
    # read out of a file has a row without a handle, so that it stays in the store.
    "agentkit_pictures",
    metadata,
    _of_conversation(),
    Column("name", String(20), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("data", Text, nullable=False),  # JSON
)

stored_pictures = Table(
    # Each picture that this database has ever named: what `sweep` may remove of a shared store.
    "agentkit_stored_pictures",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("kept_at", Float, nullable=False),
)

decisions = Table(
    # Approvals that were used. A second use of the same one is refused.
    "agentkit_decisions",
    metadata,
    Column("run", String(80), primary_key=True),
    Column("fingerprint", String(80), primary_key=True),
    Column("used_at", Float, nullable=False),
)

calls = Table(
    # The attempts of paid requests: see `openrouter/ledger_storage.py`.
    "agentkit_calls",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("size", BigInteger, nullable=False, default=0),  # bytes of its entries
    Column("written_at", Float, nullable=False),
    UniqueConstraint("run", "call", "attempt"),
)

entries = Table(
    "agentkit_entries",
    metadata,
    Column("call", BigInteger, ForeignKey(calls.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("facts", Text, nullable=False),  # JSON
    Column("data", LargeBinary, nullable=False),
    Column("checksum", BigInteger, nullable=False),  # CRC-32 of kind, facts and data
)

budgets = Table(
    # One row for each period of a budget: `2026-11-30`, `2026-11`, or "" without periods.
    "agentkit_budgets",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("period", String(20), primary_key=True),
    Column("spent_usd", Float, nullable=False, default=0.0),
    Column("spent_images", Integer, nullable=False, default=0),
    Column("uncertain_usd", Float, nullable=False, default=0.0),
    Column("uncertain_images", Integer, nullable=False, default=0),
    Column("uncertain_requests", Integer, nullable=False, default=0),
    # JSON: USD by shape of request, null where nobody told what such a one cost.
    Column("highest_cost", Text, nullable=False, default="{}"),
    Column("changed_at", Float, nullable=False),
)

holds = Table(
    # What requests under way may cost, and for a while what those with a `call` did cost: a process
    # that goes on with the request finds it there, and nothing counts twice.
    "agentkit_holds",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("budget", String(200), nullable=False),
    Column("period", String(20), nullable=False),
    Column("state", String(10), nullable=False),  # `open`, `uncertain` or `settled`
    Column("cost_usd", Float, nullable=False),  # held, or uncertain
    Column("images", Integer, nullable=False),  # held, or uncertain
    Column("spent_usd", Float, nullable=False, default=0.0),
    Column("spent_images", Integer, nullable=False, default=0),
    Column("call", Text, index=True),  # in the call ledger, without the number of the attempt
    Column("attempt", Integer),  # the first that it holds for
    Column("owner", String(80), nullable=False),  # the process
    Column("made_at", Float, nullable=False),
    Index("agentkit_holds_of_budget", "budget", "state"),
)
