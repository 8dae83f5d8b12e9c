"""`agentkit chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from agentkit.answer import Answer
from agentkit.budget import Budget
from agentkit.conversation import Conversation
from agentkit.demo.live import EventView, console, ended, picture, put, used
from agentkit.errors import AgentkitError
from agentkit.show import plain
from agentkit.tools import Denied
from agentkit.values import Image, Invocation
from agentkit.values import Text as Words

HELP = """A picture is called by its name: "put a hat on img_1".
Before a tool that needs a person's agreement runs, you are asked.
/images         list the pictures of this conversation
/attach FILE    send a picture with the next message
/save [FOLDER]  save all pictures (default: pictures)
/quit           end"""
_YES = {"y", "yes"}
_NO = {"", "n", "no"}


def talk(
    chat: Conversation,
    runner: asyncio.Runner,
    to: Console | None = None,
    *,
    budget: Budget | None = None,
) -> None:
    """Read lines, answer each, until `/quit` or the end of the input. What is spent is told from
    `budget`.

    An error of a turn, or Ctrl-C in one, ends that turn alone; the conversation is then as it was
    before it.
    """
    to = to or console()
    attached: list[Image] = []
    put(to, Text(f"{chat.model} · /help for what else can be done", style="dim"))
    while (line := _ask(to)) is not None:
        words = line.strip()
        if words == "/quit":
            return
        try:
            if words.startswith("/"):
                _obey(words, chat, attached, to)
            elif words:
                _turn(chat, [words, *attached], runner, to, budget)
                attached.clear()
        except AgentkitError as error:
            put(to, Text(f"✗ {plain.line(str(error), width=400)}", style="red"))
        except KeyboardInterrupt:
            put(to, Text("stopped", style="red"))


def _ask(to: Console, question: str = "\n› ") -> str | None:
    try:
        return input(question if to.is_terminal else "")
    except EOFError:
        return None


def _turn(
    chat: Conversation,
    prompt: list[str | Image],
    runner: asyncio.Runner,
    to: Console,
    budget: Budget | None,
) -> None:
    """One turn to its end, with what a person has to say in between."""
    chat.drop()  # a turn that waits still, for the person left it with Ctrl-C
    answer = runner.run(_answer(chat, prompt, to))
    while answer.status == "paused":
        decisions = {"approval": dict[str, Any](), "result": dict[str, Any]()}
        for why, call in _waiting(answer):
            decisions[why][call.id] = _approved(call, to) if why == "approval" else _given(call, to)
        before = answer
        resumed = chat.resume(
            answer.run, approve=decisions["approval"], results=decisions["result"]
        )
        answer = runner.run(resumed)
        _show_rest(before, answer, to)
    if why := ended(answer):
        put(to, Text.assemble(("■ ", "yellow"), why))
    put(to, Text(f"{used(answer.usage)}{_so_far(budget)}", style="dim"))


async def _answer(chat: Conversation, prompt: list[str | Image], to: Console) -> Answer[Any]:
    view = EventView(to)
    view.start()
    stream = chat.stream(prompt)
    try:
        async with stream:
            async for event in stream:
                view.show(event)
    finally:
        view.stop()
    return stream.answer


def _waiting(answer: Answer[Any]) -> list[tuple[str, Invocation]]:
    """The calls that wait, those of agents that were called as tools included, and for what."""
    by_id = {call.id: call for call in answer.pending}
    return [(each.why, by_id[each.call_id]) for each in answer.run.waiting if each.call_id in by_id]


def _approved(call: Invocation, to: Console) -> bool | Denied:
    """What the person says: yes, no, or no with a reason. The end of the input is a no."""
    put(to, Text.assemble(("? ", "bold yellow"), plain.call(call)))
    words = (_ask(to, "  run it? [y/N, or why not] ") or "").strip()
    if words.lower() in _YES:
        return True
    return False if words.lower() in _NO else Denied(words)


def _given(call: Invocation, to: Console) -> str:
    """The result of a call that is carried out elsewhere."""
    put(to, Text.assemble(("? ", "bold yellow"), plain.call(call)))
    return (_ask(to, "  its result: ") or "").strip()


def _show_rest(before: Answer[Any], answer: Answer[Any], to: Console) -> None:
    """What has come since the run paused."""
    view = EventView(to)
    old = {call.id: call.status for call in before.invocations}
    for call in answer.invocations:
        if call.status != old.get(call.id) and call.status not in {"pending", "running"}:
            view.row(call)
    known = {image.name for image in before.images}
    for image in answer.images:
        if image.name not in known:
            put(to, Text.assemble(("▣ ", "magenta"), picture(image)))
    said = [
        message
        for message in answer.messages[len(before.messages) :]
        if message.role == "assistant"
    ]
    words = plain.answer([Words(text) for message in said if (text := message.text)])
    if words:
        put(to, Text(words))


def _so_far(budget: Budget | None) -> str:
    """` · $0.0421 so far, of $0.50`, with what may have been spent besides."""
    if budget is None:
        return ""
    perhaps = (
        f", perhaps {plain.dollars(budget.uncertain_usd)} more" if budget.uncertain_usd else ""
    )
    limit = f", of {plain.dollars(budget.cost_usd)}" if budget.cost_usd is not None else ""
    return f" · {plain.dollars(budget.spent_usd)} so far{perhaps}{limit}"


def _obey(words: str, chat: Conversation, attached: list[Image], to: Console) -> None:
    command, _, rest = words.partition(" ")
    match command:
        case "/images":
            rows = [picture(image) for image in chat.images.values()] or ["no pictures yet"]
        case "/attach":
            attached.append(Image.from_file(rest.strip()))
            rows = [f"goes with the next message: {rest.strip()}"]
        case "/save":
            rows = _save(chat, Path(rest.strip() or "pictures"))
        case _:
            rows = HELP.split("\n")
    for row in rows:
        put(to, Text(plain.line(row) if command != "/help" else row))


def _save(chat: Conversation, folder: Path) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [f"saved {image.save(folder)}" for image in chat.images.values()] or [
            "no pictures yet"
        ]
    except OSError as error:
        return [f"cannot save to {folder}: {error.strerror or error}"]
