"""`agentkit chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agentkit.conversation import Conversation
from agentkit.demo.live import EventView, console, picture, put, used
from agentkit.errors import AgentkitError
from agentkit.show import plain
from agentkit.values import Image

HELP = """/images         list the pictures of this conversation
/attach FILE    send a picture with the next message
/save [FOLDER]  save all pictures (default: pictures)
/quit           end"""


def talk(chat: Conversation, runner: asyncio.Runner, to: Console | None = None) -> None:
    """Read lines, answer each, until `/quit` or the end of the input.

    An error of a turn, or Ctrl-C in one, ends that turn alone; the conversation is then as it was before it.
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
                runner.run(_answer(chat, [words, *attached], to))
                attached.clear()
        except AgentkitError as error:
            put(to, Text(f"✗ {plain.line(str(error), width=400)}", style="red"))
        except KeyboardInterrupt:
            put(to, Text("stopped", style="red"))


def _ask(to: Console) -> str | None:
    try:
        return input("\n› " if to.is_terminal else "")
    except EOFError:
        return None


async def _answer(chat: Conversation, prompt: list[str | Image], to: Console) -> None:
    view = EventView(to)
    view.start()
    stream = chat.stream(prompt)
    try:
        async with stream:
            async for event in stream:
                view.show(event)
    finally:
        view.stop()
    put(to, Text(used(stream.answer.usage), style="dim"))


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
        return [f"saved {image.save(folder)}" for image in chat.images.values()] or ["no pictures yet"]
    except OSError as error:
        return [f"cannot save to {folder}: {error.strerror or error}"]
