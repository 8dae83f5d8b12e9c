"""The land: mountains, hills, woods, meadows, dunes; and water, with its shores."""

import math
from collections.abc import Callable

from agentkit.emulator.painter import buildings
from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Pen, Point
from agentkit.emulator.painter.sky import HORIZON, sun_at
from agentkit.emulator.painter.stage import Stage

Tones = tuple[Colour, Colour]

_GROUND: dict[str, Tones] = {
    "summer": ((138, 186, 102), (82, 138, 76)),
    "spring": ((164, 206, 116), (104, 162, 86)),
    "autumn": ((212, 166, 90), (162, 110, 62)),
    "winter": ((246, 249, 252), (202, 217, 238)),
}
_SAND: Tones = ((248, 226, 176), (224, 186, 128))


def ground_of(stage: Stage) -> Tones:
    places, season = stage.scene.settings, stage.scene.season
    if "desert" in places:
        return ((242, 204, 138), (208, 150, 94))
    if "arctic" in places:
        return _GROUND["winter"]
    if season != "winter" and {"beach", "sea", "island"} & set(places):
        return _SAND
    tones = _GROUND.get(season, _GROUND["summer"])
    if "forest" in places and season != "winter":
        return (darker(tones[0], 0.14), darker(tones[1], 0.2))
    return tones


def mountains(stage: Stage) -> None:
    """Two ranges, the farther one paler, with snow on the tops and light from one side."""
    rng = stage.rng("mountains")
    for depth, low, high, rock in (
        (0.6, 0.26, 0.44, (104, 118, 152)),
        (0.32, 0.15, 0.3, (88, 98, 126)),
    ):
        pen, x = stage.far(depth), -0.2
        while x < stage.wide + 0.1:
            h = rng.uniform(low, high)
            w = h * rng.uniform(0.8, 1.05)
            _peak(stage, pen, x + w * 0.4, h, w, rock)
            x += w * rng.uniform(0.55, 1.15)


def _peak(stage: Stage, pen: Pen, x: float, h: float, w: float, rock: Colour) -> None:
    rng = stage.rng(f"peak{x:.3f}")
    top, base = HORIZON + h, HORIZON - 0.06

    def slope(side: int) -> list[Point]:
        steps = [
            (0.0, 0.0),
            *((t + rng.uniform(-0.03, 0.03), t) for t in (0.16, 0.3, 0.46, 0.62, 0.8)),
            (1.0, 1.0),
        ]
        return [(x + side * w * a, top - (top - base) * b) for a, b in steps]

    left, right = slope(-1), slope(1)
    pen.poly([*reversed(left), *right[1:]], (lighter(rock, 0.2), rock))
    crease = [
        (x, top),
        (x + w * 0.06, top - h * 0.25),
        (x - w * 0.05, top - h * 0.45),
        (x + w * 0.12, top - h * 0.75),
        (x + w * 0.05, base),
    ]
    lit_right = sun_at(stage)[0] > x
    shade = [*left] if lit_right else [*right]
    pen.poly([*crease, *reversed(shade)], darker(rock, 0.3), 0.55)
    cap = 0.42 if stage.scene.season == "winter" else 0.3
    rim = [
        (x - w * cap, top - (top - base) * cap),
        (x - w * cap * 0.5, top - (top - base) * cap * 0.8),
        (x - w * cap * 0.2, top - (top - base) * cap * 1.1),
        (x + w * cap * 0.15, top - (top - base) * cap * 0.75),
        (x + w * cap * 0.5, top - (top - base) * cap * 1.12),
        (x + w * cap, top - (top - base) * cap),
    ]
    pen.poly([(x, top), *rim], (WHITE, (226, 234, 246)))
    half = [(x, top), (x + w * 0.04, top - h * 0.16), *(rim[:3] if lit_right else rim[3:])]
    pen.poly(half, (150, 170, 210), 0.5)


