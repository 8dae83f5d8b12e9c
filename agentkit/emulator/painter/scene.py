"""A scene: what a picture shows and where. It travels inside the picture, so that an edit can paint
it again.
"""

import json
import math
import random
from dataclasses import asdict, dataclass, replace
from typing import cast

from agentkit.emulator.painter import words as w
from agentkit.emulator.painter.reading import Mention, Reading, Wear
from agentkit.emulator.tables import number_by_word, word_set

_SKY = frozenset({"balloon", "airship", "plane", "kite", "star", "planet", "rocket"})
_SWIMMERS = frozenset({"fish", "whale", "dolphin", "octopus"})
_FAR = word_set(
    """
    lighthouse castle house windmill tower tree pine palm bridge ship train tent
    """
)
_TABLE = frozenset({"cake", "cup", "teapot", "book", "apple", "gift", "guitar"})
_SHORES = frozenset({"sea", "lake", "beach", "arctic", "island"})
_SIZES = number_by_word(
    """
    0.3: plane ball
    0.34: car airship snail hedgehog turtle fish campfire
    0.36: train mouse frog star tent
    0.4: bicycle butterfly bird chicken duck bridge kite
    0.42: whale apple planet
    0.44: mushroom
    0.46: cup
    0.48: child
    0.5: house ship
    0.54: horse
    0.56: balloon elephant flower
    0.58: boat
    0.62: castle dragon
    0.66: pine palm rocket
    0.68: windmill tree
    0.7: tower
    0.72: giraffe
    0.8: lighthouse
    """
)
_WIDE = number_by_word(
    """
    0.5: rocket flower
    0.6: lighthouse pine
    1.0: boat
    1.1: deer house
    1.2: sheep
    1.25: horse unicorn zebra castle
    1.3: pig elephant camel dinosaur
    1.35: cow dragon
    1.4: snail hedgehog
    1.5: fish bicycle
    1.6: dolphin ship turtle
    1.9: whale plane
    2.0: car
    2.2: bridge airship
    2.6: train
    """
)


@dataclass(frozen=True, slots=True)
class Actor:
    """A subject in its place: `x` and `y` (its feet) as fractions of the picture, `size` (its
    height) of its unit.
    """

    kind: str
    x: float
    y: float
    size: float
    colour: str | None = None
    wears: tuple[Wear, ...] = ()
    mirror: bool = False
    aboard: int | None = None  # the index of the actor that carries it


@dataclass(frozen=True, slots=True)
class Scene:
    seed: str
    actors: tuple[Actor, ...] = ()
    time: str = "day"
    season: str = "summer"
    weather: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    city: str | None = None
    style: str | None = None
    caption: str = ""
    background: str | None = None
    tint: str | None = None
    card: str = ""  # the words of a subject that cannot be painted, lettered instead

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Scene":
        """Raises ValueError, TypeError or KeyError where the text is no scene: anybody can make
        such a file.
        """
        raw = json.loads(text)
        fields = {name: raw[name] for name in Scene.__slots__}
        strings = [fields[name] for name in ("city", "style", "background", "tint")]
        texts = [fields[name] for name in ("seed", "time", "season", "caption", "card")]
        if not all(s is None or isinstance(s, str) for s in strings) or not all(
            isinstance(s, str) for s in texts
        ):
            raise TypeError("a scene's words are strings")
        for name in ("weather", "settings"):
            fields[name] = tuple(str(item)[:40] for item in list(fields[name])[:12])
        fields["actors"] = tuple(_actor(item) for item in list(fields["actors"])[:40])
        if any(
            a.aboard is not None and not 0 <= a.aboard < len(fields["actors"])
            for a in fields["actors"]
        ):
            raise ValueError("an actor is aboard of nothing")
        return Scene(**fields)


def _actor(raw: object) -> Actor:
    if not isinstance(raw, dict):
        raise TypeError("an actor is an object")
    item = cast("dict[str, object]", raw)
    numbers = [float(cast("float", item[name])) for name in ("x", "y", "size")]
    if (
        not all(math.isfinite(n) and -2 <= n <= 3 for n in numbers)
        or item["kind"] not in w.LIVING | w.THINGS
    ):
        raise ValueError("an actor lies outside of the picture, or is not known")
    wears = cast("list[dict[str, str | None]]", item["wears"])
    aboard = item["aboard"]
    return Actor(
        str(item["kind"]),
        *numbers,
        colour=_word(item["colour"]),
        wears=tuple(Wear(str(wear["kind"]), _word(wear["colour"])) for wear in wears[:12]),
        mirror=bool(item["mirror"]),
        aboard=aboard if isinstance(aboard, int) else None,
    )


def _word(value: object) -> str | None:
    return None if value is None else str(value)[:40]


