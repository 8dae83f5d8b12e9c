"""Pictures as sixels, for terminals that know nothing better: xterm, foot, mlterm, Windows
Terminal.

The encoder is that of textual-image, which is under the LGPL: it comes with an extra, never with
the base install, and is imported when the first picture is drawn.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Protocol, cast

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

CELL = (8, 16)
"""Pixels of a cell where the terminal does not tell: rather too few. A picture that is smaller than
its room leaves some free; one that is larger would run into the words.
"""
_BAND = 6
"""Rows of pixels that one row of sixels has."""
_LARGEST = 1024
"""Pixels of the longer side: the encoder looks at each, and a terminal keeps them all."""
_INSTALL = "pip install 'agentkit-openrouter[sixel]'"


class _Encoder(Protocol):
    def __call__(self, image: PillowImage, /) -> str: ...


def is_installed() -> bool:
    """Whether the extra is there. Imports nothing of it."""
    return importlib.util.find_spec("textual_image") is not None


def check_installed(setting: str) -> None:
    """Raise `UsageError` for a setting that needs the extra where it is not installed."""
    if not is_installed():
        raise UsageError(f"{setting} needs textual-image: {_INSTALL}")


def sixel_size(
    width: int, height: int, *, columns: int, rows: int, cell: tuple[int, int]
) -> tuple[int, int]:
    """Pixels of a picture within so many cells of this size, its shape kept. The height is that of
    whole rows of sixels, so that the last one does not reach below the room.
    """
    most_wide = min(columns * cell[0], _LARGEST)
    most_high = max(min(rows * cell[1], _LARGEST) // _BAND * _BAND, _BAND)
    scale = min(most_wide / max(width, 1), most_high / max(height, 1))
    wide = max(1, min(most_wide, round(width * scale)))
    bands = max(1, round(height * scale / _BAND))
    return wide, min(most_high, bands * _BAND)


def sixels(picture: PillowImage) -> str:
    """The escape codes of a picture, from the cursor on, one pixel for each of its own.

    The module is taken by its name: the package of the renderables asks the terminal for its
    abilities when it is imported, in the middle of what is typed.
    """
    module = importlib.import_module("textual_image._sixel")
    encode = cast("_Encoder", module.image_to_sixels)
    return encode(picture)
