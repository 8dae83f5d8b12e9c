"""Animals that sit and look at you: one body for all breeds."""

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.breeds import BREEDS, Fur, recoloured
from agentkit.emulator.painter.colour import INK, WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen, points_of


def draw(pen: Pen, kind: str, colour: Colour | None) -> Anchors:
    fur = recoloured(BREEDS[kind], colour)
    pen.shadow(0.42 * fur.bulk)
    _tail(pen, fur)
    _body(pen, fur)
    head = pen.at(0.0, 0.66, angle=-3)
    _ears(head, fur)
    _head(head, fur)
    _face(head, fur)
    return Anchors(
        (0.0, 0.80),
        0.34 * fur.cheeks,
        (0.0, 0.475),
        0.31,
        ((-0.095, 0.665), (0.095, 0.665)),
        (0.2, 0.24),
    )


def _tail(pen: Pen, fur: Fur) -> None:
    coat = (fur.coat, darker(fur.coat, 0.22))
    match fur.tail:
        case "bushy":
            pen.limb(
                "0.12,0.07 0.34,0.06 0.48,0.2 0.44,0.4",
                (0.08, 0.2, 0.24, 0.05),
                coat,
            )
            pen.blob(
                "0.37,0.31 0.42,0.345 0.46,0.3 0.5,0.34 0.55,0.3 0.54,0.4 0.46,0.53 0.39,0.43",
                (fur.light, mix(fur.light, fur.coat, 0.2)),
            )
        case "plume":
            pen.limb(
                "0.1,0.06 0.36,0.1 0.42,0.36 0.32,0.5 0.4,0.62",
                (0.08, 0.2, 0.24, 0.18, 0.06),
                coat,
            )
            pen.limb(
                [(0.3, 0.14), (0.38, 0.36), (0.33, 0.46)],
                (0.03, 0.08, 0.03),
                lighter(fur.coat, 0.3),
            )
        case "thin" | "tuft":
            pen.limb(
                "0.1,0.05 0.34,0.05 0.44,0.18 0.38,0.3 0.46,0.42",
                (0.07, 0.06, 0.055, 0.05, 0.04),
                coat,
            )
            if fur.tail == "tuft":
                pen.blob("0.42,0.36 0.5,0.36 0.52,0.47 0.47,0.52 0.41,0.46", fur.dark)
        case "ringed":
            spine = points_of("0.1,0.06 0.34,0.06 0.46,0.2 0.44,0.42")
            pen.limb(spine, (0.09, 0.13, 0.13, 0.09), coat)
            for x, y, turn in (
                (0.3, 0.055, 90),
                (0.42, 0.14, 120),
                (0.462, 0.26, 170),
                (0.445, 0.38, 190),
            ):
                pen.oval(x, y, 0.065, 0.022, fur.dark, turn=turn)
        case "puff":
            pen.oval(0.26, 0.1, 0.075, 0.07, (fur.light, mix(fur.light, fur.coat, 0.5)))


def _body(pen: Pen, fur: Fur) -> None:
    b = fur.bulk
    coat = (lighter(fur.coat, 0.06), darker(fur.coat, 0.2))
    paws = fur.dark if fur.mask in {"fox", "panda", "bandit"} else darker(fur.coat, 0.06)
    pen.blob(
        [
            (0, 0.56),
            (0.14 * b, 0.5),
            (0.19 * b, 0.34),
            (0.26 * b, 0.16),
            (0.24 * b, 0.03),
            (0.1, 0.0),
            (-0.1, 0.0),
            (-0.24 * b, 0.03),
            (-0.26 * b, 0.16),
            (-0.19 * b, 0.34),
            (-0.14 * b, 0.5),
        ],
        coat,
    )
    for side in (-1, 1):
        pen.oval(
            0.185 * b * side, 0.13, 0.095, 0.13, (fur.coat, darker(fur.coat, 0.16)), turn=-14 * side
        )
        pen.oval(0.2 * b * side, 0.028, 0.085, 0.036, (lighter(paws, 0.1), darker(paws, 0.15)))
    _chest(pen, fur)
    for side in (-1, 1):
        leg = paws if fur.mask == "panda" else fur.coat
        pen.limb(
            [(0.075 * side, 0.34), (0.08 * side, 0.2), (0.075 * side, 0.04)],
            (0.1, 0.1, 0.085),
            (leg, darker(leg, 0.12)),
        )
        if fur.mask in {"fox", "bandit"}:
            pen.limb(
                [(0.079 * side, 0.17), (0.075 * side, 0.04)],
                (0.088, 0.088),
                (mix(fur.coat, paws, 0.4), paws),
            )
        pen.oval(0.078 * side, 0.03, 0.066, 0.036, (lighter(paws, 0.12), paws))
        for toe in (-0.022, 0.022):
            pen.line(
                [(0.078 * side + toe, 0.012), (0.078 * side + toe, 0.032)],
                0.006,
                darker(paws, 0.4),
                0.6,
            )
    _coat_marks(pen, fur)


