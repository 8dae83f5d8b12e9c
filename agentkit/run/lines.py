"""Pictures and files in words: the lines that stand for them in a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.values import File, Image

_PROMPT = 80
_LISTED = 20
_KIB = 1024


def line(thing: Image | File, asked: str = "") -> str:
    """A picture or a file in words: `img_3 (1024×768, "a red fox in the snow")`,
    `file_1 (report.pdf, 3 pages, 120 KB)`. Where no prompt of its own is known, what the user had
    `asked` for says what a picture shows.
    """
    return of_file(thing) if isinstance(thing, File) else _of_image(thing, asked)


def of_file(file: File) -> str:
    """`file_1 (report.pdf, 3 pages, 120 KB)`."""
    about = [file.file_name or file.media_type]
    if file.pages is not None:
        about.append(f"{file.pages} page{'' if file.pages == 1 else 's'}")
    about.append(size_in_words(file.size))
    return f"{file.name} ({', '.join(about)})"


def size_in_words(size: int) -> str:
    """`812 bytes`, `120 KB`, `3.4 MB`."""
    if size < _KIB:
        return f"{size} byte{'' if size == 1 else 's'}"
    if size < _KIB * _KIB:
        return f"{size / _KIB:.0f} KB"
    return f"{size / _KIB / _KIB:.1f} MB"


def _of_image(image: Image, asked: str) -> str:
    about: list[str] = []
    if image.width and image.height:
        about.append(f"{image.width}×{image.height}")
    elif image.media_type == "image/svg+xml":
        about.append("SVG")
    description = _short(image.prompt or image.alt)
    request = _short(asked)
    if description:
        about.append(f'"{description}"')
    elif any(source.place == "user" for source in image.sources):
        about.append("from the user")
    elif request:
        about.append(f'for "{request}"')
    return f"{image.name} ({', '.join(about)})" if about else image.name


def _short(text: str) -> str:
    """The text on one line, cut to a length that a list of pictures can bear."""
    words = " ".join(text.split())
    return words if len(words) <= _PROMPT else words[: _PROMPT - 1] + "…"


def note(what: str, lines: Sequence[tuple[str, bool]]) -> str:
    """The lines of pictures, or of files, in two groups: those in sight, and those that are away,
    though the model could see them.
    """
    shown = "; ".join([words for words, away in lines if not away])
    hidden = "; ".join([words for words, away in lines if away])
    notes = [f"[{what}: {shown}]"] if shown else []
    if hidden:
        notes.append(f"[{what} that are not shown here: {hidden}]")
    return " ".join(notes)


def left_out(pictures: Sequence[str], files: Sequence[str] = ()) -> str:
    """The text for turns that were left out, with the latest of their pictures and files."""
    groups = [("pictures", pictures), ("files", files)]
    told = [f"; their {what}: {_latest(lines)}" for what, lines in groups if lines]
    return f"[earlier turns were left out{''.join(told)}]"


def _latest(lines: Sequence[str]) -> str:
    rest = f"; {len(lines) - _LISTED} more before" if len(lines) > _LISTED else ""
    return f"{'; '.join(lines[-_LISTED:])}{rest}"