def hills(stage: Stage) -> None:
    """Rolling ground towards the horizon."""
    light, dark = ground_of(stage)
    for i, (base, rise, depth) in enumerate(
        ((HORIZON + 0.06, 0.06, 0.6), (HORIZON + 0.01, 0.05, 0.38), (HORIZON - 0.06, 0.045, 0.16))
    ):
        height = stage.ridge(
            stage.far(depth), base, rise, (mix(light, dark, 0.25 * i), dark), f"hill{i}"
        )
        if "desert" not in stage.scene.settings:
            _copses(stage, stage.far(depth), height, 0.035 + 0.02 * i, f"copse{i}")


def _copses(
    stage: Stage, pen: Pen, height: Callable[[float], float], size: float, purpose: str
) -> None:
    """Small trees along a hill."""
    rng = stage.rng(purpose)
    for _ in range(int(5 * max(1.0, stage.wide))):
        x = rng.uniform(0, stage.wide)
        y = height(x) - 0.008
        for _ in range(rng.randint(1, 3)):
            x += rng.uniform(-0.03, 0.03)
            _far_tree(stage, pen, x, y, size * rng.uniform(0.8, 1.5), conifer=rng.random() < 0.5)


def _far_tree(stage: Stage, pen: Pen, x: float, y: float, h: float, *, conifer: bool) -> None:
    season = stage.scene.season
    green: Colour = {
        "winter": (176, 196, 216),
        "autumn": (206, 116, 50),
        "spring": (150, 190, 116),
    }.get(season, (76, 132, 84))
    if conifer:
        green = (136, 164, 178) if season == "winter" else (54, 104, 86)
        pen.poly(
            [
                (x - h * 0.24, y),
                (x - h * 0.1, y + h * 0.4),
                (x - h * 0.15, y + h * 0.4),
                (x, y + h),
                (x + h * 0.15, y + h * 0.4),
                (x + h * 0.1, y + h * 0.4),
                (x + h * 0.24, y),
            ],
            (lighter(green, 0.14), green),
        )
    else:
        pen.line([(x, y), (x, y + h * 0.5)], h * 0.07, (98, 76, 66))
        pen.oval(x, y + h * 0.62, h * 0.3, h * 0.36, (lighter(green, 0.2), green))


def forest(stage: Stage) -> None:
    """Rows of trees that fade into the mist, and a pair of big ones as a frame."""
    rng = stage.rng("forest")
    for depth, base, low, high, step in (
        (0.72, 0.37, 0.3, 0.46, 0.035),
        (0.48, 0.33, 0.26, 0.42, 0.055),
        (0.24, 0.29, 0.2, 0.36, 0.085),
    ):
        pen, x = stage.far(depth), -0.05
        while x < stage.wide + 0.05:
            conifer = stage.scene.season in {"summer", "winter"} or rng.random() < 0.35
            _far_tree(
                stage,
                pen,
                x,
                base + rng.uniform(-0.015, 0.015),
                rng.uniform(low, high) * (1 if conifer else 0.8),
                conifer=conifer,
            )
            x += step * rng.uniform(0.7, 1.4)
        stage.pen.glow(stage.wide / 2, base + 0.02, stage.wide * 0.75, 0.09, stage.sky[2], 0.5)
    ground(stage, 0.3)
    for x, y, h in ((0.05, 0.2, 0.84), (0.96, 0.18, 0.9), (0.17, 0.26, 0.6), (0.86, 0.25, 0.62)):
        near = stage.far(0.04).at(stage.wide * x, y, h)
        if stage.scene.season in {"summer", "winter"}:
            buildings.pine(near, None, stage.scene.season)
        else:
            buildings.tree(near, None, stage.scene.season, round(x * 100))