def _chest(pen: Pen, fur: Fur) -> None:
    """A light bib, ragged below as fur is."""
    if fur.mask == "panda":
        pen.both("0.02,0.52 0.17,0.47 0.24,0.32 0.12,0.36", fur.dark)
        return
    light = (fur.light, mix(fur.light, fur.coat, 0.3))
    pen.poly(
        "-0.12,0.5 0.12,0.5 0.135,0.38 0.1,0.33 0.095,0.26 0.05,0.25 0.03,0.17 "
        "0.0,0.215 -0.03,0.17 -0.05,0.25 -0.095,0.26 -0.1,0.33 -0.135,0.38",
        light,
    )


def _coat_marks(pen: Pen, fur: Fur) -> None:
    if fur.mask not in {"tabby", "tiger"}:
        return
    for side in (-1, 1):
        for i in range(3):
            y = 0.38 - i * 0.09
            edge = (0.185 + i * 0.034) * fur.bulk * side
            pen.limb(
                [(edge, y), (edge * 0.78, y + 0.008), (edge * 0.6, y - 0.014)],
                (0.024, 0.018, 0.004),
                fur.dark,
                0.8,
            )


def _ears(head: Pen, fur: Fur) -> None:
    coat = (fur.coat, darker(fur.coat, 0.1))
    inner = mix(fur.light, (232, 150, 140), 0.45)
    match fur.ears:
        case "pointed" | "tufted":
            tip = fur.dark if fur.mask == "fox" else fur.coat
            head.both(
                "0.05,0.12 0.125,0.215 0.19,0.31 0.205,0.29 0.215,0.16 0.2,0.03",
                coat,
            )
            head.both("0.155,0.255 0.19,0.312 0.207,0.288 0.212,0.215 0.185,0.215", tip)
            head.both("0.095,0.12 0.145,0.19 0.18,0.245 0.188,0.19 0.185,0.09", inner)
            if fur.ears == "tufted":
                for side in (-1, 1):
                    head.limb([(0.18 * side, 0.27), (0.205 * side, 0.36)], (0.05, 0.006), fur.dark)
        case "round":
            ear = fur.dark if fur.mask == "panda" else fur.coat
            size = 0.098 if fur.muzzle > 1 else 0.12
            head.eyes(0.165, 0.15, size, size, (ear, darker(ear, 0.12)))
            head.eyes(
                0.165,
                0.146,
                size * 0.6,
                size * 0.6,
                inner if fur.mask != "panda" else lighter(ear, 0.12),
            )
        case "floppy":
            head.both(
                "0.08,0.16 0.17,0.17 0.25,0.1 0.27,-0.06 0.22,-0.14 0.18,-0.02",
                (fur.dark, darker(fur.dark, 0.2)),
            )
        case "long":
            head.both(
                "0.03,0.1 0.035,0.26 0.08,0.42 0.125,0.43 0.145,0.28 0.125,0.08",
                coat,
            )
            head.both(
                "0.06,0.14 0.065,0.27 0.092,0.38 0.115,0.37 0.118,0.26 0.1,0.12",
                inner,
            )


def _mane(head: Pen, fur: Fur) -> None:
    for radius, tone in ((1.0, darker(fur.dark, 0.15)), (0.88, fur.dark)):
        ring = points_of(
            "0.0,0.29 0.12,0.3 0.2,0.22 0.29,0.18 0.29,0.06 0.33,-0.03 0.26,-0.12 "
            "0.22,-0.22 0.1,-0.24"
        )
        head.blob(
            [(x * radius, y * radius) for x, y in [*ring, *((-x, y) for x, y in reversed(ring))]],
            tone,
        )


def _head(head: Pen, fur: Fur) -> None:
    c = fur.cheeks
    if fur.mask == "mane":
        _mane(head, fur)
    coat = (lighter(fur.coat, 0.1), fur.coat)
    if fur.mask in {"fox", "bandit", "tabby"}:
        # Pointed ruffs at the cheeks.
        half = points_of(
            "0.0,0.172 0.09,0.165 0.165,0.1 0.2,0.02 0.262,-0.062 0.2,-0.085 "
            "0.205,-0.125 0.11,-0.15"
        )
        outline = [*half, (0.0, -0.178), *((-x, y) for x, y in reversed(half[1:]))]
        head.blob([(x * c, y) for x, y in outline], coat)
    else:
        head.blob(
            [
                (0.0, 0.175),
                (0.12 * c, 0.155),
                (0.205 * c, 0.06),
                (0.218 * c, -0.05),
                (0.14 * c, -0.145),
                (0.0, -0.17),
                (-0.14 * c, -0.145),
                (-0.218 * c, -0.05),
                (-0.205 * c, 0.06),
                (-0.12 * c, 0.155),
            ],
            coat,
        )
    if fur.ears == "floppy":
        head.both(
            "0.1,0.15 0.17,0.16 0.25,0.09 0.265,-0.07 0.215,-0.13 0.19,-0.02 0.17,0.06",
            (fur.dark, darker(fur.dark, 0.2)),
        )
    _mask(head, fur)


