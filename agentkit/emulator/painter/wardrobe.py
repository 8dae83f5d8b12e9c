"""What a living thing wears or holds."""

from collections.abc import Callable

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.colour import INK, WHITE, Colour, darker, lighter
from agentkit.emulator.painter.pen import Pen


def dress(pen: Pen, at: Anchors, kind: str, colour: Colour | None) -> None:
    """Draws the thing where it belongs on its wearer."""
    cut = _HEADGEAR.get(kind)
    if cut is not None:
        draw, default = cut
        draw(pen.at(*at.crown, at.head, angle=-5), colour or default)
    elif kind == "scarf":
        _scarf(pen.at(*at.neck, at.collar), colour or (204, 62, 60))
    elif kind == "bowtie":
        _bowtie(pen.at(*at.neck, at.collar), colour or (196, 52, 62))
    elif kind == "cape":
        _scarf(pen.at(*at.neck, at.collar), colour or (196, 44, 60))
    elif kind == "glasses":
        _glasses(pen, at, colour or (52, 46, 60))
    else:
        hold = _HELD.get(kind)
        if hold is not None:
            hold(pen.at(*at.hand), colour)


def behind(pen: Pen, at: Anchors, kind: str, colour: Colour | None) -> None:
    """What hangs behind its wearer, drawn first."""
    if kind == "cape":
        x, y = at.neck
        c = colour or (196, 44, 60)
        w = at.collar
        pen.blob(
            [
                (x - w * 0.4, y),
                (x + w * 0.4, y),
                (x + w * 1.15, 0.12),
                (x + w * 1.0, 0.03),
                (x, 0.07),
                (x - w * 1.0, 0.03),
                (x - w * 1.15, 0.12),
            ],
            (c, darker(c, 0.35)),
        )


def _hat(pen: Pen, c: Colour) -> None:
    """A soft brimmed hat with a band, one unit wide at the head."""
    pen.oval(0, 0.0, 0.86, 0.17, (darker(c, 0.1), darker(c, 0.32)))
    pen.blob(
        "-0.5,0.02 -0.47,0.4 -0.3,0.66 0.02,0.6 0.3,0.68 0.47,0.4 0.5,0.02 0.0,-0.07",
        (lighter(c, 0.2), darker(c, 0.08)),
    )
    pen.poly(
        "-0.5,0.04 -0.25,-0.035 0,-0.055 0.25,-0.035 0.5,0.04 0.49,0.2 0.25,0.13 "
        "0,0.11 -0.25,0.13 -0.49,0.2",
        darker(c, 0.5),
    )
    pen.limb([(0.36, 0.12), (0.5, 0.36), (0.7, 0.62)], (0.04, 0.15, 0.02), (250, 236, 200))
    pen.line([(0.37, 0.12), (0.52, 0.36), (0.66, 0.56)], 0.015, darker(c, 0.2), 0.7)
    pen.limb([(-0.3, 0.28), (-0.28, 0.46), (-0.18, 0.54)], (0.05, 0.07, 0.03), WHITE, 0.3)


def _tophat(pen: Pen, c: Colour) -> None:
    pen.oval(0, 0.0, 0.76, 0.13, (darker(c, 0.05), darker(c, 0.3)))
    pen.blob(
        "-0.44,0.0 -0.46,0.5 -0.5,0.86 0,0.92 0.5,0.86 0.46,0.5 0.44,0.0 0,-0.06",
        (lighter(c, 0.16), c),
    )
    pen.poly(
        "-0.45,0.04 0,-0.03 0.45,0.04 0.455,0.2 0,0.13 -0.455,0.2",
        (190, 60, 66),
    )


def _wizardhat(pen: Pen, c: Colour) -> None:
    pen.oval(0, 0.0, 0.84, 0.16, (darker(c, 0.1), darker(c, 0.35)))
    pen.blob(
        "-0.5,0.02 -0.24,0.6 0.0,1.1 0.3,1.3 0.2,1.0 0.3,0.5 0.5,0.02 0,-0.07",
        (lighter(c, 0.15), darker(c, 0.1)),
    )
    for x, y, r in ((-0.12, 0.4, 0.08), (0.14, 0.62, 0.06), (0.1, 0.24, 0.05)):
        _spark(pen, x, y, r)


