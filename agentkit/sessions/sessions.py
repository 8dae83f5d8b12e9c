"""`Sessions`: a database of conversations."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection

from agentkit._check import check_kind, check_number, check_several, check_text, refused
from agentkit._sync import finish
from agentkit.budget import Budget, KeptBudget, Per
from agentkit.errors import UsageError
from agentkit.images.store import ImageStore, checked_store
from agentkit.images.stores import default_store
from agentkit.loop.begin import AgentLike
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.ledger_sweep import mark_saved
from agentkit.saved_conversation import SavedConversation
from agentkit.sessions import archive, catalogue, forks, gallery, past, removal, run_notes
from agentkit.sessions.archive_file import check_path
from agentkit.sessions.budgets import Budgets
from agentkit.sessions.calls import DatabaseCalls, DatabaseLocks
from agentkit.sessions.catalogue import SavedChat
from agentkit.sessions.database import Database
from agentkit.sessions.names import check_name
from agentkit.sessions.past import SavedRun
from agentkit.sessions.record import DatabaseRecord, acquire_conversation, lock_of
from agentkit.values import Api, File, Image

OutputT = TypeVar("OutputT")
T = TypeVar("T")


class Sessions:
    """Conversations in a database: `Sessions("sqlite:///chats.db")`, or `"postgresql://…"`, which
    the extra `sessions` is needed for. Without a URL, `chats.db` in the user's data folder.

        sessions = Sessions()
        chat = agent.conversation("ada", sessions=sessions)

    - `store` is where the pictures of its conversations are; by default the store that agents have
      by default. The agents must have the same one.
    - `wait` is how many seconds a turn waits for a conversation that another one writes; then
      `ConversationBusy` is raised.

    The paid requests of its conversations are written to the same database (`ledger`), unless their
    agent has a ledger. Any number of processes may use one database, and any number of tasks and
    threads one `Sessions`. Raises `UsageError` for a wrong argument; the database is opened when it
    is first used, and raises `SessionError` then.
    """

    def __init__(
        self, url: str | None = None, *, store: ImageStore | None = None, wait: float = 0.0
    ) -> None:
        if url is not None:
            check_text("Sessions({!r})", url)
        self._database = Database(_default_url() if url is None else url)
        self._store = None if store is None else checked_store("Sessions", store)
        check_number("Sessions(wait={!r})", wait, least=0, unit="seconds")
        self.wait = float(wait)
        """Seconds that a turn waits for another writer."""
        self.ledger = Ledger(DatabaseCalls(self._database), locks=DatabaseLocks(self._database))
        """The paid requests of the conversations."""
        self._budgets = Budgets(self._database)

    def __repr__(self) -> str:
        return f"Sessions({self._database.name!r})"

    @property
    def store(self) -> ImageStore:
        """Where the pictures are."""
        return default_store() if self._store is None else self._store

    def record(
        self, chat: str, agent: AgentLike[Any], *, user: str | None = None
    ) -> DatabaseRecord:
        """What `Agent.conversation` keeps a conversation by. Raises `UsageError`."""
        check_name("conversation({!r})", chat)
        if user is not None:
            check_name("conversation(user={!r})", user)
        if agent.store != self.store:
            raise UsageError(
                f"the agent keeps its pictures in {agent.store!r}, and the sessions in "
                f"{self.store!r}: give both the same, Sessions(…, store=agent.store)"
            )
        return DatabaseRecord(self._database, self.ledger, chat, agent, user)

    @asynccontextmanager
    async def conversation(
        self,
        chat: str,
        agent: AgentLike[OutputT],
        *,
        api: Api | None = None,
        model: str | None = None,
        user: str | None = None,
        wait: float | None = None,
    ) -> AsyncGenerator[SavedConversation[OutputT]]:
        """A conversation in a block that nobody else takes a turn of it in, in no process:

            async with sessions.conversation(user_id, agent, wait=60) as chat:
                await chat.send("Draw a fox")

        At the end of the block, pictures that are on their way are waited for. Arguments are those
        of `Agent.conversation`. Raises `ConversationBusy` where another one has it after `wait`
        seconds.
        """
        record = self.record(chat, agent, user=user)
        seconds = self.wait if wait is None else wait
        saved = await asyncio.to_thread(
            SavedConversation, agent, record, api=api, model=model, wait=seconds
        )
        async with saved.held():
            yield saved

    async def list(
        self,
        *,
        search: str | None = None,
        user: str | None = None,
        after: str | SavedChat | None = None,
        limit: int = 50,
        forked_from: str | None = None,
    ) -> list[SavedChat]:
        """The conversations, the one that changed last first; at most `limit`, from 1 to 1,000.

        `search` is looked for in titles, prompts and answers. `user` leaves those of others out.
        `after` is the last one of the page before, or its id. `forked_from` leaves only the forks
        of that one. Raises `UsageError`.
        """
        return await self._read(
            partial(
                catalogue.listed,
                search=search,
                user=user,
                after=after,
                limit=limit,
                forked_from=forked_from,
            )
        )

    async def find(self, chat: str, *, user: str | None = None) -> SavedChat | None:
        """The conversation with this id. None where there is none, or, with `user`, where it
        belongs to somebody else. Raises `UsageError` for what cannot be an id.
        """
        return await self._read(partial(catalogue.found, chat=chat, user=user))

    async def busy(self, chats: Iterable[str]) -> frozenset[str]:
        """Those of these conversations in which a turn is going on now, in this or another process.
        One whose status is `running`, and that is not among them, was interrupted.
        """
        where = "Sessions.busy({!r})"
        names = [check_name(where, each) for each in check_several(where, chats, "ids: ['ada', …]")]
        is_free = self._database.locks.is_free

        def look() -> frozenset[str]:
            return frozenset(each for each in names if not is_free(lock_of(each)))

        return await asyncio.to_thread(look) if names else frozenset()

    async def runs(self, chat: str) -> tuple[SavedRun, ...]:
        """Every run of a conversation, in the order in which they began: its turns, and those that
        failed, were given up, wait for a person, or are under way. Empty for an id that no
        conversation has.
        """
        check_name("Sessions.runs({!r})", chat)
        return await self._read(partial(past.runs_of, chat=chat, blobs=self.store))

    async def rename(self, chat: str, title: str) -> None:
        """Give a conversation another title, of one line. Raises `UsageError`."""
        await self._write(partial(catalogue.rename, chat=chat, title=title))

    async def fork(self, chat: str, new_id: str | None = None, *, turns: int | None = None) -> str:
        """Make a second future of a conversation, from its end, or from after so many of its turns,
        and return its id: `new_id`, or a new one. What is behind these turns stays in the first.

        Nothing is copied but lists. A turn that is under way, or waits, stays where it is. Raises
        `UsageError`.
        """
        return await self._write(
            partial(forks.fork, chat=chat, new_id=new_id, turns=turns, now=time.time())
        )

    async def rewind(
        self,
        chat: str,
        turns: int | None = None,
        *,
        run: str | None = None,
        new_id: str | None = None,
    ) -> str:
        """Take a conversation back to after so many of its turns, or to before a run of it, to go
        on from there in another way. All that it was goes into a fork, whose id is returned:
        `new_id`, or a new one.

        The fork has the whole past, and the turn that waits or was interrupted. Nothing is deleted,
        and no handle of a picture is given again. Raises `UsageError`, and `ConversationBusy` while
        a turn is going on.
        """
        check_name("Sessions.rewind({!r})", chat)
        release = await acquire_conversation(self._database, chat, self.wait)
        work = partial(forks.rewind, chat=chat, turns=turns, run=run, new_id=new_id)
        return await finish(asyncio.to_thread(self._rewound, chat, work, release), None)

    def _rewound(self, chat: str, work: Callable[..., str], release: Callable[[], None]) -> str:
        try:
            with self._database.writing(lock_of(chat)) as connection:
                return work(connection, now=time.time())
        finally:
            release()

    async def delete(self, chat: str, *, purge: bool = False) -> None:
        """Delete a conversation, but what a fork of it has too. Its pictures are removed by a later
        `sweep`; with `purge` at once, where no other conversation of this database has them.

        Raises `UsageError` where it is not there, and `ConversationBusy` while a turn of it is
        going on.
        """
        check_kind("Sessions.delete(purge={!r})", purge, bool, "True or False")
        check_name("Sessions.delete({!r})", chat)
        release = await acquire_conversation(self._database, chat, self.wait)
        await finish(asyncio.to_thread(self._deleted, chat, purge, release), None)

    def _deleted(self, chat: str, purge: bool, release: Callable[[], None]) -> None:
        try:
            with self._database.writing(lock_of(chat)) as connection:
                unnamed = removal.delete_chat(connection, chat)
        finally:
            release()
        if purge:
            removal.purge(self._database, self.store, unnamed)

    async def export(self, chat: str, path: str | os.PathLike[str]) -> tuple[str, ...]:
        """Write a conversation with its pictures to one file (a ZIP file), whole or not at all. It
        holds neither a key that this process knows nor whom the conversation belongs to.

        Returns what could not be put into it, in words: a picture that the store has lost, say.
        Raises `UsageError` for an id that no conversation has, and a path that cannot be written.
        """
        target = check_path("Sessions.export(path={!r})", path)
        return await asyncio.to_thread(archive.export, self._database, self.store, chat, target)

    async def load(
        self, path: str | os.PathLike[str], new_id: str | None = None, *, user: str | None = None
    ) -> str:
        """Make a new conversation of an exported one, and return its id: `new_id`, or the one that
        it had. A turn that was under way, or waited for a person, is not taken over.

        Raises `UsageError` for an id that is there already, and a file that was edited, is too
        large (8 GiB; 256 MiB of words), or is none: then nothing is loaded.
        """
        source = check_path("Sessions.load({!r})", path)
        return await asyncio.to_thread(
            partial(
                archive.load,
                self._database,
                self.store,
                source,
                chat=new_id,
                user=user,
                now=time.time(),
            )
        )

    async def find_picture(self, sha256: str, *, user: str | None = None) -> Image | None:
        """The picture with this digest, if a conversation of this user has it; with None, if any
        has. Its handle is the one that it has there. Raises `UsageError` for what is no digest.
        """
        store = self.store
        return await self._read(lambda each: gallery.find(each, sha256, user, store, Image))

    async def find_file(self, sha256: str, *, user: str | None = None) -> File | None:
        """The file with this digest, as `find_picture` finds pictures."""
        store = self.store
        return await self._read(lambda each: gallery.find(each, sha256, user, store, File))

    async def note_picture(self, image: Image | File) -> None:
        """Let `sweep` remove a picture or file that was put into the store, from a day from now on,
        where no conversation has it by then: one that was uploaded, say, and never sent.
        """
        given: object = image
        if not isinstance(given, Image | File):
            raise refused("Sessions.note_picture({!r})", given, "is an Image or a File")
        await self._write(partial(gallery.note, thing=image))

    async def note(self, run: str, data: str) -> None:
        """Keep a text of your own with a run, by its id, in the place of an earlier one: what a
        program that shows conversations has to know of it. Nothing is kept of a run that is not
        here. It is deleted with the run, and is no part of an exported conversation.
        """
        check_text("Sessions.note({!r})", run)
        check_kind("Sessions.note(data={!r})", data, str, "text")
        await self._write(partial(run_notes.note, run=run, data=data))

    async def notes(self, runs: Iterable[str]) -> dict[str, str]:
        """The texts that `note` has kept with these runs, by their ids."""
        where = "Sessions.notes({!r})"
        several = check_several(where, runs, "ids of runs: ['run_1', …]")
        names = [check_kind(where, each, str, "the id of a run") for each in several]
        return await self._read(partial(run_notes.noted, names=names))

    async def sweep(self) -> int:
        """Remove from the store the pictures that a conversation here has named once, that none
        names any more, and that were last kept more than a day ago; and from the ledger what nobody
        needs. Returns how many pictures were removed.

        Others may use the store too: a picture that this database never had is left alone.
        """
        kept = await self._read(removal.kept_runs)
        for run in kept:
            await asyncio.to_thread(mark_saved, self.ledger.entries, run, 0, ended=True)
        await self.ledger.sweep()
        return await asyncio.to_thread(removal.sweep, self._database, self.store, time.time())

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._database.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(read)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def write() -> T:
            with self._database.writing() as connection:
                return work(connection)

        return await asyncio.to_thread(write)

    def budget(
        self,
        name: str,
        cost_usd: float | None = None,
        images: int | None = None,
        *,
        per: Per | None = None,
        within: Iterable[Budget | None] = (),
        unmetered: bool = False,
    ) -> KeptBudget:
        """A `Budget` that all processes share which name it so, in this database:

            team = sessions.budget("team", cost_usd=20, per="day")
            agent = Agent(…, budget=team)

        - `cost_usd`, `images`, `within` and `unmetered` are those of `Budget`. What was used is in
          the database; the limits are what is said here, in each process.
        - `per` is `"day"` or `"month"`, in UTC: after it, all counts anew. A request counts in the
          period in which it was sent.

        Nothing is read before the first use. Raises `UsageError` for a wrong argument.
        """
        return self._budgets.budget(
            name, cost_usd, images, per=per, within=within, unmetered=unmetered
        )

    def close(self) -> None:
        """Close the connections. What is used later opens them again."""
        self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)


def _default_url() -> str:
    import platformdirs

    return f"sqlite:///{platformdirs.user_data_path('agentkit') / 'chats.db'}"
