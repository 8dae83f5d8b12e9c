"""Where things are worn: what the drawing of a living thing tells the wardrobe."""

from dataclasses import dataclass

from agentkit.emulator.painter.pen import Point


@dataclass(frozen=True, slots=True)
class Anchors:
    """Places in the subject's own units. `crown` is the top of the skull between the ears, where a
    hat sits.
    """

    crown: Point
    head: float  # width of the head at the brim of a hat
    neck: Point
    collar: float  # width of the neck
    eyes: tuple[Point, Point]
    hand: Point
