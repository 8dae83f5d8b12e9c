"""A card for what cannot be painted: its name, well lettered, in a wreath. And the caption of a
poster.
"""

import math

from agentkit.emulator.painter.colour import NAMED, Colour, darker, lighter
from agentkit.emulator.painter.pen import Pen
from agentkit.emulator.painter.reading import plain
from agentkit.emulator.painter.render import text_width
from agentkit.emulator.painter.stage import Stage


def draw_card(stage: Stage) -> None:
    words = plain(stage.scene.card).strip()
    wide = stage.wide
    side = min(0.78, wide * 0.82)
    pen = stage.pen.at(wide / 2, 0.5, side)
    accent: Colour = NAMED.get(
        stage.scene.tint or "",
        stage.rng("accent").choice(((176, 74, 62), (52, 108, 128), (94, 122, 74), (136, 86, 132))),
    )
    pen.glow(0.0, -0.04, 0.78, 0.72, (30, 24, 50), 0.35)
    pen.round_box(-0.5, -0.5, 1.0, 1.0, 0.06, ((255, 252, 242), (246, 236, 214)))
    pen.round_box(-0.46, -0.46, 0.92, 0.92, 0.04, accent)
    pen.round_box(-0.45, -0.45, 0.9, 0.9, 0.035, ((255, 251, 240), (248, 239, 220)))
    _wreath(pen, accent)
    if not words:
        _medallion(pen, accent)
        return
    lines = _lines(words.title())
    size = min(0.17, *(0.56 / max(0.1, text_width(line, 1.0)) for line in lines))
    for i, line in enumerate(lines):
        pen.letters(
            0.0, (len(lines) - 1) * size * 0.6 - i * size * 1.2, size, line, darker(accent, 0.35)
        )


def _lines(words: str) -> list[str]:
    """One word to a line where they are long."""
    return [words] if len(words) <= 9 else words.split()[:3]


def _wreath(pen: Pen, accent: Colour) -> None:
    leaf = lighter(accent, 0.3)
    for side in (-1, 1):
        arc = [
            (side * 0.37 * math.cos(math.radians(a)), 0.37 * math.sin(math.radians(a)))
            for a in range(-84, 70, 14)
        ]
        pen.limb(arc, (0.008, 0.005), darker(accent, 0.1))
        for i, (x, y) in enumerate(arc[:-1]):
            turn = math.degrees(math.atan2(y, x))
            for out in (0.045, -0.045):
                k = 1 + out / 0.37
                pen.oval(
                    x * k,
                    y * k,
                    0.04,
                    0.016,
                    leaf if (i + (out > 0)) % 2 else accent,
                    turn=turn + (50 if out > 0 else -50) * side,
                )
        for i in range(2, len(arc) - 1, 3):
            pen.oval(arc[i][0] * 1.16, arc[i][1] * 1.16, 0.013, 0.013, (230, 176, 80))


def _medallion(pen: Pen, accent: Colour) -> None:
    for i in range(12):
        pen.at(0, 0, 1, angle=i * 30).oval(
            0, 0.13, 0.045, 0.12, lighter(accent, 0.2 + 0.3 * (i % 2)), 0.9
        )
    pen.oval(0, 0, 0.07, 0.07, (240, 196, 96))


def draw_caption(stage: Stage) -> None:
    """A banner with the quoted words of the prompt."""
    words = plain(stage.scene.caption).strip()
    if not words:
        return
    wide = stage.wide
    size = min(0.07, wide * 0.8 / max(0.1, text_width(words, 1.0)))
    half = text_width(words, size) / 2 + size * 0.9
    pen = stage.pen.at(wide / 2, 0.085)
    cloth: Colour = (250, 240, 216)
    for side in (-1, 1):
        x = half * side
        pen.poly(
            [
                (x * 0.96, -size * 0.5),
                (x + side * size * 1.1, -size * 0.5),
                (x + side * size * 0.7, size * 0.15),
                (x + side * size * 1.1, size * 0.7),
                (x * 0.96, size * 0.7),
            ],
            darker(cloth, 0.25),
        )
    pen.poly(
        [(-half, -size * 0.8), (half, -size * 0.8), (half, size * 0.8), (-half, size * 0.8)],
        (cloth, darker(cloth, 0.06)),
    )
    pen.letters(0, 0.0, size, words, (74, 52, 52))
