"""What carries people: on water, on wheels and through the air. `hull` is the part in front of
those aboard.
"""

import math
from collections.abc import Callable

from agentkit.emulator.painter.buildings import LAMPLIGHT, is_dark
from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter
from agentkit.emulator.painter.pen import Pen, points_of

Part = Callable[[Pen, Colour | None], None]


def boat(pen: Pen, colour: Colour | None) -> None:
    _ = colour
    pen.limb([(0.02, 0.12), (0.02, 1.0)], (0.03, 0.02), (112, 78, 58))
    pen.blob(
        "0.05,0.96 0.2,0.7 0.42,0.34 0.24,0.3 0.05,0.3",
        ((255, 250, 236), (232, 216, 190)),
    )
    pen.blob(
        "-0.01,0.9 -0.16,0.62 -0.34,0.36 -0.16,0.33 -0.01,0.34",
        ((250, 236, 206), (222, 198, 160)),
    )
    pen.poly([(0.02, 1.0), (0.17, 0.965), (0.02, 0.93)], (216, 70, 64))


def boat_hull(pen: Pen, colour: Colour | None) -> None:
    c = colour or (178, 74, 60)
    pen.glow(0, 0.0, 0.66, 0.07, (20, 40, 80), 0.4)
    pen.blob(
        "-0.5,0.25 -0.2,0.19 0.2,0.19 0.54,0.27 0.46,0.08 0.34,-0.015 -0.32,-0.015 -0.44,0.08",
        (lighter(c, 0.12), darker(c, 0.26)),
    )
    pen.limb(
        "-0.5,0.245 -0.2,0.19 0.2,0.19 0.54,0.265",
        (0.03, 0.034, 0.034, 0.03),
        (250, 238, 214),
    )
    for y in (0.135, 0.08):
        pen.line([(-0.43, y + 0.01), (0, y - 0.015), (0.47, y + 0.02)], 0.008, darker(c, 0.4), 0.6)
    ripples(pen, 0.62)


def ripples(pen: Pen, width: float) -> None:
    """Where a hull meets the water."""
    for i, (x, w) in enumerate(((-0.3, 0.3), (0.2, 0.36), (-0.05, 0.24))):
        y = -0.02 - 0.035 * i
        pen.limb(
            [((x - w) * width * 1.4, y), (x * width, y + 0.012), ((x + w) * width * 1.4, y)],
            (0.006, 0.018, 0.006),
            (236, 246, 250),
            0.75,
        )


def ship(pen: Pen, colour: Colour | None) -> None:
    c = colour or (214, 88, 66)
    for x in (-0.12, 0.16):
        pen.poly(
            [(x - 0.06, 0.5), (x - 0.05, 0.86), (x + 0.07, 0.86), (x + 0.06, 0.5)],
            (lighter(c, 0.1), darker(c, 0.1)),
        )
        pen.box(x - 0.05, 0.78, 0.12, 0.08, (52, 50, 62))
        for i in range(3):
            pen.oval(
                x - 0.08 - i * 0.11,
                0.95 + i * 0.08,
                0.07 + i * 0.02,
                0.055 + i * 0.01,
                (236, 236, 240),
                0.5 - i * 0.12,
                soft=True,
            )
    pen.box(-0.42, 0.36, 0.76, 0.16, (WHITE, (222, 224, 230)))
    pen.box(-0.3, 0.5, 0.6, 0.1, (WHITE, (222, 224, 230)))


def ship_hull(pen: Pen, colour: Colour | None) -> None:
    _ = colour
    pen.glow(0, 0.0, 1.0, 0.08, (20, 40, 80), 0.4)
    dark = is_dark(pen.light)
    pen.poly("-0.74,0.38 0.86,0.42 0.68,0.0 -0.64,0.0", ((66, 84, 124), (38, 48, 84)))
    pen.poly("-0.66,0.06 0.7,0.06 0.68,0.0 -0.64,0.0", (176, 62, 58))
    pen.limb([(-0.74, 0.38), (0.86, 0.42)], (0.03, 0.03), WHITE)
    for i in range(9):
        pen.oval(
            -0.52 + i * 0.12, 0.23, 0.024, 0.024, LAMPLIGHT if dark else (206, 226, 240), lit=dark
        )
    ripples(pen, 0.9)


