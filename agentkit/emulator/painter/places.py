"""The places of a scene, from the sky down to the ground on which the subjects stand."""

import math

from agentkit.emulator.painter import land
from agentkit.emulator.painter import words as w
from agentkit.emulator.painter.buildings import LAMPLIGHT, is_dark
from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix, named
from agentkit.emulator.painter.scene import Scene
from agentkit.emulator.painter.sky import HORIZON, draw_sky, stars
from agentkit.emulator.painter.stage import Stage
from agentkit.emulator.tables import word_set

_WATER = frozenset({"sea", "lake", "beach", "island", "arctic"})
_AFLOAT = word_set("boat ship whale dolphin fish octopus lighthouse bridge duck")
_AIRBORNE = frozenset({"balloon", "airship", "plane", "kite", "star", "planet", "rocket"})


def draw_place(stage: Stage) -> None:
    """Everything behind the subjects."""
    places = set(stage.scene.settings)
    for place, paint in (
        ("room", _room),
        ("plain", _plain),
        ("underwater", _underwater),
        ("space", _space),
        ("lunar", _lunar),
    ):
        if place in places:
            paint(stage)
            return
    draw_sky(stage)
    wet = bool(places & _WATER) or (stage.scene.city in w.BY_WATER)
    if "mountains" in places or stage.scene.city in w.NORDIC or "arctic" in places:
        land.mountains(stage)
    if "city" in places:
        _city(stage)
    if wet:
        _waterside(stage, places)
    elif "desert" in places:
        land.dunes(stage)
        land.ground(stage, 0.28)
    elif "forest" in places:
        land.forest(stage)
    elif "city" in places:
        _street(stage)
    else:
        land.hills(stage)
        land.ground(stage, 0.26)
    if (
        stage.scene.time == "night"
        and stage.scene.season == "summer"
        and not stage.grey
        and not wet
    ):
        land.sparkle(stage, int(16 * stage.wide))


def _waterside(stage: Stage, places: set[str]) -> None:
    top = HORIZON - (0.03 if "city" in places else 0.0)
    if "forest" in places and "city" not in places:
        land.lake_line(stage, top + 0.01)
    land.water(stage, top, calm="lake" in places)
    if "lake" in places and "city" not in places:
        land.lake_line(stage, top)
    if "arctic" in places:
        land.icebergs(stage)
    if _on_land(stage.scene) or places & {"beach", "arctic", "island"}:
        land.shore(stage)


def _on_land(scene: Scene) -> bool:
    return any(a.aboard is None and a.kind not in _AFLOAT | _AIRBORNE for a in scene.actors)


def _city(stage: Stage) -> None:
    """A far skyline, and a row of houses in front."""
    rng = stage.rng("city")
    pen, x = stage.far(0.62), -0.05
    base = HORIZON - 0.03
    tall = stage.scene.city not in w.NORDIC
    while x < stage.wide + 0.1:
        width, h = rng.uniform(0.05, 0.1), rng.uniform(0.16, 0.46 if tall else 0.22)
        pen.box(x, base, width, h, ((118, 128, 158), (142, 150, 176)))
        if tall and rng.random() < 0.3:
            pen.poly(
                [
                    (x, base + h),
                    (x + width / 2, base + h + rng.uniform(0.03, 0.1)),
                    (x + width, base + h),
                ],
                (118, 128, 158),
            )
        x += width * rng.uniform(0.8, 1.3)
    x, i = -0.02, 0
    while x < stage.wide:
        gabled = not tall or rng.random() < 0.35
        width = rng.uniform(0.075, 0.115)
        h = rng.uniform(0.13, 0.22) if gabled else rng.uniform(0.2, 0.38)
        _facade(stage, x, base, width, h, i, gabled=gabled)
        x += width + 0.003
        i += 1


_WALLS: tuple[Colour, ...] = (
    (206, 92, 74),
    (236, 190, 104),
    (120, 152, 164),
    (234, 220, 196),
    (176, 76, 70),
    (104, 134, 120),
    (222, 146, 98),
    (150, 122, 150),
)


