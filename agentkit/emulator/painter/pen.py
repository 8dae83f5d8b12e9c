"""A pen that records shapes. Everything is drawn as a list of shapes first, and becomes pixels or
SVG afterwards.

A pen has its own coordinates: x to the right, y up, the origin where the thing stands and 1.0 about
as tall as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from agentkit.emulator.painter.colour import Colour, mix

Point = tuple[float, float]
Outline = Sequence[Point] | str
"""Points, or their text as in SVG: `0,0.9 0.24,0.84 -0.24,0.84`."""
Fill = Colour | tuple[Colour, Colour]  # one colour, or a gradient from top to bottom


@cache
def points_of(text: str) -> tuple[Point, ...]:
    """The points of a text such as `0,0.9 0.24,0.84`: x and y of each, in the pen's units."""
    points: list[Point] = []
    for pair in text.split():
        x, _, y = pair.partition(",")
        points.append((float(x), float(y)))
    return tuple(points)


def _points(given: Outline) -> Sequence[Point]:
    return points_of(given) if isinstance(given, str) else given


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape in pixels of the final picture, y down.

    An `area` is a filled polygon; a `glow` fades from the middle of the box that its two points
    span; a `text` is centred on its first point, with the height of a line in `measure`.
    """

    kind: Literal["area", "glow", "text"]
    points: tuple[Point, ...]
    top: Colour
    bottom: Colour | None = None
    alpha: float = 1.0
    soft: bool = False  # a wash without an edge: never outlined in a drawing
    text: str = ""
    measure: float = 0.0


@dataclass(frozen=True, slots=True)
class Light:
    """What the hour and the air do to a colour: a tint by which it is multiplied, then haze mixed
    in.
    """

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: Colour = (255, 255, 255)
    depth: float = 0.0

    def on(self, colour: Colour) -> Colour:
        r, g, b = (min(255, round(value * k)) for value, k in zip(colour, self.tint, strict=True))
        return mix((r, g, b), self.haze, self.depth)


def smooth(points: Sequence[Point], *, closed: bool, steps: int = 7) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    n = len(points)
    out: list[Point] = []
    for i in range(n if closed else n - 1):
        quad = [
            points[(i + k) % n] if closed else points[min(n - 1, max(0, i + k))]
            for k in (-1, 0, 1, 2)
        ]
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
        for step in range(steps):
            t = step / steps
            u, v, w = t, t * t, t * t * t
            x = 0.5 * (
                2 * bx
                + (cx - ax) * u
                + (2 * ax - 5 * bx + 4 * cx - dx) * v
                + (3 * bx - ax - 3 * cx + dx) * w
            )
            y = 0.5 * (
                2 * by
                + (cy - ay) * u
                + (2 * ay - 5 * by + 4 * cy - dy) * v
                + (3 * by - ay - 3 * cy + dy) * w
            )
            out.append((x, y))
    if not closed:
        out.append(points[-1])
    return out


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws into `shapes`, from its own place, at its own scale (pixels per unit) and angle, under
    its own light.
    """

    shapes: list[Shape]
    x: float
    y: float
    scale: float
    mirror: bool = False
    angle: float = 0.0
    light: Light = Light()

    def at(
        self, x: float, y: float, scale: float = 1.0, *, angle: float = 0.0, mirror: bool = False
    ) -> "Pen":
        """A pen with its origin at (x, y) of this one. `angle` is in degrees, anticlockwise."""
        px, py = self.place((x, y))
        turn = -angle if self.mirror else angle
        mirrored = self.mirror != mirror
        return replace(
            self,
            x=px,
            y=py,
            scale=self.scale * scale,
            angle=self.angle + math.radians(turn),
            mirror=mirrored,
        )

    def place(self, point: Point) -> Point:
        x, y = (-point[0] if self.mirror else point[0]) * self.scale, point[1] * self.scale
        if not self.angle:
            return (self.x + x, self.y - y)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (self.x + x * cos - y * sin, self.y - x * sin - y * cos)

    def poly(
        self,
        points: Outline,
        fill: Fill,
        alpha: float = 1.0,
        *,
        lit: bool = False,
        soft: bool = False,
    ) -> None:
        """A polygon. What is `lit` shines by itself: the hour does not darken it."""
        light = Light() if lit else self.light
        corners = tuple(self.place(point) for point in _points(points))
        if len(fill) == 2:
            self.shapes.append(
                Shape("area", corners, light.on(fill[0]), light.on(fill[1]), alpha, soft)
            )
        else:
            self.shapes.append(Shape("area", corners, light.on(fill), None, alpha, soft))

    def blob(
        self,
        points: Outline,
        fill: Fill,
        alpha: float = 1.0,
        *,
        lit: bool = False,
        soft: bool = False,
    ) -> None:
        """A closed curve through the points."""
        self.poly(smooth(_points(points), closed=True), fill, alpha, lit=lit, soft=soft)

    def both(self, points: Outline, fill: Fill, alpha: float = 1.0) -> None:
        """A blob and its mirror image across the y axis: ears, cheeks, wings."""
        self.blob(points, fill, alpha)
        self.blob([(-x, y) for x, y in _points(points)], fill, alpha)

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: Fill,
        alpha: float = 1.0,
        *,
        turn: float = 0.0,
        lit: bool = False,
        soft: bool = False,
    ) -> None:
        n = min(56, max(8, int(math.sqrt(max(rx, ry) * self.scale) * 4)))
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        ring = [
            (rx * math.cos(math.tau * i / n), ry * math.sin(math.tau * i / n)) for i in range(n)
        ]
        self.poly(
            [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in ring],
            fill,
            alpha,
            lit=lit,
            soft=soft,
        )

    def eyes(self, x: float, y: float, rx: float, ry: float, fill: Fill) -> None:
        """A pair of ovals, mirrored across the y axis."""
        self.oval(-x, y, rx, ry, fill)
        self.oval(x, y, rx, ry, fill)

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: Fill,
        alpha: float = 1.0,
        *,
        lit: bool = False,
    ) -> None:
        """A rectangle from its lower left corner."""
        self.poly([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], fill, alpha, lit=lit)

    def round_box(self, x: float, y: float, w: float, h: float, r: float, fill: Fill) -> None:
        """A rectangle with round corners of radius `r`."""
        corners = (
            (x + w - r, y + h - r, 0),
            (x + r, y + h - r, 90),
            (x + r, y + r, 180),
            (x + w - r, y + r, 270),
        )
        arc = [
            (
                cx + r * math.cos(math.radians(start + 15 * i)),
                cy + r * math.sin(math.radians(start + 15 * i)),
            )
            for cx, cy, start in corners
            for i in range(7)
        ]
        self.poly(arc, fill)

    def limb(
        self,
        points: Outline,
        widths: Sequence[float],
        fill: Fill,
        alpha: float = 1.0,
        *,
        lit: bool = False,
    ) -> None:
        """A stroke along a curve whose width changes from point to point, with round ends: a tail,
        an arm, a branch.
        """
        spine = smooth(_points(points), closed=False)
        left: list[Point] = []
        right: list[Point] = []
        for i, (x, y) in enumerate(spine):
            (ax, ay), (bx, by) = spine[max(0, i - 1)], spine[min(len(spine) - 1, i + 1)]
            length = math.hypot(bx - ax, by - ay) or 1.0
            at = i / max(1, len(spine) - 1) * (len(widths) - 1)
            low = min(int(at), len(widths) - 2) if len(widths) > 1 else 0
            wide = widths[low] + (widths[min(low + 1, len(widths) - 1)] - widths[low]) * (at - low)
            nx, ny = -(by - ay) / length * wide / 2, (bx - ax) / length * wide / 2
            left.append((x + nx, y + ny))
            right.append((x - nx, y - ny))
        tip = _cap(left[-1], right[-1])
        root = _cap(right[0], left[0])
        self.poly([*left, *tip, *reversed(right), *root], fill, alpha, lit=lit)

    def line(self, points: Outline, width: float, fill: Colour, alpha: float = 1.0) -> None:
        self.limb(points, (width, width), fill, alpha)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float) -> None:
        """A soft ellipse of light or shadow that fades to nothing at its rim. The hour does not
        touch it.
        """
        (px, py), sx, sy = self.place((x, y)), rx * self.scale, ry * self.scale
        box = ((px - sx, py - sy), (px + sx, py + sy))
        self.shapes.append(Shape("glow", box, colour, alpha=alpha, soft=True))

    def shadow(self, width: float, alpha: float = 0.34) -> None:
        """The soft shadow under a thing that stands at the origin."""
        self.glow(0.03, 0.0, width, width * 0.2, (24, 22, 50), alpha)

    def letters(self, x: float, y: float, height: float, text: str, colour: Colour) -> None:
        point = self.place((x, y))
        self.shapes.append(
            Shape(
                "text",
                (point,),
                self.light.on(colour),
                text=text,
                measure=height * self.scale,
                soft=True,
            )
        )


def _cap(a: Point, b: Point) -> list[Point]:
    """The points of a half circle from `a` to `b`, both left out."""
    cx, cy = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    dx, dy = a[0] - cx, a[1] - cy
    turns = (math.radians(-30 * i) for i in range(1, 6))
    return [
        (cx + dx * math.cos(t) - dy * math.sin(t), cy + dx * math.sin(t) + dy * math.cos(t))
        for t in turns
    ]