def _wheel(pen: Pen, x: float, y: float, r: float) -> None:
    pen.oval(x, y, r, r, (46, 44, 54))
    pen.oval(x, y, r * 0.58, r * 0.58, ((222, 224, 230), (160, 164, 176)))
    pen.oval(x, y, r * 0.2, r * 0.2, (90, 92, 106))


def car(pen: Pen, colour: Colour | None) -> None:
    _ = colour
    pen.shadow(1.05)
    pen.blob("-0.56,0.48 -0.36,0.88 0.0,0.96 0.3,0.88 0.52,0.5", (206, 230, 242), 0.65)


def car_hull(pen: Pen, colour: Colour | None) -> None:
    c = colour or (216, 74, 62)
    arch = points_of("-0.62,0.5 -0.4,0.9 0.0,1.0 0.32,0.92 0.58,0.52")
    pen.limb(arch, (0.08, 0.09, 0.1, 0.09, 0.08), (lighter(c, 0.15), c))
    pen.line([(-0.04, 0.5), (-0.04, 0.96)], 0.06, c)
    pen.blob(
        "-0.95,0.4 -0.86,0.53 -0.55,0.54 0.5,0.54 0.84,0.5 0.98,0.36 0.96,0.17 -0.92,0.16",
        (lighter(c, 0.16), darker(c, 0.14)),
    )
    pen.limb([(-0.9, 0.33), (0.0, 0.37), (0.94, 0.32)], (0.012, 0.02, 0.012), lighter(c, 0.5), 0.8)
    pen.line([(-0.04, 0.48), (-0.04, 0.2)], 0.012, darker(c, 0.35))
    pen.line([(0.04, 0.44), (0.14, 0.44)], 0.026, WHITE)
    for x in (-0.54, 0.56):
        pen.oval(x, 0.2, 0.23, 0.23, darker(c, 0.5))
        _wheel(pen, x, 0.17, 0.18)
    if is_dark(pen.light):
        pen.poly(
            "0.94,0.4 2.2,0.5 2.2,-0.05 0.94,0.3",
            (255, 240, 180),
            0.25,
            lit=True,
            soft=True,
        )
    pen.oval(0.9, 0.36, 0.06, 0.07, (255, 240, 190), lit=True)
    pen.oval(-0.91, 0.38, 0.035, 0.06, (210, 48, 52), lit=True)


def train_hull(pen: Pen, colour: Colour | None) -> None:
    c = colour or (70, 112, 118)
    pen.shadow(1.3)
    pen.box(-1.3, 0.03, 2.6, 0.03, (106, 92, 92))
    for i in range(3):
        pen.oval(
            0.66 - i * 0.2,
            1.06 + i * 0.13,
            0.13 + i * 0.03,
            0.1 + i * 0.02,
            (244, 242, 242),
            0.75 - i * 0.15,
            soft=True,
        )
    pen.poly("0.62,0.7 0.58,0.98 0.82,0.98 0.78,0.7", (60, 56, 66))
    pen.round_box(0.1, 0.28, 0.86, 0.46, 0.14, (lighter(c, 0.2), darker(c, 0.18)))
    pen.box(-0.26, 0.28, 0.46, 0.68, (lighter(c, 0.1), darker(c, 0.1)))
    pen.poly("-0.34,0.94 -0.26,1.04 0.2,1.04 0.28,0.94", (196, 80, 66))
    pen.box(-1.22, 0.28, 0.86, 0.52, ((216, 96, 76), (176, 66, 60)))
    dark = is_dark(pen.light)
    for x in (-1.14, -0.88, -0.62, -0.14):
        pen.round_box(x, 0.5, 0.2, 0.24, 0.03, LAMPLIGHT if dark else (206, 230, 242))
    for x in (-1.06, -0.56, -0.12, 0.26, 0.7):
        _wheel(pen, x, 0.18, 0.14)
    pen.line([(-0.12, 0.18), (0.7, 0.18)], 0.035, (206, 168, 86))
    pen.oval(0.96, 0.52, 0.06, 0.08, (255, 240, 190), lit=True)
    pen.poly([(0.92, 0.28), (1.16, 0.06), (0.8, 0.06)], (60, 56, 66))


