"""The commands of the chat: `/images`, `/save`, …"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from agentkit._check import check_model
from agentkit.budget import Budget
from agentkit.cli.attachments import of_path, of_url
from agentkit.cli.terminal.chat import Chat, print_last_turn, prompt_rows
from agentkit.cli.terminal.files import open_in_viewer, save_all
from agentkit.cli.terminal.markdown import Hanging
from agentkit.cli.terminal.transcript import file_row, image_row
from agentkit.cli.terminal.typed import Command, Message, as_path
from agentkit.demo.descriptions import cost, image_line
from agentkit.errors import AgentkitError, UsageError
from agentkit.loop.capabilities import names_meant, unknown_words
from agentkit.openrouter.catalogue import Catalogue
from agentkit.run.audience import Audience
from agentkit.settings import ModelSettings
from agentkit.show import plain
from agentkit.values import APIS, File, Image, MemoryBlobs, replace
from agentkit.values.file_kind import PDF

LARGEST_ATTACHMENT = 32 << 20
"""Bytes of a file that `/attach` takes: services refuse larger ones, and a message is kept in
memory while it is sent.
"""
_OPENED = frozenset({PDF, "text/plain", "text/csv", "text/markdown"})
"""Kinds of files that programs show, and do not run."""
_HELP_COLUMNS = 40
"""Columns beside the names of the commands; with fewer, what they do stands below."""


class Entry(NamedTuple):
    """A command: what follows its name, its line in the help, and what it does."""

    argument: str
    help: str
    run: Callable[[Chat, str], Awaitable[None]]


async def carry_out(chat: Chat, command: Command) -> None:
    """Carry out a command. What goes wrong is shown."""
    if chat.face.is_terminal:
        typed = plain.line(f"/{command.name} {command.argument}".rstrip(), width=200)
        chat.face.print(Text(""), *prompt_rows(typed, "dim"))
    entry = COMMANDS.get(command.name)
    if entry is None:
        near = difflib.get_close_matches(command.name, COMMANDS, n=1)
        hint = f"; did you mean /{near[0]}?" if near else ""
        chat.complain(f"there is no command /{command.name}{hint} (/help lists them)")
        return
    try:
        await entry.run(chat, command.argument)
    except AgentkitError as error:
        chat.complain(str(error))


async def attach_file(chat: Chat, path: Path) -> None:
    """Take a picture or a file from the disk for the next message, and tell its handle."""
    handle = chat.attach(await asyncio.to_thread(_read, path))
    chat.say(f"{handle} goes with the next message: {path}", "dim")


def _read(path: Path) -> Image | File:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        size = 0  # `of_path` says what is wrong
    if size > LARGEST_ATTACHMENT:
        raise UsageError(
            f"{str(path)!r} has {plain.kilobytes(size)}; accepted are at most "
            f"{plain.kilobytes(LARGEST_ATTACHMENT)}"
        )
    value = of_path(path)
    if value.kind == "file":  # it may change on the disk before the message is sent
        return replace(value, blobs=MemoryBlobs(value.bytes()))
    return value


async def _help(chat: Chat, _: str) -> None:
    chat.say('A picture is called by its name: "put a hat on img_1".')
    width = max(len(f"/{name} {entry.argument}") for name, entry in COMMANDS.items())
    fits = chat.face.columns() >= width + _HELP_COLUMNS
    for name, entry in COMMANDS.items():
        usage = f"/{name} {entry.argument}".rstrip()
        if fits:
            chat.say(f"{usage:<{width}}  {entry.help}")
        else:
            chat.face.print(Text(usage), Hanging("  ", "  ", Text(entry.help)))
    if chat.face.is_terminal:
        chat.say("Alt-Enter begins a new line, Tab completes, Ctrl-C stops a turn, Ctrl-D leaves.")


async def _images(chat: Chat, _: str) -> None:
    images = list(chat.conversation.images.values())
    if not images:
        chat.say("no pictures yet")
    for image in images:
        chat.face.print(image_row(image))
    for failure in chat.conversation.failures:
        chat.complain(f"no picture: {failure.reason}")


async def _files(chat: Chat, _: str) -> None:
    files = chat.conversation.files
    if not files:
        chat.say("no files yet")
    chat.face.print(*map(file_row, files.values()))


async def _open(chat: Chat, argument: str) -> None:
    file = chat.conversation.files.get(argument)
    if file is not None and file.media_type not in _OPENED:
        raise UsageError(
            f"/open {argument}: {file.media_type} is not opened, since a program may run what is "
            f"in it; /save {argument} keeps it"
        )
    value = _picture(chat, argument) if file is None else file
    path = await asyncio.to_thread(open_in_viewer, value)
    chat.say(f"{value.name} is opened: {path}", "dim")


async def _attach(chat: Chat, argument: str) -> None:
    if not argument:
        raise UsageError("/attach: accepted is a file or a URL: /attach cat.png")
    if not argument.lower().startswith(("http://", "https://")):
        await attach_file(chat, as_path(argument))
        return
    handle = chat.attach(await of_url(argument, chat.conversation.agent))
    chat.say(f"{handle} goes with the next message: {argument}", "dim")


async def _save(chat: Chat, argument: str) -> None:
    saved: dict[str, Image | File] = {**chat.conversation.images, **chat.conversation.files}
    first, _, rest = argument.partition(" ")
    if first in saved:
        saved, argument = {first: saved[first]}, rest.strip()
    if not saved:
        chat.say("no pictures yet")
        return
    folder = as_path(argument) if argument else Path("pictures")
    for value, path in await asyncio.to_thread(save_all, saved.values(), folder):
        chat.say(f"saved {value.name}: {path}")


async def _retry(chat: Chat, _: str) -> None:
    if chat.last_prompt is None:
        raise UsageError("there is no message to send again")
    words, attached = chat.last_prompt
    later: list[Image | File] = []
    if chat.has_kept_last:
        chat.go_to(await chat.branches.without_last_turn(chat.conversation))
        later, chat.attached = chat.attached, [*attached]
    await chat.send(Message(words))  # what a turn that failed had attached still is
    chat.attached += later


async def _undo(chat: Chat, _: str) -> None:
    messages = chat.conversation.messages
    chat.go_to(await chat.branches.without_last_turn(chat.conversation))
    chat.has_kept_last = False
    name = chat.branches.id_of(chat.conversation)
    stays = f"; it stays in the conversation before, this one is {name}" if name else ""
    chat.say(f"the last turn is undone, its cost is not{stays}", "dim")
    message = messages[len(chat.conversation.messages)]
    for each in (*message.images, *message.files):
        chat.say(f"{chat.attach(each)} goes with the next message", "dim")
    chat.face.suggest(message.text)


async def _continue(chat: Chat, _: str) -> None:
    if not await chat.go_on():
        raise UsageError("there is no turn that was interrupted")


async def _fork(chat: Chat, argument: str) -> None:
    chat.go_to(await chat.branches.fork(chat.conversation, argument or None))
    name = chat.branches.id_of(chat.conversation)
    chat.say(f"this is now a second future of the conversation{f': {name}' if name else ''}")


async def _sessions(chat: Chat, argument: str) -> None:
    here = chat.branches.id_of(chat.conversation)
    if here is None:
        chat.say("this conversation is not kept: it ends with the chat")
        return
    if argument and await chat.branches.has(argument):
        chat.go_to(await chat.branches.switch(argument))
        chat.has_kept_last = False
        chat.say(f"this is now {argument}", "dim")
        await print_last_turn(chat)
        return
    found = await chat.branches.list(argument)
    if not found:
        chat.say(f"no conversation has {argument!r} in it" if argument else "no conversations yet")
    for each in found:
        mark = "›" if each.id == here else " "
        facts = [plain.counted(each.turns, "turn"), ago(time.time() - each.changed_at)]
        if each.cost_usd:
            facts.append(plain.dollars(each.cost_usd))
        title = plain.line(each.title, width=60)
        chat.say(f"{mark} {plain.line(each.id)} · {' · '.join(facts)}  {title}".rstrip())
    if any(each.id != here for each in found):
        chat.say("/sessions ID goes on with one of them", "dim")


async def _cost(chat: Chat, _: str) -> None:
    usage = chat.usage
    tokens = usage.input_tokens + usage.output_tokens
    requests = plain.counted(usage.requests, "request")
    chat.say(f"this chat: {cost(usage)} · {tokens:,} tokens · {requests}")
    if usage.uncertain_usd:
        chat.say(f"perhaps {plain.dollars(usage.uncertain_usd)} more: requests that broke off")
    priced = [image for image in chat.conversation.images.values() if image.cost_usd is not None]
    for image in priced:
        chat.say(f"  {image_line(image)}")
    _say_budget(chat)


def _say_budget(chat: Chat) -> None:
    budget = chat.budget or chat.agent.budget
    if budget is None or budget.cost_usd is None:
        chat.say("no budget: /budget USD sets one")
        return
    left = budget.remaining_usd
    chat.say(f"budget: {plain.dollars(budget.cost_usd)}, {plain.dollars(left)} of it is left")


async def _budget(chat: Chat, argument: str) -> None:
    if not argument:
        _say_budget(chat)
        return
    try:
        amount = float(argument.removeprefix("$"))
    except ValueError:
        accepted = "accepted is an amount in USD: /budget 0.50"
        raise UsageError(f"/budget {argument}: {accepted}") from None
    chat.budget = Budget(amount)
    chat.say(f"from now on, this chat may cost {plain.dollars(amount)} more")


async def _model(chat: Chat, argument: str) -> None:
    if argument:
        await _check_model(chat, argument)
        chat.conversation.model = argument
    chat.say(f"model: {chat.conversation.model}")


async def _check_model(chat: Chat, name: str) -> None:
    """Raise `UsageError` for a model that the catalogue does not have. A router's or a preset's is
    nobody's business but OpenRouter's.
    """
    check_model(f"/model {name}", name)
    agent = chat.agent
    is_open = Audience.of(name, ModelSettings()).sole is None
    if is_open or not agent.checks or not agent.client.service.lists_abilities:
        return
    meant = await names_meant(name, Catalogue(agent.client))
    if meant is not None:
        told = f"there is no such model, so it stays {chat.conversation.model}"
        raise UsageError(f"/model {name}: {told}; {unknown_words(meant)}")


async def _api(chat: Chat, argument: str) -> None:
    if argument:
        if argument not in APIS:
            raise UsageError(f"/api {argument}: accepted is one of {', '.join(APIS)}")
        chat.conversation.api = argument
    chat.say(f"API: {chat.conversation.api}")


async def _tools(chat: Chat, _: str) -> None:
    tools = chat.agent.tools
    for tool in tools.functions.values():
        asks = " · asks you first" if tool.approve is not False else ""
        if tool.name in chat.decisions.always:
            asks = " · always allowed in this chat"
        about = plain.line(tool.description, width=90)
        chat.say(f"{tool.name}{asks}{f': {about}' if about else ''}")
    for server in tools.server:
        chat.say(f"{server.name} · run by OpenRouter")
    if not tools:
        chat.say("no tools")


async def _quit(chat: Chat, _: str) -> None:
    chat.has_left = True


def _picture(chat: Chat, name: str) -> Image:
    images = chat.conversation.images
    if name in images:
        return images[name]
    if not name and images:
        return list(images.values())[-1]
    if not name:
        raise UsageError("there are no pictures yet")
    known = ", ".join(images) or "none yet"
    raise UsageError(f"there is no picture {name!r}; there is: {known}")


def ago(seconds: float) -> str:
    """How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def files_after() -> Iterable[str]:
    """Commands whose argument is a file or a folder."""
    return ("attach", "save")


