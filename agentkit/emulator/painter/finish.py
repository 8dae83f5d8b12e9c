"""The manner of a picture: what is done to the pixels after everything is drawn."""

import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from agentkit.emulator.painter.colour import Colour
from agentkit.emulator.painter.pixels import scaled, toned


def noise(size: tuple[int, int], seed: str, *, grain: int = 1) -> Image.Image:
    """Grey noise of the given coarseness in pixels; the same seed gives the same noise."""
    width, height = max(2, -(-size[0] // grain)), max(2, -(-size[1] // grain))
    raw = Image.frombytes(
        "L", (width, height), random.Random(f"{seed}:noise{grain}").randbytes(width * height)
    )
    return raw if (width, height) == size else scaled(raw, size, Image.Resampling.BICUBIC)


def finish(image: Image.Image, style: str | None, seed: str) -> Image.Image:
    """The picture in the manner of `style`, of its own size."""
    return _STYLES.get(style or "", _storybook)(image, seed)


def _storybook(image: Image.Image, seed: str) -> Image.Image:
    """The manner of the house: a breath of grain, and darker corners."""
    return _grain(_vignette(image, 34), seed, 5)


def _grain(image: Image.Image, seed: str, strength: int) -> Image.Image:
    fine = toned(noise(image.size, seed), lambda i: 128 + (i - 128) * strength / 128)
    return ImageChops.add(image, Image.merge("RGB", (fine, fine, fine)), 1, -128)


def _vignette(image: Image.Image, strength: int) -> Image.Image:
    fall = toned(
        Image.radial_gradient("L"), lambda i: 255 - strength * max(0.0, i / 255 - 0.35) ** 1.6 * 2
    )
    fall = scaled(fall, image.size)
    return ImageChops.multiply(image, Image.merge("RGB", (fall, fall, fall)))


def _wobble(image: Image.Image, seed: str, reach: float) -> Image.Image:
    """Edges drawn by a hand: the picture on a net whose knots have moved a little."""
    width, height = image.size
    rng = random.Random(f"{seed}:wobble")
    nx, ny = max(2, min(26, width // 20)), max(2, min(26, height // 20))
    knots = [
        [
            (
                width * i / nx + rng.uniform(-reach, reach) * (0 < i < nx),
                height * k / ny + rng.uniform(-reach, reach) * (0 < k < ny),
            )
            for i in range(nx + 1)
        ]
        for k in range(ny + 1)
    ]
    mesh = [
        (
            (
                round(width * i / nx),
                round(height * k / ny),
                round(width * (i + 1) / nx),
                round(height * (k + 1) / ny),
            ),
            (*knots[k][i], *knots[k + 1][i], *knots[k + 1][i + 1], *knots[k][i + 1]),
        )
        for k in range(ny)
        for i in range(nx)
    ]
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _watercolour(image: Image.Image, seed: str) -> Image.Image:
    """Washes that pool at their edges, on rough paper that stays bare at the rim."""
    unit = max(1, min(image.size) // 256)
    wash = _wobble(image, seed, unit * 1.1).filter(ImageFilter.MedianFilter(3))
    wash = ImageEnhance.Color(wash.filter(ImageFilter.GaussianBlur(unit * 0.2))).enhance(1.3)
    pools = ImageOps.invert(
        wash.convert("L")
        .filter(ImageFilter.FIND_EDGES)
        .filter(ImageFilter.GaussianBlur(unit * 0.45))
    )
    pools = toned(pools, lambda i: 255 - min(74, (255 - i) * 1.5))
    cloudy = ImageChops.add(
        noise(image.size, seed, grain=unit * 44), noise(image.size, seed, grain=unit * 16), 2
    )
    pigment = toned(cloudy, lambda i: 214 + i * 41 / 255)
    wash = ImageChops.multiply(wash, Image.merge("RGB", (pools, pools, pools)))
    wash = ImageChops.multiply(wash, Image.merge("RGB", (pigment, pigment, pigment)))
    wash = Image.blend(wash, Image.new("RGB", wash.size, (255, 252, 244)), 0.16)
    tooth = noise(image.size, seed, grain=max(1, unit // 2)).filter(
        ImageFilter.GaussianBlur(unit * 0.3)
    )
    tooth = toned(tooth, lambda i: 232 + i * 23 / 255)
    paper = Image.new("RGB", wash.size, (252, 248, 238))
    rim = Image.new("L", wash.size, 0)
    edge = round(min(image.size) * 0.045)
    ImageDraw.Draw(rim).rectangle((edge, edge, image.width - edge, image.height - edge), fill=255)
    tears = ImageChops.add(
        noise(image.size, seed, grain=unit * 5), noise(image.size, seed, grain=unit * 20), 2
    )
    ragged = ImageChops.add(rim.filter(ImageFilter.GaussianBlur(edge * 0.5 + 0.1)), tears, 1, -128)
    ragged = toned(ragged, lambda i: (i - 104) * 9)
    return ImageChops.multiply(
        Image.composite(wash, paper, ragged), Image.merge("RGB", (tooth, tooth, tooth))
    )


def _ink(image: Image.Image, seed: str) -> Image.Image:
    """Pen lines (drawn already) with hatching in the shadows, on toned paper."""
    unit = max(1, min(image.size) // 512)
    drawn = _wobble(image, seed, unit * 1.3)
    width, height = image.size
    hatch = Image.new("L", image.size, 255)
    pen = ImageDraw.Draw(hatch)
    for x in range(-height, width, max(4, 6 * unit)):
        pen.line((x, height, x + height, 0), fill=120, width=unit)
    dark = toned(
        image.convert("L").filter(ImageFilter.GaussianBlur(unit * 3)),
        lambda i: 255 if i < 196 else 0,
    )
    hatch = Image.composite(
        hatch, Image.new("L", image.size, 255), dark.filter(ImageFilter.GaussianBlur(unit))
    )
    return _grain(ImageChops.multiply(drawn, Image.merge("RGB", (hatch, hatch, hatch))), seed, 9)


def _pixel(image: Image.Image, seed: str) -> Image.Image:
    _ = seed
    k = max(image.size) / 128
    small = scaled(
        image,
        (max(1, round(image.width / k)), max(1, round(image.height / k))),
        Image.Resampling.BOX,
    )
    small = ImageEnhance.Contrast(ImageEnhance.Color(small).enhance(1.25)).enhance(1.08)
    few = small.quantize(32, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return scaled(few, image.size, Image.Resampling.NEAREST)


def _poster(image: Image.Image, seed: str) -> Image.Image:
    """Few flat colours in a pale frame."""
    few = ImageEnhance.Color(image.filter(ImageFilter.MedianFilter(3))).enhance(1.15)
    few = few.quantize(24, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    edge = max(1, round(min(image.size) * 0.03))
    if min(image.size) > 4 * edge:
        inner = few.crop((edge, edge, image.width - edge, image.height - edge))
        few = ImageOps.expand(inner, edge, (250, 242, 224))
    return _grain(few, seed, 4)


def _oil(image: Image.Image, seed: str) -> Image.Image:
    """Strokes of a brush, first broad, then fine, that take their colour from the picture under
    them.
    """
    rng = random.Random(f"{seed}:oil")
    rich = ImageEnhance.Color(image).enhance(1.25)
    canvas = rich.filter(ImageFilter.GaussianBlur(max(1, min(image.size) / 130)))
    width, height = image.size
    for count, length, thick in ((1500, 0.042, 0.013), (3600, 0.02, 0.0055)):
        grid = scaled(rich, (min(width, 220), min(height, 220)), Image.Resampling.BOX)
        draw = ImageDraw.Draw(canvas)
        unit = min(width, height)
        for _ in range(count):
            u, v = rng.random(), rng.random()
            pixel = grid.getpixel((int(u * grid.width), int(v * grid.height)))
            if not isinstance(pixel, tuple):
                continue
            shift = rng.randint(-9, 9)
            tone: Colour = (int(pixel[0]) + shift, int(pixel[1]) + shift, int(pixel[2]) + shift)
            dx, dy = length * unit * rng.uniform(0.3, 0.6), length * unit * rng.uniform(-0.35, 0.2)
            x, y = u * width, v * height
            draw.line(
                (x - dx, y - dy, x + dx, y + dy),
                fill=_clamped(tone),
                width=max(1, round(thick * unit)),
            )
    mixed = Image.blend(canvas, rich, 0.42)
    relief = toned(mixed.convert("L").filter(ImageFilter.EMBOSS), lambda i: 112 + i / 8)
    return ImageChops.overlay(mixed, Image.merge("RGB", (relief, relief, relief)))


def _clamped(tone: Colour) -> Colour:
    return (min(255, max(0, tone[0])), min(255, max(0, tone[1])), min(255, max(0, tone[2])))


def _blueprint(image: Image.Image, seed: str) -> Image.Image:
    """White lines (drawn already) on blue, over a grid."""
    grid = image.copy()
    draw = ImageDraw.Draw(grid)
    step = max(6, min(image.size) // 26)
    for i, x in enumerate(range(0, image.width, step)):
        draw.line((x, 0, x, image.height), fill=(150, 186, 230), width=1 + (i % 5 == 0))
    for i, y in enumerate(range(0, image.height, step)):
        draw.line((0, y, image.width, y), fill=(150, 186, 230), width=1 + (i % 5 == 0))
    return _grain(Image.blend(image, grid, 0.3), seed, 6)


def _mono(image: Image.Image, seed: str) -> Image.Image:
    grey = ImageEnhance.Contrast(ImageOps.grayscale(image)).enhance(1.2)
    return _grain(_vignette(grey.convert("RGB"), 70), seed, 14)


def _sepia(image: Image.Image, seed: str) -> Image.Image:
    toned = ImageOps.colorize(
        ImageOps.grayscale(image), (46, 28, 20), (255, 240, 208), (178, 132, 88)
    )
    return _grain(_vignette(toned, 70), seed, 12)


_STYLES: dict[str, Callable[[Image.Image, str], Image.Image]] = {
    "watercolour": _watercolour,
    "ink": _ink,
    "pixel": _pixel,
    "poster": _poster,
    "oil": _oil,
    "blueprint": _blueprint,
    "mono": _mono,
    "sepia": _sepia,
}
