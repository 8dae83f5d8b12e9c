"""Four-legged animals from the side: horses, cows, elephants and the like."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.beasts import eye
from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter
from agentkit.emulator.painter.pen import Pen, points_of


@dataclass(frozen=True, slots=True)
class _Grazer:
    coat: Colour
    mane: Colour
    snout: Colour
    leg: float = 0.34  # length of the legs
    neck: float = 0.24  # how high the head is carried
    girth: float = 0.3
    extra: str = ""


_GRAZERS: dict[str, _Grazer] = {
    "horse": _Grazer((166, 104, 66), (74, 48, 40), (130, 84, 62), 0.38, 0.3, 0.27, "mane"),
    "unicorn": _Grazer(
        (250, 244, 246), (226, 150, 200), (244, 214, 220), 0.38, 0.3, 0.27, "mane horn"
    ),
    "zebra": _Grazer((246, 244, 238), (48, 44, 52), (70, 64, 72), 0.38, 0.28, 0.27, "mane stripes"),
    "deer": _Grazer(
        (190, 126, 78), (250, 236, 214), (120, 78, 58), 0.42, 0.3, 0.23, "antlers spots"
    ),
    "cow": _Grazer(
        (248, 244, 236), (60, 52, 56), (240, 184, 176), 0.3, 0.14, 0.34, "patches horns udder"
    ),
    "sheep": _Grazer((250, 246, 236), (70, 60, 66), (70, 60, 66), 0.24, 0.1, 0.33, "wool"),
    "pig": _Grazer((244, 176, 176), (230, 146, 152), (232, 140, 148), 0.2, 0.04, 0.36, "curl"),
    "elephant": _Grazer(
        (150, 156, 172), (126, 132, 150), (150, 156, 172), 0.3, 0.12, 0.44, "trunk"
    ),
    "giraffe": _Grazer(
        (242, 200, 116), (170, 104, 56), (250, 224, 168), 0.4, 0.58, 0.2, "spots horns"
    ),
    "camel": _Grazer((216, 172, 112), (176, 128, 78), (196, 150, 96), 0.42, 0.26, 0.24, "humps"),
    "dinosaur": _Grazer(
        (118, 176, 112), (70, 130, 92), (140, 196, 128), 0.24, 0.46, 0.36, "plates"
    ),
}


def grazer(pen: Pen, kind: str, colour: Colour | None) -> Anchors:
    """A four-legged animal from the side, looking to the right."""
    look = _GRAZERS[kind]
    coat = colour or look.coat
    k = 1.0 / (look.leg + look.girth + look.neck + 0.24)
    pen.shadow(0.5)
    pen = pen.at(0.0, 0.0, k)
    top, low = look.leg + look.girth, look.leg
    hoof = darker(look.mane, 0.3)
    for x, shade in ((-0.24, 0.28), (0.2, 0.28), (-0.32, 0.08), (0.28, 0.08)):
        wide = 0.11 + look.girth * 0.1
        pen.limb(
            [(x, low + 0.1), (x + 0.01, low * 0.5), (x, 0.03)],
            (wide, wide * 0.75, wide * 0.7),
            darker(coat, shade),
        )
        pen.box(x - wide * 0.38, 0.0, wide * 0.76, 0.05, hoof)
    if kind == "dinosaur":
        pen.limb(
            [(-0.3, low + 0.16), (-0.6, low + 0.02), (-0.85, 0.06)],
            (0.3, 0.16, 0.02),
            (coat, darker(coat, 0.2)),
        )
    else:
        pen.limb(
            [(-0.4, top - 0.08), (-0.5, top - 0.12), (-0.52, low + 0.02)],
            (0.04, 0.05, 0.09 if "mane" in look.extra else 0.03),
            look.mane,
        )
    body = (lighter(coat, 0.1), darker(coat, 0.14))
    pen.blob(
        [
            (-0.42, top - 0.1),
            (-0.3, top),
            (0.0, top - 0.02),
            (0.28, top + 0.02),
            (0.42, top - 0.1),
            (0.38, low + 0.05),
            (0.1, low),
            (-0.2, low - 0.01),
            (-0.4, low + 0.04),
        ],
        body,
    )
    _hide(pen, look, coat, top, low)
    head_y = top + look.neck + 0.04
    pen.limb(
        [(0.27, top - 0.12), (0.36, top + look.neck * 0.4), (0.43, head_y)], (0.3, 0.2, 0.16), body
    )
    return _grazer_head(pen.at(0.46, head_y), look, coat, k, head_y)


_PATCHES = (
    points_of("-0.3,0.02 -0.12,0.04 -0.1,0.16 -0.24,0.22 -0.34,0.12"),
    points_of("0.06,0.06 0.2,0.03 0.24,0.18 0.1,0.2"),
)
"""The patches of a hide: x of each point, and how far it lies below the back."""


def _hide(pen: Pen, look: _Grazer, coat: Colour, top: float, low: float) -> None:
    """What is on the flank."""
    extra = look.extra
    if "stripes" in extra:
        for x in (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2):
            pen.limb(
                [(x, top - 0.01), (x + 0.02, top - 0.12), (x - 0.01, low + 0.07)],
                (0.05, 0.035, 0.006),
                look.mane,
            )
    if "patches" in extra:
        for patch in _PATCHES:
            pen.blob([(x, top - below) for x, below in patch], look.mane)
        pen.oval(-0.14, low + 0.01, 0.08, 0.05, look.snout)
    if "spots" in extra:
        for i in range(10):
            pen.oval(
                -0.3 + i * 0.062,
                top - 0.06 - 0.055 * (i * 7 % 3),
                0.02 + 0.008 * (i % 2),
                0.018,
                look.mane,
            )
    if "humps" in extra:
        for x in (-0.18, 0.1):
            pen.blob(
                [(x - 0.13, top - 0.04), (x, top + 0.15), (x + 0.13, top - 0.04)],
                (lighter(coat, 0.1), coat),
            )
    if "plates" in extra:
        for i in range(6):
            x = -0.36 + i * 0.125
            pen.poly([(x - 0.06, top - 0.05), (x, top + 0.1), (x + 0.06, top - 0.03)], look.mane)
    if "wool" in extra:
        _wool(pen, coat, (top + low) / 2)


def _wool(pen: Pen, coat: Colour, middle: float) -> None:
    """Tufts round the body, whose middle is at this height."""
    for i in range(16):
        a = math.tau * i / 16
        tuft = (lighter(coat, 0.1), darker(coat, 0.06))
        pen.oval(0.36 * math.cos(a), middle + 0.15 * math.sin(a), 0.11, 0.1, tuft)
    pen.oval(0.0, middle, 0.38, 0.17, coat)


def _grazer_head(head: Pen, look: _Grazer, coat: Colour, k: float, head_y: float) -> Anchors:
    extra = look.extra
    face = look.mane if "wool" in extra else coat
    if "mane" in extra:
        head.limb(
            "0.0,0.14 -0.13,0.02 -0.2,-0.2 -0.22,-0.32",
            (0.08, 0.13, 0.11, 0.03),
            (look.mane, darker(look.mane, 0.2)),
        )
    if "trunk" in extra:
        _trunk(head, look, face)
    else:
        _snout(head, look, face)
    _horns(head, extra)
    eye(head, 0.06, 0.015, 0.026)
    at = (0.46 + 0.02) * k
    return Anchors(
        (at, (head_y + 0.1) * k),
        0.24 * k,
        (0.38 * k, (head_y - 0.16) * k),
        0.24 * k,
        (((0.46 + 0.06) * k, (head_y + 0.015) * k), ((0.46 + 0.15) * k, (head_y + 0.01) * k)),
        (0.5 * k, (head_y - 0.2) * k),
    )


def _trunk(head: Pen, look: _Grazer, face: Colour) -> None:
    head.blob(
        "-0.02,0.16 0.16,0.12 0.22,-0.04 0.1,-0.17 -0.1,-0.12 -0.14,0.06",
        (lighter(face, 0.12), face),
    )
    head.limb(
        "0.17,0.0 0.27,-0.18 0.24,-0.36 0.34,-0.42",
        (0.14, 0.11, 0.08, 0.06),
        (face, darker(face, 0.12)),
    )
    head.limb([(0.13, -0.1), (0.22, -0.16)], (0.04, 0.01), WHITE)
    head.blob(
        "-0.02,0.12 -0.2,0.18 -0.32,0.02 -0.22,-0.2 -0.06,-0.16",
        (lighter(look.mane, 0.1), look.mane),
    )


def _snout(head: Pen, look: _Grazer, face: Colour) -> None:
    head.blob(
        "-0.06,0.1 0.06,0.11 0.16,0.02 0.27,-0.06 0.25,-0.15 0.12,-0.14 -0.03,-0.12 -0.1,0.0",
        (lighter(face, 0.1), darker(face, 0.05)),
    )
    head.blob("0.17,-0.01 0.27,-0.06 0.26,-0.15 0.16,-0.145 0.14,-0.07", look.snout)
    head.oval(0.235, -0.07, 0.012, 0.012, darker(look.snout, 0.5))
    for x in (-0.07, 0.02):
        head.blob(
            [(x, 0.07), (x - 0.07, 0.13), (x - 0.06, 0.2), (x + 0.02, 0.12)], darker(face, 0.1)
        )


def _horns(head: Pen, extra: str) -> None:
    for part, tone in (("horns", (236, 220, 190)), ("antlers", (150, 108, 74))):
        if part in extra:
            head.limb([(0.02, 0.1), (0.0, 0.18), (0.05, 0.24)], (0.04, 0.03, 0.012), tone)
    if "antlers" in extra:
        for side in (-1, 1):
            head.limb(
                [(0.0, 0.1), (0.06 * side, 0.24), (0.16 * side, 0.4)],
                (0.034, 0.03, 0.01),
                (150, 108, 74),
            )
            head.limb([(0.06 * side, 0.24), (0.02 * side, 0.36)], (0.026, 0.008), (150, 108, 74))
    if "horn" in extra.split():
        head.limb([(0.07, 0.09), (0.15, 0.36)], (0.055, 0.006), ((255, 226, 150), (240, 180, 90)))


def grazing(kind: str) -> Callable[[Pen, Colour | None], Anchors]:
    """`grazer` for one kind."""
    return lambda pen, colour: grazer(pen, kind, colour)


GRAZERS = tuple(_GRAZERS)