def compose(reading: Reading, seed: str) -> Scene:
    """A new scene of what was read."""
    scene = _set(Scene(seed), reading)
    mentions = reading.mentions
    if not mentions and reading.wears:
        # A hat with nobody to wear it is the subject itself.
        mentions = tuple(
            Mention(item.kind, item.colour) for item in reading.wears if item.kind in w.THINGS
        )
    for mention in mentions:
        scene = _enter(scene, mention)
    scene = _arrange(scene)
    if not scene.settings:
        scene = replace(scene, settings=_natural(scene, reading))
    if not scene.actors and reading.unknown:
        scene = replace(scene, card=reading.unknown)
    return _stand(_board(scene, reading))


def revise(scene: Scene, reading: Reading) -> Scene:
    """The scene with the change that was read; whatever was not spoken of stays where it is."""
    scene = _set(scene, reading)
    scene = _leave(scene, reading.removed)
    for mention in reading.mentions:
        scene = _alter(scene, mention)
    hosts = [i for i, actor in enumerate(scene.actors) if actor.kind in w.LIVING] or list(
        range(len(scene.actors))
    )
    for i in hosts[:1]:
        scene = _change(
            scene, i, replace(scene.actors[i], wears=_dressed(scene.actors[i].wears, reading.wears))
        )
    if reading.tint and hosts:
        scene = _change(
            replace(scene, tint=None),
            hosts[0],
            replace(scene.actors[hosts[0]], colour=reading.tint),
        )
    return _stand(_board(scene, reading)) if any(m.carries for m in reading.mentions) else scene


def _set(scene: Scene, reading: Reading) -> Scene:
    """The hour, the weather, the place and the manner."""
    weather = (set(scene.weather) | reading.weather) - reading.removed
    if reading.time in {"day", "dawn", "dusk"}:
        weather -= {"moon", "stars"} - reading.weather
    if "sun" in reading.weather:
        weather -= {"rain", "storm", "fog", "cloud"} - reading.weather
    dark = (
        reading.time is None
        and scene.time == "day"
        and weather & {"moon", "stars", "aurora", "fireworks"}
    )
    wintry = reading.season is None and "snow" in weather
    thaw = reading.season is None and "snow" in reading.removed and scene.season == "winter"
    return replace(
        scene,
        time="night" if dark else reading.time or scene.time,
        season="winter" if wintry else "summer" if thaw else reading.season or scene.season,
        weather=tuple(sorted(weather)),
        settings=reading.settings or scene.settings,
        city=reading.city or (None if reading.settings else scene.city),
        style=reading.style or scene.style,
        caption=reading.caption or scene.caption,
        background=reading.background or scene.background,
        tint=reading.tint or scene.tint,
    )


def _natural(scene: Scene, reading: Reading) -> tuple[str, ...]:
    """The place where such a subject is at home, where the words name none."""
    kinds = {actor.kind for actor in scene.actors}
    homes = (
        ({"boat", "ship", "lighthouse", "whale", "dolphin"}, "sea"),
        ({"fish", "octopus"}, "underwater"),
        ({"astronaut"}, "lunar"),
        ({"rocket", "planet"}, "space"),
        ({"camel", "cactus"}, "desert"),
        ({"penguin"}, "arctic"),
        ({"deer", "owl", "bear", "wolf", "squirrel", "mushroom"}, "forest"),
        ({"palm"}, "beach"),
        (_TABLE, "room"),
        ({"bridge"}, "lake"),
        ({"star", "heart", "hat", "crown"}, "plain"),
    )
    if not kinds:
        return ("plain",) if reading.unknown else ("hills",)
    return next(((place,) for members, place in homes if kinds & members), ("hills",))


def _enter(scene: Scene, mention: Mention) -> Scene:
    new = tuple(
        Actor(
            mention.kind, -1.0, 0.0, _SIZES.get(mention.kind, 0.52), mention.colour, mention.wears
        )
        for _ in range(mention.count)
    )
    return replace(scene, actors=(*scene.actors, *new)[:24])


def _arrange(scene: Scene) -> Scene:
    """Gives a place to each actor that has none (`x` below zero): side by side, large far things
    behind the rest.
    """
    rng = random.Random(f"{scene.seed}:places:{len(scene.actors)}")
    loose = [i for i, actor in enumerate(scene.actors) if actor.x < 0]
    near = [i for i in loose if scene.actors[i].kind not in _FAR | _SKY]
    far = [i for i in loose if i not in near]
    taken = [actor.x for actor in scene.actors if actor.x >= 0]
    beside = bool(taken)  # newcomers stand smaller beside those who were there
    for row, shrink in ((near, 1.0), (far, 1.0 if not near and not taken else 0.72)):
        wide = [_WIDE.get(scene.actors[i].kind, 0.75) * scene.actors[i].size * shrink for i in row]
        fit = min(1.0, 0.94 / max(0.01, sum(wide)))
        behind = row is far and bool(near or taken)
        spots = _spots(len(row), wide, taken, rng, behind=behind)
        for i, x in zip(row, spots, strict=True):
            actor = scene.actors[i]
            crowd = 0.72 if row is near and beside else 1.0
            size = actor.size * shrink * crowd * max(0.34, fit) * rng.uniform(0.96, 1.04)
            mirror = x > 0.5 if len(loose) > 1 else rng.random() < 0.5
            scene = _change(scene, i, replace(actor, x=x, size=round(size, 4), mirror=mirror))
        taken += spots if row is near else []
    return scene


