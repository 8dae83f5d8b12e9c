"""The sky: its light, what shines in it and what drifts across it."""

import math

from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix
from agentkit.emulator.painter.pen import Point
from agentkit.emulator.painter.stage import Stage

HORIZON = 0.36


def draw_sky(stage: Stage) -> None:
    top, middle, low = stage.sky
    pen, wide = stage.far(0), stage.wide
    half = HORIZON + 0.3
    pen.poly(
        [(0, half - 0.002), (wide, half - 0.002), (wide, 1.0), (0, 1.0)],
        (top, middle),
        lit=True,
        soft=True,
    )
    pen.poly([(0, 0), (wide, 0), (wide, half), (0, half)], (middle, low), lit=True, soft=True)
    pen.poly([(0, 0), (wide, 0), (wide, HORIZON), (0, HORIZON)], low, lit=True, soft=True)
    night = stage.scene.time == "night"
    if stage.has("aurora"):
        _aurora(stage)
    if night and (not stage.grey or stage.has("stars", "moon")) and not stage.has("storm", "rain"):
        stars(stage, 110)
    _shine(stage, night=night)
    if stage.has("rainbow"):
        _rainbow(stage)
    _clouds(stage)
    if stage.has("storm"):
        _lightning(stage)
    if stage.has("fireworks"):
        _fireworks(stage)


def stars(stage: Stage, count: int) -> None:
    rng = stage.rng("stars")
    for _ in range(int(count * min(3.0, stage.wide))):
        x, y = rng.uniform(0, stage.wide), 1 - rng.random() ** 1.4 * 0.62
        r = rng.choice((0.0012, 0.0016, 0.0022, 0.0034))
        stage.pen.poly(
            [(x, y + r), (x + r, y), (x, y - r), (x - r, y)],
            (255, 250, 232),
            rng.uniform(0.45, 1.0),
            lit=True,
            soft=True,
        )
        if r > 0.003 and rng.random() < 0.4:
            stage.pen.glow(x, y, 0.014, 0.014, (220, 230, 255), 0.5)


def sun_at(stage: Stage) -> Point:
    """Where the sun or the moon stands: off the middle, where the subject is not."""
    rng = stage.rng("sun")
    side = rng.choice((0.2, 0.24, 0.77, 0.81))
    height = {"day": 0.82, "night": 0.81, "dawn": HORIZON + 0.12, "dusk": HORIZON + 0.1}.get(
        stage.scene.time, 0.82
    )
    return (stage.wide * side, height + rng.uniform(-0.02, 0.03))


def _shine(stage: Stage, *, night: bool) -> None:
    x, y = sun_at(stage)
    hidden = stage.grey or "room" in stage.scene.settings
    if (night and (not hidden or stage.has("moon"))) or (stage.has("moon") and not night):
        moon(stage, x, y if night else 0.82, 0.068)
    if not night and not hidden:
        low = stage.scene.time in {"dawn", "dusk"}
        colour: Colour = (255, 214, 150) if low else (255, 246, 206)
        reach = 0.62 if low else 0.42
        stage.pen.glow(x, y, reach, reach, (255, 196, 120) if low else (255, 250, 224), 0.75)
        stage.pen.glow(x, y, reach * 0.4, reach * 0.4, colour, 0.8)
        stage.pen.oval(x, y, 0.062, 0.062, ((255, 250, 224), colour), lit=True)


def moon(stage: Stage, x: float, y: float, r: float) -> None:
    pen = stage.pen
    pen.glow(x, y, r * 6, r * 6, (176, 196, 250), 0.4)
    pen.glow(x, y, r * 2.4, r * 2.4, (236, 240, 255), 0.65)
    pen.oval(x, y, r, r, ((254, 252, 238), (226, 226, 226)), lit=True)
    for dx, dy, k in (
        (-0.3, 0.3, 0.24),
        (0.32, 0.1, 0.17),
        (-0.08, -0.38, 0.2),
        (0.25, -0.42, 0.1),
        (-0.5, -0.15, 0.12),
    ):
        pen.oval(x + dx * r, y + dy * r, k * r, k * r * 0.94, (206, 208, 214), 0.6, lit=True)


def cloud(
    stage: Stage,
    x: float,
    y: float,
    w: float,
    tone: tuple[Colour, Colour],
    purpose: str,
    alpha: float = 0.9,
) -> None:
    """A heap of cloud with a flat base, `w` wide."""
    rng = stage.rng(purpose)
    peaks = (
        (-0.36, 0.1),
        (-0.16, 0.22 * rng.uniform(0.8, 1.2)),
        (0.08, 0.28 * rng.uniform(0.8, 1.2)),
        (0.31, 0.14),
    )
    points: list[Point] = [(-0.5, 0.0), (-0.46, 0.06)]
    for i, (px, py) in enumerate(peaks):
        points += [(px - 0.08, py * 0.86), (px, py), (px + 0.08, py * 0.86)]
        following = peaks[i + 1] if i + 1 < len(peaks) else (0.5, 0.0)
        points.append(((px + following[0]) / 2 + 0.01, min(py, following[1]) * 0.82 + 0.015))
    points += [(0.5, 0.0), (0.42, -0.045), (0.1, -0.055), (-0.2, -0.05), (-0.42, -0.045)]
    stage.pen.at(x, y, w, mirror=rng.random() < 0.5).blob(points, tone, alpha, lit=True)


