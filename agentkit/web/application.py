"""The chat server as an ASGI application, alone or below a path of another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from agentkit._check import (
    check_kind,
    check_model,
    check_optional,
    check_several,
    refused,
)
from agentkit.agent import Agent
from agentkit.errors import UsageError
from agentkit.sessions import Sessions
from agentkit.web import page_files
from agentkit.web.chats import Chats
from agentkit.web.doors import Doors, UserOf
from agentkit.web.files import Files
from agentkit.web.options import BudgetOf, DepsOf, WebOptions
from agentkit.web.pictures import Pictures
from agentkit.web.previews import Previews
from agentkit.web.refusal import Refused, refused_response
from agentkit.web.requests import Requests
from agentkit.web.routes import route
from agentkit.web.talk import Talk
from agentkit.web.turn_pictures import TurnPictures
from agentkit.web.turns import Turns

if TYPE_CHECKING:
    from agentkit.integrations.dbos import Durable

KEEP_SECONDS = 10.0
"""How long turns have to keep what came when the server is stopped, beside the grace that downloads
have.
"""


class WebApp:
    """An agent as a chat server: an ASGI application. Made by `agentkit.web.app`.

    Everything starts when it is first asked. An application that it is mounted in calls `close()`
    at its end; at the top level the server does, by the lifespan protocol.
    """

    def __init__(
        self,
        options: WebOptions,
        sessions: Sessions,
        *,
        hosts: Iterable[str] = (),
        token: str | None = None,
        user: UserOf | None = None,
    ) -> None:
        self.agent, self.sessions = options.agent, sessions
        self._durable = options.durable
        self._pictures, previews = Pictures(sessions.store, sessions), Previews()
        pictures, files = self._pictures, Files(sessions.store, sessions)
        chats = Chats(options.agent, sessions)
        shelf = TurnPictures(pictures, previews, files)
        self._turns = Turns(shelf, chats.note, emulator=options.emulator)
        handlers = Requests(chats, self._turns, Talk(chats, pictures, files, options), options)
        inner = Starlette(
            routes=[
                *_routes(handlers),
                *pictures.routes(),
                *previews.routes(),
                *files.routes(),
                *page_files.routes(),
            ],
            exception_handlers={Refused: refused_response, HTTPException: _no_such_thing},
            lifespan=self._lifespan,
        )
        self._doors = Doors(inner, hosts=hosts, token=token, user=user)

    @property
    def token(self) -> str | None:
        """What the printed link has; None where the application around us knows its users."""
        return self._doors.token

    def link(self, base: str) -> str:
        """The address of the page for a person, with the token in it. `base` is where the
        application can be reached, such as `http://127.0.0.1:8080`.
        """
        return self._doors.link(base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._doors(scope, receive, send)

    @property
    def close_seconds(self) -> float:
        """How long `close()` waits at most: the agent's `FetchPolicy(grace=)`, which downloads of
        what was paid for have, and 10 seconds.
        """
        return self.agent.fetch.grace + KEEP_SECONDS

    async def close(self, grace: float | None = None) -> None:
        """End the turns that go on, and wait until what came of them is kept: for at most so many
        seconds, by default `close_seconds`. No turn begins any more.
        """
        await self._turns.close(self.close_seconds if grace is None else grace)
        self._pictures.close()
        if self._durable is None:
            await asyncio.to_thread(self.sessions.close)
        elif not self._durable.is_working:  # else this process is a worker, too, and goes on
            await self._durable.close()  # the sessions are its own

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.close()

    def __repr__(self) -> str:
        return f"<WebApp {self.agent!r} {self.sessions!r}>"


def app(
    agent: Agent[Any],
    *,
    sessions: Sessions | None = None,
    user: UserOf | None = None,
    hosts: Iterable[str] = (),
    token: str | None = None,
    budget: BudgetOf | None = None,
    deps: DepsOf | None = None,
    models: Iterable[str] = (),
    emulator: bool = False,
    durable: Durable | None = None,
) -> WebApp:
    """A chat server for an agent: an ASGI application with a page, to run by itself or to mount
    below any path of another one.

        app = agentkit.web.app(agent)                             # for one person: app.link(…)
        site.mount("/chat", agentkit.web.app(agent, user=login))  # for the users of a site

    - `sessions` is where conversations are kept; by default where `Sessions()` keeps them.
    - `user` says who sends a request, by the application's own login: a function, async or not,
      that is given a Starlette `Request` and returns the user's name, or None for nobody. Without
      it, whoever has the token sees all conversations.
    - `hosts` are the names under which browsers reach the server, beside those of this machine.
    - `token` is what the link has; by default a random one.
    - `budget` and `deps` are functions that return the budget of a user, and what tools get in
      their `Context`. The user is None where there is a token.
    - `models` are those that users may choose beside the agent's own.
    - `emulator` says that no model answers, which the page then tells.
    - `durable` hands the turns to its workers: a message begins a durable run, in the same
      database as the conversations, and any process with the same `durable` tells of it. The
      workers have the budgets and the `deps` then. Previews are left out.

    Raises `UsageError` for a wrong argument.
    """
    check_kind("web.app({!r})", agent, Agent, "an Agent")
    check_optional("web.app(sessions={!r})", sessions, Sessions, "Sessions('sqlite:///…')")
    for name, given in (("budget", budget), ("deps", deps)):
        if given is not None and not callable(given):
            raise refused(f"web.app({name}={{!r}})", given, "is a function of the user's name")
    where = "web.app(models={!r})"
    slugs = check_several(where, models, "a list of OpenRouter slugs")
    names = tuple([check_model(where, each) for each in slugs])
    options = WebOptions(agent, names, budget, deps, emulator, durable)
    if durable is not None:
        _check_durable(options, sessions)
        sessions = durable.sessions
    kept = _checked_sessions(agent, sessions)
    return WebApp(options, kept, hosts=hosts, token=token, user=user)


def _checked_sessions(agent: Agent[Any], sessions: Sessions | None) -> Sessions:
    """Where conversations are kept. Raises `UsageError` where its pictures are not the agent's."""
    kept = Sessions(store=agent.store) if sessions is None else sessions
    if kept.store != agent.store:
        raise UsageError(
            f"web.app(sessions=…): the agent keeps its pictures in {agent.store!r}, and the "
            f"sessions in {kept.store!r}; accepted is the same for both: "
            "Sessions(…, store=agent.store)"
        )
    return kept