def _spark(pen: Pen, x: float, y: float, r: float) -> None:
    pen.poly(
        [
            (x, y + r),
            (x + r * 0.25, y + r * 0.25),
            (x + r, y),
            (x + r * 0.25, y - r * 0.25),
            (x, y - r),
            (x - r * 0.25, y - r * 0.25),
            (x - r, y),
            (x - r * 0.25, y + r * 0.25),
        ],
        (252, 222, 120),
        lit=True,
    )


def _crown(pen: Pen, c: Colour) -> None:
    pen.oval(0, 0.1, 0.44, 0.09, darker(c, 0.35))
    pen.poly(
        "-0.45,0.06 -0.2,-0.02 0,-0.04 0.2,-0.02 0.45,0.06 0.54,0.56 0.25,0.3 0,0.64 "
        "-0.25,0.3 -0.54,0.56",
        (lighter(c, 0.35), darker(c, 0.08)),
    )
    for x, y in ((-0.54, 0.57), (0, 0.66), (0.54, 0.57)):
        pen.oval(x, y, 0.06, 0.06, lighter(c, 0.5))
    for x, gem in ((-0.26, (70, 130, 210)), (0, (214, 60, 76)), (0.26, (80, 180, 120))):
        pen.oval(x, 0.14, 0.065, 0.08, gem)
        pen.oval(x + 0.015, 0.165, 0.02, 0.02, WHITE, 0.8)


_HEADGEAR: dict[str, tuple[Callable[[Pen, Colour], None], Colour]] = {
    "hat": (_hat, (92, 74, 108)),
    "tophat": (_tophat, (48, 46, 58)),
    "wizardhat": (_wizardhat, (74, 66, 142)),
    "crown": (_crown, (240, 190, 70)),
}


def _scarf(pen: Pen, c: Colour) -> None:
    pen.limb([(0.26, -0.06), (0.34, -0.4), (0.26, -0.78)], (0.24, 0.26, 0.24), (c, darker(c, 0.2)))
    for i in range(5):
        pen.line([(0.17 + i * 0.048, -0.82), (0.16 + i * 0.05, -0.93)], 0.03, darker(c, 0.12))
    for y in (-0.42, -0.62):
        pen.line([(0.2, y), (0.42, y + 0.02)], 0.07, lighter(c, 0.6))
    pen.limb(
        "-0.52,0.05 -0.3,-0.09 0,-0.13 0.3,-0.09 0.52,0.05",
        (0.2, 0.27, 0.28, 0.27, 0.2),
        (lighter(c, 0.14), darker(c, 0.1)),
    )
    pen.line([(-0.46, 0.04), (-0.2, -0.08), (0.1, -0.1)], 0.02, darker(c, 0.3), 0.5)
    pen.oval(0.25, -0.1, 0.15, 0.14, (lighter(c, 0.1), darker(c, 0.15)))


def _bowtie(pen: Pen, c: Colour) -> None:
    pen.both(
        "0.0,-0.06 0.3,0.12 0.36,-0.06 0.3,-0.24 0.0,-0.08",
        (lighter(c, 0.15), darker(c, 0.12)),
    )
    pen.oval(0, -0.07, 0.09, 0.1, darker(c, 0.25))


def _glasses(pen: Pen, at: Anchors, c: Colour) -> None:
    (ax, ay), (bx, by) = at.eyes
    r = max(0.035, abs(bx - ax) * 0.42)
    for x, y in at.eyes:
        ring = [
            (x + r * p, y + r * q)
            for p, q in (
                (1, 0),
                (0.7, 0.7),
                (0, 1),
                (-0.7, 0.7),
                (-1, 0),
                (-0.7, -0.7),
                (0, -1),
                (0.7, -0.7),
            )
        ]
        pen.limb([*ring, ring[0]], (r * 0.22, r * 0.22), c)
        pen.oval(x, y, r * 0.9, r * 0.9, (214, 236, 250), 0.28)
        pen.line([(x - r * 0.45, y + r * 0.1), (x - r * 0.1, y + r * 0.5)], r * 0.12, WHITE, 0.8)
    pen.line([(ax + r, ay), ((ax + bx) / 2, ay + r * 0.2), (bx - r, by)], r * 0.22, c)