def ground(stage: Stage, top: float) -> None:
    """The near ground, with what grows or lies on it."""
    light, dark = ground_of(stage)
    stage.ridge(stage.pen, top, 0.02, (light, dark), "ground")
    stage.pen.glow(
        stage.wide / 2, 0.1, stage.wide * 0.55, 0.2, lighter(stage.light.on(light), 0.4), 0.35
    )
    rng = stage.rng("tufts")
    sandy = light in {_SAND[0], (242, 204, 138)}
    winter = stage.scene.season == "winter" or "arctic" in stage.scene.settings
    for _ in range(int(46 * max(0.8, min(3.0, stage.wide)))):
        y = top * (0.94 - rng.random() ** 0.8 * 0.95)
        x, s = rng.uniform(0, stage.wide), 0.012 + 0.03 * (1 - y / max(0.01, top))
        if winter:
            stage.pen.limb(
                [(x - s, y), (x, y + s * 0.25), (x + s, y)],
                (0.002, s * 0.22, 0.002),
                (176, 198, 228),
                0.5,
            )
        elif sandy:
            stage.pen.limb(
                [(x - s * 2, y), (x, y + s * 0.3), (x + s * 2, y)],
                (0.001, s * 0.14, 0.001),
                darker(dark, 0.1),
                0.4,
            )
        else:
            _tuft(stage, x, y, s, rng.random())


def _tuft(stage: Stage, x: float, y: float, s: float, luck: float) -> None:
    light, dark = ground_of(stage)
    for lean in (-0.5, 0.0, 0.45):
        stage.pen.limb(
            [(x + lean * s * 0.4, y), (x + lean * s, y + s)],
            (s * 0.16, s * 0.03),
            mix(light, darker(dark, 0.3), 0.7),
        )
    if stage.scene.season == "autumn":
        if luck < 0.7:
            tone = ((214, 90, 44), (236, 160, 60), (180, 66, 46))[int(luck * 10) % 3]
            stage.pen.oval(x + s, y, s * 0.34, s * 0.2, tone, turn=luck * 300)
    elif luck < 0.55:
        tone = ((250, 246, 238), (250, 214, 96), (238, 140, 160), (170, 140, 214))[
            int(luck * 100) % 4
        ]
        for i in range(5):
            stage.pen.at(x, y + s * 1.05, s * 0.3, angle=i * 72).oval(0, 0.5, 0.34, 0.45, tone)
        stage.pen.oval(x, y + s * 1.05, s * 0.1, s * 0.1, (244, 184, 70))


def water(stage: Stage, top: float, *, calm: bool) -> None:
    """Water from the bottom up to `top`, with the light of the sky on it."""
    deep: Colour = (40, 112, 150)
    upper, lower = (
        mix(stage.sky[2], stage.light.on((96, 168, 188)), 0.45),
        mix(stage.sky[1], stage.light.on(deep), 0.72),
    )
    pen, wide = stage.pen, stage.wide
    pen.poly([(0, 0), (wide, 0), (wide, top), (0, top)], (upper, lower), lit=True)
    rng = stage.rng("waves")
    rough = 2.4 if stage.has("storm", "wind") else 0.7 if calm else 1.2
    for _ in range(int(90 * max(0.8, min(2.6, wide)))):
        near = rng.random() ** 1.3
        x, y, w = rng.uniform(-0.05, wide), top - 0.008 - near * top, 0.02 + 0.1 * near
        tone = lighter(upper, 0.35) if rng.random() < 0.6 else darker(lower, 0.2)
        pen.limb(
            [(x, y), (x + w * 0.5, y + 0.007 * rough * (0.3 + near)), (x + w, y)],
            (0.001, 0.0025 + 0.005 * near, 0.001),
            tone,
            0.55,
            lit=True,
        )
    if stage.has("storm"):
        for i in range(3):
            stage.ridge(
                stage.far(0.1),
                top - 0.07 - 0.1 * i,
                0.03,
                (lighter(deep, 0.16 - 0.05 * i), darker(deep, 0.1 + 0.12 * i)),
                f"swell{i}",
            )
    elif not stage.grey:
        _glitter(stage, top)