def _check_durable(options: WebOptions, sessions: Sessions | None) -> None:
    """Raise `UsageError` for what cannot be said together with `durable`."""
    from agentkit.integrations.dbos import Durable

    durable, agent = options.durable, options.agent
    check_kind("web.app(durable={!r})", durable, Durable, "Durable('postgresql://…')")
    for name, given, instead in (
        ("sessions", sessions, "the conversations are in the database of the runs"),
        ("budget", options.budget_of, "give one to the agent of the workers: Agent(budget=…)"),
        ("deps", options.deps_of, "workers give theirs: Durable(deps=…)"),
    ):
        if given is not None:
            raise UsageError(f"web.app(durable=…, {name}=…): accepted is one of them; {instead}")
    if durable is not None and durable.agents.get(agent.name, agent) is not agent:
        raise UsageError(
            f"web.app(durable=…): it has another agent of the name {agent.name!r}, and workers "
            "take runs by that name"
        )


def _routes(to: Requests) -> list[BaseRoute]:
    chat = "/api/chat/{chat:path}"
    return [
        route("/api/about", to.about, "GET"),
        route("/api/chats", to.list, "GET"),
        route("/api/chat", to.chat, "POST"),
        route(f"{chat}/stream", to.stream, "GET"),
        route(f"{chat}/stop", to.stop, "POST"),
        route(f"{chat}/go-on", to.go_on, "POST"),
        route(f"{chat}/drop", to.drop, "POST"),
        route(f"{chat}/fork", to.fork, "POST"),
        route(chat, to.history, "GET"),
        route(chat, to.rename, "PATCH"),
        route(chat, to.delete, "DELETE"),
    ]


async def _no_such_thing(request: Request, error: Exception) -> Response:
    """The answer to a path, or a method of one, that there is not."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    words = "There is no such method here." if status == 405 else "There is nothing here."
    return await refused_response(request, Refused(status, words))
