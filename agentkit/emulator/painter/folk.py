"""People and those who pass for people."""

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.beasts import eye
from agentkit.emulator.painter.colour import INK, WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen, points_of

_SKIN: Colour = (244, 204, 172)


def person(pen: Pen, colour: Colour | None, kind: str = "person") -> Anchors:
    """A figure in a coat; a child has a bigger head and no cares."""
    coat = colour or {"child": (238, 196, 74), "wizard": (92, 78, 160)}.get(kind, (70, 118, 150))
    small = kind == "child"
    hair = (110, 70, 48) if small else (228, 228, 232) if kind == "wizard" else (72, 52, 46)
    pen.shadow(0.28)
    _legs(pen)
    hem = 0.06 if kind == "wizard" else 0.22
    pen.blob(
        [
            (0, 0.64),
            (0.12, 0.6),
            (0.16, 0.42),
            (0.2, hem + 0.02),
            (0, hem - 0.01),
            (-0.2, hem + 0.02),
            (-0.16, 0.42),
            (-0.12, 0.6),
        ],
        (lighter(coat, 0.12), darker(coat, 0.18)),
    )
    pen.line([(0, 0.58), (0.0, hem + 0.02)], 0.01, darker(coat, 0.35), 0.7)
    for i in range(3):
        pen.oval(0.022, 0.5 - i * 0.09, 0.011, 0.011, lighter(coat, 0.6))
    pen.limb(
        [(-0.12, 0.57), (-0.2, 0.42), (-0.19, 0.31)], (0.1, 0.09, 0.08), (coat, darker(coat, 0.2))
    )
    pen.limb(
        [(0.12, 0.57), (0.22, 0.45), (0.25, 0.38)], (0.1, 0.09, 0.08), (coat, darker(coat, 0.2))
    )
    pen.oval(-0.19, 0.285, 0.04, 0.04, _SKIN)
    pen.oval(0.26, 0.36, 0.04, 0.04, _SKIN)
    r = 0.175 if small else 0.15
    y = 0.62 + r
    _head(pen, kind, hair, y, r)
    return Anchors(
        (0, y + r * 0.62),
        r * 2.1,
        (0, 0.61),
        0.22,
        ((-0.062, y - 0.01), (0.062, y - 0.01)),
        (0.26, 0.36),
    )


def _legs(pen: Pen) -> None:
    for side in (-1, 1):
        pen.limb([(0.06 * side, 0.3), (0.07 * side, 0.06)], (0.11, 0.09), (74, 78, 104))
        shoe = points_of("0.02,0.07 0.1,0.09 0.16,0.03 0.13,0.0 0.03,0.0")
        pen.blob([(x * side, y) for x, y in shoe], (104, 66, 50))


def _head(pen: Pen, kind: str, hair: Colour, y: float, r: float) -> None:
    """A round face at height `y`, of radius `r`."""
    pen.oval(0, y + 0.02, r * 1.1, r * 1.08, hair)
    if kind != "wizard":
        pen.both([(0.1, y + 0.05), (r * 1.14, y), (r * 1.12, y - r * 0.9), (r * 0.8, y - r)], hair)
    pen.oval(0, y - 0.01, r * 0.94, r * 0.94, (lighter(_SKIN, 0.2), _SKIN))
    pen.blob(
        [
            (-r, y + 0.02),
            (-r * 0.6, y + r * 0.95),
            (r * 0.5, y + r * 1.0),
            (r, y + 0.03),
            (r * 0.5, y + r * 0.42),
            (-r * 0.1, y + r * 0.5),
        ],
        hair,
    )
    for side in (-1, 1):
        eye(pen, 0.062 * side, y - 0.01, 0.02)
        pen.oval(0.098 * side, y - 0.055, 0.026, 0.015, (246, 160, 140))
    pen.line([(-0.035, y - 0.07), (0, y - 0.083), (0.035, y - 0.07)], 0.009, (164, 84, 76))
    if kind == "wizard":
        pen.blob(
            [
                (-0.11, y - 0.06),
                (0.11, y - 0.06),
                (0.08, y - 0.24),
                (0, y - 0.34),
                (-0.08, y - 0.24),
            ],
            (WHITE, (214, 214, 226)),
        )


