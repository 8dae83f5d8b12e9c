"""Pictures that a command takes and gives: attachments, and files that overwrite nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from agentkit.errors import AgentkitError, ImageError, UsageError

if TYPE_CHECKING:
    from agentkit.values import Image

_MOST_TRIES = 10_000


def attached(given: Sequence[str] | None) -> list[Image]:
    """The pictures of `-a`. Raises `UsageError` that names the one that cannot be used."""
    pictures: list[Image] = []
    if list(given or ()).count("-") > 1:
        raise UsageError("-a -: the input can be read once only")
    for each in given or ():
        try:
            pictures.append(_picture(each))
        except ImageError as error:
            raise UsageError(f"-a {each}: {error}") from error
    return pictures


def _picture(given: str) -> Image:
    from agentkit.values import Image

    if given == "-":
        if sys.stdin.isatty():
            raise UsageError("-a -: no picture is piped in")
        return Image.from_bytes(sys.stdin.buffer.read())
    if given.lower().startswith(("http://", "https://")):
        return Image.from_url(given)
    return Image.from_file(Path(given).expanduser())


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


def save_new(image: Image, folder: Path, name: str | None = None) -> Path:
    """Save a picture under a name that is free: `img_1.png`, else `img_1-2.png`, … Raises
    `ImageError`.
    """
    path = _claimed(folder, name or image.file_name)
    try:
        return image.save(path)
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
