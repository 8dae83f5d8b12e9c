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
_CODE = re.compile(r"``(.+?)``|`([^`]+)`")
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
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or (in_code and indent >= _INDENT):
            before = line
            yield line
            continue
        begins_item = line.startswith("- ")
        in_code = indent >= _INDENT and not before.strip() and not in_list
        if in_code:
            yield from (".. code-block:: text", "")
        elif begins_item and before.strip() and not in_list:
            yield ""
        in_list = begins_item or (in_list and indent > 0)
        before = line
        yield line if in_code else _prose(line)


def _prose(line: str) -> str:
    pieces: list[str] = []
    at = 0
    for found in _CODE.finditer(line):
        pieces += [_escaped(line[at : found.start()]), _code(found[1] or found[2])]
        at = found.end()
    return "".join([*pieces, _escaped(line[at:])])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text) if not text.lstrip().startswith(">>>") else text


def _code(text: str) -> str:
    first, _, rest = text.removesuffix("()").partition(".")
    where = public_names().get(first)
    if where is None or not re.fullmatch(r"[\w.]*", rest):
        return f"``{text}``"
    return f":py:obj:`{text} <{where}{'.' if rest else ''}{rest}>`"
