"""What makes a fox a fox and a rabbit a rabbit: coats, ears, tails and faces."""

from dataclasses import dataclass
from typing import Literal

from agentkit.emulator.painter.colour import WHITE, Colour, darker, lighter, mix

Ears = Literal["pointed", "round", "floppy", "long", "tufted"]
Tail = Literal["bushy", "thin", "plume", "puff", "ringed", "tuft"]
Mask = Literal["fox", "plain", "tabby", "panda", "mane", "tiger", "bandit", "patch"]


@dataclass(frozen=True, slots=True)
class Fur:
    """What tells one sitting animal from another."""

    coat: Colour
    light: Colour
    dark: Colour
    ears: Ears
    tail: Tail
    mask: Mask
    muzzle: float = 1.0  # size of the snout
    cheeks: float = 1.0  # how wide the face is
    bulk: float = 1.0  # how broad the body is


_CREAM: Colour = (252, 240, 220)
_SOOT: Colour = (62, 44, 46)

BREEDS: dict[str, Fur] = {
    "fox": Fur((224, 118, 48), (254, 242, 226), _SOOT, "pointed", "bushy", "fox"),
    "cat": Fur((146, 142, 152), (238, 234, 232), (94, 92, 106), "pointed", "thin", "tabby", 0.8),
    "dog": Fur((206, 154, 98), _CREAM, (146, 94, 56), "floppy", "plume", "patch", 1.35),
    "wolf": Fur((128, 136, 150), (232, 234, 236), (70, 76, 92), "pointed", "bushy", "fox", 1.1),
    "rabbit": Fur(
        (196, 172, 150), (252, 244, 234), (150, 122, 104), "long", "puff", "plain", 0.75, 0.92, 0.95
    ),
    "bear": Fur(
        (142, 94, 62), (214, 172, 126), (92, 58, 42), "round", "puff", "plain", 1.35, 1.06, 1.22
    ),
    "panda": Fur(
        (246, 242, 234), (252, 250, 244), (52, 50, 60), "round", "puff", "panda", 1.15, 1.1, 1.25
    ),
    "koala": Fur(
        (158, 164, 174), (232, 234, 236), (112, 116, 130), "round", "puff", "plain", 1.2, 1.05, 1.1
    ),
    "mouse": Fur(
        (172, 164, 168), (240, 228, 226), (214, 150, 156), "round", "thin", "plain", 0.8, 0.94, 0.95
    ),
    "squirrel": Fur(
        (190, 98, 54), (250, 228, 200), (130, 62, 40), "tufted", "plume", "plain", 0.85
    ),
    "lion": Fur(
        (226, 172, 92), (250, 230, 188), (158, 88, 42), "round", "tuft", "mane", 1.25, 1.0, 1.1
    ),
    "tiger": Fur(
        (236, 144, 56), (254, 242, 222), (58, 42, 44), "round", "ringed", "tiger", 1.2, 1.05, 1.1
    ),
    "raccoon": Fur((138, 138, 146), (232, 232, 232), (56, 56, 66), "pointed", "ringed", "bandit"),
    "monkey": Fur(
        (132, 88, 62), (236, 196, 158), (96, 60, 44), "round", "thin", "plain", 1.4, 1.0, 0.95
    ),
}


def recoloured(fur: Fur, colour: Colour | None) -> Fur:
    """The same animal in another coat: what is light stays light, what is dark stays dark."""
    if colour is None:
        return fur
    if fur.mask == "panda":
        return Fur(
            fur.coat,
            fur.light,
            colour,
            fur.ears,
            fur.tail,
            fur.mask,
            fur.muzzle,
            fur.cheeks,
            fur.bulk,
        )
    light = lighter(colour, 0.82) if sum(colour) > 160 else mix(colour, WHITE, 0.3)
    dark = fur.dark if fur.mask == "fox" and sum(colour) > 220 else darker(colour, 0.5)
    return Fur(colour, light, dark, fur.ears, fur.tail, fur.mask, fur.muzzle, fur.cheeks, fur.bulk)
