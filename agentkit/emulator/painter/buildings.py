"""What people build, and what grows beside it."""

import math
import random

from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Light, Pen

LAMPLIGHT: Colour = (255, 216, 124)
_GLASS: Colour = (96, 120, 150)


def is_dark(light: Light) -> bool:
    """Whether people have lit their lamps."""
    return light.tint[0] < 0.75


def window(pen: Pen, x: float, y: float, w: float, h: float) -> None:
    """A window with its sill; it shines when it is dark outside."""
    dark = is_dark(pen.light)
    if dark:
        pen.glow(x + w / 2, y + h / 2, w * 2.2, h * 1.8, LAMPLIGHT, 0.4)
    pen.box(x - w * 0.12, y - h * 0.1, w * 1.24, h * 1.2, (244, 238, 226))
    pen.box(
        x, y, w, h, (LAMPLIGHT, (250, 182, 90)) if dark else (_GLASS, (150, 178, 200)), lit=dark
    )
    pen.box(x + w * 0.44, y, w * 0.12, h, (244, 238, 226))
    pen.box(x, y + h * 0.45, w, h * 0.1, (244, 238, 226))


def house(pen: Pen, colour: Colour | None) -> None:
    wall = colour or (226, 190, 150)
    roof = (166, 74, 62)
    pen.shadow(0.62)
    pen.box(0.2, 0.72, 0.11, 0.24, (150, 92, 78))
    for i, (x, y) in enumerate(((0.27, 1.0), (0.31, 1.07), (0.38, 1.13))):
        pen.oval(
            x, y, 0.045 + i * 0.014, 0.036 + i * 0.01, (240, 238, 238), 0.6 - i * 0.14, soft=True
        )
    pen.box(-0.42, 0.0, 0.84, 0.5, (lighter(wall, 0.1), darker(wall, 0.12)))
    pen.poly("-0.52,0.46 -0.3,0.84 0.3,0.84 0.52,0.46", (roof, darker(roof, 0.25)))
    for row in range(4):
        y = 0.52 + row * 0.085
        half = 0.5 - (y - 0.46) * 0.58
        pen.line([(-half, y), (half, y)], 0.008, darker(roof, 0.35), 0.6)
    pen.poly([(-0.14, 0.5), (0.0, 0.72), (0.14, 0.5)], (roof, darker(roof, 0.3)))
    pen.poly([(-0.1, 0.48), (0.0, 0.65), (0.1, 0.48)], lighter(wall, 0.15))
    window(pen, -0.34, 0.17, 0.15, 0.18)
    window(pen, 0.19, 0.17, 0.15, 0.18)
    pen.round_box(-0.085, 0.0, 0.17, 0.32, 0.05, ((134, 82, 58), (100, 60, 46)))
    pen.oval(0.045, 0.15, 0.014, 0.014, (236, 196, 100))
    for x in (-0.5, -0.42, 0.42, 0.5):
        pen.oval(x, 0.04, 0.08, 0.07, ((118, 164, 92), (84, 130, 76)))


def castle(pen: Pen, colour: Colour | None) -> None:
    stone = colour or (196, 190, 196)
    roof = (98, 94, 150)
    pen.shadow(0.7)
    for x, w, h in ((-0.2, 0.22, 0.66), (0.16, 0.2, 0.74)):
        _turret(pen, x, w, h, stone, roof)
    pen.box(-0.42, 0.0, 0.84, 0.38, (lighter(stone, 0.1), darker(stone, 0.14)))
    for i in range(9):
        pen.box(-0.42 + i * 0.098, 0.37, 0.056, 0.06, stone)
    for x, w, h in ((-0.46, 0.2, 0.5), (0.46, 0.2, 0.5)):
        _turret(pen, x, w, h, stone, roof)
    pen.round_box(-0.1, 0.0, 0.2, 0.26, 0.09, (104, 72, 56))
    for x in (-0.05, 0.0, 0.05):
        pen.line([(x, 0.01), (x, 0.25)], 0.008, (70, 48, 42))
    for x in (-0.26, 0.26):
        window(pen, x - 0.035, 0.16, 0.07, 0.11)


