"""What a turn expects of the pixels of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.demo.checks import Check, listing, met
from agentkit.demo.colours import (
    Colour,
    colours_of,
    css_colour,
    delta_e,
    dhash,
    distance,
    dominant_colour,
    has_alpha,
)
from agentkit.demo.form import Expect, ImageExpect, Other
from agentkit.errors import ImageError
from agentkit.values import Image

_SEEN = 0.005
"""The share of a picture's pixels from which on a colour is seen."""
_NEAR = 20
"""The most that two colours may differ and still be the same, in CIEDE2000."""
_RATIO = 0.02
"""The share by which a picture may miss its aspect ratio."""
_FLAT = "a flat picture, which is all that a cassette keeps"


def painting_checks(
    expect: Expect, images: Sequence[Image], others: Mapping[str, Image], *, is_replayed: bool
) -> Iterator[Check]:
    """The expectations of colours, sizes and likeness. `others` are the pictures to compare with,
    by name. What a cassette does not keep is skipped if `is_replayed`.
    """
    looked = [_Looked(image) for image in images]
    for check in (
        *_colour_checks(expect, looked),
        *(_pixel_checks(expect.image, looked, others) if expect.image is not None else ()),
    ):
        if is_replayed and looked:
            yield Check(check.field, check.expected, _FLAT, "skipped")
        else:
            yield check
    if expect.image is not None:
        yield from _size_checks(expect.image, images)


@dataclass(frozen=True)
class _Looked:
    """A picture, decoded once and only if it is asked for."""

    image: Image

    @cached_property
    def pixels(self) -> Any:
        """None of a picture that has no pixels, or cannot be read."""
        try:
            return self.image.to_pillow()
        except ImageError:
            return None

    @property
    def colours(self) -> Mapping[Colour, float]:
        """The share of its pixels that has each colour."""
        return {} if self.pixels is None else colours_of(self.pixels)

    @property
    def name(self) -> str:
        return self.image.name or "a picture"


def _colour_checks(expect: Expect, looked: Sequence[_Looked]) -> Iterator[Check]:
    if not expect.colours:
        return
    shown = [each.colours for each in looked]
    came = listing([_described(each) for each in shown])
    for colour in expect.colours:
        is_met = any(each.get(colour, 0.0) >= _SEEN for each in shown)
        yield met(is_met, "colours", f"{colour} in an image", came)


def _described(shares: Mapping[Colour, float]) -> str:
    most_first = sorted(shares.items(), key=lambda item: -item[1])
    seen = [name for name, share in most_first if share >= _SEEN]
    return " and ".join(seen) or "no colours"


def _size_checks(expect: ImageExpect, images: Sequence[Image]) -> Iterator[Check]:
    """What the sizes of the pictures tell."""
    came = listing(
        [f"{image.width or '?'}×{image.height or '?'} ({image.name})" for image in images]
    )
    if (least := expect.min_width) is not None:
        is_met = bool(images) and all((image.width or 0) >= least for image in images)
        yield met(is_met, "image.min_width", f"images at least {least} pixels wide", came)
    if (ratio := expect.aspect_ratio) is not None:
        is_met = bool(images) and all(_has_ratio(image, ratio) for image in images)
        yield met(is_met, "image.aspect_ratio", f"images of {ratio}", came)


def _has_ratio(image: Image, ratio: str) -> bool:
    wide, high = map(int, ratio.split(":"))
    if not image.width or not image.height:
        return False
    return abs(image.width / image.height / (wide / high) - 1) <= _RATIO


def _pixel_checks(
    expect: ImageExpect, looked: Sequence[_Looked], others: Mapping[str, Image]
) -> Iterator[Check]:
    if (wanted := expect.has_alpha) is not None:
        words = "transparent pixels" if wanted else "no transparent pixels"
        yield _each(looked, "image.has_alpha", f"images with {words}", _alpha(wanted=wanted))
    if (colour := expect.dominant_colour) is not None:
        words = f"images of mostly {colour}"
        yield _each(looked, "image.dominant_colour", words, _dominant(colour))
    for other in expect.similar_to:
        words = f"images like {other.name} (dHash distance at most {other.distance})"
        yield _compared(looked, "image.similar_to", words, other, others, is_near=True)
    for other in expect.differs_from:
        words = f"images other than {other.name} (dHash distance more than {other.distance})"
        yield _compared(looked, "image.differs_from", words, other, others, is_near=False)


Look = Callable[[Any], tuple[bool, str]]
"""Looks at a Pillow image: whether it is as expected, and what it is."""


def _each(looked: Sequence[_Looked], field: str, expected: str, look: Look) -> Check:
    """A check that every picture must pass."""
    results: list[tuple[bool, str]] = []
    for each in looked:
        is_met, came = (False, "no pixels") if each.pixels is None else look(each.pixels)
        results.append((is_met, f"{came} ({each.name})"))
    is_met = bool(results) and all(is_met for is_met, _ in results)
    return met(is_met, field, expected, listing([came for is_met, came in results if not is_met]))


def _alpha(*, wanted: bool) -> Look:
    def look(pixels: Any) -> tuple[bool, str]:
        found = has_alpha(pixels)
        return found == wanted, "transparent pixels" if found else "none"

    return look


def _dominant(colour: str) -> Look:
    wanted = css_colour(colour)

    def look(pixels: Any) -> tuple[bool, str]:
        found = dominant_colour(pixels)
        apart = delta_e(found, wanted)
        return apart <= _NEAR, f"#{bytes(found).hex()}, ΔE {apart:.0f} from it"

    return look


def _compared(
    looked: Sequence[_Looked],
    field: str,
    expected: str,
    other: Other,
    others: Mapping[str, Image],
    *,
    is_near: bool,
) -> Check:
    against = others.get(other.name)
    pixels = None if against is None else _Looked(against).pixels
    if pixels is None:
        return met(False, field, expected, f"no picture {other.name} to compare with")
    hashed = dhash(pixels)

    def look(pixels: Any) -> tuple[bool, str]:
        apart = distance(dhash(pixels), hashed)
        return (apart <= other.distance) == is_near, f"distance {apart}"

    return _each(looked, field, expected, look)