def _facade(
    stage: Stage, x: float, base: float, width: float, h: float, index: int, *, gabled: bool
) -> None:
    rng = stage.rng(f"facade{index}")
    pen = stage.far(0.1)
    wall = rng.choice(_WALLS) if gabled else mix(rng.choice(_WALLS), (130, 136, 156), 0.55)
    pen.box(x, base - 0.02, width, h + 0.02, (lighter(wall, 0.14), darker(wall, 0.14)))
    if gabled:
        roof = rng.choice(((126, 70, 62), (84, 84, 104), (104, 62, 64)))
        peak = width * rng.uniform(0.45, 0.7)
        pen.poly(
            [
                (x - 0.004, base + h),
                (x + width / 2, base + h + peak),
                (x + width + 0.004, base + h),
            ],
            (lighter(roof, 0.1), darker(roof, 0.2)),
        )
        if stage.scene.season == "winter":
            pen.poly(
                [
                    (x - 0.004, base + h),
                    (x + width / 2, base + h + peak),
                    (x + width + 0.004, base + h),
                    (x + width / 2, base + h + peak * 0.72),
                ],
                WHITE,
            )
    else:
        pen.box(x - 0.003, base + h - 0.008, width + 0.006, 0.012, darker(wall, 0.25))
    dark = is_dark(stage.light)
    columns = 3 if width > 0.09 else 2
    rows = int(h / 0.045)
    for row in range(rows):
        for column in range(columns):
            wx, wy = x + width * (column + 0.28) / columns, base + 0.022 + row * 0.044
            lit = dark and rng.random() < 0.6
            glass: Colour = LAMPLIGHT if lit else (70, 88, 118) if dark else (92, 116, 144)
            pen.box(
                wx - 0.002, wy - 0.002, width * 0.44 / columns + 0.004, 0.029, lighter(wall, 0.55)
            )
            pen.box(wx, wy, width * 0.44 / columns, 0.025, glass, lit=lit)
    if dark:
        stage.pen.glow(x + width / 2, base + h * 0.4, width * 1.2, h * 0.7, (255, 200, 120), 0.25)


def _street(stage: Stage) -> None:
    """Pavement with lamps; wet pavement shines."""
    wet = stage.has("rain", "storm")
    snowy = stage.scene.season == "winter"
    stone: Colour = (238, 242, 248) if snowy else (120, 122, 140) if wet else (190, 180, 170)
    pen, wide, top = stage.pen, stage.wide, HORIZON - 0.03
    pen.poly(
        [(0, 0), (wide, 0), (wide, top), (0, top)], (darker(stone, 0.06), lighter(stone, 0.12))
    )
    rng = stage.rng("cobbles")
    for row in range(9):
        y = top * (1 - ((row + 1) / 9) ** 1.6)
        pen.line([(0, y), (wide, y)], 0.002 + 0.003 * row / 9, darker(stone, 0.2), 0.5)
        for _ in range(int(11 * wide)):
            x = rng.uniform(0, wide)
            pen.line(
                [(x, y), (x + rng.uniform(-0.01, 0.01), y + 0.012 + 0.03 * row / 9)],
                0.002,
                darker(stone, 0.2),
                0.4,
            )
    if wet:
        for _ in range(int(16 * wide)):
            x, y = rng.uniform(0, wide), rng.uniform(0.02, top * 0.9)
            tone = LAMPLIGHT if is_dark(stage.light) else lighter(stage.sky[2], 0.3)
            pen.glow(x, y, 0.03 + 0.05 * (1 - y / top), 0.05, tone, 0.5)
    for x in (0.13, 0.87):
        _street_lamp(stage, wide * x, 0.22)


def _street_lamp(stage: Stage, x: float, y: float) -> None:
    pen = stage.pen.at(x, y, 0.42)
    iron: Colour = (58, 58, 72)
    if is_dark(stage.light):
        pen.glow(0, 0.94, 0.5, 0.5, LAMPLIGHT, 0.85)
        pen.glow(0, 0.0, 0.5, 0.14, LAMPLIGHT, 0.5)
    pen.limb([(0, 0), (0, 0.86)], (0.05, 0.026), iron)
    pen.box(-0.05, 0.0, 0.1, 0.05, iron)
    pen.poly(
        "-0.05,0.86 0.05,0.86 0.075,1.0 -0.075,1.0",
        (255, 236, 176),
        lit=is_dark(stage.light),
    )
    pen.poly([(-0.09, 1.0), (0, 1.07), (0.09, 1.0)], iron)


