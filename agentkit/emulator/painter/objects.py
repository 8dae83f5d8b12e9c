"""Things that lie on a table, grow in a meadow or hang in the sky."""

import math

from agentkit.emulator.painter.colour import INK, WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen


def flower(pen: Pen, colour: Colour | None) -> None:
    c = colour or (232, 96, 116)
    pen.shadow(0.22)
    for lean, top, size in ((-0.16, 0.62, 0.72), (0.15, 0.55, 0.66), (0.0, 0.76, 1.0)):
        pen.limb(
            [(lean * 0.2, 0.0), (lean * 0.7, top * 0.5), (lean, top)],
            (0.026, 0.02),
            ((104, 162, 92), (70, 118, 74)),
        )
        pen.blob(
            [
                (lean * 0.5, top * 0.34),
                (lean * 0.5 + 0.09, top * 0.52),
                (lean * 0.5 + 0.16, top * 0.54),
                (lean * 0.5 + 0.1, top * 0.4),
            ],
            (112, 170, 96),
        )
        for i in range(8):
            pen.at(lean, top, size, angle=i * 45).oval(
                0, 0.105, 0.058, 0.105, (lighter(c, 0.18), darker(c, 0.06))
            )
        for i in range(8):
            pen.at(lean, top, size, angle=i * 45 + 22).oval(0, 0.07, 0.034, 0.07, lighter(c, 0.34))
        pen.oval(lean, top, 0.06 * size, 0.06 * size, ((252, 214, 102), (226, 160, 62)))


def mushroom(pen: Pen, colour: Colour | None) -> None:
    c = colour or (210, 62, 54)
    pen.shadow(0.4)
    pen.blob(
        "-0.1,0.5 -0.12,0.2 -0.17,0.02 0,-0.01 0.17,0.02 0.12,0.2 0.1,0.5",
        ((252, 244, 226), (218, 200, 176)),
    )
    pen.oval(0, 0.46, 0.36, 0.07, (240, 222, 196))
    pen.blob(
        "-0.46,0.46 -0.4,0.68 -0.2,0.9 0.0,0.95 0.2,0.9 0.4,0.68 0.46,0.46 0.2,0.5 -0.2,0.5",
        (lighter(c, 0.16), darker(c, 0.12)),
    )
    for x, y, r in (
        (-0.2, 0.72, 0.065),
        (0.06, 0.8, 0.075),
        (0.26, 0.64, 0.055),
        (-0.34, 0.56, 0.04),
        (0.02, 0.59, 0.05),
    ):
        pen.oval(x, y, r, r * 0.84, WHITE)


def cactus(pen: Pen, colour: Colour | None) -> None:
    c = colour or (88, 152, 96)
    tone = (lighter(c, 0.12), darker(c, 0.2))
    pen.shadow(0.34)
    pen.limb([(-0.02, 0.36), (-0.26, 0.38), (-0.28, 0.62)], (0.13, 0.13, 0.12), tone)
    pen.limb([(0.02, 0.28), (0.26, 0.3), (0.28, 0.5)], (0.13, 0.13, 0.12), tone)
    pen.limb([(0, 0.02), (0, 0.4), (0, 0.86)], (0.2, 0.21, 0.2), tone)
    for x in (-0.045, 0.0, 0.045):
        pen.line([(x, 0.06), (x, 0.86)], 0.008, darker(c, 0.3), 0.5)
    for i in range(5):
        pen.at(0, 0.97, 1, angle=i * 72).oval(0, 0.03, 0.022, 0.035, (240, 120, 150))


