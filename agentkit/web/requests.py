"""What each request asks for, said to the conversations and the turns of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agentkit.errors import UsageError
from agentkit.loop.approvals import given_up
from agentkit.run import Run
from agentkit.sessions import SavedChat, SavedRun
from agentkit.sessions.rows import title_of
from agentkit.web.asked import Asked, read_asked
from agentkit.web.bodies import MOST_BYTES, MOST_SHORT_BYTES, json_answer, read_object
from agentkit.web.chats import (
    MOST_LISTED,
    Chats,
    busy,
    checked_id,
    summary,
    unknown_chat,
)
from agentkit.web.chunks import DONE, HEADERS, KEEP_ALIVE, Chunk, sse
from agentkit.web.message_facts import Ending
from agentkit.web.options import WebOptions
from agentkit.web.refusal import Refused
from agentkit.web.retelling import ui_messages, user_message
from agentkit.web.talk import Talk
from agentkit.web.turns import LiveTurn, Turns

_LOOKS = 3
"""How often a conversation is read that changes while it is."""


def user_of(request: Request) -> str | None:
    """Who sends it, as the doors have found out; None for whoever has the token."""
    return request.state.user


@dataclass(frozen=True, slots=True)
class Requests:
    """The handlers. Each raises `Refused` with a status and words."""

    chats: Chats
    turns: Turns
    talk: Talk
    options: WebOptions

    async def chat(self, request: Request) -> Response:
        """A new message, a retry, or what was decided about calls that wait: the turn's stream."""
        user = user_of(request)
        body = await read_object(request, MOST_BYTES)
        asked = _asked(body)
        chat = checked_id(asked.chat)
        live = await self.turns.take(chat, user, self.talk.answering(chat, user, asked))
        return _streamed(live.rest(), live)

    async def stream(self, request: Request) -> Response:
        """The stream of the turn that goes on, from its start. Nothing where there is none, and for
        a conversation that is not there yet, or is somebody else's: clients ask for the stream of
        each new conversation, and nobody is told more.
        """
        live = await self._live(request)
        if live is None:
            return Response(status_code=204, headers={"cache-control": "no-store"})
        return _streamed(live.log.read(), live)

    async def stop(self, request: Request) -> Response:
        """End the turn, and keep what came."""
        live = await self._live(request)
        if live is None:
            await self.chats.known(_id(request), user_of(request))
        return json_answer({"stopped": live is not None and live.stop()})

    async def go_on(self, request: Request) -> Response:
        """Go on with the turn that was interrupted: its stream."""
        chat, user = _id(request), user_of(request)
        await read_object(request, MOST_SHORT_BYTES)
        live = await self.turns.take(chat, user, self.talk.going_on(chat, user))
        return _streamed(live.rest(), live)

    async def drop(self, request: Request) -> Response:
        """Give up the turn that was interrupted, or waits."""
        chat, user = _id(request), user_of(request)
        await self._check_free(request)
        return json_answer({"dropped": await self.talk.drop(chat, user)})

    async def history(self, request: Request) -> Response:
        """A conversation with all its messages. A turn that begins or ends while they are read has
        them read again, so that they fit the status.
        """
        told: dict[str, Any] = {}
        for _ in range(_LOOKS):
            live = await self._live(request)
            told = await self._history(_id(request), user_of(request), live)
            if await self._live(request) is live:
                break
        return json_answer(told)

    async def _history(self, chat: str, user: str | None, live: LiveTurn | None) -> dict[str, Any]:
        found = await self.chats.find(chat, user)
        if found is None and live is None:
            raise unknown_chat()
        past = await self.chats.runs(chat)
        notes = await self.chats.notes([each.run for each in past])
        busy_ones = await self.chats.busy([] if found is None else [found])
        is_busy = live is not None or chat in busy_ones
        going = None if live is None else live.run
        if going is None and is_busy:  # another process takes it
            going = next((each.run for each in past if each.is_active), None)
        told = await asyncio.to_thread(_messages, past, notes, going)
        shown = _new(chat, live) if found is None else _shown(found, live, is_busy=is_busy)
        if shown["status"] == "interrupted":
            shown |= await self.talk.interrupted(chat, user)
        pictures = past[-1].run.images if past else ()
        branches = await self.chats.branches(chat)
        return shown | {"imagesCount": len(pictures), "branches": branches, "messages": told}

    async def list(self, request: Request) -> Response:
        """The conversations of the user, the latest first."""
        given = request.query_params
        limit = _limit(given.get("limit"))
        search, after = given.get("search", "").strip() or None, given.get("after") or None
        user = user_of(request)
        found = await self.chats.list(user, search=search, after=after, limit=limit)
        others = [each for each in found if self.turns.of(each.id) is None]
        elsewhere = await self._elsewhere(others, user)
        told = [
            _shown(each, live, is_busy=live is not None or each.id in elsewhere)
            for each in found
            for live in (self.turns.of(each.id),)
        ]
        following = found[-1].id if len(found) == limit else None
        return json_answer({"chats": told, "next": following})

    async def _elsewhere(self, chats: Sequence[SavedChat], user: str | None) -> frozenset[str]:
        """Those of these conversations of which another process takes a turn, or will."""
        found = await self.chats.busy(chats)
        idle = [each.id for each in chats if each.status != "idle" and each.id not in found]
        return found | {each for each in idle if await self.talk.elsewhere(each, user) is not None}

    async def rename(self, request: Request) -> Response:
        """Give a conversation another title."""
        body = await read_object(request, MOST_SHORT_BYTES)
        title = await self.chats.rename(_id(request), user_of(request), body.get("title"))
        return json_answer({"id": _id(request), "title": title})

    async def delete(self, request: Request) -> Response:
        """Delete a conversation in which no turn goes on."""
        await self._check_free(request)
        await self.chats.known(_id(request), user_of(request))
        await self.talk.give_up(_id(request))
        await self.chats.delete(_id(request), user_of(request))
        return json_answer({"deleted": True})

    async def fork(self, request: Request) -> Response:
        """Make a second future of a conversation."""
        body = await read_object(request, MOST_SHORT_BYTES)
        made = await self.chats.fork(
            _id(request), user_of(request), body.get("turns"), body.get("messageId")
        )
        return json_answer({"id": made}, 201)

    async def about(self, request: Request) -> Response:
        """What the page has to know of the server."""
        return json_answer(await self.options.about(user_of(request)))

    async def _live(self, request: Request) -> LiveTurn | None:
        """The turn that goes on, if it is this user's; also one that a worker takes, and that
        another process has begun.
        """
        chat, user = _id(request), user_of(request)
        live = self.turns.of(chat)
        if live is None and (open_turn := await self.talk.elsewhere(chat, user)) is not None:
            live = self.turns.of(chat) or await self.turns.take(chat, user, open_turn)
        return live if live is not None and live.user == user else None

    async def _check_free(self, request: Request) -> None:
        if await self._live(request) is not None:
            raise busy()


