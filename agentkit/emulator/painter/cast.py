"""The subjects: which drawing stands for which kind, and how an actor gets onto the stage."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from agentkit.emulator.painter import (
    beasts,
    buildings,
    critters,
    folk,
    furry,
    grazers,
    objects,
    wardrobe,
)
from agentkit.emulator.painter import words as w
from agentkit.emulator.painter.anchors import Anchors
from agentkit.emulator.painter.breeds import BREEDS
from agentkit.emulator.painter.colour import NAMED, Colour
from agentkit.emulator.painter.pen import Light, Pen
from agentkit.emulator.painter.scene import Actor
from agentkit.emulator.painter.stage import Stage
from agentkit.emulator.painter.vehicles import VEHICLES

Beast = Callable[[Pen, Colour | None], Anchors]
Thing = Callable[[Pen, Colour | None], None]

_LIVING: dict[str, Beast] = {
    **{kind: (lambda pen, colour, kind=kind: furry.draw(pen, kind, colour)) for kind in BREEDS},
    **{kind: grazers.grazing(kind) for kind in grazers.GRAZERS},
    "owl": beasts.owl,
    "penguin": beasts.penguin,
    "bird": beasts.bird,
    "dragon": beasts.dragon,
    "duck": lambda pen, colour: beasts.bird(pen, colour, "duck"),
    "chicken": lambda pen, colour: beasts.bird(pen, colour, "chicken"),
    "fish": critters.fish,
    "whale": critters.whale,
    "octopus": critters.octopus,
    "turtle": critters.turtle,
    "dolphin": lambda pen, colour: critters.whale(pen, colour, slim=True),
    "snail": critters.snail,
    "hedgehog": critters.hedgehog,
    "frog": critters.frog,
    "butterfly": critters.butterfly,
    "person": folk.person,
    "astronaut": folk.astronaut,
    "robot": folk.robot,
    "snowman": folk.snowman,
    "ghost": folk.ghost,
    "child": lambda pen, colour: folk.person(pen, colour, "child"),
    "wizard": lambda pen, colour: folk.person(pen, colour, "wizard"),
}
_THINGS: dict[str, Thing] = {
    "house": buildings.house,
    "castle": buildings.castle,
    "lighthouse": buildings.lighthouse,
    "palm": buildings.palm,
    "windmill": buildings.windmill,
    "tower": buildings.tower,
    "tent": buildings.tent,
    "bridge": buildings.bridge,
    "flower": objects.flower,
    "mushroom": objects.mushroom,
    "cactus": objects.cactus,
    "cake": objects.cake,
    "cup": objects.cup,
    "teapot": objects.teapot,
    "book": objects.book,
    "apple": objects.apple,
    "pumpkin": objects.pumpkin,
    "gift": objects.gift,
    "campfire": objects.campfire,
    "guitar": objects.guitar,
    "ball": objects.ball,
    "planet": objects.planet,
    "star": objects.star,
    "heart": lambda pen, colour: wardrobe.heart(pen.at(0, 0.5, 3.0), colour),
    "umbrella": lambda pen, colour: wardrobe.umbrella(pen.at(0.08, 0.18, 0.82), colour),
    "lantern": lambda pen, colour: wardrobe.lantern(pen.at(0, 0.92, 4.0), colour),
    "kite": lambda pen, colour: wardrobe.kite(pen.at(-0.2, 0.0), colour),
    "hat": lambda pen, colour: _headgear(pen, "hat", colour),
    "crown": lambda pen, colour: _headgear(pen, "crown", colour),
}

# Where those aboard stand: height of the deck, its width, and their size, in units of the vessel's
# height.
_DECKS: dict[str, tuple[float, float, float]] = {
    "boat": (0.13, 0.62, 0.5),
    "ship": (0.34, 0.9, 0.5),
    "car": (0.36, 0.6, 0.62),
    "train": (0.3, 1.9, 0.5),
    "bicycle": (0.7, 0.3, 0.75),
    "balloon": (0.06, 0.13, 0.24),
    "airship": (0.14, 0.4, 0.3),
    "rocket": (0.5, 0.1, 0.3),
    "plane": (0.6, 0.8, 0.5),
    "whale": (0.52, 0.5, 0.6),
    "turtle": (0.66, 0.4, 0.6),
}
_BACK = (0.56, 0.3, 0.5)


def _headgear(pen: Pen, kind: str, colour: Colour | None) -> None:
    draw = wardrobe.lying(kind)
    if draw is not None:
        draw(pen, colour)


def _colour(name: str | None) -> Colour | None:
    return NAMED.get(name) if name else None


def draw_cast(stage: Stage, size: tuple[int, int]) -> None:
    """All actors, the farthest first."""
    actors = stage.scene.actors
    order = sorted((i for i, a in enumerate(actors) if a.aboard is None), key=lambda i: actors[i].y)
    for i in order:
        riders = [a for a in actors if a.aboard == i]
        draw_actor(stage, size, actors[i], riders, i)


def place(stage: Stage, size: tuple[int, int], actor: Actor) -> Pen:
    """The pen of an actor: where it stands, and how large it is in a picture of this format."""
    width, height = size
    unit = min(height, width * 1.15)
    x = width / 2 + (actor.x - 0.5) * min(width, height * 1.7)
    light = stage.light
    if stage.scene.time == "night":
        # Those in front keep some colour at night, as a painter would have it.
        r, g, b = light.tint
        light = replace(light, tint=(r + 0.18, g + 0.14, b + 0.06))
    return Pen(stage.pen.shapes, x, actor.y * height, actor.size * unit, actor.mirror, light=light)


def draw_actor(
    stage: Stage, size: tuple[int, int], actor: Actor, riders: Iterable[Actor], index: int
) -> None:
    pen = place(stage, size, actor)
    _hover(stage, pen, actor)
    colour = _colour(actor.colour)
    if actor.kind in VEHICLES:
        back, front = VEHICLES[actor.kind]
        if actor.kind not in w.LEGS_HIDDEN:
            front(pen, colour)
        elif back is not None:
            back(pen, colour)
        _riders(pen, actor.kind, list(riders))
        if actor.kind in w.LEGS_HIDDEN:
            front(pen, colour)
    elif actor.kind in _LIVING:
        perform(pen, actor)
        _riders(pen, actor.kind, list(riders))
    else:
        _thing(stage, pen, actor, colour, index)


def _hover(stage: Stage, pen: Pen, actor: Actor) -> None:
    """A beam for a lighthouse at night, water round a whale."""
    if actor.kind == "lighthouse" and buildings.is_dark(stage.light):
        buildings.beams(replace(pen, light=Light()))


def _thing(stage: Stage, pen: Pen, actor: Actor, colour: Colour | None, index: int) -> None:
    if actor.kind == "tree":
        buildings.tree(pen, colour, stage.scene.season, index)
    elif actor.kind == "pine":
        buildings.pine(pen, colour, stage.scene.season)
    elif actor.kind in _THINGS:
        _THINGS[actor.kind](pen, colour)


def _riders(pen: Pen, vessel: str, riders: list[Actor]) -> None:
    deck, wide, tall = _DECKS.get(vessel, _BACK)
    n = len(riders)
    for i, rider in enumerate(riders):
        x = (i + 0.5) / n * wide - wide / 2
        fit = min(tall, wide * 1.5 / n) if n > 1 else tall
        perform(pen.at(x, deck, fit, mirror=i % 2 == 1), rider)


def perform(pen: Pen, actor: Actor) -> None:
    """One of the living, dressed."""
    colour = _colour(actor.colour)
    draw = _LIVING[actor.kind]
    at = draw(replace(pen, shapes=[]), colour)
    for item in actor.wears:
        wardrobe.behind(pen, at, item.kind, _colour(item.colour))
    draw(pen, colour)
    # Scarves lie under glasses, and what is held comes before everything.
    order = ("cape", "scarf", "bowtie", "glasses", "hat", "tophat", "wizardhat", "crown")
    worn = sorted(
        actor.wears, key=lambda item: order.index(item.kind) if item.kind in order else len(order)
    )
    for item in worn:
        wardrobe.dress(pen, at, item.kind, _colour(item.colour))