def _room(stage: Stage) -> None:
    """A wall with a window and a table: for what lies on one."""
    pen, wide = stage.pen, stage.wide
    wall = named(stage.scene.background, (226, 208, 186))
    pen.poly([(0, 0), (wide, 0), (wide, 1), (0, 1)], (lighter(wall, 0.1), darker(wall, 0.08)))
    rng = stage.rng("wallpaper")
    for i in range(int(9 * wide)):
        for k in range(6):
            x, y = (i + 0.5 * (k % 2)) * 0.12 + 0.03, 0.36 + k * 0.115
            pen.oval(x, y, 0.006, 0.01, darker(wall, 0.1), 0.6, turn=rng.uniform(-20, 20))
    ww, wh = min(0.32, wide * 0.34), 0.4
    x, y = wide * 0.5 + (wide * 0.2 if wide > 1.2 else 0) - ww / 2, 0.5
    pen.box(x - 0.02, y - 0.02, ww + 0.04, wh + 0.04, (250, 246, 238))
    pen.box(x, y, ww, wh, (stage.sky[0], stage.sky[2]), lit=True)
    pen.limb(
        [(x, y + 0.05), (x + ww * 0.4, y + 0.1), (x + ww, y + 0.06)],
        (0.1, 0.12, 0.1),
        (118, 160, 108),
    )
    if stage.scene.time == "night":
        pen.oval(x + ww * 0.7, y + wh * 0.75, 0.03, 0.03, (252, 250, 232), lit=True)
    for bar in (
        [(x + ww / 2, y), (x + ww / 2, y + wh)],
        [(x, y + wh * 0.5), (x + ww, y + wh * 0.5)],
    ):
        pen.line(bar, 0.012, (250, 246, 238))
    for side, edge in ((-1, x - 0.02), (1, x + ww + 0.02)):
        curtain: Colour = (196, 104, 92)
        pen.poly(
            [
                (edge - side * 0.04, y + wh + 0.05),
                (edge + side * 0.08, y + wh + 0.05),
                (edge + side * 0.07, y - 0.05),
                (edge - side * 0.0, y - 0.05),
                (edge + side * 0.02, y + wh * 0.4),
            ],
            (lighter(curtain, 0.1), darker(curtain, 0.15)),
        )
    pen.glow(x + ww / 2, y, 0.6, 0.6, (255, 244, 214), 0.3)
    wood: Colour = (166, 112, 74)
    pen.poly(
        [(0, 0), (wide, 0), (wide, 0.27), (0, 0.27)], (lighter(wood, 0.18), darker(wood, 0.16))
    )
    for k in range(5):
        pen.limb(
            [(0, 0.23 - k * 0.05), (wide * 0.5, 0.235 - k * 0.052), (wide, 0.228 - k * 0.05)],
            (0.003, 0.005, 0.003),
            darker(wood, 0.2),
            0.5,
        )


def _plain(stage: Stage) -> None:
    """A quiet ground with a halo."""
    tone = named(stage.scene.background or stage.scene.tint, stage.sky[1])
    pen, wide = stage.pen, stage.wide
    pen.poly(
        [(0, 0), (wide, 0), (wide, 1), (0, 1)],
        (darker(tone, 0.06), lighter(tone, 0.5)),
        lit=True,
        soft=True,
    )
    r = min(0.44, wide * 0.44)
    pen.oval(
        wide / 2, 0.52, r, r, (lighter(tone, 0.6), lighter(tone, 0.34)), 0.8, lit=True, soft=True
    )
    pen.glow(wide / 2, 0.6, r * 1.6, r * 1.4, (255, 252, 240), 0.5)


def _underwater(stage: Stage) -> None:
    pen, wide = stage.pen, stage.wide
    top, deep = stage.light.on((112, 206, 218)), stage.light.on((16, 70, 116))
    pen.poly([(0, 0), (wide, 0), (wide, 1), (0, 1)], (top, deep), lit=True, soft=True)
    rng = stage.rng("rays")
    for _ in range(int(7 * wide)):
        x, s = rng.uniform(-0.1, wide), rng.uniform(0.02, 0.07)
        pen.poly(
            [(x, 1), (x + s, 1), (x + s * 4 - 0.1, 0.1), (x - 0.1 - s, 0.1)],
            (230, 252, 250),
            0.09,
            lit=True,
            soft=True,
        )
    stage.ridge(stage.far(0), 0.18, 0.03, ((196, 196, 160), (120, 150, 150)), "seabed")
    for i in range(int(15 * wide)):
        x, h = rng.uniform(0, wide), rng.uniform(0.08, 0.28)
        if i % 3:
            tone = rng.choice(((52, 136, 104), (84, 158, 96), (40, 112, 110)))
            pen.limb(
                [
                    (x, 0.08),
                    (x + 0.02, 0.08 + h * 0.4),
                    (x - 0.02, 0.08 + h * 0.7),
                    (x + 0.015, 0.08 + h),
                ],
                (0.022, 0.02, 0.016, 0.003),
                tone,
            )
        else:
            tone = rng.choice(((232, 110, 110), (240, 160, 96), (190, 120, 190)))
            for a in (-40, -14, 14, 40):
                pen.at(x, 0.08, h * 0.55, angle=a).limb(
                    [(0, 0), (0.05, 0.6), (0, 1)], (0.2, 0.16, 0.14), tone
                )
    for _ in range(int(26 * wide)):
        x, y, r = rng.uniform(0, wide), rng.uniform(0.2, 0.98), rng.uniform(0.003, 0.012)
        pen.oval(x, y, r, r, (226, 248, 252), 0.35, lit=True)
        pen.oval(x - r * 0.3, y + r * 0.3, r * 0.3, r * 0.3, WHITE, 0.8, lit=True)