def _turret(pen: Pen, x: float, w: float, h: float, stone: Colour, roof: Colour) -> None:
    pen.box(x - w / 2, 0.0, w, h, (lighter(stone, 0.14), darker(stone, 0.16)))
    pen.box(x + w * 0.2, 0.0, w * 0.3, h, darker(stone, 0.3), 0.25)
    pen.box(x - w * 0.58, h - 0.03, w * 1.16, 0.045, darker(stone, 0.1))
    pen.poly(
        [(x - w * 0.62, h), (x, h + w * 1.35), (x + w * 0.62, h)],
        (lighter(roof, 0.15), darker(roof, 0.15)),
    )
    window(pen, x - 0.028, h - 0.16, 0.056, 0.09)
    top = h + w * 1.35
    pen.line([(x, top - 0.01), (x, top + 0.09)], 0.01, (80, 70, 80))
    pen.poly([(x, top + 0.09), (x + 0.1, top + 0.065), (x, top + 0.04)], (218, 76, 70))


def lighthouse(pen: Pen, colour: Colour | None) -> None:
    band = colour or (206, 62, 56)
    rock = (112, 108, 120)
    pen.blob(
        "-0.52,-0.09 -0.4,0.05 -0.24,0.12 -0.05,0.16 0.2,0.13 0.34,0.04 0.52,-0.06 "
        "0.3,-0.13 -0.2,-0.14",
        (lighter(rock, 0.2), darker(rock, 0.3)),
    )
    for x, y, w in ((-0.34, -0.02, 0.14), (0.3, -0.04, 0.16), (0.02, -0.08, 0.2)):
        pen.blob(
            [
                (x - w, y - 0.06),
                (x - w * 0.4, y + 0.05),
                (x + w * 0.5, y + 0.03),
                (x + w, y - 0.06),
            ],
            darker(rock, 0.15),
        )
    left = [(-0.13, 0.12), (-0.09, 0.74)]

    def edge(y: float) -> float:
        (x0, y0), (x1, y1) = left
        return -(x0 + (x1 - x0) * (y - y0) / (y1 - y0))

    pen.poly(
        [(-edge(0.12), 0.12), (edge(0.12), 0.12), (edge(0.74), 0.74), (-edge(0.74), 0.74)],
        (WHITE, (226, 224, 226)),
    )
    for low, high in ((0.12, 0.25), (0.38, 0.51), (0.63, 0.74)):
        pen.poly(
            [(-edge(low), low), (edge(low), low), (edge(high), high), (-edge(high), high)],
            (lighter(band, 0.08), darker(band, 0.06)),
        )
    pen.poly(
        [
            (edge(0.12) * 0.35, 0.12),
            (edge(0.12), 0.12),
            (edge(0.74), 0.74),
            (edge(0.74) * 0.35, 0.74),
        ],
        (40, 34, 66),
        0.2,
    )
    window(pen, -0.025, 0.53, 0.045, 0.07)
    window(pen, -0.03, 0.29, 0.05, 0.075)
    pen.round_box(-0.045, 0.12, 0.09, 0.12, 0.035, (92, 64, 58))
    _lamp_room(pen, band)


def _lamp_room(pen: Pen, band: Colour) -> None:
    """The gallery and the lantern on top of a lighthouse."""
    pen.box(-0.125, 0.735, 0.25, 0.022, (66, 62, 76))
    for i in range(7):
        pen.line([(-0.115 + i * 0.038, 0.755), (-0.115 + i * 0.038, 0.8)], 0.007, (66, 62, 76))
    pen.line([(-0.12, 0.8), (0.12, 0.8)], 0.009, (66, 62, 76))
    shine = is_dark(pen.light)
    pen.box(
        -0.062,
        0.757,
        0.124,
        0.105,
        ((255, 246, 196), (255, 214, 120)) if shine else (196, 224, 236),
        lit=shine,
    )
    for x in (-0.06, -0.02, 0.02, 0.06):
        pen.line([(x, 0.757), (x, 0.862)], 0.008, (66, 62, 76))
    pen.blob(
        "-0.085,0.86 -0.05,0.92 0,0.955 0.05,0.92 0.085,0.86",
        (band, darker(band, 0.3)),
    )
    pen.line([(0, 0.95), (0, 1.0)], 0.01, (66, 62, 76))


def beams(pen: Pen) -> None:
    """The light of a lighthouse at night, drawn before the tower."""
    for side, rise in ((-1, 0.1), (1, 0.16)):
        for width, alpha in ((0.24, 0.14), (0.15, 0.16), (0.07, 0.2)):
            far = 2.6 * side
            pen.poly(
                [(0, 0.83), (0, 0.79), (far, 0.81 + rise - width), (far, 0.81 + rise + width)],
                (255, 240, 176),
                alpha,
                lit=True,
                soft=True,
            )
    pen.glow(0, 0.81, 0.42, 0.42, (255, 236, 160), 0.95)