def bicycle(pen: Pen, colour: Colour | None) -> None:
    c = colour or (66, 136, 158)
    pen.shadow(0.75)
    for x in (-0.42, 0.42):
        ring = [
            (x + 0.29 * math.cos(a * 0.349), 0.3 + 0.29 * math.sin(a * 0.349)) for a in range(19)
        ]
        pen.limb(ring, (0.036, 0.036), (54, 50, 62))
        for a in range(8):
            pen.line(
                [(x, 0.3), (x + 0.28 * math.cos(a * 0.785), 0.3 + 0.28 * math.sin(a * 0.785))],
                0.006,
                (170, 170, 182),
            )
    for a, b in (
        ((-0.42, 0.3), (-0.2, 0.66)),
        ((-0.42, 0.3), (-0.06, 0.28)),
        ((-0.2, 0.66), (-0.06, 0.28)),
        ((-0.06, 0.28), (0.28, 0.68)),
        ((-0.19, 0.63), (0.28, 0.68)),
        ((0.42, 0.3), (0.26, 0.82)),
    ):
        pen.line([a, b], 0.042, c)
    pen.limb([(-0.32, 0.71), (-0.2, 0.72), (-0.1, 0.7)], (0.07, 0.06, 0.03), (92, 60, 48))
    pen.limb([(0.26, 0.82), (0.36, 0.85), (0.44, 0.79)], (0.035, 0.035, 0.045), (92, 60, 48))
    pen.oval(-0.06, 0.28, 0.075, 0.075, darker(c, 0.3))
    pen.blob("0.3,0.78 0.54,0.78 0.5,0.6 0.34,0.6", ((196, 150, 98), (150, 106, 70)))


def balloon(pen: Pen, colour: Colour | None) -> None:
    """A hot-air balloon's envelope and ropes; the basket comes in front of who rides."""
    c = colour or (222, 78, 66)
    pen.line([(-0.1, 0.14), (-0.17, 0.36)], 0.007, (110, 84, 66))
    pen.line([(0.1, 0.14), (0.17, 0.36)], 0.007, (110, 84, 66))
    if is_dark(pen.light):
        pen.glow(0, 0.42, 0.5, 0.5, LAMPLIGHT, 0.75)
    rim = points_of("0.0,1.0 0.2,0.965 0.34,0.84 0.37,0.68 0.3,0.52 0.17,0.38 0.1,0.34")
    tones = (c, (250, 238, 210), lighter(c, 0.24), (246, 186, 84))
    edges = (-1.0, -0.66, -0.36, -0.12, 0.12, 0.36, 0.66, 1.0)
    for i in range(7):
        tone = tones[min(i, 6 - i)]
        left = [(x * edges[i], y) for x, y in rim]
        right = [(x * edges[i + 1], y) for x, y in rim]
        shade = abs(i - 2.4) * 0.06
        pen.poly([*left, *reversed(right)], (lighter(tone, 0.08), darker(tone, 0.05 + shade)))
    pen.limb([(-0.15, 0.37), (0, 0.355), (0.15, 0.37)], (0.022, 0.026, 0.022), darker(c, 0.3))
    pen.limb([(-0.22, 0.86), (-0.27, 0.74), (-0.25, 0.62)], (0.01, 0.035, 0.01), WHITE, 0.35)


def basket(pen: Pen, colour: Colour | None) -> None:
    _ = colour
    pen.round_box(-0.11, 0.0, 0.22, 0.15, 0.03, ((190, 136, 84), (138, 92, 60)))
    for y in (0.04, 0.08):
        pen.line([(-0.1, y), (0.1, y)], 0.008, (112, 74, 52))
    pen.round_box(-0.12, 0.13, 0.24, 0.03, 0.012, (112, 74, 52))


