"""Shapes → pixels, with Pillow; shapes → SVG."""

import math
from collections.abc import Sequence
from typing import Literal
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from agentkit.emulator.painter.colour import INK, Colour, luminance, mix
from agentkit.emulator.painter.pen import Shape
from agentkit.emulator.painter.pixels import scaled, toned

Manner = Literal["full", "flat", "ink", "blueprint"]

_PAPER: Colour = (250, 245, 232)
_BLUEPRINT: Colour = (28, 74, 138)


def restyle(shape: Shape, manner: Manner) -> Shape | None:
    """The shape as this manner draws it; None where it leaves it out."""
    match manner:
        case "full":
            return shape
        case "flat":
            if shape.kind == "glow":
                return None
            if shape.bottom is None or shape.soft:
                return shape
            top = mix(shape.top, shape.bottom, 0.4)
            return Shape(
                shape.kind,
                shape.points,
                top,
                None,
                shape.alpha,
                shape.soft,
                shape.text,
                shape.measure,
            )
        case "ink":
            tone = _wash
        case "blueprint":
            tone = _trace
    if shape.kind == "glow" or (shape.soft and shape.alpha < 0.5):
        return None
    bottom = None if shape.bottom is None else tone(shape.bottom)
    top = INK if shape.kind == "text" and manner == "ink" else tone(shape.top)
    return Shape(
        shape.kind, shape.points, top, bottom, shape.alpha, shape.soft, shape.text, shape.measure
    )


def _wash(colour: Colour) -> Colour:
    """Ink keeps a breath of the colour, and its darks."""
    light = luminance(colour)
    return INK if light < 58 else mix(_PAPER, colour, 0.16 + 0.18 * (1 - light / 255))


def _trace(colour: Colour) -> Colour:
    return mix(_BLUEPRINT, (120, 170, 226), 0.34 * luminance(colour) / 255)


def outline_of(manner: Manner) -> Colour | None:
    """The colour of the line around each shape, where the manner draws one."""
    return {"ink": INK, "blueprint": (226, 238, 252)}.get(manner)


def supersampling(size: tuple[int, int]) -> float:
    """How many times finer than the picture it is drawn: small pictures need it most, huge ones can
    least afford it.
    """
    area = size[0] * size[1]
    return (
        3.0 if area <= 300_000 else 2.0 if area <= 1_700_000 else 1.5 if area <= 3_200_000 else 1.0
    )


class Raster:
    """A canvas that is drawn on at a multiple of its size. With `cut_out` it also keeps what the
    shapes cover.
    """

    def __init__(
        self, size: tuple[int, int], *, cut_out: bool = False, base: Image.Image | None = None
    ) -> None:
        self.size = size
        self.scale = supersampling(size)
        fine = (max(1, round(size[0] * self.scale)), max(1, round(size[1] * self.scale)))
        self.image = (
            Image.new("RGB", fine, (236, 232, 224))
            if base is None
            else scaled(base.convert("RGB"), fine)
        )
        self.mask = Image.new("L", fine, 0) if cut_out else None
        self._draw = ImageDraw.Draw(self.image, "RGBA")
        self._cover = ImageDraw.Draw(self.mask) if self.mask is not None else None

    def draw(self, shapes: Sequence[Shape], manner: Manner = "full") -> None:
        line = outline_of(manner)
        width = max(1, round(min(self.image.size) / 420))
        for raw in shapes:
            shape = restyle(raw, manner)
            if shape is None or self._out_of_sight(shape):
                continue
            match shape.kind:
                case "area":
                    self._area(shape)
                    if line is not None and not shape.soft:
                        self._outline(shape, line, width)
                case "glow":
                    self._glow(shape)
                case "text":
                    self._text(shape)

    def finish(self) -> Image.Image:
        """The picture at its own size: RGB, or RGBA for a cut-out."""
        image = scaled(self.image, self.size, Image.Resampling.LANCZOS, gap=2.0)
        if self.mask is not None:
            image.putalpha(scaled(self.mask, self.size, Image.Resampling.LANCZOS, gap=2.0))
        return image

    def _fine(self, shape: Shape) -> list[tuple[float, float]]:
        return [(x * self.scale, y * self.scale) for x, y in shape.points]

    def _out_of_sight(self, shape: Shape) -> bool:
        reach = shape.measure * 12 if shape.kind == "text" else 0.0
        xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
        return (
            max(xs) + reach < 0
            or min(xs) - reach > self.size[0]
            or max(ys) + reach < 0
            or min(ys) - reach > self.size[1]
        )

    def _area(self, shape: Shape) -> None:
        points = self._fine(shape)
        if self._cover is not None and shape.alpha > 0.9:
            self._cover.polygon(points, 255)
        if shape.bottom is None:
            self._draw.polygon(points, (*shape.top, round(255 * shape.alpha)))
            return
        self._gradient(points, shape)

    def _gradient(self, points: list[tuple[float, float]], shape: Shape) -> None:
        top, low = min(y for _, y in points), max(y for _, y in points)
        left = max(0, math.floor(min(x for x, _ in points)))
        right = min(self.image.width, math.ceil(max(x for x, _ in points)) + 1)
        first, last = max(0, math.floor(top)), min(self.image.height, math.ceil(low) + 1)
        if right <= left or last <= first:
            return
        steps, span = min(256, max(2, last - first)), max(1.0, low - top)
        column = bytearray()
        for i in range(steps):
            y = first + (last - first) * (i + 0.5) / steps
            column += bytes(mix(shape.top, shape.bottom or shape.top, (y - top) / span))
        ramp = Image.frombytes("RGB", (1, steps), bytes(column))
        ramp = scaled(
            scaled(ramp, (1, last - first)), (right - left, last - first), Image.Resampling.NEAREST
        )
        mask = Image.new("L", ramp.size, 0)
        local = [(x - left, y - first) for x, y in points]
        ImageDraw.Draw(mask).polygon(local, round(255 * shape.alpha))
        self.image.paste(ramp, (left, first), mask)

    def _outline(self, shape: Shape, colour: Colour, width: int) -> None:
        points = self._fine(shape)
        if len(points) > 2 and shape.alpha > 0.3:
            self._draw.line([*points, points[0]], fill=(*colour, 235), width=width, joint="curve")

    def _glow(self, shape: Shape) -> None:
        (ax, ay), (bx, by) = self._fine(shape)
        width, height = round(bx - ax), round(by - ay)
        left, top = max(0, round(-ax)), max(0, round(-ay))
        right, low = (
            min(width, round(self.image.width - ax)),
            min(height, round(self.image.height - ay)),
        )
        if right <= left or low <= top or self.mask is not None:
            return
        # radial_gradient runs from 0 in the middle to 181 where its edges are nearest: turned and
        # squared, it fades.
        fade = toned(
            Image.radial_gradient("L"), lambda i: shape.alpha * 255 * max(0.0, 1 - i / 181) ** 2
        )
        box = (left * 256 / width, top * 256 / height, right * 256 / width, low * 256 / height)
        fade = scaled(fade, (right - left, low - top), box=box)
        self.image.paste(shape.top, (round(ax) + left, round(ay) + top), fade)

    def _text(self, shape: Shape) -> None:
        x, y = self._fine(shape)[0]
        font = ImageFont.load_default(max(4.0, shape.measure * self.scale))
        self._draw.text((x, y), shape.text, fill=(*shape.top, 255), font=font, anchor="mm")
        if self._cover is not None:
            self._cover.text((x, y), shape.text, fill=255, font=font, anchor="mm")