def windmill(pen: Pen, colour: Colour | None) -> None:
    wall = colour or (236, 226, 208)
    pen.shadow(0.4)
    pen.poly(
        "-0.2,0.0 0.2,0.0 0.12,0.56 -0.12,0.56",
        (lighter(wall, 0.1), darker(wall, 0.16)),
    )
    pen.blob("-0.15,0.55 -0.1,0.67 0,0.72 0.1,0.67 0.15,0.55", (128, 70, 58))
    pen.round_box(-0.06, 0.0, 0.12, 0.19, 0.04, (110, 74, 58))
    window(pen, -0.035, 0.33, 0.07, 0.09)
    for i in range(4):
        arm = pen.at(0.0, 0.6, 1.0, angle=24 + 90 * i)
        arm.line([(0, 0), (0, 0.42)], 0.022, (96, 70, 58))
        arm.poly("0.015,0.08 0.11,0.1 0.11,0.42 0.015,0.42", (250, 244, 230), 0.92)
        for k in range(4):
            arm.line([(0.015, 0.14 + k * 0.08), (0.11, 0.15 + k * 0.08)], 0.006, (150, 120, 100))
    pen.oval(0, 0.6, 0.035, 0.035, (80, 58, 50))


def tower(pen: Pen, colour: Colour | None) -> None:
    """A church with its spire."""
    wall = colour or (228, 220, 206)
    pen.shadow(0.5)
    pen.box(-0.1, 0.0, 0.5, 0.34, (lighter(wall, 0.08), darker(wall, 0.12)))
    pen.poly("-0.14,0.33 0.0,0.52 0.34,0.52 0.45,0.33", ((120, 92, 98), (88, 66, 80)))
    pen.box(-0.3, 0.0, 0.24, 0.62, (lighter(wall, 0.14), darker(wall, 0.1)))
    pen.poly([(-0.33, 0.61), (-0.18, 0.98), (-0.03, 0.61)], ((104, 140, 128), (74, 104, 104)))
    pen.line([(-0.18, 0.96), (-0.18, 1.07)], 0.013, (220, 180, 90))
    pen.line([(-0.22, 1.03), (-0.14, 1.03)], 0.013, (220, 180, 90))
    pen.oval(-0.18, 0.5, 0.055, 0.055, WHITE)
    pen.line([(-0.18, 0.53), (-0.18, 0.5), (-0.155, 0.49)], 0.009, (60, 54, 64))
    for x in (0.02, 0.15, 0.28):
        window(pen, x, 0.1, 0.06, 0.15)
    pen.round_box(-0.23, 0.0, 0.1, 0.2, 0.045, (112, 76, 58))


def tree(pen: Pen, colour: Colour | None, season: str = "summer", seed: int = 0) -> None:
    """A broad-leaved tree; bare in winter, in flower in spring."""
    leaf = colour or {
        "autumn": (220, 128, 54),
        "spring": (244, 178, 196),
        "winter": (222, 232, 242),
    }.get(season, (98, 158, 88))
    bark = (104, 76, 62)
    pen.shadow(0.34)
    pen.limb(
        [(0.0, 0.0), (0.015, 0.24), (-0.01, 0.52)], (0.14, 0.085, 0.05), (bark, darker(bark, 0.2))
    )
    for end in (
        (-0.24, 0.62),
        (0.26, 0.66),
        (-0.1, 0.82),
        (0.12, 0.84),
        (-0.36, 0.74),
        (0.38, 0.8),
    ):
        pen.limb(
            [(0.0, 0.3), (end[0] * 0.55, 0.3 + (end[1] - 0.3) * 0.5), end],
            (0.06, 0.035, 0.01),
            bark,
        )
    if season == "winter" and colour is None:
        for x, y in ((-0.24, 0.63), (0.26, 0.67), (-0.1, 0.83), (0.12, 0.85)):
            pen.limb([(x * 0.5, 0.3 + (y - 0.3) * 0.52), (x, y)], (0.014, 0.02), WHITE)
        return
    rng = random.Random(seed)
    for depth, tone in enumerate(
        (darker(leaf, 0.24), leaf, lighter(leaf, 0.14), lighter(leaf, 0.3))
    ):
        for i in range(7 - depth):
            a = math.tau * i / (7 - depth) + depth * 0.6
            spread = 0.24 - depth * 0.045
            x = spread * 1.2 * math.cos(a) - 0.035 * depth
            y = 0.68 + spread * math.sin(a) * 0.8 + 0.035 * depth
            r = 0.15 - depth * 0.028 + rng.uniform(-0.012, 0.012)
            pen.oval(x, y, r, r * 0.9, tone)


