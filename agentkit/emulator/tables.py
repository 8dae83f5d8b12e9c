"""Tables written as plain text, so that a vocabulary can be read and edited as words."""

from collections.abc import Iterator
from textwrap import dedent


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text, in order."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The words of a text, without order."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """Lines of `key: value`, as a dict.

    A line that is indented further continues the line before.
    """
    return dict(_lines(text))


def kind_by_word(text: str) -> dict[str, str]:
    """Lines of `kind: word word …`, as a dict from each word to its kind.

    A kind is a word of its own. A word that stands in two lines belongs to the first.
    """
    table: dict[str, str] = {}
    for kind, value in _lines(text):
        for word in (kind, *value.split()):
            table.setdefault(word, kind)
    return table


def number_by_word(text: str) -> dict[str, float]:
    """Lines of `number: word word …`, as a dict from each word to its number."""
    return {word: float(kind) for kind, value in _lines(text) for word in value.split()}


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """The key and the value of each line, with the lines that continue it."""
    key, value = "", ""
    for line in dedent(text).splitlines():
        if line.startswith(" "):
            value += f" {line.strip()}"
            continue
        if key:
            yield key, value.strip()
        key, _, value = line.partition(":")
    if key:
        yield key, value.strip()
