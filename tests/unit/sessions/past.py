"""Conversations as they were left in a database, written without an agent."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import Any

from sqlalchemy import insert, select, update

from agentkit.run import Run
from agentkit.run.state import RunStatus
from agentkit.sessions.database import Database
from agentkit.sessions.tables import (
    conversation_runs,
    conversations,
    messages,
    pictures,
    runs,
    stored_pictures,
)
from agentkit.values import Message, Text


def picture_of(name: str) -> str:
    """The sha256 of a picture that a test calls so."""
    return sha256(name.encode()).hexdigest()


class Past:
    """Writes conversations. Each thing happens a second after the one before."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seconds = count(1_000)

    def chat(self, name: str, *, user: str | None = None, title: str = "") -> str:
        now = float(next(self._seconds))
        values = {
            "id": name,
            "owner": user,
            "title": title,
            "agent": "painter",
            "api": "chat",
            "model": "openai/gpt-5.2",
            "session": f"session-{name}",
            "created_at": now,
            "changed_at": now,
        }
        with self.database.writing() as connection:
            connection.execute(insert(conversations), [values])
        return name

    def turn(
        self,
        chat: str,
        prompt: str = "Hello",
        answer: str = "Good morning",
        *,
        costs: Sequence[float | None] = (),
        draws: Sequence[str] = (),
        status: RunStatus = "completed",
        kept: bool = True,
        state: dict[str, Any] | None = None,
    ) -> str:
        """One more run of a conversation, with these pictures. Returns its id."""
        now = float(next(self._seconds))
        run = f"run_{int(now)}"
        with self.database.writing() as connection:
            row = connection.execute(select(conversations).where(conversations.c.id == chat)).one()
            names = [f"img_{row.handles + number + 1}" for number in range(len(draws))]
            said = (Message("user", (Text(prompt),)), Message("assistant", (Text(answer),)))
            told = Run(
                run,
                row.model,
                row.api,
                said[:1],
                0,
                status=status,
                arrived=tuple(names),
                handles=row.handles,
                started_at=now,
            )
            values = {
                "id": run,
                "status": status,
                "state": json.dumps({**json.loads(told.to_json()), **(state or {})}),
                "spent": json.dumps([{"cost_usd": each} for each in costs]),
                "failures": "[]",
                "started_at": now,
                "changed_at": now,
            }
            connection.execute(insert(runs), [values])
            part = {"conversation": chat, "run": run, "turn": row.turns if kept else None}
            connection.execute(insert(conversation_runs), [part])
            for number, message in enumerate(said):
                data = _json(message)
                new = {"run": run, "number": number, "data": data, "checksum": zlib.crc32(data)}
                connection.execute(insert(messages), [new])
            for name, what in zip(names, draws, strict=True):
                self._picture(connection, chat, name, what, now)
            changes: dict[str, Any] = {"handles": row.handles + len(draws), "changed_at": now}
            if kept:
                changes["turns"] = row.turns + 1
            elif status in {"running", "paused"}:
                changes["active"] = run
            connection.execute(
                update(conversations).where(conversations.c.id == chat).values(**changes)
            )
        return run

    def _picture(self, connection: Any, chat: str, name: str, what: str, now: float) -> None:
        sha = picture_of(what)
        values = {
            "conversation": chat,
            "name": name,
            "number": int(name.removeprefix("img_")),
            "sha256": sha,
            "data": json.dumps({"sha256": sha, "name": name}),
        }
        connection.execute(insert(pictures), [values])
        known = select(stored_pictures).where(stored_pictures.c.sha256 == sha)
        if connection.execute(known).first() is None:
            connection.execute(insert(stored_pictures), [{"sha256": sha, "kept_at": now}])
        else:
            connection.execute(
                update(stored_pictures).where(stored_pictures.c.sha256 == sha).values(kept_at=now)
            )


def _json(message: Message) -> bytes:
    from pydantic import TypeAdapter

    return TypeAdapter(Message).dump_json(message)
