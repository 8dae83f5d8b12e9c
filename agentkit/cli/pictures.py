"""Pictures and files that a command takes and gives: attachments, and names that overwrite
nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agentkit.cli.attachments import of_bytes, of_path
from agentkit.errors import AgentkitError, FileError, ImageError, UsageError

if TYPE_CHECKING:
    from agentkit.values import File, Image

_MOST_TRIES = 10_000


_ValueT = TypeVar("_ValueT")


def attached(given: Sequence[str] | None) -> list[Image | File]:
    """The pictures and files of `-a`; what is at a URL is a `File` until it is fetched. Raises
    `UsageError` that names the one that cannot be used.
    """
    return _each(given, _picture_or_file)


def attached_pictures(given: Sequence[str] | None) -> list[Image]:
    """The pictures of `-a`. Raises `UsageError` that names the one that is none."""
    return _each(given, _picture)


def _each(given: Sequence[str] | None, read: Callable[[str], _ValueT]) -> list[_ValueT]:
    values: list[_ValueT] = []
    if list(given or ()).count("-") > 1:
        raise UsageError("-a -: the input can be read once only")
    for each in given or ():
        try:
            values.append(read(each))
        except (FileError, ImageError) as error:
            raise UsageError(f"-a {each}: {error}") from error
    return values


def _picture_or_file(given: str) -> Image | File:
    from agentkit.values import File

    if given == "-":
        return of_bytes(_input("picture or file"))
    return File.from_url(given) if _is_url(given) else of_path(Path(given).expanduser())


def _picture(given: str) -> Image:
    from agentkit.values import Image

    if given == "-":
        return Image.from_bytes(_input("picture"))
    return Image.from_url(given) if _is_url(given) else Image.from_file(Path(given).expanduser())


def _is_url(given: str) -> bool:
    return given.lower().startswith(("http://", "https://"))


def _input(what: str) -> bytes:
    if sys.stdin.isatty():
        raise UsageError(f"-a -: no {what} is piped in")
    return sys.stdin.buffer.read()


def ready_folder(folder: Path | None) -> Path | None:
    """The folder of `--out`, made where it is not there. Raises `UsageError` if pictures cannot be
    written to it, before anything is paid for.
    """
    if folder is None:
        return None
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--out {folder}: {reason}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--out {folder}: the folder is not writable")
    return folder


def save_new(value: Image | File, folder: Path, name: str | None = None) -> Path:
    """Save a picture or a file under a name that is free: `img_1.png`, else `img_1-2.png`, …
    Raises `ImageError` or `FileError`.
    """
    own = value.saved_name if value.kind == "file" else value.file_name
    path = _claimed(folder, name or own)
    try:
        return value.save(path)
    except AgentkitError:
        path.unlink(missing_ok=True)
        raise


def _claimed(folder: Path, name: str) -> Path:
    """A file of a name that nobody else has, empty: two that save at once get two."""
    for path in _names(folder / name):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ImageError(f"cannot save {name} to {folder}: {reason}") from error
        return path
    raise ImageError(f"cannot save {name} to {folder}: {_MOST_TRIES} such names are taken")


def _names(path: Path) -> Iterator[Path]:
    others = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    for _, each in zip(range(_MOST_TRIES), chain((path,), others), strict=False):
        yield each