def _mask(head: Pen, fur: Fur) -> None:
    match fur.mask:
        case "fox":
            head.both(
                "0.0,-0.02 0.045,0.0 0.09,-0.045 0.17,-0.03 0.255,-0.063 0.2,-0.085 "
                "0.2,-0.122 0.1,-0.148 0.0,-0.17",
                fur.light,
            )
            head.blob(
                "0.0,0.09 0.05,0.03 0.055,-0.04 0.0,-0.07 -0.055,-0.04 -0.05,0.03",
                (lighter(fur.coat, 0.1), fur.coat),
            )
        case "tabby" | "tiger":
            for x in (-0.055, 0.0, 0.055):
                head.limb([(x, 0.165), (x * 0.8, 0.085)], (0.03, 0.006), fur.dark, 0.85)
            for side in (-1, 1):
                for y in (-0.02, -0.065):
                    head.limb(
                        [(0.235 * side, y), (0.16 * side, y - 0.005)], (0.022, 0.005), fur.dark, 0.8
                    )
        case "panda":
            head.both("0.05,0.05 0.11,0.075 0.16,0.0 0.15,-0.055 0.08,-0.04", fur.dark)
        case "bandit":
            head.both("0.02,0.05 0.12,0.07 0.21,-0.02 0.17,-0.06 0.06,-0.035", fur.dark)
        case "patch":
            head.blob(
                "0.03,0.06 0.1,0.09 0.16,0.03 0.14,-0.05 0.07,-0.04",
                mix(fur.coat, fur.dark, 0.55),
            )
            head.blob(
                "-0.02,0.17 0.02,0.17 0.035,0.03 0.0,-0.01 -0.035,0.03",
                fur.light,
            )
        case "plain" | "mane":
            pass
    if fur.mask != "fox":
        _muzzle(head, fur)


def _muzzle(head: Pen, fur: Fur) -> None:
    m = fur.muzzle
    head.blob(
        [
            (0.0, -0.03),
            (0.075 * m, -0.045),
            (0.095 * m, -0.1),
            (0.05, -0.152),
            (-0.05, -0.152),
            (-0.095 * m, -0.1),
            (-0.075 * m, -0.045),
        ],
        fur.light,
    )


def _face(head: Pen, fur: Fur) -> None:
    _eyes(head, fur)
    if fur.mask == "plain":
        head.eyes(0.168 * fur.cheeks, -0.062, 0.035, 0.02, (240, 130, 110))
    nose_y = -0.118 if fur.mask == "fox" else -0.068
    _nose(head, fur, nose_y)
    low = nose_y - 0.02
    has_whiskers = fur.mask in {"tabby", "tiger"} or (fur.mask == "plain" and fur.muzzle < 1)
    for side in (-1, 1):
        mouth = [(0.0, low), (0.018 * side, low - 0.02), (0.042 * side, low - 0.014)]
        head.line(mouth, 0.008, darker(fur.dark, 0.4), 0.85)
        for rise in (0.012, -0.012) if has_whiskers else ():
            whisker = [(0.09 * side, -0.09), (0.28 * side, -0.085 + rise * 2.6)]
            head.line(whisker, 0.004, WHITE, 0.75)


def _eyes(head: Pen, fur: Fur) -> None:
    if fur.mask == "tabby":
        iris = (96, 158, 92)
    elif fur.mask in {"fox", "tiger"}:
        iris = (200, 140, 52)
    else:
        iris = (94, 62, 46)
    big = 1.12 if fur.mask in {"tabby", "plain"} else 1.0
    if fur.mask in {"panda", "bandit"}:
        head.eyes(0.098, 0.005, 0.042, 0.046, WHITE)
    head.eyes(0.098, 0.005, 0.036 * big, 0.043 * big, INK)
    head.eyes(0.098, 0.0, 0.027 * big, 0.033 * big, iris)
    head.eyes(0.098, 0.003, 0.019 * big, 0.027 * big, (26, 22, 30))
    for side in (-1, 1):
        head.oval(0.098 * side + 0.012, 0.022, 0.012, 0.013, WHITE)
        head.oval(0.098 * side - 0.01, -0.012, 0.005, 0.006, WHITE, 0.8)


def _nose(head: Pen, fur: Fur, y: float) -> None:
    is_dark = fur.mask in {"fox", "patch", "panda", "bandit", "mane"} or fur.muzzle > 1
    wide = 0.03 * (0.85 + 0.15 * fur.muzzle)
    head.blob(
        [
            (0.0, y + 0.016),
            (wide, y + 0.014),
            (wide, y - 0.004),
            (0.0, y - 0.023),
            (-wide, y - 0.004),
            (-wide, y + 0.014),
        ],
        INK if is_dark else (206, 112, 116),
    )
    head.oval(-0.008, y + 0.007, 0.008, 0.004, WHITE, 0.6)
