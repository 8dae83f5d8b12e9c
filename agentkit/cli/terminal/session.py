"""From the first line of a chat to its last."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

from rich.text import Text

from agentkit.agent import Agent
from agentkit.budget import Budget
from agentkit.cli.saved import new_id
from agentkit.cli.terminal.asking import Answered, ask_terminal
from agentkit.cli.terminal.branches import (
    Branches,
    InDatabase,
    InMemory,
    default_sessions,
)
from agentkit.cli.terminal.chat import Chat, print_last_turn
from agentkit.cli.terminal.commands import COMMANDS, attach_file, carry_out, files_after
from agentkit.cli.terminal.face import Face, PlainFace
from agentkit.cli.terminal.markdown import Words
from agentkit.cli.terminal.pictures import chosen_protocol, may_be_sixel
from agentkit.cli.terminal.typed import Command, understood
from agentkit.conversation import Conversation
from agentkit.errors import AgentkitError
from agentkit.sessions import Sessions
from agentkit.show import plain
from agentkit.values import APIS


async def chat_with(
    agent: Agent[Any],
    *,
    budget: Budget | None = None,
    note: str = "",
    name: str | None = None,
    sessions: Sessions | None = None,
    face: Face | None = None,
) -> None:
    """A chat with this agent until `/quit` or the end of the input: in the terminal, if input and
    output are one, else line by line.

    The conversation is the one of this `name` in `sessions`, or a new one. `note` is shown in the
    banner. A turn that fails ends that turn alone.
    """
    protocol = chosen_protocol()  # a wrong setting is told first
    kept = default_sessions(agent) if sessions is None else sessions
    branches: Branches = (
        InMemory(agent) if kept is None else InDatabase(agent, kept, name or new_id())
    )
    conversation = await branches.open()
    chats: list[Chat] = []
    async with AsyncExitStack() as stack:
        if face is None:
            answered = await _asked()
            protocol = "sixel" if answered is not None and answered.has_sixel else protocol
            face = await _own_face(
                stack, lambda: chats[0].conversation if chats else None, answered
            )
        chat = Chat(agent, face, branches, conversation, budget=budget, protocol=protocol)
        chats.append(chat)
        _print_banner(chat, note)
        await print_last_turn(chat)
        await _go_on(chat)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


async def _asked() -> Answered | None:
    """What the terminal says about itself, if it matters."""
    if not (_has_terminal() and may_be_sixel()):
        return None
    return await asyncio.to_thread(ask_terminal, sys.stdin.fileno(), sys.stdout.fileno())


async def _own_face(
    stack: AsyncExitStack,
    conversation: Callable[[], Conversation[Any] | None],
    answered: Answered | None,
) -> Face:
    """The terminal, or lines where there is none."""
    if not _has_terminal():
        return await stack.enter_async_context(PlainFace())
    from agentkit.cli.terminal.completion import ChatCompleter
    from agentkit.cli.terminal.history import LineHistory, history_file
    from agentkit.cli.terminal.terminal_face import TerminalFace

    def pictures() -> Iterable[str]:
        chat = conversation()
        return () if chat is None else chat.images

    def names() -> Iterable[str]:
        chat = conversation()
        return () if chat is None else (*chat.images, *chat.files)

    helps = {name: entry.help for name, entry in COMMANDS.items()}
    values = {"api": lambda: APIS, "open": pictures}
    completer = ChatCompleter(helps, names, files_after(), values)
    return await stack.enter_async_context(
        TerminalFace(LineHistory(history_file()), completer, answered)
    )


async def _go_on(chat: Chat) -> None:
    while not chat.has_left and (text := await chat.face.read()) is not None:
        typed = understood(text)
        if isinstance(typed, Command):
            await carry_out(chat, typed)
            continue
        try:
            for path in typed.files:
                await attach_file(chat, path)
        except AgentkitError as error:
            chat.complain(str(error))
        if typed.words:
            await chat.send(typed)


def _print_banner(chat: Chat, note: str) -> None:
    name = chat.branches.id_of(chat.conversation)
    facts = [chat.conversation.model, *([name] if name else []), "/help lists the commands"]
    chat.face.print(Text(" · ".join(plain.line(fact) for fact in facts), style="dim"))
    for line in note.splitlines():
        chat.face.print(Words(Text(plain.line(line, width=400), style="yellow")))
