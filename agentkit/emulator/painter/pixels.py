"""The two operations of Pillow that its own types leave partly unknown where numpy is not
installed.
"""

from collections.abc import Callable

from PIL import Image

Box = tuple[float, float, float, float]


def scaled(
    image: Image.Image,
    size: tuple[int, int],
    how: Image.Resampling = Image.Resampling.BILINEAR,
    *,
    box: Box | None = None,
    gap: float | None = None,
) -> Image.Image:
    """The image, or its part within `box`, in another size; `gap` lets a large reduction take two
    steps.
    """
    return image.resize(size, how, box, gap)  # pyright: ignore[reportUnknownMemberType]


def toned(image: Image.Image, curve: Callable[[int], float]) -> Image.Image:
    """Each value of a grey image from 0 to 255, put through the curve."""
    table = [min(255, max(0, round(curve(i)))) for i in range(256)]
    return image.point(table)  # pyright: ignore[reportUnknownMemberType]
