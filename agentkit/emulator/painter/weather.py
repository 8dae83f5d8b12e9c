"""What falls and drifts in front of everything."""

import math

from agentkit.emulator.painter.colour import WHITE, Colour
from agentkit.emulator.painter.stage import Stage


def draw_weather(stage: Stage) -> None:
    if stage.has("confetti"):
        _confetti(stage)
    if "room" in stage.scene.settings:
        return
    if stage.has("fog"):
        _fog(stage)
    if stage.has("rain", "storm"):
        _rain(stage)
    if stage.has("snow"):
        _snow(stage)
    if stage.has("wind"):
        _wind(stage)
    if stage.scene.season == "autumn" and "plain" not in stage.scene.settings:
        _leaves(stage)


def _fog(stage: Stage) -> None:
    rng = stage.rng("fog")
    for _ in range(int(16 * max(1.0, stage.wide))):
        x, y = rng.uniform(0, stage.wide), rng.uniform(0.04, 0.62)
        stage.pen.glow(x, y, rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.13), stage.sky[2], 0.62)
    stage.pen.poly(
        [(0, 0), (stage.wide, 0), (stage.wide, 1), (0, 1)], stage.sky[2], 0.16, lit=True, soft=True
    )


def _rain(stage: Stage) -> None:
    rng = stage.rng("rain")
    # A brush or a coarse grid would swallow fine drops.
    broad = 2.2 if stage.scene.style in {"watercolour", "oil", "pixel"} else 1.0
    slant = 0.34 if stage.has("storm", "wind") else 0.14
    for _ in range(int(230 * max(0.8, min(3.0, stage.wide)))):
        x, y, near = rng.uniform(-0.1, stage.wide + 0.2), rng.uniform(0, 1.05), rng.random()
        length = 0.025 + 0.05 * near
        w = (0.0011 + 0.0012 * near) * broad
        dx = length * slant
        points = [(x, y), (x + w, y), (x + w - dx, y - length), (x - dx, y - length)]
        stage.pen.poly(points, (226, 238, 250), 0.26 + 0.36 * near, lit=True, soft=True)
    for _ in range(int(26 * stage.wide)):
        x, y = rng.uniform(0, stage.wide), rng.uniform(0.01, 0.2)
        r = 0.008 + 0.014 * (1 - y / 0.2)
        ring = [
            (x + r * math.cos(a * 0.524), y + r * 0.34 * math.sin(a * 0.524)) for a in range(13)
        ]
        stage.pen.limb(ring, (0.0016, 0.0016), (232, 242, 250), 0.6, lit=True)


def _snow(stage: Stage) -> None:
    rng = stage.rng("snow")
    for _ in range(int(190 * max(0.8, min(3.0, stage.wide)))):
        x, y, near = rng.uniform(0, stage.wide), rng.uniform(0, 1), rng.random() ** 3
        r = 0.0022 + 0.0085 * near
        stage.pen.oval(x, y, r, r, WHITE, 0.92 - 0.35 * near, lit=True, soft=True)


def _wind(stage: Stage) -> None:
    rng = stage.rng("wind")
    for _ in range(int(7 * max(1.0, stage.wide))):
        x, y, n = (
            rng.uniform(-0.1, stage.wide * 0.9),
            rng.uniform(0.3, 0.92),
            rng.uniform(0.14, 0.3),
        )
        curl = [
            (x, y),
            (x + n * 0.5, y + 0.012),
            (x + n, y),
            (x + n * 1.12, y + 0.03),
            (x + n * 1.02, y + 0.05),
            (x + n * 0.96, y + 0.03),
        ]
        stage.pen.limb(curl, (0.001, 0.005, 0.004, 0.002), WHITE, 0.7, lit=True)


def _leaves(stage: Stage) -> None:
    rng = stage.rng("leaves")
    tones: tuple[Colour, ...] = ((214, 88, 44), (238, 162, 58), (184, 66, 46), (226, 126, 50))
    for _ in range(int(20 * max(0.8, min(3.0, stage.wide)))):
        s = rng.uniform(0.008, 0.02)
        pen = stage.pen.at(
            rng.uniform(0, stage.wide), rng.uniform(0.1, 0.95), s, angle=rng.uniform(0, 360)
        )
        tone = rng.choice(tones)
        pen.blob("-1,0 0,0.5 1,0 0,-0.5", tone)
        pen.line([(-1.3, 0), (0.6, 0)], 0.08, (120, 60, 40))


def _confetti(stage: Stage) -> None:
    rng = stage.rng("confetti")
    tones: tuple[Colour, ...] = (
        (230, 90, 90),
        (250, 200, 80),
        (110, 180, 220),
        (130, 200, 130),
        (200, 130, 210),
    )
    for _ in range(int(90 * max(0.8, min(3.0, stage.wide)))):
        pen = stage.pen.at(
            rng.uniform(0, stage.wide),
            rng.uniform(0.1, 1),
            rng.uniform(0.006, 0.012),
            angle=rng.uniform(0, 360),
        )
        pen.poly("-1,-0.5 1,-0.5 1,0.5 -1,0.5", rng.choice(tones))