def umbrella(pen: Pen, colour: Colour | None) -> None:
    """Held at the origin; its canopy spreads about half a unit above."""
    c = colour or (214, 66, 70)
    pen.limb(
        "-0.03,-0.14 0.02,-0.17 0.05,-0.12 0.0,0.02 -0.08,0.62",
        (0.024, 0.024),
        (104, 72, 56),
    )
    top = pen.at(-0.09, 0.62, 0.46, angle=6)
    top.line([(0, 0.5), (0, 0.66)], 0.03, (104, 72, 56))
    ribs = (-1.0, -0.6, 0.0, 0.6, 1.0)
    for i in range(4):
        a, b = ribs[i], ribs[i + 1]
        tone = lighter(c, 0.16) if i % 2 == 0 else c
        top.poly(
            [(0, 0.58), (a * 0.72, 0.42), (a, 0.0), ((a + b) / 2, 0.1), (b, 0.0), (b * 0.72, 0.42)],
            (lighter(tone, 0.12), darker(tone, 0.12)),
        )


def lantern(pen: Pen, colour: Colour | None) -> None:
    """Hangs from the origin and shines."""
    c = colour or (70, 62, 74)
    pen.glow(0, -0.13, 0.55, 0.55, (255, 204, 110), 0.75)
    pen.limb([(-0.05, -0.06), (0, 0.02), (0.05, -0.06)], (0.013, 0.013, 0.013), c)
    pen.poly(
        "-0.075,-0.2 -0.06,-0.08 0.06,-0.08 0.075,-0.2",
        ((255, 240, 180), (255, 190, 90)),
        lit=True,
    )
    pen.blob([(-0.02, -0.19), (0, -0.11), (0.02, -0.19)], (255, 255, 236), lit=True)
    pen.poly([(-0.08, -0.08), (0, -0.03), (0.08, -0.08)], c)
    pen.box(-0.09, -0.225, 0.18, 0.03, c)
    for x in (-0.068, 0.0, 0.068):
        pen.line([(x, -0.2), (x * 0.85, -0.08)], 0.008, c)


def toy_balloon(pen: Pen, colour: Colour | None) -> None:
    c = colour or (224, 72, 82)
    pen.limb([(0, 0), (0.06, 0.2), (0.04, 0.42)], (0.008, 0.008), (90, 84, 96))
    pen.blob(
        "0.04,0.42 -0.1,0.56 -0.08,0.76 0.04,0.84 0.17,0.76 0.19,0.56",
        (lighter(c, 0.2), darker(c, 0.1)),
    )
    pen.oval(-0.02, 0.71, 0.028, 0.055, WHITE, 0.6, turn=-20)
    pen.poly([(0.04, 0.43), (0.01, 0.39), (0.07, 0.39)], darker(c, 0.15))


def bloom(pen: Pen, colour: Colour | None) -> None:
    """A single flower on its stem."""
    c = colour or (238, 110, 130)
    pen.limb([(0, -0.1), (0.02, 0.06), (0.05, 0.2)], (0.02, 0.018), (88, 142, 80))
    pen.oval(-0.03, 0.03, 0.055, 0.022, (104, 160, 90), turn=-30)
    for i in range(6):
        petal = pen.at(0.05, 0.22, 1, angle=i * 60)
        petal.oval(0, 0.065, 0.042, 0.06, (lighter(c, 0.1), darker(c, 0.08)))
    pen.oval(0.05, 0.22, 0.04, 0.04, (250, 206, 90))


def _cup(pen: Pen, colour: Colour | None) -> None:
    c = colour or (236, 232, 226)
    pen.limb("0.07,0.06 0.13,0.05 0.12,-0.02 0.06,-0.03", (0.02, 0.02), c)
    pen.blob(
        "-0.08,0.09 0.08,0.09 0.07,-0.05 0,-0.07 -0.07,-0.05",
        (lighter(c, 0.1), darker(c, 0.12)),
    )
    pen.oval(0, 0.09, 0.08, 0.02, (104, 66, 46))
    for x in (-0.03, 0.03):
        pen.limb([(x, 0.13), (x + 0.02, 0.18), (x - 0.01, 0.24)], (0.012, 0.02, 0.004), WHITE, 0.6)


