"""Text for a terminal, where a control character is a command.

`visible` is also the first step of the other sinks: a Markdown file may be shown by `cat`, and a
page may be copied into a shell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from agentkit.values import Image, ImageFailure, Invocation, Text

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x2070))
_LINE_ENDS = (0x2028, 0x2029)


def _escapes() -> dict[int, str]:
    """C0 as its control picture (`␛`), the rest as Python would write it (`\\x9b`, `\\u202e`), a
    lone surrogate as U+FFFD.
    """
    escapes = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    escapes[0x7F] = "␡"
    escapes |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
    escapes |= {code: f"\\u{code:04x}" for code in (*_BIDI, *_LINE_ENDS)}
    escapes |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    return escapes


_ESCAPES = _escapes()


def visible(text: str) -> str:
    """The text with every C0, C1 and bidi control but `\\n` and `\\t` made visible; `\\r\\n`
    becomes `\\n`.
    """
    return text.replace("\r\n", "\n").translate(_ESCAPES)


def terminal(text: str) -> str:
    """Text that a terminal shows and never obeys. May span lines."""
    return visible(text)


def line(text: str, *, width: int = 200) -> str:
    """Text for one line of a terminal: white space folded, cut with `…` after `width`
    characters.
    """
    folded = terminal(" ".join(text.split()))
    return folded if len(folded) <= width else folded[: max(width - 1, 0)] + "…"


def call(invocation: Invocation) -> str:
    """A tool call as a person is asked about it: `pay(euros=3, to="Ada")`, on one line, whole, with
    nothing in it obeyed.
    """
    given = invocation.arguments or {}
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in given.items()
    )
    return terminal(f"{invocation.name}({arguments})").replace("\n", "␊").replace("\t", "␉")


def caption(image: Image) -> str:
    """What a picture shows, in words: its alt text, else the prompt it was drawn from, else its
    name.
    """
    return image.alt or image.revised_prompt or image.prompt or image.name or "a picture"


def pixels(image: Image) -> str:
    """`1024×576`, or nothing where it is not known."""
    return f"{image.width}×{image.height}" if image.width and image.height else ""


def kilobytes(size: int) -> str:
    """A size in bytes for people: `812 B`, `34 kB`, `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def dollars(amount: float | None) -> str:
    """`$0.0123`; a dash where the wire did not tell."""
    if amount is None:
        return "–"
    return f"${amount:.4f}" if 0 < abs(amount) < 1 else f"${amount:.2f}"


def duration(seconds: float | None) -> str:
    """`12 ms`, `3.4 s`, `2 min 5 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def answer(parts: Iterable[Text | Image], failures: Iterable[ImageFailure] = ()) -> str:
    """An answer as plain text, with a line in brackets for each picture."""
    lines = [terminal(part.text) if isinstance(part, Text) else _line_of(part) for part in parts]
    lines += [f"[no picture: {line(each.reason)}]" for each in failures]
    return "\n\n".join(stripped for each in lines if (stripped := each.strip("\n")))


def _line_of(image: Image) -> str:
    facts = " ".join(fact for fact in (image.name, pixels(image)) if fact)
    return f"[{line(facts)}: {line(caption(image))}]"
