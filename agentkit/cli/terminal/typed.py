"""What a line that was typed or pasted means: a command, or a message with its pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".heic", ".svg", ".bmp")
"""Endings of files that a message may name by their path alone."""
_COMMAND = re.compile(r"/([A-Za-z?][\w-]*)(?:\s+(.*))?", re.DOTALL)
_WORD = re.compile(r"'([^'\n]*)'|\"((?:\\.|[^\"\\\n])*)\"|((?:\\.|[^\s\\'\"])+)")


@dataclass(frozen=True, slots=True)
class Command:
    """`/attach cat.png`: its name without the slash, and what follows."""

    name: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Words for the model, and files that were named by their paths alone."""

    words: str
    files: tuple[Path, ...] = ()


def understood(text: str, *, exists: Callable[[Path], bool] = Path.is_file) -> Command | Message:
    """What was typed. Only its first line can be a command; a path such as `/home/ada/cat.png` is
    none, nor is a line that begins with two slashes (the second one is sent).
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if text.startswith("//"):
        return Message(text[1:])
    files = dropped_files(text, exists=exists)
    if files:
        return Message("", files)
    if match := _COMMAND.fullmatch(text):
        return Command(match[1].lower(), (match[2] or "").strip())
    return Message(text)


def dropped_files(text: str, *, exists: Callable[[Path], bool] = Path.is_file) -> tuple[Path, ...]:
    """The pictures of a line that holds paths and nothing else, as a terminal pastes them when
    files are dropped on it; empty for any other line.
    """
    if "\n" in text or not text:
        return ()
    if text.lower().endswith(IMAGE_ENDINGS) and exists(path := as_path(text)):
        return (path,)
    words = [match[0] for match in _WORD.finditer(text)]
    paths = tuple(as_path(word) for word in words)
    named = [path.name.lower().endswith(IMAGE_ENDINGS) and exists(path) for path in paths]
    return paths if paths and all(named) else ()


def as_path(text: str) -> Path:
    """A path as a person types or pastes it: quoted, with escaped spaces, as a `file://` URL, with
    `~` or a variable in front.
    """
    text = text.strip()
    if text.startswith("file://"):
        return Path(url2pathname(unquote(urlsplit(text).path)))
    quoted = _WORD.fullmatch(text)
    if quoted and quoted[1] is not None:
        return Path(quoted[1])
    if quoted and quoted[2] is not None:
        return _expanded(re.sub(r"\\(.)", r"\1", quoted[2]))
    return _expanded(text if os.name == "nt" else re.sub(r"\\(.)", r"\1", text))


def _expanded(text: str) -> Path:
    try:
        return Path(os.path.expandvars(text)).expanduser()
    except RuntimeError:  # `~nobody` has no home
        return Path(text)
