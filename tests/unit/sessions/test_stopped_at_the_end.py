"""A turn that is stopped while its end is written down."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, OpenRouter
from agentkit.emulator import Emulator, Reply, Say
from agentkit.errors import SessionError
from agentkit.images.store import MemoryImageStore
from agentkit.run import Run
from agentkit.sessions import Sessions
from tests.clock import GUARD, until


class _SlowRecord:
    """A record whose turns are kept when they may be."""

    def __init__(self, record: Any, error: Exception | None) -> None:
        self._record, self._error = record, error
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def keep(self, run: Run, shown: Any) -> None:
        self.begun.set()
        self.may_end.wait(GUARD)
        if self._error is not None:
            raise self._error
        self._record.keep(run, shown)


class _SlowSessions:
    wait = 0.0

    def __init__(self, sessions: Sessions, error: Exception | None) -> None:
        self._sessions, self._error = sessions, error
        self.record_of: _SlowRecord | None = None

    def record(self, chat: str, agent: Any, *, user: str | None = None) -> Any:
        self.record_of = _SlowRecord(self._sessions.record(chat, agent, user=user), self._error)
        return self.record_of


@pytest.mark.parametrize("error", [None, SessionError("the disk is full")], ids=["kept", "failed"])
async def test_it_is_the_turn_that_it_was(
    emulator: Emulator,
    client: OpenRouter,
    store: MemoryImageStore,
    tmp_path: Path,
    error: Exception | None,
) -> None:
    emulator.play([Reply([Say("Hello.")])])
    agent: Agent[Any] = Agent("openai/gpt-5.2", client=client, store=store)
    async with Sessions(f"sqlite:///{tmp_path / 'chats.db'}", store=store) as sessions:
        slow = _SlowSessions(sessions, error)
        chat = agent.conversation("ada", sessions=slow)
        record = slow.record_of
        assert record is not None
        stream = chat.stream("Hi")
        async with stream:
            await until(record.begun.is_set)
            stream.stop()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            record.may_end.set()
            if error is not None:
                with pytest.raises(SessionError):
                    await stream.finish()
                return
            answer = await stream.finish()
        assert (answer.text, answer.status) == ("Hello.", "completed")
        assert len(agent.conversation("ada", sessions=sessions).messages) == 2
