"""One conversation in the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from agentkit.conversation_record import Shown, Stored
from agentkit.errors import ConversationBusy, SessionError, UsageError
from agentkit.loop.begin import AgentLike
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.stored_call import StoredCall
from agentkit.run import Run
from agentkit.sessions import rows, storage, turns
from agentkit.sessions.calls import mark_kept
from agentkit.sessions.database import Database
from agentkit.sessions.locks import Held
from agentkit.sessions.turns import Begun, Written
from agentkit.values import File, Image, ImageFailure


class DatabaseRecord:
    """A `Record`. It knows what it has written, so that each time only what is new is."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        chat: str,
        agent: AgentLike[object],
        user: str | None,
        *,
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        """`also` takes part in each transaction that writes a run, as its last step."""
        self.id = chat
        self._also = also
        self.ledger: Ledger | None = ledger
        self._database, self._blobs = database, agent.store
        session = f"agentkit-{secrets.token_hex(8)}"
        self._begun = Begun(chat, agent.api, agent.model, session, user, agent.name)
        self._version: int | None = None
        self._run: Written | None = None
        self._things: Sequence[Image | File] = ()
        self._damaged: Stored | None = None
        """The conversation as it was loaded, where some of it could not be read."""
        self._is_titled = False

    def load(self) -> Stored:
        """See `Record`."""
        with self._database.reading() as connection:
            version = storage.version_of(connection, self.id)
            stored = storage.load(connection, self.id, self._blobs)
            run = None if stored is None else stored.active
            written = None if run is None else turns.read(connection, run)
        if stored is None:
            begun = self._begun
            stored = Stored(begun.api, begun.model, begun.session, user=begun.owner)
        owner = self._begun.owner
        if owner is not None and stored.user not in {None, owner}:
            raise UsageError(
                f"conversation(user={owner!r}): conversation {self.id!r} belongs to somebody else"
            )
        self._version, self._things = version, (*stored.images, *stored.files)
        self._run = written
        self._damaged = stored if stored.damaged else None
        self._is_titled = bool(stored.title)
        return stored

    def lock(self, wait: float) -> Callable[[], None]:
        """See `Record`."""
        return lock_conversation(self._database, self.id, wait)

    def is_free(self) -> bool:
        """See `Record`."""
        return self._database.locks.is_free(lock_of(self.id))

    def has_changed(self) -> bool:
        """See `Record`."""
        with self._database.reading() as connection:
            version = storage.version_of(connection, self.id)
        if version is None and self._version is not None:
            raise SessionError(
                f"conversation {self.id!r} was deleted meanwhile: agent.conversation({self.id!r}, "
                "sessions=…) begins a new one of this name"
            )
        return version != self._version

    def save(self, run: Run, shown: Shown, *, sync: bool = True) -> None:
        """See `Record`."""
        self._write(run, shown, sync=sync)

    def keep(self, run: Run, shown: Shown) -> None:
        """See `Record`."""
        self._write(run, shown, is_turn=True)

    def give_up(self, run: Run, shown: Shown) -> None:
        """See `Record`."""
        self._write(run, shown, is_turn=False)

    def _write(
        self, run: Run, shown: Shown, *, is_turn: bool | None = None, sync: bool = True
    ) -> None:
        """Write a run; with `is_turn`, it has ended, and is one or is none."""
        before = self._run if self._run is not None and self._run.run == run.id else None
        self._database.locks.check(lock_of(self.id))
        title = "" if self._is_titled else rows.title_of(run)
        with self._database.writing(lock_of(self.id), sync=sync) as connection:
            if self._version is None:
                turns.begin(connection, self._begun)
            if self._damaged is not None:
                storage.set_aside(connection, self.id, self._damaged)
            written, version = turns.save(
                connection,
                self.id,
                run,
                before,
                shown,
                is_turn=is_turn,
                title=title,
            )
            pages = turns.pages_of(run, before)
            turns.save_pictures(connection, self.id, shown.things, self._things, pages)
            if is_turn:
                mark_kept(connection, run.id, run.turns)
            if self._also is not None:
                self._also(connection)
        self._version, self._run, self._things = version, written, shown.things
        self._damaged, self._is_titled = None, self._is_titled or bool(title)

    def note(self, shown: Shown, failures: Mapping[str, tuple[ImageFailure, ...]]) -> None:
        """See `Record`."""
        with self._database.writing(lock_of(self.id)) as connection:
            if storage.version_of(connection, self.id) is None:  # it was deleted meanwhile
                turns.record_pictures(connection, shown.things, self._things)
                return
            turns.save_pictures(connection, self.id, shown.things, self._things)
            turns.save_failures(connection, failures)
        self._things = shown.things

    def used(self, run: Run) -> bool:
        """See `Record`."""
        asked = {each.fingerprint for each in run.waiting if each.fingerprint}
        if not asked:
            return False
        with self._database.reading() as connection:
            return not asked.isdisjoint(storage.used_questions(connection, run.id))

    def open_calls(self, run: Run) -> list[StoredCall]:
        """See `Record`."""
        ledger = self.ledger
        if ledger is None:
            return []
        calls = ledger.entries.read_calls(run.id)
        return [each for each in calls if each.is_open and not each.is_saved]


def lock_conversation(database: Database, chat: str, wait: float) -> Callable[[], None]:
    """Become the one writer of a conversation: see `Record.lock`."""
    try:
        return database.locks.take(lock_of(chat), wait=wait)
    except Held as error:
        raise _busy(chat, error) from None


async def acquire_conversation(database: Database, chat: str, wait: float) -> Callable[[], None]:
    """As `lock_conversation`, from a task, and without a thread that waits."""
    try:
        return await database.locks.acquire(lock_of(chat), wait=wait)
    except Held as error:
        raise _busy(chat, error) from None


def _busy(chat: str, error: Held) -> ConversationBusy:
    return ConversationBusy(
        f"{error.who} takes a turn of conversation {chat!r}: wait for it (wait=seconds) or fork "
        "it. When that process dies, it is free"
    )


def lock_of(chat: str) -> str:
    """The name by which one writes a conversation at a time."""
    return f"conversation:{chat}"