def cake(pen: Pen, colour: Colour | None) -> None:
    c = colour or (244, 172, 184)
    pen.shadow(0.6)
    pen.oval(0, 0.05, 0.56, 0.07, ((246, 244, 240), (206, 206, 214)))
    for low, w, h, tone in ((0.06, 0.44, 0.3, c), (0.36, 0.3, 0.24, lighter(c, 0.4))):
        pen.poly(
            [(-w, low), (w, low), (w, low + h), (-w, low + h)],
            (lighter(tone, 0.12), darker(tone, 0.1)),
        )
        pen.oval(0, low, w, 0.05, darker(tone, 0.1))
        pen.oval(0, low + h, w, 0.055, WHITE)
        for i in range(9):
            x = -w + w * 2 * (i + 0.5) / 9
            pen.limb(
                [(x, low + h), (x, low + h - 0.06 - 0.035 * (i * 5 % 3))],
                (w * 0.24, w * 0.18),
                WHITE,
            )
    for i, x in enumerate((-0.15, 0.0, 0.15)):
        pen.line(
            [(x, 0.6), (x, 0.77)], 0.032, ((120, 180, 220), (250, 200, 90), (150, 200, 130))[i]
        )
        pen.glow(x, 0.83, 0.16, 0.16, (255, 210, 120), 0.7)
        pen.blob(
            [(x - 0.022, 0.81), (x, 0.78), (x + 0.022, 0.81), (x, 0.89)],
            ((255, 244, 190), (255, 160, 60)),
            lit=True,
        )


def cup(pen: Pen, colour: Colour | None) -> None:
    c = colour or (214, 108, 84)
    pen.shadow(0.55)
    pen.oval(0, 0.05, 0.5, 0.075, ((250, 246, 240), (212, 204, 200)))
    pen.limb(
        "0.3,0.52 0.5,0.5 0.48,0.28 0.26,0.22",
        (0.065, 0.07, 0.065),
        (c, darker(c, 0.2)),
    )
    pen.blob(
        "-0.34,0.6 0.34,0.6 0.31,0.24 0.18,0.07 -0.18,0.07 -0.31,0.24",
        (lighter(c, 0.2), darker(c, 0.16)),
    )
    pen.oval(0, 0.6, 0.345, 0.075, lighter(c, 0.45))
    pen.oval(0, 0.595, 0.3, 0.058, ((118, 74, 50), (84, 52, 40)))
    pen.limb([(-0.22, 0.5), (-0.22, 0.34), (-0.17, 0.22)], (0.02, 0.045, 0.01), WHITE, 0.35)
    for x in (-0.13, 0.02, 0.16):
        pen.limb(
            [(x, 0.68), (x + 0.05, 0.77), (x - 0.03, 0.87), (x + 0.03, 0.98)],
            (0.01, 0.05, 0.045, 0.006),
            WHITE,
            0.55,
        )


def teapot(pen: Pen, colour: Colour | None) -> None:
    c = colour or (88, 140, 158)
    tone = (lighter(c, 0.2), darker(c, 0.2))
    pen.shadow(0.6)
    pen.limb([(0.3, 0.26), (0.5, 0.36), (0.6, 0.6)], (0.18, 0.11, 0.07), tone)
    pen.limb("-0.3,0.55 -0.56,0.52 -0.54,0.26 -0.32,0.2", (0.06, 0.065, 0.06), tone)
    pen.blob(
        "-0.26,0.66 0.26,0.66 0.42,0.38 0.28,0.06 -0.28,0.06 -0.42,0.38",
        tone,
    )
    pen.blob("-0.27,0.65 0,0.79 0.27,0.65 0,0.61", lighter(c, 0.3))
    pen.oval(0, 0.82, 0.06, 0.06, (240, 200, 100))
    for i in range(5):
        pen.at(0, 0.36, 1, angle=i * 72).oval(0, 0.075, 0.04, 0.06, WHITE, 0.85)
    pen.oval(0, 0.36, 0.04, 0.04, (250, 200, 90))


