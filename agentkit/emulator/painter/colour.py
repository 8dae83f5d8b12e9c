"""Colours: their names, and the small arithmetic that keeps a palette in harmony."""

Colour = tuple[int, int, int]

NAMED: dict[str, Colour] = {
    "red": (206, 54, 46),
    "scarlet": (216, 48, 36),
    "crimson": (176, 28, 52),
    "maroon": (122, 32, 46),
    "burgundy": (118, 26, 52),
    "orange": (236, 132, 44),
    "ginger": (222, 130, 62),
    "rust": (178, 80, 42),
    "copper": (190, 108, 66),
    "amber": (242, 170, 52),
    "yellow": (246, 206, 66),
    "gold": (226, 178, 62),
    "golden": (230, 182, 72),
    "green": (76, 154, 84),
    "emerald": (30, 148, 104),
    "lime": (160, 208, 62),
    "olive": (130, 134, 64),
    "mint": (164, 222, 190),
    "teal": (34, 136, 140),
    "turquoise": (64, 194, 190),
    "cyan": (70, 200, 220),
    "blue": (52, 106, 196),
    "azure": (70, 150, 226),
    "navy": (32, 50, 104),
    "indigo": (70, 66, 156),
    "purple": (126, 74, 170),
    "violet": (140, 92, 196),
    "lavender": (182, 162, 220),
    "lilac": (200, 170, 214),
    "magenta": (206, 60, 150),
    "pink": (240, 150, 178),
    "peach": (248, 190, 154),
    "coral": (242, 126, 102),
    "salmon": (240, 146, 122),
    "brown": (134, 88, 56),
    "chocolate": (98, 60, 40),
    "tan": (204, 166, 120),
    "beige": (226, 206, 172),
    "cream": (246, 234, 206),
    "ivory": (248, 242, 224),
    "white": (246, 246, 244),
    "silver": (190, 198, 208),
    "grey": (140, 146, 154),
    "gray": (140, 146, 154),
    "charcoal": (62, 66, 74),
    "black": (44, 44, 52),
    "bronze": (160, 118, 62),
}

INK: Colour = (38, 34, 46)
WHITE: Colour = (252, 250, 246)


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """The colour that lies `amount` (0 to 1) of the way from `a` to `b`."""
    k = min(1.0, max(0.0, amount))
    return (
        round(a[0] + (b[0] - a[0]) * k),
        round(a[1] + (b[1] - a[1]) * k),
        round(a[2] + (b[2] - a[2]) * k),
    )


def lighter(colour: Colour, amount: float = 0.25) -> Colour:
    """Towards a warm white."""
    return mix(colour, (255, 250, 236), amount)


def darker(colour: Colour, amount: float = 0.25) -> Colour:
    """Towards a cool dark, which keeps shadows from looking dirty."""
    return mix(colour, (28, 24, 56), amount)


def luminance(colour: Colour) -> float:
    """Perceived brightness, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def named(name: str | None, default: Colour) -> Colour:
    """The colour of that name, or `default` where there is no name or it is not known."""
    return default if name is None else NAMED.get(name, default)
