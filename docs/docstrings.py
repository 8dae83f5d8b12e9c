"""Docstrings, which are Markdown, as the reStructuredText that Sphinx reads.

Three things differ: an indented block is code, a word in backticks is code (and a link where it is
a public name), and no other character means anything.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ARCHITECTURE = Path(__file__).with_name("architecture.md")
_CODE = re.compile(r"``(.+?)``|`([^`]+)`", re.DOTALL)
_SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")
_INDENT = 4


def public_modules() -> list[str]:
    """The list in `docs/architecture.md`."""
    section = (
        ARCHITECTURE.read_text("utf-8").partition("\n## Public modules\n")[2].partition("\n## ")[0]
    )
    return re.findall(r"^- `([\w.]+)`", section, re.MULTILINE)


@cache
def public_names() -> dict[str, str]:
    """Name → where the reference has it: `Agent` → `agentkit.Agent`. Where two modules have a name,
    the first one is meant.
    """
    found: dict[str, str] = {}
    for name in public_modules():
        for each in importlib.import_module(name).__all__:
            found.setdefault(each, f"{name}.{each}")
    return found


def to_rst(lines: Sequence[str]) -> list[str]:
    """A docstring's lines, converted."""
    return list(_converted(lines))


def _converted(lines: Sequence[str]) -> Iterator[str]:
    in_code = in_list = False
    before = ""
    prose: list[str] = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or (in_code and indent >= _INDENT):
            yield from _prose(prose)
            yield line
            before = line
            continue
        begins_item = line.startswith("- ")
        in_code = indent >= _INDENT and not before.strip() and not in_list
        if in_code:
            yield from (".. code-block:: text", "", line)
        elif begins_item and before.strip() and not in_list:
            prose += ["", line]
        else:
            prose.append(line)
        in_list = begins_item or (in_list and indent > 0)
        before = line
    yield from _prose(prose)


def _prose(lines: list[str]) -> list[str]:
    """The lines, converted, and taken out of the list. Together: code in backticks may go on in the
    next line."""
    text = "\n".join(lines)
    lines.clear()
    pieces: list[str] = []
    at = 0
    for found in _CODE.finditer(text):
        pieces += [
            _escaped(text[at : found.start()]),
            _code(" ".join((found[1] or found[2]).split())),
        ]
        at = found.end()
    converted = "".join([*pieces, _escaped(text[at:])])
    return converted.split("\n") if text else []


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text) if not text.lstrip().startswith(">>>") else text


def _code(text: str) -> str:
    first, _, rest = text.removesuffix("()").partition(".")
    where = public_names().get(first)
    if where is None or not re.fullmatch(r"[\w.]*", rest):
        return f"``{text}``"
    return f":py:obj:`{text} <{where}{'.' if rest else ''}{rest}>`"