def airship(pen: Pen, colour: Colour | None) -> None:
    c = colour or (214, 170, 104)
    pen.poly("-0.9,0.62 -1.16,0.95 -1.1,0.6 -1.16,0.3", darker(c, 0.2))
    pen.blob(
        "-1.05,0.62 -0.6,0.9 0.2,0.98 0.9,0.78 1.04,0.62 0.8,0.44 0.1,0.3 -0.6,0.38",
        (lighter(c, 0.2), darker(c, 0.2)),
    )
    for y in (0.5, 0.74):
        pen.limb(
            [(-0.9, 0.62), (0.0, y), (0.95, 0.62)], (0.008, 0.014, 0.008), darker(c, 0.35), 0.6
        )
    pen.round_box(-0.3, 0.1, 0.66, 0.18, 0.08, ((150, 96, 66), (104, 66, 52)))


def rocket(pen: Pen, colour: Colour | None) -> None:
    c = colour or (218, 66, 62)
    pen.glow(0, 0.02, 0.34, 0.36, (255, 190, 90), 0.8)
    for w, h, tone in (
        (0.1, 0.22, (255, 150, 60)),
        (0.065, 0.15, (255, 214, 100)),
        (0.03, 0.09, (255, 250, 220)),
    ):
        pen.blob(
            [
                (-w, 0.19),
                (0, 0.22),
                (w, 0.19),
                (w * 0.5, 0.19 - h * 0.55),
                (0, 0.19 - h),
                (-w * 0.5, 0.19 - h * 0.55),
            ],
            tone,
            lit=True,
        )
    pen.both("0.1,0.44 0.25,0.3 0.27,0.13 0.1,0.23", (c, darker(c, 0.2)))
    pen.blob(
        "0,1.0 0.1,0.86 0.155,0.62 0.14,0.36 0.09,0.2 -0.09,0.2 -0.14,0.36 -0.155,0.62 -0.1,0.86",
        (WHITE, (206, 212, 224)),
    )
    pen.blob(
        "0,1.0 0.085,0.89 0.115,0.8 0,0.77 -0.115,0.8 -0.085,0.89",
        (lighter(c, 0.12), c),
    )
    pen.blob(
        "0.07,0.8 0.15,0.6 0.13,0.36 0.09,0.2 0.05,0.2 0.08,0.5",
        (60, 62, 100),
        0.18,
    )
    pen.oval(0, 0.62, 0.08, 0.08, c)
    pen.oval(0, 0.62, 0.058, 0.058, ((150, 210, 236), (60, 110, 170)))
    pen.oval(-0.018, 0.64, 0.016, 0.016, WHITE, 0.8)
    pen.limb([(0, 0.4), (0, 0.17)], (0.045, 0.05), (c, darker(c, 0.2)))


def plane(pen: Pen, colour: Colour | None) -> None:
    c = colour or (226, 92, 74)
    pen.poly("-0.2,0.55 -0.42,0.98 -0.2,0.98 0.16,0.58", darker(c, 0.1))
    pen.poly("-0.86,0.6 -1.0,1.0 -0.84,1.0 -0.6,0.66", (c, darker(c, 0.15)))
    pen.blob(
        "-0.95,0.62 -0.4,0.72 0.5,0.72 0.9,0.55 0.84,0.42 0.4,0.36 -0.5,0.45",
        (WHITE, (210, 216, 226)),
    )
    for i in range(7):
        pen.oval(-0.4 + i * 0.14, 0.6, 0.034, 0.045, (96, 140, 180))
    pen.poly("-0.1,0.5 -0.5,0.04 -0.26,0.04 0.32,0.5", (c, darker(c, 0.2)))


VEHICLES: dict[str, tuple[Part | None, Part]] = {
    "boat": (boat, boat_hull),
    "ship": (ship, ship_hull),
    "car": (car, car_hull),
    "train": (None, train_hull),
    "bicycle": (None, bicycle),
    "balloon": (balloon, basket),
    "airship": (None, airship),
    "rocket": (None, rocket),
    "plane": (None, plane),
}