def astronaut(pen: Pen, colour: Colour | None) -> Anchors:
    suit = colour or (240, 240, 244)
    shade = darker(suit, 0.22)
    pen.shadow(0.32)
    pen.round_box(-0.19, 0.3, 0.38, 0.32, 0.06, (mix(suit, (150, 156, 172), 0.6), shade))
    for side in (-1, 1):
        pen.limb([(0.09 * side, 0.3), (0.1 * side, 0.07)], (0.16, 0.15), (suit, shade))
        pen.round_box(0.1 * side - 0.095, 0.0, 0.19, 0.09, 0.04, (110, 116, 132))
        pen.limb(
            [(0.15 * side, 0.52), (0.27 * side, 0.42), (0.29 * side, 0.32 + 0.16 * (side > 0))],
            (0.14, 0.12, 0.11),
            (suit, shade),
        )
        pen.oval(0.29 * side, 0.3 + 0.18 * (side > 0), 0.06, 0.06, (228, 116, 66))
    pen.blob(
        "0,0.6 0.17,0.56 0.19,0.4 0.16,0.24 -0.16,0.24 -0.19,0.4 -0.17,0.56",
        (lighter(suit, 0.2), shade),
    )
    pen.round_box(-0.1, 0.36, 0.2, 0.12, 0.02, (196, 202, 214))
    for i, tone in enumerate(((226, 74, 62), (86, 186, 110), (70, 130, 220))):
        pen.oval(-0.06 + i * 0.06, 0.42, 0.02, 0.02, tone, lit=True)
    pen.box(-0.17, 0.28, 0.34, 0.03, (228, 116, 66))
    pen.oval(0, 0.76, 0.225, 0.215, (lighter(suit, 0.3), shade))
    pen.oval(0, 0.75, 0.17, 0.15, ((52, 66, 110), (26, 28, 54)))
    pen.oval(0, 0.735, 0.115, 0.115, (_SKIN, darker(_SKIN, 0.1)), 0.9)
    for side in (-1, 1):
        eye(pen, 0.045 * side, 0.745, 0.017)
        pen.oval(0.075 * side, 0.71, 0.02, 0.012, (246, 160, 140))
    pen.line([(-0.025, 0.695), (0, 0.685), (0.025, 0.695)], 0.008, (164, 84, 76))
    pen.limb([(-0.12, 0.77), (-0.1, 0.84), (-0.03, 0.87)], (0.012, 0.022, 0.008), WHITE, 0.8)
    return Anchors(
        (0, 0.93), 0.34, (0, 0.57), 0.28, ((-0.045, 0.745), (0.045, 0.745)), (0.29, 0.48)
    )