def _shown(chat: SavedChat, live: LiveTurn | None, *, is_busy: bool) -> dict[str, Any]:
    """A conversation as it is now. Its first turn, when it has just begun, has a title for it."""
    told = summary(chat, is_live=is_busy)
    return told if chat.title or live is None else told | {"title": _title(live)}


def _id(request: Request) -> str:
    return checked_id(request.path_params["chat"])


def _asked(body: Mapping[str, Any]) -> Asked:
    try:
        return read_asked(body)
    except UsageError as error:
        raise Refused(400, str(error)) from None


def _streamed(chunks: AsyncIterable[Chunk | None], live: LiveTurn) -> Response:
    return StreamingResponse(_encoded(chunks, live), headers=HEADERS)


async def _encoded(chunks: AsyncIterable[Chunk | None], live: LiveTurn) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        yield KEEP_ALIVE if chunk is None else sse(chunk)
    if not live.is_left:  # else the reader comes back, and another process tells the rest
        yield DONE


def _messages(
    past: tuple[SavedRun, ...], notes: Mapping[str, str], going: Run | None
) -> list[Mapping[str, Any]]:
    """What was said. Of the turn that goes on, the prompt alone: its stream has the rest."""
    told: list[Mapping[str, Any]] = []
    for each in past:
        if going is None or each.run.id != going.id:
            noted, run = notes.get(each.run.id, ""), each.run
            if _is_given_up(each):  # nobody is asked any more
                told += ui_messages(given_up(run), noted, Ending("stopped"))
            else:
                told += ui_messages(run, noted, None if noted else _ending(each))
    if going is not None:
        told.append(user_message(going))
    return told


def _is_given_up(saved: SavedRun) -> bool:
    """Whether it waited for a person when it was given up."""
    return saved.turn is None and not saved.is_active and saved.run.status == "paused"


def _ending(saved: SavedRun) -> Ending | None:
    """How a run ended of which nothing is noted, where it does not say it itself."""
    return None if saved.turn is not None or saved.is_active else Ending("failed")


def _new(chat: str, live: LiveTurn | None) -> dict[str, Any]:
    """A conversation of which nothing is written yet."""
    model = None if live is None or live.run is None else live.run.model
    title = "" if live is None else _title(live)
    return {"id": chat, "title": title, "status": "running", "model": model, "turns": 0}


def _title(live: LiveTurn) -> str:
    """The first words of the prompt of a turn that goes on."""
    run = live.run
    return "" if run is None else title_of(run)


def _limit(given: str | None) -> int:
    if given is None:
        return 50
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MOST_LISTED):
        raise Refused(400, "limit is no number that is accepted.", f"1 to {MOST_LISTED}")
    return int(given)