def _glitter(stage: Stage, top: float) -> None:
    """The path of sun or moon on the water."""
    x, rng = sun_at(stage)[0], stage.rng("glitter")
    tone: Colour = (226, 234, 255) if stage.scene.time == "night" else (255, 240, 204)
    stage.pen.glow(x, top * 0.6, 0.16, top * 0.7, tone, 0.5)
    for i in range(26):
        y = top - 0.006 - (i / 26) ** 1.3 * top * 0.86
        w = 0.016 + 0.05 * i / 26
        dx = rng.uniform(-0.4, 0.4) * w
        stage.pen.limb(
            [(x + dx - w, y), (x + dx, y), (x + dx + w, y)],
            (0.001, 0.004 + 0.003 * i / 26, 0.001),
            tone,
            0.75,
            lit=True,
        )


def shore(stage: Stage) -> None:
    """The near bank, for those who do not swim."""
    light, dark = ground_of(stage)
    bank = stage.ridge(stage.pen, 0.2, 0.014, (lighter(light, 0.16), light), "shore")
    line = [(stage.wide * i / 30, bank(stage.wide * i / 30) + 0.004) for i in range(31)]
    stage.pen.limb(line, (0.012, 0.012), (240, 248, 250), 0.8)
    stage.ridge(stage.pen, 0.178, 0.012, (light, dark), "shore2")


def dunes(stage: Stage) -> None:
    light, dark = ground_of(stage)
    for i, (base, depth) in enumerate(((HORIZON + 0.05, 0.5), (HORIZON - 0.03, 0.28))):
        stage.ridge(stage.far(depth), base, 0.06, (lighter(light, 0.1), dark), f"dune{i}")
    for x, s in ((0.1, 0.16), (0.9, 0.13)):
        _cactus(stage.far(0.2).at(stage.wide * x, HORIZON - 0.06, s))


def _cactus(pen: Pen) -> None:
    """A far one: a silhouette."""
    green = (96, 140, 96)
    pen.limb([(0, 0), (0, 0.9)], (0.2, 0.18), green)
    pen.limb([(0, 0.35), (-0.28, 0.4), (-0.3, 0.66)], (0.12, 0.12, 0.11), green)
    pen.limb([(0, 0.28), (0.27, 0.32), (0.28, 0.52)], (0.12, 0.12, 0.11), green)


def icebergs(stage: Stage) -> None:
    rng = stage.rng("ice")
    for i in range(int(4 * max(1.0, stage.wide))):
        x, s, y = rng.uniform(0, stage.wide), rng.uniform(0.06, 0.16), HORIZON - 0.02 * (i % 3)
        pen = stage.far(0.3 - 0.08 * (i % 3)).at(x, y, s)
        pen.poly(
            "-1.0,0 -0.7,0.7 -0.2,0.55 0.1,1.1 0.5,0.6 1.0,0",
            ((250, 252, 255), (184, 212, 234)),
        )
        pen.poly("0.1,1.1 0.5,0.6 1.0,0 0.2,0 0.3,0.5", (140, 180, 214), 0.5)


def sparkle(stage: Stage, n: int) -> None:
    """Small lights over the ground: fireflies on a summer's night."""
    rng = stage.rng("fireflies")
    for _ in range(n):
        x, y = rng.uniform(0, stage.wide), rng.uniform(0.08, 0.5)
        stage.pen.glow(x, y, 0.02, 0.02, (250, 240, 140), 0.8)
        stage.pen.oval(x, y, 0.003, 0.003, (255, 252, 214), lit=True)


def lake_line(stage: Stage, top: float) -> None:
    """A far shore with trees, and their reflection."""
    rng, x = stage.rng("farshore"), 0.0
    pen = stage.far(0.34)
    while x < stage.wide:
        h = rng.uniform(0.05, 0.11)
        _far_tree(stage, pen, x, top - 0.004, h, conifer=rng.random() < 0.6)
        pen.poly(
            [(x - h * 0.2, top), (x + h * 0.2, top), (x, top - h * 0.7)],
            (60, 104, 96),
            0.24,
            soft=True,
        )
        x += rng.uniform(0.02, 0.05) + 0.02 * math.sin(x * 7)
