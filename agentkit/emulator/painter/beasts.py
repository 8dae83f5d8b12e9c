"""Birds, and the dragon."""

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.colour import INK, WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen, points_of


def eye(pen: Pen, x: float, y: float, r: float) -> None:
    """A round dark eye with a light in it."""
    pen.oval(x, y, r, r * 1.12, (34, 28, 38))
    pen.oval(x + r * 0.3, y + r * 0.4, r * 0.36, r * 0.36, WHITE)


def owl(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (150, 108, 74)
    pale = mix(lighter(coat, 0.7), (250, 232, 200), 0.5)
    pen.limb(
        [(-0.5, 0.0), (-0.1, 0.03), (0.5, -0.02)],
        (0.05, 0.075, 0.045),
        ((122, 84, 58), (86, 58, 44)),
    )
    pen.limb([(0.34, 0.02), (0.46, 0.1), (0.5, 0.15)], (0.03, 0.02, 0.008), (104, 72, 52))
    pen.oval(0.47, 0.16, 0.05, 0.025, (128, 158, 84), turn=40)
    pen.limb([(0.0, 0.1), (0.02, -0.12)], (0.2, 0.1), darker(coat, 0.3))
    pen.blob(
        "0,0.9 0.24,0.84 0.31,0.6 0.3,0.28 0.16,0.06 -0.16,0.06 -0.3,0.28 -0.31,0.6 -0.24,0.84",
        (lighter(coat, 0.12), darker(coat, 0.16)),
    )
    pen.both("0.1,0.86 0.2,0.9 0.275,0.99 0.28,0.86 0.26,0.76", coat)
    pen.blob(
        "0,0.56 0.17,0.46 0.17,0.2 0,0.08 -0.17,0.2 -0.17,0.46",
        (pale, mix(pale, coat, 0.35)),
    )
    for row in range(4):
        for i in range(-2 + row % 2, 3):
            x, y = i * 0.062 - (0.031 if row % 2 else 0), 0.42 - row * 0.078
            if abs(x) < 0.15 - 0.02 * row:
                pen.blob(
                    [(x - 0.02, y), (x, y - 0.035), (x + 0.02, y), (x, y - 0.012)],
                    mix(coat, pale, 0.15),
                )
    pen.both(
        "0.2,0.58 0.31,0.52 0.345,0.32 0.27,0.1 0.22,0.24",
        (darker(coat, 0.14), darker(coat, 0.34)),
    )
    pen.both(
        "0.0,0.82 0.12,0.855 0.24,0.79 0.25,0.66 0.14,0.56 0.02,0.6",
        (pale, lighter(coat, 0.35)),
    )
    for side in (-1, 1):
        pen.oval(0.122 * side, 0.705, 0.098, 0.1, (250, 196, 72), lit=True)
        pen.oval(0.122 * side, 0.705, 0.064, 0.07, (28, 24, 32))
        pen.oval(0.122 * side + 0.024, 0.732, 0.022, 0.024, WHITE)
        for toe in (-0.04, 0.0, 0.04):
            pen.limb(
                [(0.1 * side + toe, 0.08), (0.1 * side + toe, 0.03)], (0.03, 0.016), (228, 170, 72)
            )
    pen.blob("0,0.66 0.036,0.63 0.0,0.56 -0.036,0.63", ((246, 184, 84), (206, 136, 52)))
    return Anchors((0, 0.86), 0.38, (0, 0.53), 0.5, ((-0.122, 0.705), (0.122, 0.705)), (0.3, 0.3))


def penguin(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (52, 62, 84)
    pen.shadow(0.34)
    pen.eyes(0.1, 0.025, 0.09, 0.035, (240, 160, 62))
    pen.both("0.22,0.56 0.31,0.4 0.36,0.24 0.27,0.27 0.22,0.4", darker(coat, 0.2))
    pen.blob(
        "0,0.92 0.17,0.86 0.22,0.68 0.27,0.4 0.23,0.1 0,0.03 -0.23,0.1 -0.27,0.4 "
        "-0.22,0.68 -0.17,0.86",
        (lighter(coat, 0.1), darker(coat, 0.15)),
    )
    pen.blob(
        "0,0.6 0.17,0.5 0.2,0.28 0.15,0.1 -0.15,0.1 -0.2,0.28 -0.17,0.5",
        (WHITE, (226, 230, 236)),
    )
    pen.both("0.0,0.78 0.09,0.83 0.16,0.74 0.12,0.62 0.0,0.6", WHITE)
    for side in (-1, 1):
        eye(pen, 0.082 * side, 0.735, 0.026)
        pen.oval(0.125 * side, 0.67, 0.026, 0.015, (244, 150, 140))
    pen.blob("0,0.71 0.045,0.675 0,0.645 -0.045,0.675", ((250, 180, 70), (222, 130, 44)))
    return Anchors((0, 0.89), 0.33, (0, 0.58), 0.4, ((-0.082, 0.735), (0.082, 0.735)), (0.33, 0.28))


def bird(pen: Pen, colour: Colour | None, kind: str = "bird") -> Anchors:
    """A round bird from the side: songbird, duck or hen."""
    coat = colour or {"duck": (250, 246, 236), "chicken": (236, 222, 200)}.get(kind, (96, 146, 190))
    beak = (240, 164, 60)
    pen.shadow(0.34)
    for x in (-0.06, 0.06):
        pen.line([(x, 0.16), (x, 0.02)], 0.022, darker(beak, 0.15))
        pen.limb([(x - 0.05, 0.012), (x + 0.07, 0.012)], (0.03, 0.03), darker(beak, 0.15))
    pen.blob("-0.22,0.36 -0.5,0.56 -0.46,0.4 -0.3,0.2", darker(coat, 0.22))
    pen.blob(
        "-0.3,0.3 -0.16,0.13 0.08,0.12 0.27,0.26 0.32,0.5 0.28,0.74 0.12,0.86 "
        "-0.03,0.76 -0.1,0.56 -0.26,0.44",
        (lighter(coat, 0.12), darker(coat, 0.14)),
    )
    breast = (246, 148, 84) if kind == "bird" and colour is None else lighter(coat, 0.5)
    pen.blob(
        "0.29,0.56 0.3,0.36 0.18,0.18 0.02,0.14 0.08,0.36 0.18,0.52",
        (breast, mix(breast, coat, 0.3)),
    )
    pen.blob(
        "0.02,0.5 0.1,0.36 0.0,0.22 -0.22,0.24 -0.4,0.36 -0.18,0.48",
        (darker(coat, 0.1), darker(coat, 0.3)),
    )
    for i in range(3):
        pen.line(
            [(-0.02 - i * 0.05, 0.3 + i * 0.012), (-0.2 - i * 0.03, 0.3 + i * 0.03)],
            0.012,
            darker(coat, 0.4),
            0.5,
        )
    flat = kind == "duck"
    pen.blob(
        [
            (0.26, 0.7),
            (0.36, 0.69 if flat else 0.675),
            (0.45 if flat else 0.4, 0.635),
            (0.27, 0.61),
        ],
        (beak, darker(beak, 0.15)),
    )
    if kind == "chicken":
        _comb(pen)
    eye(pen, 0.19, 0.705, 0.034)
    return Anchors(
        (0.12, 0.83), 0.3, (0.14, 0.54), 0.34, ((0.14, 0.705), (0.22, 0.705)), (0.3, 0.36)
    )


def _comb(pen: Pen) -> None:
    pen.blob(
        "0.02,0.83 0.04,0.95 0.1,0.89 0.14,0.97 0.18,0.88 0.24,0.9 0.2,0.8",
        (214, 62, 56),
    )
    pen.oval(0.28, 0.57, 0.03, 0.055, (214, 62, 56))


def dragon(pen: Pen, colour: Colour | None) -> Anchors:
    coat = colour or (84, 158, 108)
    belly = lighter(mix(coat, (250, 226, 150), 0.6), 0.2)
    wing = mix(coat, (236, 120, 80), 0.45)
    pen.shadow(0.5)
    _wings(pen, wing)
    pen.limb(
        "0.1,0.08 0.38,0.06 0.54,0.14 0.62,0.3",
        (0.18, 0.14, 0.08, 0.02),
        (coat, darker(coat, 0.2)),
    )
    pen.poly([(0.57, 0.27), (0.68, 0.26), (0.64, 0.41)], wing)
    pen.blob(
        "0,0.56 0.16,0.48 0.24,0.26 0.22,0.05 -0.22,0.05 -0.24,0.26 -0.16,0.48",
        (lighter(coat, 0.08), darker(coat, 0.2)),
    )
    pen.blob(
        "0,0.5 0.1,0.42 0.13,0.2 0.09,0.05 -0.09,0.05 -0.13,0.2 -0.1,0.42",
        belly,
    )
    for i in range(5):
        pen.line([(-0.1, 0.12 + i * 0.075), (0.1, 0.12 + i * 0.075)], 0.01, darker(belly, 0.2), 0.7)
    for side in (-1, 1):
        pen.oval(0.18 * side, 0.03, 0.1, 0.045, darker(coat, 0.1))
        pen.limb(
            [(0.15 * side, 0.4), (0.18 * side, 0.3), (0.12 * side, 0.24)],
            (0.09, 0.07, 0.06),
            darker(coat, 0.08),
        )
    _dragon_head(pen, coat)
    return Anchors((0, 0.83), 0.34, (0, 0.5), 0.3, ((-0.1, 0.715), (0.1, 0.715)), (0.13, 0.25))


def _wings(pen: Pen, wing: Colour) -> None:
    for side in (-1, 1):
        fan = points_of(
            "0.1,0.5 0.3,0.78 0.6,0.95 0.55,0.7 0.62,0.52 0.48,0.5 0.44,0.36 0.32,0.42 0.2,0.3"
        )
        pen.poly([(x * side, y) for x, y in fan], (wing, darker(wing, 0.25)))
        for tip in ((0.6, 0.95), (0.62, 0.52), (0.44, 0.36)):
            pen.limb(
                [(0.12 * side, 0.48), (tip[0] * side, tip[1])], (0.03, 0.008), darker(wing, 0.35)
            )


def _dragon_head(pen: Pen, coat: Colour) -> None:
    for x, y in ((-0.1, 0.8), (0.0, 0.84), (0.1, 0.8)):
        pen.poly([(x - 0.035, y), (x + x * 0.4, y + 0.12), (x + 0.035, y)], (250, 226, 160))
    pen.blob(
        "0,0.86 0.15,0.82 0.2,0.68 0.15,0.56 0,0.5 -0.15,0.56 -0.2,0.68 -0.15,0.82",
        (lighter(coat, 0.14), coat),
    )
    pen.blob(
        "0,0.66 0.13,0.62 0.13,0.54 0,0.49 -0.13,0.54 -0.13,0.62",
        lighter(coat, 0.3),
    )
    pen.eyes(0.045, 0.615, 0.013, 0.016, darker(coat, 0.5))
    for side in (-1, 1):
        pen.oval(0.1 * side, 0.715, 0.046, 0.052, (252, 220, 110), lit=True)
        pen.oval(0.1 * side, 0.712, 0.02, 0.045, INK)
        pen.oval(0.1 * side + 0.012, 0.735, 0.012, 0.013, WHITE)
    pen.line([(-0.07, 0.545), (0.0, 0.53), (0.07, 0.545)], 0.01, darker(coat, 0.5))
