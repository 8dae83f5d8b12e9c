"""The chat in the terminal, for scripts and for `agentkit chat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.sessions import Sessions

__all__ = ["open_chat", "open_chat_async"]


def open_chat(
    agent: Agent[Any],
    name: str | None = None,
    *,
    sessions: Sessions | None = None,
    budget: Budget | None = None,
    note: str = "",
) -> None:
    """Chat with an agent in the terminal, until the person leaves. For code that is not async.

    The conversation is kept: under `name` in `sessions`, by default under a new name in the
    database of `AGENTKIT_SESSIONS`, else `chats.db` in the user's data folder. One that is there
    goes on. Where the agent keeps its pictures in memory, and no `sessions` are given, it ends with
    the process.

    What the chat spends counts against `budget`. `note` is shown at the start. Without a terminal,
    lines are read from the standard input and answered on the standard output, and no tool call is
    approved.

    An error of a turn is shown and ends that turn alone. Raises `SessionError` where the database
    cannot be used, and `UsageError` for a wrong argument, and inside a running event loop: use
    `open_chat_async` there.
    """
    import asyncio

    from agentkit.errors import UsageError

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(_chat_and_close(agent, name, sessions, budget, note))
    else:
        raise UsageError("open_chat(…) inside an event loop: accepted is await open_chat_async(…)")


async def open_chat_async(
    agent: Agent[Any],
    name: str | None = None,
    *,
    sessions: Sessions | None = None,
    budget: Budget | None = None,
    note: str = "",
) -> None:
    """`open_chat` within an event loop, whose thread must be the main one for Ctrl-C to be seen."""
    from agentkit._check import check_kind, check_optional
    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.cli.terminal.session import chat_with
    from agentkit.sessions import Sessions

    check_kind("open_chat({!r})", agent, Agent, "an Agent")
    check_optional("open_chat(name={!r})", name, str, "the name of a conversation")
    check_optional("open_chat(sessions={!r})", sessions, Sessions, "Sessions(…)")
    check_optional("open_chat(budget={!r})", budget, Budget, "Budget(…)")
    check_kind("open_chat(note={!r})", note, str, "text")
    await chat_with(agent, name=name, sessions=sessions, budget=budget, note=note)


async def _chat_and_close(
    agent: Agent[Any],
    name: str | None,
    sessions: Sessions | None,
    budget: Budget | None,
    note: str,
) -> None:
    await open_chat_async(agent, name, sessions=sessions, budget=budget, note=note)
    await agent.client.close()
