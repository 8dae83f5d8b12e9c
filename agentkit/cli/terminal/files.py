"""Pictures as files: where one lies, saving without overwriting, and opening in a viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from agentkit.errors import UsageError
from agentkit.images.store import FileImageStore, ImageStore
from agentkit.values import File, Image


def path_of(image: Image, store: ImageStore) -> Path | None:
    """The file of the store that holds the picture; None where it is in no file."""
    path = store.path_of(image.sha256) if isinstance(store, FileImageStore) else None
    return None if path is None else path.absolute()


def save_all(values: Iterable[Image | File], folder: Path) -> list[tuple[Image | File, Path]]:
    """Save pictures in a folder, which is made, and files in its folder `files`, each under a name
    that is free there: `img_1.png`, else `img_1-2.png`. One whose bytes lie there under its name
    already stays.

    Raises `UsageError` where that cannot be done; what was saved until then is there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [(value, _save(value, folder)) for value in values]
    except OSError as error:
        raise UsageError(f"cannot save to {folder}: {error.strerror or error}") from error


def _save(value: Image | File, folder: Path) -> Path:
    if value.kind == "file":
        folder = folder / "files"
        folder.mkdir(exist_ok=True)
    name = Path(value.saved_name if value.kind == "file" else value.file_name)
    for number in count(1):
        target = folder / (f"{name.stem}-{number}{name.suffix}" if number > 1 else name.name)
        if _holds(target, value):
            return target
        try:
            target.touch(exist_ok=False)  # from now on nobody else takes the name
        except FileExistsError:
            continue
        try:
            return value.save(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    raise AssertionError("count() has no end")


def _holds(target: Path, value: Image | File) -> bool:
    try:
        return target.stat().st_size == value.size and target.read_bytes() == value.bytes()
    except OSError:
        return False


def open_in_viewer(value: Image | File) -> Path:
    """Open a copy of the picture or file with the program of the system. Returns the copy.

    Raises `UsageError` where there is no such program.
    """
    name = value.saved_name if value.kind == "file" else value.file_name
    target = value.save(Path(tempfile.mkdtemp(prefix="agentkit-")) / name)
    if sys.platform == "win32":
        os.startfile(target)  # noqa: S606 - a file of ours, by the user's own viewer
        return target
    name = "open" if sys.platform == "darwin" else "xdg-open"
    program = shutil.which(name)
    has_display = sys.platform == "darwin" or any(
        os.environ.get(each) for each in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if program is None or not has_display:
        raise UsageError(f"there is no program to show it here; it is {target}")
    subprocess.Popen(  # noqa: S603 - the program of the system, without a shell
        [program, str(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return target
