"""Text for a terminal, where a control character is a command.

`visible` is also the first step of the other sinks: a Markdown file may be shown by `cat`, and a
page may be copied into a shell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from agentkit._visible import visible
from agentkit.values import Image, ImageFailure, Invocation, Text
from agentkit.values.image_display import caption


def terminal(text: str) -> str:
    """Text that a terminal shows and never obeys. May span lines."""
    return visible(text)


def line(text: str, *, width: int = 200) -> str:
    """Text for one line of a terminal: white space folded, cut with `…` after `width`
    characters.
    """
    folded = terminal(" ".join(text.split()))
    if len(folded) <= width:
        return folded
    return folded[: max(width - 1, 0)] + "…"


def call(invocation: Invocation) -> str:
    """A tool call as a person is asked about it: `pay(euros=3, to="Ada")`, on one line, whole, with
    nothing in it obeyed.
    """
    arguments = [
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in (invocation.arguments or {}).items()
    ]
    shown = terminal(f"{invocation.name}({', '.join(arguments)})")
    return shown.replace("\n", "␊").replace("\t", "␉")


def failed(failure: ImageFailure) -> str:
    """That a picture, or a file of a server tool, could not be had, and why."""
    what = "file" if failure.source.place == "file" else "picture"
    return f"No {what}: {failure.reason}"


def pixels(image: Image) -> str:
    """`1024×576`, or nothing if the size is not known."""
    if not image.width or not image.height:
        return ""
    return f"{image.width}×{image.height}"


def kilobytes(size: int) -> str:
    """A size in bytes for people: `812 B`, `34 kB`, `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def counted(number: int, noun: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def dollars(amount: float | None) -> str:
    """`$0.0123`; a dash for an unknown amount."""
    if amount is None:
        return "–"
    digits = 4 if 0 < abs(amount) < 1 else 2
    return f"${amount:.{digits}f}"


def duration(seconds: float | None) -> str:
    """`12 ms`, `3.4 s`, `2 min 5 s`; a dash for an unknown duration."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"


def answer(parts: Iterable[Text | Image], failures: Iterable[ImageFailure] = ()) -> str:
    """An answer as plain text, with a line in brackets for each picture."""
    blocks = [terminal(part.text) if isinstance(part, Text) else _line_of(part) for part in parts]
    blocks += [f"[no picture: {line(each.reason)}]" for each in failures]
    stripped = [block.strip("\n") for block in blocks]
    return "\n\n".join(filter(None, stripped))


def _line_of(image: Image) -> str:
    facts = " ".join(filter(None, (image.name, pixels(image))))
    return f"[{line(facts)}: {line(caption(image))}]"
