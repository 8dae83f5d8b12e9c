"""The handles by which a prompt names pictures: `img_1`, `img_2`, …"""

import re
from collections.abc import Sequence

_HANDLE = re.compile(r"\bimg_\d+\b")


def named(text: str) -> list[str]:
    """The picture names in a text, each once."""
    return list(dict.fromkeys(_HANDLE.findall(text)))


def held(text: str, handles: Sequence[str]) -> list[str]:
    """Of the pictures that there are, those that a text names; where it names no picture at all,
    the latest.
    """
    said = named(text)
    return [each for each in said if each in handles] if said else list(handles[-1:])