def text_width(text: str, height: float) -> float:
    """How wide a line of this height runs, in the same unit."""
    return ImageFont.load_default(40).getlength(text) * height / 40


def to_svg(shapes: Sequence[Shape], size: tuple[int, int], title: str, manner: Manner) -> str:
    """The same picture as an SVG document of paths and gradients, with no script and no reference
    to outside.
    """
    defs: list[str] = []
    body: list[str] = []
    line = outline_of(manner)
    stroke = "" if line is None else f' stroke="{_hex(line)}" stroke-width="{min(size) / 420:.2f}"'
    for raw in shapes:
        shape = restyle(raw, manner)
        if shape is not None:
            body.append(_element(shape, defs, "" if shape.soft else stroke))
    width, height = size
    clean = "".join(c if c.isprintable() else " " for c in title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{escape(clean)}</title><defs>{''.join(defs)}</defs>{''.join(body)}</svg>\n"
    )


def _element(shape: Shape, defs: list[str], stroke: str) -> str:
    opacity = "" if shape.alpha >= 1 else f' opacity="{shape.alpha:.2f}"'
    match shape.kind:
        case "text":
            (x, y) = shape.points[0]
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" '
                f'font-size="{shape.measure:.1f}" text-anchor="middle" '
                'dominant-baseline="central" font-family="sans-serif" '
                f'fill="{_hex(shape.top)}">{escape(shape.text)}</text>'
            )
        case "glow":
            (ax, ay), (bx, by) = shape.points
            stop = f'<stop stop-color="{_hex(shape.top)}"'
            defs.append(
                f'<radialGradient id="g{len(defs)}">{stop}/>{stop[:-1]}" '
                'offset=".5" stop-opacity=".25"/>'
                f'{stop[:-1]}" offset="1" stop-opacity="0"/></radialGradient>'
            )
            return (
                f'<ellipse cx="{(ax + bx) / 2:.1f}" '
                f'cy="{(ay + by) / 2:.1f}" rx="{(bx - ax) / 2:.1f}" '
                f'ry="{(by - ay) / 2:.1f}" fill="url(#g{len(defs) - 1})"{opacity}/>'
            )
        case "area":
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shape.points) + "z"
            fill = _hex(shape.top)
            if shape.bottom is not None:
                defs.append(
                    f'<linearGradient id="g{len(defs)}" x2="0" y2="1"><stop stop-color="{fill}"/>'
                    f'<stop offset="1" stop-color="{_hex(shape.bottom)}"/></linearGradient>'
                )
                fill = f"url(#g{len(defs) - 1})"
            return f'<path d="{path}" fill="{fill}"{stroke}{opacity}/>'


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