COMMANDS: dict[str, Entry] = {
    "images": Entry("", "list the pictures of this conversation", _images),
    "files": Entry("", "list the files of this conversation", _files),
    "open": Entry("[NAME]", "show a picture or a PDF in a window (default: the latest)", _open),
    "attach": Entry("FILE or URL", "send a picture or a file with the next message", _attach),
    "save": Entry("[NAME] [FOLDER]", "save pictures and files (default: all, in pictures/)", _save),
    "retry": Entry("", "take the last turn again", _retry),
    "undo": Entry("", "go back to before the last turn", _undo),
    "continue": Entry("", "go on with a turn that was interrupted", _continue),
    "fork": Entry("[ID]", "go on in a copy of this conversation", _fork),
    "sessions": Entry("[ID or WORDS]", "list conversations, or go on with one", _sessions),
    "cost": Entry("", "what this chat has cost", _cost),
    "budget": Entry("[USD]", "what it may still cost", _budget),
    "model": Entry("[NAME]", "the model of the next turn", _model),
    "api": Entry("[chat|responses]", "the API of the next turn", _api),
    "tools": Entry("", "list the tools", _tools),
    "help": Entry("", "list the commands", _help),
    "quit": Entry("", "end the chat (so does Ctrl-D)", _quit),
}
"""Every command by its name, in the order of the help."""
