"""Edits of a picture that was not painted here: it is kept, graded, and added to."""

from dataclasses import replace

from PIL import Image, ImageChops, ImageEnhance, ImageOps

from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.card import draw_caption
from agentkit.emulator.painter.cast import draw_cast
from agentkit.emulator.painter.colour import NAMED, Colour
from agentkit.emulator.painter.finish import finish
from agentkit.emulator.painter.pen import Pen, Shape
from agentkit.emulator.painter.picture import manner_of, stage_of
from agentkit.emulator.painter.reading import Reading, Wear
from agentkit.emulator.painter.render import Raster
from agentkit.emulator.painter.scene import Scene, compose
from agentkit.emulator.painter.sky import moon, stars
from agentkit.emulator.painter.wardrobe import dress
from agentkit.emulator.painter.weather import draw_weather

# What the hour does to a photograph: a colour that multiplies it, and its brightness.
_GRADES: dict[str, tuple[Colour, float]] = {
    "night": ((96, 116, 190), 0.72),
    "dusk": ((255, 176, 140), 0.9),
    "dawn": ((255, 214, 200), 1.04),
    "day": ((255, 252, 240), 1.12),
}


def retouch(source: Image.Image, reading: Reading, size: tuple[int, int], seed: str) -> Image.Image:
    """The source in its new format, with what the words ask for."""
    image = ImageOps.fit(source.convert("RGB"), size, Image.Resampling.LANCZOS)
    scene = replace(
        compose(replace(reading, wears=()), seed), card="", style=reading.style, settings=("plain",)
    )
    image = _graded(image, reading)
    raster = Raster(size, base=image)
    raster.draw(_additions(scene, reading, size), "full")
    added = raster.finish()
    if reading.style is None:
        return added
    return (
        finish(added, reading.style, seed)
        if manner_of(scene) == "full"
        else finish(_traced(added), reading.style, seed)
    )


def _graded(image: Image.Image, reading: Reading) -> Image.Image:
    time = reading.time or ("night" if reading.weather & {"moon", "stars"} else None)
    if time is not None:
        tint, brightness = _GRADES[time]
        image = ImageEnhance.Brightness(
            ImageChops.multiply(image, Image.new("RGB", image.size, tint))
        ).enhance(brightness)
    if reading.weather & {"rain", "storm", "fog", "cloud"}:
        image = Image.blend(
            ImageEnhance.Color(image).enhance(0.6),
            Image.new("RGB", image.size, (130, 140, 156)),
            0.22,
        )
    season = {"winter": (214, 228, 250), "autumn": (255, 206, 150), "spring": (255, 236, 240)}.get(
        "winter" if "snow" in reading.weather else reading.season or ""
    )
    if season is not None:
        image = ImageChops.multiply(image, Image.new("RGB", image.size, season))
    tone = reading.tint or reading.background
    if tone is not None:
        image = Image.blend(image, Image.new("RGB", image.size, NAMED[tone]), 0.3)
    if reading == Reading(unknown=reading.unknown):
        # Words that say nothing the painter knows still ask for a change: a warmer print.
        image = ImageEnhance.Contrast(
            ImageChops.multiply(image, Image.new("RGB", image.size, (255, 240, 216)))
        ).enhance(1.12)
    return image


def _additions(scene: Scene, reading: Reading, size: tuple[int, int]) -> list[Shape]:
    shapes: list[Shape] = []
    stage = stage_of(scene, size, shapes)
    if reading.time == "night" or reading.weather & {"moon", "stars"}:
        stars(stage, 60)
        moon(stage, stage.wide * 0.8, 0.84, 0.06)
    draw_cast(stage, size)
    if not reading.mentions:
        _wear_blind(reading.wears, size, shapes)
    draw_weather(replace(stage, sky=((150, 160, 176), (190, 198, 208), (226, 230, 234))))
    draw_caption(stage)
    return shapes


def _wear_blind(wears: tuple[Wear, ...], size: tuple[int, int], shapes: list[Shape]) -> None:
    """What is worn goes where a head most often is: in the upper middle."""
    pen = Pen(shapes, size[0] / 2, size[1] * 0.94, min(size) * 0.8)
    head = Anchors((0.0, 0.8), 0.36, (0.0, 0.46), 0.32, ((-0.09, 0.66), (0.09, 0.66)), (0.26, 0.28))
    for item in wears:
        dress(pen, head, item.kind, NAMED.get(item.colour or ""))


def _traced(image: Image.Image) -> Image.Image:
    """Lines found in a picture that has none of its own."""
    few = ImageOps.posterize(image, 3)
    return ImageEnhance.Contrast(few).enhance(1.15)