def book(pen: Pen, colour: Colour | None) -> None:
    c = colour or (160, 66, 70)
    pen.shadow(0.66)
    for i, tone in enumerate((c, (66, 120, 140), (226, 176, 82))):
        x, y = 0.04 * (i % 2) - 0.02, 0.02 + i * 0.19
        pen.box(x - 0.44, y, 0.88, 0.17, (lighter(tone, 0.1), darker(tone, 0.15)))
        pen.box(x - 0.36, y + 0.028, 0.82, 0.114, ((252, 246, 230), (222, 210, 186)))
        pen.box(x - 0.46, y, 0.13, 0.17, (lighter(tone, 0.14), darker(tone, 0.12)))
        pen.box(x - 0.46, y + 0.11, 0.13, 0.02, (246, 220, 150))
    pen.poly(
        "-0.4,0.66 0,0.62 0.4,0.66 0.42,0.9 0.0,0.84 -0.42,0.9",
        (c, darker(c, 0.2)),
    )
    for side in (-1, 1):
        pen.poly(
            [(0, 0.65), (0.37 * side, 0.69), (0.39 * side, 0.92), (0, 0.86)],
            ((254, 250, 238), (226, 214, 190)),
        )
        for k in range(3):
            pen.line(
                [(0.05 * side, 0.8 - k * 0.045), (0.33 * side, 0.83 - k * 0.042)],
                0.01,
                (170, 156, 140),
            )


def apple(pen: Pen, colour: Colour | None) -> None:
    c = colour or (208, 56, 52)
    pen.shadow(0.44)
    pen.blob(
        "0,0.72 0.2,0.78 0.4,0.6 0.36,0.26 0.16,0.03 0,0.07 -0.16,0.03 -0.36,0.26 "
        "-0.4,0.6 -0.2,0.78",
        (lighter(c, 0.2), darker(c, 0.22)),
    )
    pen.limb([(-0.24, 0.62), (-0.28, 0.46), (-0.24, 0.34)], (0.03, 0.075, 0.02), WHITE, 0.5)
    pen.limb([(0, 0.68), (0.02, 0.8), (0.07, 0.9)], (0.03, 0.034, 0.045), (98, 68, 50))
    pen.blob("0.04,0.78 0.18,0.94 0.34,0.92 0.22,0.78", ((138, 190, 96), (90, 148, 76)))


def pumpkin(pen: Pen, colour: Colour | None) -> None:
    c = colour or (236, 134, 46)
    pen.shadow(0.6)
    for x, w in ((-0.34, 0.2), (0.34, 0.2), (-0.18, 0.22), (0.18, 0.22), (0.0, 0.2)):
        pen.oval(x, 0.34, w, 0.33, (lighter(c, 0.16), darker(c, 0.2)))
    pen.limb([(0, 0.62), (0.01, 0.74), (0.09, 0.82)], (0.11, 0.07, 0.06), (112, 128, 72))
    for side in (-1, 1):
        pen.poly(
            [(0.1 * side, 0.38), (0.3 * side, 0.38), (0.2 * side, 0.53)], (255, 222, 120), lit=True
        )
    pen.poly(
        "-0.3,0.28 -0.18,0.2 -0.1,0.24 0,0.18 0.1,0.24 0.18,0.2 0.3,0.28 0.14,0.1 -0.14,0.1",
        (255, 222, 120),
        lit=True,
    )


def gift(pen: Pen, colour: Colour | None) -> None:
    c = colour or (74, 140, 132)
    pen.shadow(0.5)
    pen.box(-0.36, 0.0, 0.72, 0.5, (lighter(c, 0.1), darker(c, 0.16)))
    pen.box(-0.4, 0.48, 0.8, 0.14, (lighter(c, 0.2), c))
    pen.box(-0.07, 0.0, 0.14, 0.62, ((248, 206, 108), (222, 164, 70)))
    pen.both("0,0.62 0.12,0.86 0.32,0.84 0.3,0.68", ((250, 214, 120), (226, 168, 72)))
    pen.oval(0, 0.66, 0.07, 0.06, (226, 168, 72))


def campfire(pen: Pen, colour: Colour | None) -> None:
    c = colour or (250, 140, 50)
    pen.glow(0, 0.35, 1.3, 1.1, (255, 170, 80), 0.7)
    for a in (16, -16):
        pen.at(0, 0.09, 1, angle=a).limb([(-0.42, 0), (0.42, 0)], (0.12, 0.12), (104, 70, 54))
    for w, h, tone in (
        (0.3, 0.9, darker(c, 0.1)),
        (0.21, 0.66, lighter(c, 0.15)),
        (0.12, 0.42, (255, 226, 130)),
        (0.05, 0.22, (255, 252, 226)),
    ):
        pen.blob(
            [
                (0, 0.08),
                (-w, 0.22),
                (-w * 0.8, 0.08 + h * 0.5),
                (-w * 0.25, 0.08 + h * 0.62),
                (0.04, 0.08 + h),
                (w * 0.5, 0.08 + h * 0.6),
                (w, 0.24),
            ],
            tone,
            lit=True,
        )


