"""Conversations that callers from outside hold by an id, and the pictures that they hand in."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.conversation import Conversation
from agentkit.errors import AgentkitError, ImageError, UsageError
from agentkit.events import Event
from agentkit.run import Run
from agentkit.stream import AnswerStream, Turn
from agentkit.values import File, Image
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.base64text import decode_base64

URI = "agentkit://images/"
"""How a picture of these conversations is named outside of them: this, and its SHA-256."""
FILE_URI = "agentkit://files/"
"""How a file of them is."""
MOST_PICTURES = 16
"""Pictures that one prompt may hand in."""

Picture = Image | bytes | str
Pictures = Sequence[Picture]
"""Pictures that a caller hands in: an `Image`, bytes, a data URL, an http(s) URL, base64, the
`agentkit://images/…` address of an earlier one, or its handle in the conversation (`img_1`).
"""
Tell = Callable[[Event], Awaitable[None]]

_ACCEPTED = (
    "a data URL, base64, an http(s) URL, agentkit://images/… of an earlier picture, or its handle "
    "in this conversation, such as img_1"
)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HANDLE = re.compile(r"img_[1-9][0-9]{0,8}\Z")


def uri_of(thing: Image | File) -> str:
    """The address of a picture or file outside of its conversation."""
    return f"{FILE_URI if isinstance(thing, File) else URI}{thing.sha256}"


class Chats:
    """The latest conversations of an agent, in memory, each under a random id."""

    def __init__(self, agent: Agent[Any], kept: int) -> None:
        self.agent = agent
        self._kept = kept
        self._chats: OrderedDict[str, Conversation[Any]] = OrderedDict()
        self._going: Counter[str] = Counter()
        """How many turns each conversation is taking."""
        self._stopped: set[Turn[Any]] = set()
        """Turns whose caller left."""

    def open(self, conversation: str | None) -> tuple[str, Conversation[Any]]:
        """The conversation with an id, or a new one, and its id. Raises `UsageError` for an id that
        is not known. `keep` has to follow before its turn begins.
        """
        if not conversation:
            return secrets.token_urlsafe(12), self.agent.conversation()
        if conversation not in self._chats:
            raise UsageError(
                f"conversation={conversation!r:.60}: it is not known here; accepted is one of the "
                f"latest {self._kept} that this program began, and nothing for a new one"
            )
        return conversation, self._chats[conversation]

    def keep(self, name: str, chat: Conversation[Any]) -> None:
        """Hold a conversation, as the latest, because its next turn begins. One that waits for a
        person goes on without the calls that wait.
        """
        self._chats[name] = chat
        self._chats.move_to_end(name)
        self._let_go(but=name)
        if chat.waiting is not None:
            chat.adopt(chat.waiting)

    @contextmanager
    def turn(self, name: str) -> Generator[None]:
        """A conversation takes a turn: until its end it is held, however many came after it."""
        self._going[name] += 1
        try:
            yield
        finally:
            self._going[name] -= 1
            self._going += Counter()  # without those that take none
            self._let_go()

    def _let_go(self, *, but: str = "") -> None:
        """Forget the oldest conversations of more than are kept. Those that take a turn are no part
        of either.
        """
        idle = [name for name in self._chats if name not in self._going and name != but]
        for name in idle[: max(len(idle) - self._kept, 0)]:
            del self._chats[name]

    def waiting(self, conversation: str, run: Run) -> Conversation[Any]:
        """The conversation in which this run waits. Raises `UsageError` where it went on."""
        chat = self._chats.get(conversation)
        if chat is None or chat.waiting is None or chat.waiting.id != run.id:
            raise UsageError(
                "what waited for this answer was given up: the conversation went on without it"
            )
        return chat

    def stop(self, turn: Turn[Any]) -> None:
        """Stop a turn whose caller left. What had come of it stays in its conversation."""
        turn.stop()
        self._stopped = {each for each in (*self._stopped, turn) if not each.done}

    async def settled(self) -> None:
        """Wait until all that was stopped has ended, and the downloads of all conversations."""
        while self._stopped:
            turn = self._stopped.pop()
            with suppress(AgentkitError):
                await turn.answer()
        for chat in tuple(self._chats.values()):
            await chat.settled()

    def image(self, sha256: str) -> Image | None:
        """A picture of these conversations."""
        if not _SHA256.match(sha256):
            return None
        for chat in reversed(self._chats.values()):
            for image in chat.images.values():
                if image.sha256 == sha256:
                    return image
        return None

    def at(self, uri: str) -> Image | File | None:
        """The picture or file of these conversations with this address."""
        if uri.startswith(URI):
            return self.image(uri.removeprefix(URI))
        sha256 = uri.removeprefix(FILE_URI)
        if sha256 == uri or not _SHA256.match(sha256):
            return None
        for chat in reversed(self._chats.values()):
            for file in chat.files.values():
                if file.sha256 == sha256:
                    return file
        return None

    async def pictures(self, given: Pictures, chat: Conversation[Any]) -> list[Image]:
        """The pictures that a caller hands in. Raises `UsageError` and `ImageError`."""
        if isinstance(given, str | bytes) or len(given) > MOST_PICTURES:
            raise UsageError(f"images=…: accepted is a list of at most {MOST_PICTURES} pictures")
        found = [self._known(each, f"images[{at}]", chat) for at, each in enumerate(given)]
        return [
            each
            if isinstance(each, Image)
            else await asyncio.to_thread(_decoded, each, f"images[{at}]")
            for at, each in enumerate(found)
        ]

    def _known(self, given: object, where: str, chat: Conversation[Any]) -> Image | bytes | str:
        """The picture, or what has to be decoded."""
        if not isinstance(given, Image | bytes | str):
            raise UsageError(f"{where} is {type(given).__name__}; accepted is {_ACCEPTED}")
        if not isinstance(given, str):
            return given
        if given.startswith(URI) or _HANDLE.match(given):
            found = self.image(given.removeprefix(URI)) if given.startswith(URI) else None
            found = found or chat.images.get(given)
            if found is None:
                raise UsageError(f"{where}: there is no picture {given!r:.100} here")
            return found
        if given[:8].lower().startswith(("http://", "https://")):
            return Image.from_url(given)
        return given


def _decoded(given: bytes | str, where: str) -> Image:
    """The picture of bytes, of a data URL, or of base64. It blocks: a picture may be large."""
    return Image.from_bytes(given if isinstance(given, bytes) else _bytes_of(given, where))


def _bytes_of(text: str, where: str) -> bytes:
    """The bytes of a data URL, or of base64. A path is neither."""
    head, comma, data = text.partition(",")
    if head[:5].lower() == "data:" and not (comma and head.lower().endswith(";base64")):
        raise UsageError(f"{where}: accepted are data URLs in base64")
    try:
        found = decode_base64(data if head[:5].lower() == "data:" else text)
    except ImageError:
        found = b""
    if sniff(found[:HEAD]) is None:
        raise UsageError(f"{where} is {text!r:.60}; accepted is {_ACCEPTED}")
    return found


async def watched(
    stream: AnswerStream[Any], tell: Tell | None, chats: Chats, name: str
) -> Answer[Any]:
    """The answer of a turn of the conversation `name`, and each of its events told. Where the
    caller leaves, the turn is stopped, and what had come of it stays in the conversation.
    """
    with chats.turn(name):
        turn = Turn(stream)
        try:
            if tell is not None:
                async for event in turn.drained():
                    await tell(event)
            return await turn.answer()
        except BaseException:
            chats.stop(turn)
            raise