def _spots(
    n: int, wide: list[float], taken: list[float], rng: random.Random, *, behind: bool
) -> list[float]:
    if behind:
        side = rng.random() < 0.5
        return [round(0.8 - 0.6 * ((i + side) % 2) + rng.uniform(-0.06, 0.06), 3) for i in range(n)]
    if taken:
        gaps = sorted((-min(abs(x / 20 - t) for t in taken), x / 20) for x in range(3, 18))
        return [gaps[min(i, len(gaps) - 1)][1] for i in range(n)]
    total, x = sum(wide), 0.0
    spots: list[float] = []
    for width in wide:
        spots.append(round(0.5 + ((x + width / 2) / total - 0.5) * min(0.92, total + 0.06 * n), 3))
        x += width
    return spots


def _board(scene: Scene, reading: Reading) -> Scene:
    """Puts the living that were named before a vessel aboard of it."""
    carrier = next((m.kind for m in reading.mentions if m.carries), None)
    at = next(
        (i for i, a in enumerate(scene.actors) if a.kind == carrier and a.aboard is None), None
    )
    if at is None:
        return scene
    vessel = replace(scene.actors[at], x=0.5, size=max(scene.actors[at].size, 0.56))
    scene = _change(scene, at, vessel)
    named = {m.kind for m in reading.mentions if m.kind in w.LIVING and not m.carries}
    anybody = not named
    for i, actor in enumerate(scene.actors):
        if i != at and actor.kind in w.LIVING and (anybody or actor.kind in named):
            scene = _change(scene, i, replace(actor, aboard=at))
    return scene


def _stand(scene: Scene) -> Scene:
    """How deep in the picture each actor stands, by what it is."""
    rng = random.Random(f"{scene.seed}:depth")
    alone = all(actor.kind in _FAR for actor in scene.actors)
    flat = {"room", "plain"} & set(scene.settings)
    for i, actor in enumerate(scene.actors):
        jitter = rng.uniform(-0.012, 0.022)
        if actor.kind in _SKY and not flat:
            y = (
                (0.86 if actor.kind == "rocket" else 0.62)
                if len(scene.actors) == 1
                else 0.46 + jitter * 4
            )
        elif actor.kind in _SWIMMERS and "underwater" in scene.settings:
            y = 0.7 + jitter * 6
        elif (
            actor.kind in _FAR - {"lighthouse", "ship", "bridge"}
            and not alone
            and _SHORES & set(scene.settings)
        ):
            y = 0.84 + jitter  # on dry land
        elif actor.kind in _FAR:
            y = 0.86 + jitter if alone else 0.74 + jitter
        else:
            y = 0.9 + jitter
        if actor.y == 0.0:
            scene = _change(scene, i, replace(actor, y=round(y, 4)))
    return scene


def _alter(scene: Scene, mention: Mention) -> Scene:
    """A subject that is there already is changed; another is added where there is room."""
    old = mention.replaces
    if old is not None and any(a.kind == old for a in scene.actors):
        changed = [
            replace(
                a,
                kind=mention.kind,
                colour=mention.colour,
                wears=_dressed(a.wears, mention.wears),
                aboard=a.aboard if mention.kind in w.LIVING else None,
            )
            if a.kind == old
            else a
            for a in scene.actors
        ]
        return replace(scene, actors=tuple(changed))
    here = [i for i, actor in enumerate(scene.actors) if actor.kind == mention.kind]
    if not here or mention.added:
        return _stand(_arrange(_enter(scene, mention)))
    for i in here:
        actor = scene.actors[i]
        dressed = _dressed(actor.wears, mention.wears)
        scene = _change(
            scene, i, replace(actor, colour=mention.colour or actor.colour, wears=dressed)
        )
    return scene


def _leave(scene: Scene, removed: frozenset[str]) -> Scene:
    kept = [i for i, actor in enumerate(scene.actors) if actor.kind not in removed]
    renumbered = {old: new for new, old in enumerate(kept)}
    actors = tuple(
        replace(
            scene.actors[i],
            wears=tuple(item for item in scene.actors[i].wears if item.kind not in removed),
            aboard=renumbered.get(
                -1 if scene.actors[i].aboard is None else scene.actors[i].aboard or 0
            ),
        )
        for i in kept
    )
    return replace(scene, actors=actors)


def _dressed(old: tuple[Wear, ...], new: tuple[Wear, ...]) -> tuple[Wear, ...]:
    """One of each kind: a second hat takes the place of the first, and keeps its colour unless it
    has its own.
    """
    wardrobe = {item.kind: item for item in old}
    for item in new:
        before = wardrobe.get(item.kind)
        wardrobe[item.kind] = replace(
            item, colour=item.colour or (before.colour if before else None)
        )
    return tuple(wardrobe.values())


def _change(scene: Scene, index: int, actor: Actor) -> Scene:
    return replace(scene, actors=(*scene.actors[:index], actor, *scene.actors[index + 1 :]))