def robot(pen: Pen, colour: Colour | None) -> Anchors:
    metal = colour or (124, 170, 186)
    dark, joint = darker(metal, 0.35), (88, 94, 112)
    pen.shadow(0.32)
    for side in (-1, 1):
        pen.line([(0.1 * side, 0.3), (0.1 * side, 0.08)], 0.06, joint)
        pen.round_box(0.1 * side - 0.085, 0.0, 0.17, 0.09, 0.035, (metal, dark))
        pen.limb(
            [(0.19 * side, 0.5), (0.28 * side, 0.42), (0.29 * side, 0.36)],
            (0.055, 0.05, 0.05),
            joint,
        )
        pen.oval(0.2 * side, 0.51, 0.06, 0.06, (lighter(metal, 0.2), dark))
        pen.blob(
            [
                (0.25 * side, 0.36),
                (0.24 * side, 0.29),
                (0.28 * side, 0.32),
                (0.32 * side, 0.29),
                (0.34 * side, 0.36),
                (0.29 * side, 0.4),
            ],
            dark,
        )
    pen.round_box(-0.2, 0.24, 0.4, 0.33, 0.06, (lighter(metal, 0.22), darker(metal, 0.1)))
    pen.round_box(-0.12, 0.33, 0.24, 0.15, 0.03, (58, 66, 88))
    pen.limb(
        "-0.09,0.4 -0.04,0.4 -0.01,0.45 0.02,0.36 0.05,0.4 0.09,0.4",
        (0.012, 0.012),
        (120, 240, 190),
        lit=True,
    )
    pen.box(-0.06, 0.56, 0.12, 0.06, joint)
    pen.line([(0, 0.88), (0, 0.97)], 0.018, joint)
    pen.glow(0, 0.98, 0.1, 0.1, (255, 150, 90), 0.7)
    pen.oval(0, 0.98, 0.03, 0.03, (255, 120, 84), lit=True)
    pen.eyes(0.235, 0.75, 0.032, 0.055, dark)
    pen.round_box(-0.22, 0.61, 0.44, 0.28, 0.08, (lighter(metal, 0.3), metal))
    pen.round_box(-0.175, 0.65, 0.35, 0.19, 0.07, (40, 48, 70))
    for side in (-1, 1):
        pen.glow(0.08 * side, 0.755, 0.1, 0.1, (110, 236, 246), 0.6)
        pen.oval(0.08 * side, 0.755, 0.042, 0.046, (126, 242, 250), lit=True)
        pen.oval(0.08 * side + 0.014, 0.77, 0.013, 0.013, WHITE, lit=True)
    pen.limb(
        [(-0.05, 0.69), (0, 0.675), (0.05, 0.69)], (0.014, 0.014, 0.014), (126, 242, 250), lit=True
    )
    return Anchors((0, 0.87), 0.42, (0, 0.585), 0.26, ((-0.08, 0.755), (0.08, 0.755)), (0.29, 0.34))


def snowman(pen: Pen, colour: Colour | None) -> Anchors:
    snow = colour or (248, 250, 254)
    pen.shadow(0.36)
    for y, r in ((0.22, 0.27), (0.56, 0.2), (0.82, 0.145)):
        pen.oval(0, y, r, r * 0.94, (snow, mix(snow, (150, 180, 220), 0.5)))
    for side in (-1, 1):
        pen.limb(
            [(0.17 * side, 0.58), (0.32 * side, 0.66), (0.42 * side, 0.76)],
            (0.026, 0.02, 0.01),
            (110, 78, 58),
        )
        eye(pen, 0.052 * side, 0.85, 0.018)
    pen.limb([(0, 0.81), (0.15, 0.785)], (0.045, 0.006), (242, 138, 52))
    for i in range(3):
        pen.oval(0, 0.64 - i * 0.09, 0.018, 0.018, INK)
    pen.line([(-0.06, 0.765), (0, 0.745), (0.06, 0.765)], 0.012, INK)
    return Anchors((0, 0.93), 0.26, (0, 0.705), 0.26, ((-0.052, 0.85), (0.052, 0.85)), (0.4, 0.74))


def ghost(pen: Pen, colour: Colour | None) -> Anchors:
    sheet = colour or (246, 246, 252)
    pen.glow(0, 0.5, 0.6, 0.65, (220, 226, 255), 0.5)
    pen.blob(
        "0,0.96 0.22,0.84 0.28,0.5 0.34,0.12 0.24,0.06 0.16,0.15 0.06,0.05 -0.04,0.14 "
        "-0.14,0.05 -0.24,0.14 -0.34,0.08 -0.28,0.5 -0.22,0.84",
        (sheet, mix(sheet, (170, 176, 220), 0.5)),
    )
    for side in (-1, 1):
        eye(pen, 0.09 * side, 0.68, 0.042)
        pen.oval(0.15 * side, 0.58, 0.035, 0.02, (248, 170, 180))
        pen.limb([(0.24 * side, 0.5), (0.36 * side, 0.52)], (0.12, 0.06), sheet)
    pen.oval(0, 0.57, 0.03, 0.04, (60, 50, 70))
    return Anchors((0, 0.88), 0.4, (0, 0.46), 0.44, ((-0.09, 0.68), (0.09, 0.68)), (0.36, 0.5))
