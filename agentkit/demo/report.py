"""Report of plays: `index.html`, `transcript.md`, `run.json`, `images/PLAY/NAME.EXTENSION`; or one
HTML file.

The page holds no script and loads nothing but the pictures beside it. Its content security policy
makes the browser enforce that.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from agentkit._files import write_together
from agentkit.demo.page import GENERATOR, page
from agentkit.demo.played import Played
from agentkit.demo.record import KIND, record
from agentkit.demo.saved_play import SavedPlay, names_of
from agentkit.demo.script import Script
from agentkit.demo.sources import AnsweredBy
from agentkit.demo.thumbnails import thumbnails
from agentkit.demo.transcript import transcript
from agentkit.errors import AgentkitError, ImageError, UsageError
from agentkit.run import HANDLE
from agentkit.values.image_header import EXTENSIONS

PAGE = "index.html"
_OWN_FILE = re.compile(rf"img_\d+\.({'|'.join((*EXTENSIONS.values(), 'bin'))})")
_OWN_FOLDER = re.compile(r"(chat|responses)(-[A-Za-z0-9.-]*)?")


class ReportError(AgentkitError):
    """The report cannot be written."""


def write(
    script: Script,
    played: Sequence[Played],
    folder: Path,
    *,
    answered_by: AnsweredBy | None = None,
    single_file: bool = False,
    pictures: bool = False,
) -> Path:
    """Write the report and return the path of its page.

    - `answered_by` is told in its head.
    - `single_file`: the page is all there is, with small pictures inside, in at most 3 MB. `folder`
      may then be the path of an HTML file. With `pictures`, the full ones are put beside it.

    Pictures of an earlier report in `folder/images` are removed; other files there stay. Raises
    `UsageError` if there is something in the folder and no report, `ReportError` if it cannot be
    written.
    """
    check_folder(folder, single_file=single_file)
    target = _page_of(folder) if single_file else folder / PAGE
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        has_files = pictures or not single_file
        saved = _saved(played, target.parent if has_files else None)
        if single_file:
            images = [image for each in played for image in each.images.values()]
            text = page(script, saved, answered_by, thumbnails(images, shown=3))
            write_together({target: [_encoded(text)]})
        else:
            files = {
                target.parent / "transcript.md": transcript(script, saved, answered_by),
                target.parent / "run.json": record(script, saved, answered_by),
                target: page(script, saved, answered_by),
            }
            write_together({path: [_encoded(text)] for path, text in files.items()})
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}"
        ) from error
    return target


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _page_of(folder: Path) -> Path:
    return folder if folder.suffix.lower() in {".html", ".htm"} else folder / PAGE


def check_folder(folder: Path, *, single_file: bool = False) -> None:
    """Whether a report may be written there. Raises `UsageError` where there is something already
    that is no report, and where nothing can be made.
    """
    target = _page_of(folder) if single_file else folder / PAGE
    try:
        if single_file and target.exists() and not _is_our_page(target):
            raise UsageError(f"{target} is no report of agentkit; it is not replaced")
        above = next((each for each in (target.parent, *target.parents) if each.exists()), None)
        if above is not None and not above.is_dir():
            raise ReportError(f"the report cannot be written to {folder}: {above} is a file")
        if single_file or not folder.is_dir() or not any(folder.iterdir()):
            return
        if not _is_our_record(folder / "run.json") and not _is_our_page(target):
            raise UsageError(
                f"{folder} is not empty and holds no report of agentkit, so none is written there; "
                "accepted is a new folder, an empty one, or that of an earlier report"
            )
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}"
        ) from error


def _is_our_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return GENERATOR in file.read(4000)


def _is_our_record(path: Path) -> bool:
    """Whether a file is the record of a report; those of earlier versions have no `kind`."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    fields = cast("dict[str, Any]", found)
    return fields.get("kind") == KIND or {"version", "name", "conversations"} <= set(fields)


def _saved(plays: Sequence[Played], folder: Path | None) -> list[SavedPlay]:
    """The plays, with their pictures in `folder/images`; without a folder, nowhere."""
    names = names_of(plays)
    if folder is not None:
        _remove_stale(folder / "images")
    return [
        SavedPlay(played, key, title, {} if folder is None else _save_images(played, key, folder))
        for played, (key, title) in zip(plays, names, strict=True)
    ]


def _remove_stale(images: Path) -> None:
    """Remove the pictures of an earlier report."""
    if not images.is_dir():
        return
    for play in images.iterdir():
        if _OWN_FOLDER.fullmatch(play.name) and play.is_dir() and not play.is_symlink():
            for stale in play.iterdir():
                if _OWN_FILE.fullmatch(stale.name):
                    stale.unlink()
            with contextlib.suppress(OSError):  # something else lies in it
                play.rmdir()


def _save_images(played: Played, key: str, folder: Path) -> dict[str, str | None]:
    target = folder / "images" / key
    target.mkdir(parents=True, exist_ok=True)
    files: dict[str, str | None] = {}
    for index, image in enumerate(played.images.values(), 1):
        # A name from outside never becomes a path.
        stem = image.name if HANDLE.match(image.name) else f"img_0{index}"
        try:
            file = image.save(target / f"{stem}.{image.extension}")
            files[image.name] = file.relative_to(folder).as_posix()
        except ImageError as error:
            if isinstance(error.__cause__, OSError):  # the disk is full, or the folder closed
                raise error.__cause__ from error
            files[image.name] = None
    return files
