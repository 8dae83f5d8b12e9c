"""What swims, creeps and flutters."""

import math

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.beasts import eye
from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen


def fish(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (244, 148, 68)
    fin = darker(mix(coat, (230, 90, 60), 0.3), 0.06)
    pen = pen.at(0, 0.35)
    pen.blob(
        "-0.36,0.15 -0.62,0.38 -0.56,0.12 -0.64,-0.12 -0.36,0.05",
        (lighter(fin, 0.2), fin),
    )
    pen.blob("-0.18,0.3 -0.06,0.48 0.14,0.44 0.22,0.28", (lighter(fin, 0.2), fin))
    pen.blob("-0.06,-0.1 -0.14,-0.24 0.06,-0.2 0.1,-0.08", fin)
    pen.blob(
        "-0.42,0.1 -0.2,0.29 0.12,0.34 0.4,0.2 0.46,0.1 0.38,-0.02 0.1,-0.14 -0.22,-0.07",
        (lighter(coat, 0.15), darker(coat, 0.1)),
    )
    for x in (-0.16, 0.08):
        pen.limb([(x, 0.31), (x + 0.05, 0.1), (x, -0.1)], (0.08, 0.1, 0.07), (254, 246, 232))
    pen.blob("0.02,0.1 -0.1,0.02 -0.14,-0.06 0.04,0.0", fin)
    pen.oval(0.3, 0.17, 0.06, 0.062, WHITE)
    eye(pen, 0.31, 0.17, 0.038)
    pen.line([(0.45, 0.07), (0.4, 0.05), (0.37, 0.07)], 0.014, darker(coat, 0.5))
    for x, y, r in ((0.56, 0.3, 0.03), (0.62, 0.42, 0.02), (0.55, 0.5, 0.014)):
        pen.oval(x, y, r, r, (220, 244, 252), 0.6)
    return Anchors((0.22, 0.29), 0.26, (0.12, 0.05), 0.3, ((0.24, 0.17), (0.34, 0.17)), (0.2, 0.0))


def whale(pen: Pen, colour: Colour | None, *, slim: bool = False) -> Anchors:
    coat = colour or ((120, 150, 180) if slim else (72, 112, 160))
    pen = pen.at(0, 0.12)
    if not slim:
        for side in (-1, 1):
            pen.limb(
                [
                    (0.25, 0.6),
                    (0.25 + 0.05 * side, 0.86),
                    (0.25 + 0.2 * side, 0.9),
                    (0.25 + 0.26 * side, 0.78),
                ],
                (0.03, 0.06, 0.05, 0.01),
                (214, 238, 250),
                0.85,
            )
    pen.blob(
        "-0.66,0.42 -0.98,0.72 -0.9,0.5 -1.04,0.36 -0.7,0.32",
        (lighter(coat, 0.1), darker(coat, 0.12)),
    )
    if slim:
        pen.poly([(-0.12, 0.52), (-0.2, 0.78), (0.14, 0.55)], darker(coat, 0.1))
        pen.blob("0.66,0.3 0.96,0.26 0.96,0.2 0.66,0.16", coat)
    pen.blob(
        "-0.78,0.4 -0.4,0.44 0.0,0.62 0.5,0.6 0.82,0.34 0.74,0.1 0.3,-0.04 -0.3,0.04 -0.62,0.24",
        (lighter(coat, 0.14), darker(coat, 0.14)),
    )
    pen.blob(
        "0.8,0.22 0.72,0.06 0.3,-0.05 -0.3,0.03 -0.55,0.2 -0.1,0.16 0.4,0.14",
        ((238, 244, 246), (200, 216, 226)),
    )
    if not slim:
        for i in range(5):
            pen.line(
                [(0.7 - i * 0.05, 0.13 - i * 0.022), (0.1 - i * 0.08, 0.08 - i * 0.02)],
                0.008,
                darker(coat, 0.1),
                0.45,
            )
    pen.blob("0.16,0.18 0.0,-0.1 -0.1,-0.2 -0.14,-0.06 -0.02,0.14", darker(coat, 0.2))
    eye(pen, 0.52, 0.29, 0.034)
    pen.line([(0.8, 0.24), (0.66, 0.18), (0.54, 0.2)], 0.016, darker(coat, 0.45))
    return Anchors((0.4, 0.72), 0.36, (0.1, 0.3), 0.4, ((0.5, 0.41), (0.62, 0.41)), (0.0, 0.2))


def octopus(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (214, 110, 130)
    pen.shadow(0.5)
    for i in range(8):
        x = -0.42 + i * 0.12
        lift = 0.1 + 0.07 * (i % 2)
        pen.limb(
            [(x * 0.45, 0.4), (x * 0.9, 0.16), (x * 1.15, 0.05), (x * 1.35, lift)],
            (0.13, 0.1, 0.08, 0.03),
            (darker(coat, 0.06 * (i % 2)), darker(coat, 0.2)),
        )
    pen.blob(
        "0,0.95 0.2,0.9 0.3,0.7 0.24,0.44 0.12,0.34 -0.12,0.34 -0.24,0.44 -0.3,0.7 -0.2,0.9",
        (lighter(coat, 0.2), coat),
    )
    for x, y, r in ((-0.14, 0.82, 0.04), (-0.03, 0.87, 0.025), (0.15, 0.8, 0.03)):
        pen.oval(x, y, r, r * 0.8, lighter(coat, 0.45))
    for side in (-1, 1):
        pen.oval(0.11 * side, 0.56, 0.065, 0.075, WHITE)
        eye(pen, 0.115 * side, 0.55, 0.042)
        pen.oval(0.2 * side, 0.46, 0.035, 0.02, (250, 150, 150))
    pen.line([(-0.04, 0.45), (0, 0.43), (0.04, 0.45)], 0.014, darker(coat, 0.5))
    return Anchors((0, 0.9), 0.44, (0, 0.38), 0.34, ((-0.11, 0.56), (0.11, 0.56)), (0.4, 0.14))


def turtle(pen: Pen, colour: Colour | None) -> Anchors:
    shell, skin = colour or (112, 142, 78), (156, 186, 108)
    pen.shadow(0.7)
    for x in (-0.4, 0.34):
        pen.limb([(x, 0.26), (x - 0.02, 0.05)], (0.22, 0.19), (skin, darker(skin, 0.2)))
    pen.limb([(-0.55, 0.2), (-0.72, 0.12)], (0.1, 0.02), skin)
    pen.limb([(0.42, 0.24), (0.62, 0.34), (0.72, 0.52)], (0.2, 0.18, 0.2), skin)
    pen.oval(0.74, 0.58, 0.19, 0.17, (lighter(skin, 0.15), skin))
    pen.blob(
        "-0.64,0.2 -0.5,0.56 -0.05,0.76 0.4,0.54 0.54,0.2 0.0,0.14",
        (lighter(shell, 0.18), darker(shell, 0.24)),
    )
    for x, y in ((-0.32, 0.42), (-0.05, 0.52), (0.22, 0.41), (-0.18, 0.28), (0.08, 0.29)):
        pen.poly(
            [(x + 0.12 * math.cos(a * 1.047), y + 0.1 * math.sin(a * 1.047)) for a in range(6)],
            darker(shell, 0.2),
            0.7,
        )
    pen.limb([(-0.64, 0.19), (0.0, 0.13), (0.55, 0.19)], (0.06, 0.08, 0.06), lighter(shell, 0.35))
    eye(pen, 0.8, 0.62, 0.036)
    pen.line([(0.9, 0.53), (0.82, 0.5), (0.76, 0.52)], 0.014, darker(skin, 0.5))
    return Anchors((0.74, 0.73), 0.3, (0.6, 0.36), 0.2, ((0.72, 0.62), (0.86, 0.62)), (0.6, 0.2))


def snail(pen: Pen, colour: Colour | None) -> Anchors:
    shell, skin = colour or (214, 140, 92), (222, 196, 150)
    pen.shadow(0.6)
    pen.limb(
        "-0.6,0.03 0.1,0.08 0.46,0.14 0.52,0.5",
        (0.05, 0.16, 0.2, 0.2),
        (lighter(skin, 0.1), darker(skin, 0.12)),
    )
    for x in (0.48, 0.6):
        pen.limb([(x - 0.02, 0.55), (x + 0.03, 0.8)], (0.03, 0.025), skin)
        eye(pen, x + 0.03, 0.82, 0.035)
    pen.oval(-0.08, 0.44, 0.38, 0.38, (lighter(shell, 0.15), darker(shell, 0.15)))
    spiral = [
        (
            0.3 * (1 - i / 26) * math.cos(i * 0.55) - 0.08,
            0.44 + 0.3 * (1 - i / 26) * math.sin(i * 0.55),
        )
        for i in range(25)
    ]
    pen.limb(spiral, (0.05, 0.02), darker(shell, 0.35))
    pen.line([(0.6, 0.42), (0.55, 0.4), (0.51, 0.42)], 0.014, darker(skin, 0.5))
    return Anchors((0.52, 0.62), 0.2, (0.5, 0.3), 0.2, ((0.51, 0.82), (0.63, 0.82)), (0.55, 0.25))


def hedgehog(pen: Pen, colour: Colour | None) -> Anchors:
    spines, skin = colour or (122, 92, 74), (236, 206, 168)
    pen.shadow(0.55)
    for ring in range(3):
        r, n = 0.5 - ring * 0.11, 26
        burr = [
            (
                (r if i % 2 else r * 0.86) * 1.12 * math.cos(math.pi * i / n) - 0.08,
                0.2 + (r if i % 2 else r * 0.86) * math.sin(math.pi * i / n) * 1.15,
            )
            for i in range(n + 1)
        ]
        pen.poly([*burr, (-0.5, 0.06), (0.4, 0.06)], lighter(spines, ring * 0.13))
    pen.blob(
        "0.16,0.42 0.36,0.42 0.66,0.2 0.68,0.14 0.4,0.05 -0.4,0.04 -0.1,0.16",
        (skin, darker(skin, 0.1)),
    )
    pen.oval(0.2, 0.4, 0.075, 0.08, (darker(skin, 0.15), skin))
    for x in (-0.3, 0.0, 0.3):
        pen.oval(x, 0.035, 0.09, 0.04, darker(skin, 0.2))
    pen.oval(0.68, 0.19, 0.04, 0.038, (40, 32, 38))
    eye(pen, 0.44, 0.29, 0.036)
    pen.oval(0.38, 0.18, 0.05, 0.028, (244, 150, 130), 0.7)
    return Anchors((0.3, 0.46), 0.3, (0.2, 0.14), 0.3, ((0.38, 0.29), (0.5, 0.29)), (0.4, 0.1))


def frog(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (112, 180, 84)
    pen.shadow(0.5)
    pen.both(
        "0.2,0.42 0.46,0.3 0.48,0.08 0.3,0.02 0.2,0.16",
        (coat, darker(coat, 0.2)),
    )
    pen.blob(
        "0,0.68 0.26,0.56 0.32,0.26 0.2,0.04 -0.2,0.04 -0.32,0.26 -0.26,0.56",
        (lighter(coat, 0.1), darker(coat, 0.12)),
    )
    pen.blob(
        "0,0.44 0.18,0.36 0.18,0.12 0,0.05 -0.18,0.12 -0.18,0.36",
        (246, 244, 206),
    )
    for side in (-1, 1):
        pen.limb([(0.18 * side, 0.32), (0.17 * side, 0.03)], (0.09, 0.08), darker(coat, 0.08))
        for spread in (-0.07, 0.0, 0.07):
            pen.oval((0.18 + spread) * side, 0.025, 0.035, 0.022, darker(coat, 0.08))
    pen.eyes(0.2, 0.86, 0.135, 0.135, (lighter(coat, 0.14), coat))
    pen.blob(
        "0,0.84 0.26,0.82 0.38,0.64 0.26,0.5 0,0.46 -0.26,0.5 -0.38,0.64 -0.26,0.82",
        (lighter(coat, 0.14), coat),
    )
    for side in (-1, 1):
        pen.oval(0.2 * side, 0.87, 0.09, 0.092, WHITE)
        eye(pen, 0.2 * side, 0.865, 0.058)
        pen.oval(0.28 * side, 0.62, 0.05, 0.026, (246, 150, 130), 0.7)
    pen.line("-0.26,0.62 -0.12,0.55 0.12,0.55 0.26,0.62", 0.018, darker(coat, 0.5))
    return Anchors((0, 0.83), 0.3, (0, 0.47), 0.4, ((-0.2, 0.87), (0.2, 0.87)), (0.24, 0.2))


def butterfly(pen: Pen, colour: Colour | None) -> Anchors:
    wing = colour or (240, 140, 62)
    pen = pen.at(0, 0.5, angle=-10)
    pen.both(
        "0.03,0.06 0.2,0.4 0.5,0.46 0.54,0.2 0.3,0.0",
        (darker(wing, 0.55), darker(wing, 0.7)),
    )
    pen.both(
        "0.03,-0.02 0.3,0.0 0.42,-0.2 0.3,-0.42 0.1,-0.28",
        (darker(wing, 0.55), darker(wing, 0.7)),
    )
    pen.both(
        "0.06,0.08 0.22,0.35 0.45,0.39 0.47,0.22 0.28,0.05",
        (lighter(wing, 0.25), wing),
    )
    pen.both(
        "0.06,-0.05 0.27,-0.05 0.36,-0.2 0.27,-0.34 0.12,-0.24",
        (wing, lighter(wing, 0.2)),
    )
    for x, y, r in (
        (0.36, 0.26, 0.05),
        (0.24, -0.2, 0.045),
        (0.47, 0.36, 0.02),
        (0.33, -0.33, 0.018),
    ):
        pen.eyes(x, y, r, r, (255, 246, 220))
    pen.limb([(0, 0.2), (0, 0.0), (0, -0.3)], (0.06, 0.075, 0.03), (58, 44, 52))
    pen.oval(0, 0.24, 0.05, 0.05, (58, 44, 52))
    for side in (-1, 1):
        pen.limb(
            [(0.01 * side, 0.27), (0.06 * side, 0.42), (0.14 * side, 0.47)],
            (0.012, 0.01, 0.018),
            (58, 44, 52),
        )
    return Anchors((0, 0.77), 0.14, (0, 0.66), 0.1, ((-0.03, 0.75), (0.03, 0.75)), (0.05, 0.4))
