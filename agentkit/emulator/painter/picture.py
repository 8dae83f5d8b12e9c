"""A scene → a picture: every part in its order."""

from PIL import Image

from agentkit.emulator.painter.card import draw_caption, draw_card
from agentkit.emulator.painter.cast import draw_cast
from agentkit.emulator.painter.colour import NAMED
from agentkit.emulator.painter.finish import finish
from agentkit.emulator.painter.pen import Pen, Shape
from agentkit.emulator.painter.places import draw_place
from agentkit.emulator.painter.render import Manner, Raster
from agentkit.emulator.painter.scene import Scene
from agentkit.emulator.painter.stage import Stage, set_stage
from agentkit.emulator.painter.weather import draw_weather

_MANNERS: dict[str | None, Manner] = {
    "ink": "ink",
    "blueprint": "blueprint",
    "poster": "flat",
    "pixel": "flat",
}


def manner_of(scene: Scene) -> Manner:
    return _MANNERS.get(scene.style, "full")


def stage_of(scene: Scene, size: tuple[int, int], shapes: list[Shape]) -> Stage:
    return set_stage(scene, size, Pen(shapes, 0.0, 0.0, 1.0))


def shapes_of(scene: Scene, size: tuple[int, int], *, alone: bool = False) -> list[Shape]:
    """All shapes of the picture, back to front; `alone` leaves out everything but the subjects."""
    shapes: list[Shape] = []
    stage = stage_of(scene, size, shapes)
    if not alone:
        draw_place(stage)
    if scene.card:
        draw_card(stage)
    draw_cast(stage, size)
    if not alone:
        draw_weather(stage)
        draw_caption(stage)
    return shapes


def render(scene: Scene, size: tuple[int, int], *, transparent: bool = False) -> Image.Image:
    """The finished picture: RGB, or RGBA with the subjects alone where it is to be transparent."""
    # Nothing to cut out: a landscape stays whole, and so does a request for nothing.
    alone = transparent and bool(scene.actors or scene.card)
    raster = Raster(size, cut_out=alone)
    raster.draw(shapes_of(scene, size, alone=alone), manner_of(scene))
    image = raster.finish()
    if alone:
        return image
    image = finish(image, scene.style, scene.seed)
    if scene.tint in NAMED and "plain" not in scene.settings:
        image = Image.blend(image, Image.new("RGB", image.size, NAMED[scene.tint]), 0.16)
    return image.convert("RGBA") if transparent else image
