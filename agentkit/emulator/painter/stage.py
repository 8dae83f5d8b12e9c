"""The stage of a scene: its format, its light, and the palette of the hour."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from agentkit.emulator.painter.colour import Colour, darker, lighter, mix, named
from agentkit.emulator.painter.pen import Light, Pen
from agentkit.emulator.painter.scene import Scene

_SKIES: dict[str, tuple[Colour, Colour, Colour]] = {
    "day": ((82, 152, 214), (152, 204, 232), (240, 242, 224)),
    "dawn": ((104, 118, 180), (238, 172, 164), (255, 226, 182)),
    "dusk": ((60, 52, 112), (206, 98, 108), (255, 188, 112)),
    "night": ((12, 17, 46), (27, 41, 92), (74, 92, 148)),
}
_TINTS = {
    "day": (1.0, 1.0, 1.0),
    "dawn": (1.0, 0.92, 0.9),
    "dusk": (0.97, 0.8, 0.8),
    "night": (0.5, 0.57, 0.82),
}
_GREY: dict[str, Colour] = {
    "day": (156, 166, 178),
    "dawn": (170, 156, 162),
    "dusk": (112, 92, 118),
    "night": (30, 36, 58),
}
OVERCAST = frozenset({"rain", "storm", "fog", "cloud", "snow"})


@dataclass(frozen=True, slots=True)
class Stage:
    """Its pen has the origin in the lower left corner; 1.0 is the height of the picture, `wide` its
    width.
    """

    pen: Pen
    scene: Scene
    wide: float
    sky: tuple[Colour, Colour, Colour]

    @property
    def light(self) -> Light:
        return self.pen.light

    @property
    def grey(self) -> bool:
        return bool(OVERCAST & set(self.scene.weather)) and "sun" not in self.scene.weather

    def rng(self, purpose: str) -> random.Random:
        """A stream of chance of its own for each part, so that a change of one leaves the others as
        they were.
        """
        return random.Random(f"{self.scene.seed}:{purpose}")

    def far(self, depth: float) -> Pen:
        """A pen for what lies `depth` (0 near, 1 at the sky) behind the haze."""
        return replace(self.pen, light=replace(self.pen.light, haze=self.sky[2], depth=depth))

    def has(self, *weather: str) -> bool:
        return any(kind in self.scene.weather for kind in weather)

    def ridge(
        self, pen: Pen, base: float, rise: float, fill: tuple[Colour, Colour], purpose: str
    ) -> Callable[[float], float]:
        """A soft line of hills across the picture. Returns its height at each x."""
        rng = self.rng(purpose)
        waves = [
            (rng.uniform(0.6, 1.1) / k, rng.uniform(1.6, 2.6) * k, rng.uniform(0, math.tau))
            for k in (1.0, 2.1, 4.3)
        ]
        total = sum(a for a, _, _ in waves)

        def height(x: float) -> float:
            return base + rise * sum(a * math.sin(f * x + p) for a, f, p in waves) / total

        n = max(24, int(self.wide * 40))
        line = [(self.wide * i / n, height(self.wide * i / n)) for i in range(n + 1)]
        pen.poly(
            [
                (-0.02, -0.02),
                (-0.02, line[0][1]),
                *line,
                (self.wide + 0.02, line[-1][1]),
                (self.wide + 0.02, -0.02),
            ],
            fill,
        )
        return height


def set_stage(scene: Scene, size: tuple[int, int], pen: Pen) -> Stage:
    """The stage for a picture of `size`; `pen` gives the list that the shapes go to."""
    width, height = size
    top, middle, low = _SKIES.get(scene.time, _SKIES["day"])
    r, g, b = _TINTS.get(scene.time, _TINTS["day"])
    weather = set(scene.weather)
    if weather & OVERCAST and "sun" not in weather:
        grey = _GREY.get(scene.time, _GREY["day"])
        heavy = 0.82 if "storm" in weather else 0.5 if weather & {"rain", "fog"} else 0.42
        if "storm" in weather:
            grey = darker(grey, 0.45)
        top, middle, low = (
            mix(top, darker(grey, 0.18), heavy),
            mix(middle, grey, heavy),
            mix(low, lighter(grey, 0.34), heavy),
        )
        k = 0.8 if "storm" in weather else 0.92
        r, g, b = r * k, g * k, b * (k + 0.03)
    if scene.background:
        tone = Light((r, g, b)).on(named(scene.background, middle))
        top, middle, low = darker(tone, 0.12), tone, lighter(tone, 0.3)
    return Stage(
        replace(pen, x=0.0, y=float(height), scale=float(height), light=Light((r, g, b))),
        scene,
        width / height,
        (top, middle, low),
    )