def guitar(pen: Pen, colour: Colour | None) -> None:
    c = colour or (206, 134, 70)
    pen.shadow(0.3)
    pen = pen.at(0.0, 0.02, 1, angle=-8)
    pen.box(-0.035, 0.5, 0.07, 0.44, (98, 64, 50))
    pen.round_box(-0.06, 0.88, 0.12, 0.13, 0.025, (74, 50, 44))
    pen.blob(
        "0,0.0 0.26,0.06 0.27,0.26 0.16,0.36 0.2,0.52 0.0,0.6 -0.2,0.52 -0.16,0.36 "
        "-0.27,0.26 -0.26,0.06",
        (lighter(c, 0.18), darker(c, 0.2)),
    )
    pen.oval(0, 0.38, 0.09, 0.09, (62, 42, 40))
    pen.box(-0.1, 0.14, 0.2, 0.03, (62, 42, 40))
    for i in range(4):
        pen.line([(-0.024 + i * 0.016, 0.15), (-0.024 + i * 0.016, 0.92)], 0.005, (240, 232, 214))


def ball(pen: Pen, colour: Colour | None) -> None:
    c = colour or (226, 84, 72)
    pen.shadow(0.5)
    pen.oval(0, 0.48, 0.48, 0.48, (lighter(c, 0.2), darker(c, 0.2)))
    pen.limb([(-0.46, 0.5), (-0.1, 0.34), (0.46, 0.52)], (0.1, 0.18, 0.1), WHITE)
    pen.oval(-0.18, 0.74, 0.1, 0.06, WHITE, 0.55, turn=35)


def planet(pen: Pen, colour: Colour | None) -> None:
    c = colour or (226, 168, 110)
    pen.glow(0, 0.5, 0.8, 0.8, lighter(c, 0.3), 0.4)
    back = [(0.72 * math.cos(a * 0.1745), 0.5 + 0.2 * math.sin(a * 0.1745)) for a in range(19)]
    pen.limb(back, (0.06, 0.06), lighter(c, 0.35))
    pen.oval(0, 0.5, 0.42, 0.42, (lighter(c, 0.25), darker(c, 0.3)))
    for y, w in ((0.68, 0.36), (0.54, 0.41), (0.36, 0.39)):
        pen.limb([(-w, y), (0, y - 0.05), (w, y)], (0.02, 0.06, 0.02), darker(c, 0.12), 0.6)
    front = [
        (0.72 * math.cos(math.pi + a * 0.1745), 0.5 + 0.2 * math.sin(math.pi + a * 0.1745))
        for a in range(19)
    ]
    pen.limb(front, (0.06, 0.08, 0.06), lighter(c, 0.5))


def star(pen: Pen, colour: Colour | None) -> None:
    c = colour or (250, 206, 84)
    pen.glow(0, 0.5, 0.9, 0.9, lighter(c, 0.4), 0.7)
    points = [
        (
            (0.5 if i % 2 == 0 else 0.22) * math.sin(math.pi * i / 5),
            0.5 + (0.5 if i % 2 == 0 else 0.22) * math.cos(math.pi * i / 5),
        )
        for i in range(10)
    ]
    pen.poly(points, (lighter(c, 0.3), darker(c, 0.06)), lit=True)
    for side in (-1, 1):
        pen.oval(0.09 * side, 0.52, 0.026, 0.036, INK)
        pen.oval(0.15 * side, 0.45, 0.035, 0.02, mix(c, (240, 110, 90), 0.6))
    pen.line([(-0.04, 0.45), (0, 0.43), (0.04, 0.45)], 0.013, INK)