def _book(pen: Pen, colour: Colour | None) -> None:
    c = colour or (160, 66, 70)
    pen.poly(
        "-0.15,-0.1 0,-0.12 0.15,-0.1 0.15,0.1 0,0.08 -0.15,0.1",
        (c, darker(c, 0.2)),
    )
    pen.poly(
        "-0.13,-0.08 0,-0.1 0.13,-0.08 0.13,0.11 0,0.09 -0.13,0.11",
        (250, 244, 226),
    )
    pen.line([(0, -0.1), (0, 0.09)], 0.01, (200, 186, 160))


def _gift(pen: Pen, colour: Colour | None) -> None:
    c = colour or (86, 150, 120)
    pen.box(-0.1, -0.12, 0.2, 0.18, (lighter(c, 0.1), darker(c, 0.1)))
    pen.box(-0.02, -0.12, 0.04, 0.18, (240, 196, 90))
    pen.both([(0, 0.06), (0.05, 0.12), (0.08, 0.07)], (240, 196, 90))


def heart(pen: Pen, colour: Colour | None) -> None:
    c = colour or (222, 62, 84)
    pen.blob(
        "0,0.08 0.06,0.15 0.14,0.13 0.15,0.04 0.07,-0.07 0,-0.14 -0.07,-0.07 "
        "-0.15,0.04 -0.14,0.13 -0.06,0.15",
        (lighter(c, 0.22), darker(c, 0.1)),
    )
    pen.oval(-0.075, 0.085, 0.026, 0.018, WHITE, 0.7, turn=30)


def _ball(pen: Pen, colour: Colour | None) -> None:
    c = colour or (226, 84, 72)
    pen.oval(0, -0.02, 0.1, 0.1, (lighter(c, 0.25), darker(c, 0.15)))
    pen.limb([(-0.09, 0.0), (0, -0.03), (0.09, 0.0)], (0.02, 0.035, 0.02), WHITE)


def kite(pen: Pen, colour: Colour | None) -> None:
    c = colour or (228, 92, 74)
    pen.limb([(0, 0), (0.14, 0.24), (0.2, 0.56)], (0.006, 0.006), (90, 84, 96))
    pen.poly("0.2,0.56 0.06,0.78 0.24,1.0 0.38,0.76", (lighter(c, 0.15), c))
    pen.poly([(0.2, 0.56), (0.24, 1.0), (0.38, 0.76)], (252, 214, 110))
    pen.limb("0.2,0.56 0.3,0.44 0.24,0.34 0.34,0.24", (0.012, 0.008), INK)


def _apple(pen: Pen, colour: Colour | None) -> None:
    c = colour or (210, 58, 56)
    pen.blob(
        "0,0.05 0.07,0.07 0.1,0.0 0.05,-0.1 -0.05,-0.1 -0.1,0.0 -0.07,0.07",
        (lighter(c, 0.2), darker(c, 0.1)),
    )
    pen.limb([(0, 0.05), (0.02, 0.12)], (0.014, 0.01), (98, 68, 50))
    pen.oval(0.05, 0.11, 0.035, 0.015, (110, 164, 84), turn=25)


def star(pen: Pen, colour: Colour | None) -> None:
    _ = colour
    pen.glow(0, 0.05, 0.3, 0.3, (255, 226, 130), 0.6)
    _spark(pen, 0, 0.05, 0.15)


_HELD: dict[str, Callable[[Pen, Colour | None], None]] = {
    "umbrella": umbrella,
    "lantern": lantern,
    "balloon": toy_balloon,
    "flower": bloom,
    "cup": _cup,
    "book": _book,
    "gift": _gift,
    "heart": heart,
    "ball": _ball,
    "kite": kite,
    "apple": _apple,
    "star": star,
}


def lying(kind: str) -> Callable[[Pen, Colour | None], None] | None:
    """How a wearable is drawn where nobody wears it: a hat by itself."""
    cut = _HEADGEAR.get(kind)
    if cut is not None:
        draw, default = cut
        return lambda pen, colour: (
            pen.shadow(0.6),
            draw(pen.at(0, 0.12, 0.62), colour or default),
        )[1]
    return None
