"""A run in a file of its own, written before each request and at every event, and a folder as its
ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentkit import Agent, Answer, AnswerStream, Ledger, Run
from agentkit.hooks import Asking, Hooks
from agentkit.openrouter.ledger_storage import LedgerStorage
from agentkit.values import Message
from tests.crash.deadly import deadly_ledger, deadly_store
from tests.crash.plan import PROMPT, Program, Result


class RunFile:
    """A `Keeper`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.store = deadly_store(program.store, program.kill)
        self._ledger: Ledger | None = None
        if program.ledger:
            self._ledger = deadly_ledger(program.calls, program.kill, program.dropped)

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Keeper`."""
        return {"ledger": self._ledger, "hooks": self._hooks()}

    @property
    def storage(self) -> LedgerStorage | None:
        """See `Keeper`."""
        return None if self._ledger is None else self._ledger.entries.storage

    async def begin(self, agent: Agent[Any]) -> Result:
        """See `Keeper`."""
        if not self._program.scene.stream:
            return await self._told(await agent.run(PROMPT))
        async with agent.stream(PROMPT) as stream:
            await self._save_at_every_event(stream)
        return await self._told(stream.answer)

    async def go_on(self, agent: Agent[Any]) -> Result:
        """See `Keeper`."""
        run = Run.from_json(self._program.saved.read_text(), blobs=agent.store)
        if run.status not in {"running", "paused"}:
            return await self._told(Answer.of(run))
        outcomes = self._program.outcomes
        options: dict[str, Any] = {"outcomes": outcomes} if outcomes else {}
        if not self._program.scene.stream:
            return await self._told(await agent.resume(run, **options))
        async with agent.resume_stream(run, **options) as stream:
            await self._save_at_every_event(stream)
        return await self._told(stream.answer)

    def run(self) -> Run | None:
        """See `Keeper`."""
        saved = self._program.saved
        return Run.from_json(saved.read_text()) if saved.exists() else None

    def left(self) -> int:
        """See `Keeper`: files."""
        if self._ledger is None:
            return 0
        asyncio.run(self._ledger.sweep())
        return sum(1 for path in self._program.calls.rglob("*") if path.is_file())

    def wrong(self, told: Result) -> str | None:
        """See `Keeper`: each process says itself what it has saved."""
        return None if self._program.saved.exists() else f"no run is saved, and {told} was told"

    def close(self) -> None:
        """See `Keeper`."""

    async def _save_at_every_event(self, stream: AnswerStream[Any]) -> None:
        last = None
        async for _ in stream:
            if stream.run is not None and stream.run is not last:
                last = stream.run
                self._save(last)

    def _hooks(self) -> Hooks:
        async def before(asking: Asking) -> None:
            await self._save_and_tell(asking.run)

        async def after(asking: Asking, _: Message) -> None:
            await self._save_and_tell(asking.run)

        return Hooks(before_request=before, after_reply=after)

    async def _save_and_tell(self, run: Run) -> None:
        """Save the run. The ledger drops what it has of the replies in it."""
        self._save(run)
        if self._ledger is not None:
            await self._ledger.saved(run)

    def _save(self, run: Run) -> None:
        write_whole(self._program.saved, run.to_json())

    async def _told(self, answer: Answer[Any]) -> Result:
        await self._save_and_tell(answer.run)
        return Result(
            answer.status,
            answer.text,
            tuple([image.sha256 for image in answer.images if image.bytes()]),
            len(answer.failures),
            tuple([asdict(each) for each in answer.run.waiting]),
        )


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
