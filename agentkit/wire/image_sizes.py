"""The size in pixels, for services that know neither tiers nor aspect ratios. Pure.

OpenAI's models take `1024x1024`, `1536x1024` and `1024x1536`. From `gpt-image-2` on they take any
size whose sides are multiples of 16 and whose shape is between 1:3 and 3:1. Source: the types of
OpenAI's SDK, version 3.52.
"""

from __future__ import annotations

import re
from fractions import Fraction

_STANDARD = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
_ONLY_STANDARD = re.compile(r"(?:.*/)?gpt-image-1(?:\.5|-mini)?(?:-20\d\d-\d\d-\d\d)?")
"""Models that take no other sizes."""
_STEP = 16
_LONGEST, _LONG_ENOUGH = 1536, 1280
"""Pixels of the longer side. A side between the two is taken if the shape is exact with it."""
_WIDEST = 3
_SIDE = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")
_PIXELS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_SHAPES = "a shape between 1:3 and 3:1 such as 16:9"
_ALIKE = Fraction(2, 100)
PIXELS_ACCEPTED = "WIDTHxHEIGHT such as 1536x1024, or auto"


class SizeRefused(ValueError):
    """A size or a shape for which there are no pixels."""

    def __init__(self, parameter: str, value: str, accepted: str) -> None:
        super().__init__(f"{parameter}={value!r}: accepted is {accepted}")
        self.parameter, self.value, self.accepted = parameter, value, accepted


def size_in_pixels(size: str | None, ratio: str | None, model: str | None) -> str | None:
    """The size as such a service has it: pixels, `auto`, or None for none. `model` is that which
    draws, None where the service chooses it.

    Raises `SizeRefused` for a tier (`2K`), for a shape that the model does not take, and for two
    that contradict each other.
    """
    pixels = _PIXELS.fullmatch(size or "")
    if size is not None and size != "auto" and pixels is None:
        raise SizeRefused("size", size, PIXELS_ACCEPTED)
    if ratio is None or ratio == "auto":
        return size
    if pixels is not None:
        shape, asked = Fraction(int(pixels[1]), int(pixels[2])), _shape(ratio)
        if asked is not None and abs(shape - asked) <= asked * _ALIKE:
            return size
        raise SizeRefused("aspect_ratio", ratio, f"that of size={size!r}, or one of the two")
    found = size_of_ratio(ratio, model)
    if found is None:
        accepted = ", ".join(_STANDARD) if _takes_standard_alone(model) else _SHAPES
        raise SizeRefused("aspect_ratio", ratio, accepted)
    return found


def size_of_ratio(ratio: str, model: str | None) -> str | None:
    """`1536x864` for `16:9`; None where the model takes no size of this shape. `model` is that
    which draws, None where the service chooses it.
    """
    shape = _shape(ratio)
    if shape is None:
        return None
    standard = _STANDARD.get(f"{shape.numerator}:{shape.denominator}")
    if standard is not None or _takes_standard_alone(model):
        return standard
    if not Fraction(1, _WIDEST) <= shape <= _WIDEST:
        return None
    width, height = shape.numerator * _STEP, shape.denominator * _STEP
    times = _LONGEST // max(width, height)
    if times * max(width, height) >= _LONG_ENOUGH:
        return f"{times * width}x{times * height}"
    long, short = _LONGEST, round(_LONGEST / max(shape, 1 / shape) / _STEP) * _STEP
    return f"{long}x{short}" if shape > 1 else f"{short}x{long}"


def _takes_standard_alone(model: str | None) -> bool:
    return model is not None and _ONLY_STANDARD.fullmatch(model) is not None


def _shape(ratio: str) -> Fraction | None:
    across, _, down = ratio.partition(":")
    if not _SIDE.fullmatch(across) or not _SIDE.fullmatch(down) or not Fraction(down):
        return None
    return Fraction(across) / Fraction(down) or None
