"""What Tab offers: commands, handles of pictures, and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from agentkit.cli.terminal.typed import as_path
from agentkit.show import plain

_MOST = 60
"""Files that are offered at most."""


class ChatCompleter(Completer):
    """Completes `/com` to a command, `im` to a handle, and what looks like a path to a file.

    `commands` maps each name to its line in the help, `names` gives the handles, and `takes_files`
    are the commands whose argument is a path.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        names: Callable[[], Iterable[str]],
        takes_files: Iterable[str] = (),
        values: Mapping[str, Callable[[], Iterable[str]]] | None = None,
    ) -> None:
        self._commands = dict(commands)
        self._names = names
        self._takes_files = frozenset(takes_files)
        self._values = dict(values or {})

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        before = document.text_before_cursor
        if "\n" in before:
            return
        if before.startswith("/") and " " not in before and "/" not in before[1:]:
            yield from self._of_commands(before[1:])
            return
        command, _, argument = before.removeprefix("/").partition(" ")
        if before.startswith("/") and command in self._values:
            yield from _matching(argument, self._values[command]())
            return
        word = before[before.rfind(" ") + 1 :]
        if before.startswith("/") and command in self._takes_files:
            yield from _files(argument)
        elif before.startswith("/") or not complete_event.completion_requested:
            return
        elif word.startswith(("~", "./", "../", "/")):
            yield from _files(word)
        elif word:
            yield from _matching(word, self._names())

    def _of_commands(self, start: str) -> Iterable[Completion]:
        for name, about in self._commands.items():
            if name.startswith(start):
                yield Completion(f"{name} ", -len(start), f"/{name}", display_meta=about)


def _matching(start: str, words: Iterable[str]) -> Iterable[Completion]:
    for word in words:
        if word.startswith(start):
            yield Completion(plain.line(word), -len(start))


def _files(start: str) -> Iterable[Completion]:
    """The files and folders that begin so; spaces in their names are escaped."""
    path = as_path(start)
    folder, name = (path, "") if start.endswith("/") or not start else (path.parent, path.name)
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    visible = [each for each in found if name.startswith(".") or not each.name.startswith(".")]
    matching = [each for each in visible if each.name.startswith(name)]
    for each in matching[:_MOST]:
        if plain.line(each.name) != each.name:
            continue  # a name with control characters is not typed for anybody
        ending = "/" if each.is_dir() else ""
        rest = each.name[len(name) :].replace("\\", "\\\\").replace(" ", "\\ ")
        yield Completion(f"{rest}{ending}", 0, f"{each.name}{ending}")