def _space(stage: Stage) -> None:
    pen, wide = stage.pen, stage.wide
    pen.poly(
        [(0, 0), (wide, 0), (wide, 1), (0, 1)], ((14, 14, 42), (38, 26, 78)), lit=True, soft=True
    )
    rng = stage.rng("nebula")
    for tone in ((120, 70, 190), (200, 80, 150), (60, 110, 210), (90, 60, 170)):
        for _ in range(3):
            pen.glow(
                rng.uniform(0, wide),
                rng.uniform(0.1, 0.95),
                rng.uniform(0.25, 0.5),
                rng.uniform(0.12, 0.3),
                tone,
                0.3,
            )
    stars(stage, 170)
    for _ in range(int(70 * wide)):
        x, y, r = rng.uniform(0, wide), rng.uniform(0, 0.5), rng.choice((0.0012, 0.002))
        pen.oval(x, y, r, r, WHITE, 0.8, lit=True, soft=True)
    pen.oval(wide * 0.12, 0.86, 0.09, 0.09, ((236, 176, 120), (150, 80, 100)), lit=True)
    pen.limb(
        [(wide * 0.12 - 0.16, 0.83), (wide * 0.12, 0.84), (wide * 0.12 + 0.16, 0.89)],
        (0.008, 0.02, 0.008),
        (250, 214, 170),
        0.85,
        lit=True,
    )
    pen.oval(wide * 0.88, 0.2, 0.05, 0.05, ((140, 210, 220), (50, 90, 150)), lit=True)


def _lunar(stage: Stage) -> None:
    """The moon's own ground, with the earth above it."""
    pen, wide = stage.pen, stage.wide
    pen.poly(
        [(0, 0), (wide, 0), (wide, 1), (0, 1)], ((8, 10, 28), (30, 32, 66)), lit=True, soft=True
    )
    stars(stage, 150)
    x, y, r = wide * 0.78, 0.78, 0.12
    pen.glow(x, y, r * 2.2, r * 2.2, (120, 180, 250), 0.6)
    pen.oval(x, y, r, r, ((120, 190, 240), (34, 86, 170)), lit=True)
    for dx, dy, a, b in ((-0.3, 0.3, 0.4, 0.24), (0.3, -0.1, 0.3, 0.4), (-0.35, -0.45, 0.24, 0.16)):
        pen.oval(
            x + dx * r, y + dy * r, a * r, b * r, (110, 176, 110), 0.95, turn=30 * dx, lit=True
        )
    pen.limb(
        [(x - r * 0.8, y + r * 0.1), (x, y + r * 0.2), (x + r * 0.7, y + r * 0.5)],
        (0.004, 0.02, 0.004),
        WHITE,
        0.75,
        lit=True,
    )
    tones: tuple[Colour, Colour] = ((206, 206, 214), (120, 120, 136))
    bright = stage.far(0)
    stage.ridge(bright, 0.36, 0.05, (darker(tones[0], 0.3), darker(tones[1], 0.3)), "moon1")
    stage.ridge(bright, 0.27, 0.03, tones, "moon2")
    rng = stage.rng("craters")
    for _ in range(int(15 * wide)):
        cx, cy = rng.uniform(0, wide), rng.uniform(0.02, 0.22)
        s = 0.02 + 0.05 * (1 - cy / 0.24) * rng.random()
        pen.oval(cx, cy, s, s * 0.36, (146, 146, 160))
        pen.oval(
            cx + s * 0.06,
            cy - s * 0.06,
            s * 0.86,
            s * 0.26,
            (120, 120, 136) if math.fmod(cx, 0.02) > 0.01 else (128, 128, 144),
        )