def _clouds(stage: Stage) -> None:
    rng = stage.rng("clouds")
    top, middle, low = stage.sky
    heavy = stage.has("storm", "rain", "cloud", "snow") and not stage.has("sun")
    clear = stage.has("stars", "moon", "aurora") or stage.scene.time == "night"
    count = int((9 if heavy else 2 if clear else 4) * max(0.8, min(2.6, stage.wide)))
    body = lighter(middle, 0.62 if stage.scene.time == "day" else 0.22)
    under = mix(low, middle, 0.55)
    if heavy:
        body, under = lighter(middle, 0.14), darker(middle, 0.26 if stage.has("storm") else 0.1)
    if stage.scene.time in {"dawn", "dusk"} and not heavy:
        body, under = mix(middle, top, 0.3), mix(low, (255, 230, 190), 0.4)
    for i in range(count):
        w = rng.uniform(0.2, 0.46) * (1.3 if heavy else 1.0)
        y = rng.uniform(0.78, 1.0) if heavy else rng.uniform(0.6, 0.94)
        cloud(
            stage,
            rng.uniform(0, stage.wide),
            y,
            w,
            (body, under),
            f"cloud{i}",
            0.94 if heavy else 0.55 if clear else 0.84,
        )


def _rainbow(stage: Stage) -> None:
    x, r = stage.wide * 0.5, min(0.62, stage.wide * 0.56)
    for i, tone in enumerate(
        (
            (230, 84, 84),
            (242, 158, 76),
            (250, 222, 104),
            (118, 194, 122),
            (92, 156, 220),
            (146, 110, 200),
        )
    ):
        arc = [
            (
                x + (r - i * 0.02) * math.cos(math.pi * k / 16),
                0.3 + (r - i * 0.02) * math.sin(math.pi * k / 16),
            )
            for k in range(17)
        ]
        stage.pen.limb(arc, (0.021, 0.021), tone, 0.5, lit=True)


def _aurora(stage: Stage) -> None:
    rng = stage.rng("aurora")
    for base, tone in ((0.62, (90, 240, 170)), (0.72, (70, 210, 200)), (0.78, (150, 120, 230))):
        phase, n = rng.uniform(0, 6), 40
        line = [
            (
                stage.wide * i / n,
                base + 0.06 * math.sin(i * 0.3 + phase) + 0.03 * math.sin(i * 0.8 + phase),
            )
            for i in range(n + 1)
        ]
        for k in range(7):
            lift = 0.035 * (k + 1)
            stage.pen.poly(
                [
                    *line,
                    *(
                        (x, y + lift * (1 + 0.3 * math.sin(x * 9 + phase)))
                        for x, y in reversed(line)
                    ),
                ],
                tone,
                0.085,
                lit=True,
                soft=True,
            )


def _lightning(stage: Stage) -> None:
    rng = stage.rng("lightning")
    x, y = stage.wide * rng.choice((0.16, 0.27, 0.72, 0.84)), 0.9
    stage.pen.glow(x, 0.7, 0.4, 0.5, (210, 214, 255), 0.5)
    bolt: list[Point] = [(x, y)]
    while y > HORIZON:
        y -= rng.uniform(0.05, 0.09)
        x += rng.uniform(-0.05, 0.05)
        bolt.append((x, y))
    edge = [(px + 0.012 * (1 - i / len(bolt)), py) for i, (px, py) in enumerate(bolt)]
    stage.pen.poly([*bolt, *reversed(edge)], (255, 250, 220), lit=True)
    fork_x, fork_y = bolt[len(bolt) // 2]
    stage.pen.poly(
        [
            (fork_x, fork_y),
            (fork_x + 0.05, fork_y - 0.06),
            (fork_x + 0.07, fork_y - 0.13),
            (fork_x + 0.042, fork_y - 0.06),
        ],
        (255, 250, 220),
        lit=True,
    )


def _fireworks(stage: Stage) -> None:
    rng = stage.rng("fireworks")
    for tone in ((255, 150, 110), (140, 210, 255), (255, 220, 120), (210, 150, 255)):
        x, y, r = (
            rng.uniform(0.1, 0.9) * stage.wide,
            rng.uniform(0.66, 0.9),
            rng.uniform(0.08, 0.14),
        )
        stage.pen.glow(x, y, r * 1.5, r * 1.5, tone, 0.6)
        for i in range(22):
            a = math.tau * i / 22
            c, s = math.cos(a), math.sin(a)
            stage.pen.limb(
                [(x + c * r * 0.25, y + s * r * 0.25), (x + c * r, y + s * r)],
                (0.001, 0.005),
                tone,
                lit=True,
            )
            stage.pen.oval(x + c * r * 1.08, y + s * r * 1.08, 0.004, 0.004, WHITE, lit=True)