def pine(pen: Pen, colour: Colour | None, season: str = "summer") -> None:
    leaf = colour or (62, 118, 92)
    pen.shadow(0.26)
    pen.box(-0.035, 0.0, 0.07, 0.16, (98, 70, 58))
    for i in range(5):
        y, w = 0.12 + i * 0.16, 0.27 - i * 0.042
        skirt = [
            (0, y + 0.28),
            (w * 0.5, y + 0.1),
            (w, y),
            (w * 0.5, y + 0.025),
            (0, y - 0.02),
            (-w * 0.5, y + 0.025),
            (-w, y),
            (-w * 0.5, y + 0.1),
        ]
        pen.poly(skirt, (lighter(leaf, 0.12), darker(leaf, 0.2)))
        if season == "winter":
            pen.poly(
                [
                    (0, y + 0.28),
                    (w * 0.5, y + 0.1),
                    (w, y),
                    (w * 0.55, y + 0.06),
                    (w * 0.2, y + 0.09),
                    (-w * 0.1, y + 0.06),
                    (-w * 0.5, y + 0.09),
                    (-w, y),
                    (-w * 0.5, y + 0.1),
                ],
                (WHITE, mix(WHITE, (190, 210, 236), 0.6)),
            )


def palm(pen: Pen, colour: Colour | None) -> None:
    leaf = colour or (84, 152, 92)
    pen.shadow(0.3)
    pen.limb(
        [(-0.1, 0.0), (-0.03, 0.3), (0.06, 0.7)],
        (0.09, 0.06, 0.045),
        ((176, 132, 92), (130, 92, 68)),
    )
    for i, (x, y) in enumerate(
        (
            (0.46, 0.66),
            (-0.34, 0.66),
            (0.36, 0.9),
            (-0.22, 0.92),
            (0.5, 0.8),
            (-0.38, 0.82),
            (0.1, 1.0),
        )
    ):
        pen.limb(
            [(0.06, 0.71), ((0.06 + x) / 2, max(0.74, y) + 0.06), (x, y)],
            (0.03, 0.12, 0.01),
            darker(leaf, 0.22) if i < 2 else lighter(leaf, 0.06 * i),
        )
    for x in (0.02, 0.1):
        pen.oval(x, 0.68, 0.035, 0.035, (122, 82, 58))


def tent(pen: Pen, colour: Colour | None) -> None:
    c = colour or (228, 140, 72)
    pen.shadow(0.8)
    pen.poly([(-0.75, 0.0), (0.0, 0.85), (0.75, 0.0)], (lighter(c, 0.12), darker(c, 0.16)))
    dark = is_dark(pen.light)
    if dark:
        pen.glow(0, 0.25, 0.9, 0.7, LAMPLIGHT, 0.6)
    pen.poly(
        [(-0.26, 0.0), (0.0, 0.66), (0.26, 0.0)], LAMPLIGHT if dark else darker(c, 0.6), lit=dark
    )
    pen.poly([(0.0, 0.66), (0.26, 0.0), (0.4, 0.0)], lighter(c, 0.25))


def bridge(pen: Pen, colour: Colour | None) -> None:
    c = colour or (190, 96, 74)
    pen.box(-1.3, 0.3, 2.6, 0.07, (c, darker(c, 0.2)))
    for x in (-0.62, 0.62):
        pen.box(x - 0.06, -0.05, 0.12, 1.05, (lighter(c, 0.1), darker(c, 0.2)))
    for a, b in ((-0.62, 0.62), (-1.9, -0.62), (0.62, 1.9)):
        sag = [(a + (b - a) * i / 12, 0.4 + 0.56 * (2 * i / 12 - 1) ** 2) for i in range(13)]
        pen.limb(sag, (0.026, 0.026), c)
        for x, y in sag[1:-1]:
            if -1.3 < x < 1.3:
                pen.line([(x, 0.36), (x, y)], 0.01, c)
