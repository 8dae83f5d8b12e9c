"""The painter: it stands in for an image model, offline. Words in, a picture of them out.

It reads the prompt for what it knows (subjects, colours, clothes, hour, weather, season, place,
manner), composes a scene and paints it with Pillow. The scene travels in the picture's EXIF
description, so that an edit of a picture painted here paints the same scene again with the change;
a picture from elsewhere is kept, graded and added to. The same prompt, size and seed give the same
bytes.
"""

import io
import random
from dataclasses import replace

from PIL import ExifTags, Image, ImageFilter

from agentkit.emulator.painter.picture import manner_of, render, shapes_of
from agentkit.emulator.painter.pixels import scaled
from agentkit.emulator.painter.reading import Reading, read
from agentkit.emulator.painter.render import to_svg
from agentkit.emulator.painter.retouch import retouch
from agentkit.emulator.painter.scene import Scene, compose, revise

MAX_PIXELS = 36_000_000
_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}


def paint(
    prompt: str,
    *,
    size: tuple[int, int] = (1024, 1024),
    seed: int | None = None,
    format: str = "png",  # noqa: A002 -- the word of the wire
    transparent: bool = False,
    quality: int = 90,
    source: bytes | None = None,
) -> bytes:
    """Paints `prompt`; with `source`, changes that picture as the prompt asks.

    `size` is width and height in pixels, `format` one of png, jpeg and webp, `quality` 0 to 100
    (png ignores it). `transparent` gives the subjects alone on a clear ground, in png and webp. Any
    prompt is accepted, an empty one too. Raises ValueError for a size, format or quality that
    cannot be, and for a source that is no picture.
    """
    _check(size, format, quality, transparent=transparent)
    reading = read(prompt)
    clear = transparent or ("transparent background" in prompt.lower()[:8000] and format != "jpeg")
    key = _seed(prompt, seed)
    if source is None:
        scene = compose(reading, key)
        return _encode(render(scene, size, transparent=clear), format, quality, scene)
    picture = _open(source)
    before = _scene_in(picture)
    if before is None:
        return _encode(retouch(picture, reading, size, key), format, quality, None)
    scene = revise(before, reading)
    if scene == before:
        scene = _refined(before, reading)
    clear = clear or (
        picture.mode == "RGBA"
        and format != "jpeg"
        and not reading.settings
        and not reading.background
    )
    return _encode(render(scene, size, transparent=clear), format, quality, scene)


def paint_svg(prompt: str, size: tuple[int, int] = (1024, 1024), seed: int | None = None) -> bytes:
    """The picture of `prompt` as an SVG document: shapes and gradients, no script, nothing loaded
    from outside.
    """
    _check(size, "png", 90, transparent=False)
    scene = compose(read(prompt), _seed(prompt, seed))
    return to_svg(shapes_of(scene, size), size, prompt[:200], manner_of(scene)).encode(
        "utf-8", "replace"
    )


def preview(data: bytes, step: int, steps: int) -> bytes:
    """What a picture looked like at `step` (from 0) of `steps` before it was done: coarse at first.
    A PNG.
    """
    picture = _open(data).convert("RGB")
    done = min(1.0, max(0.0, (step + 1) / (steps + 1)))
    coarse = max(1.0, max(picture.size) / (10 + 90 * done**2))
    size = (max(1, round(picture.width / coarse)), max(1, round(picture.height / coarse)))
    small = scaled(picture, size, Image.Resampling.BOX)
    rough = scaled(small, picture.size, Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(coarse * 0.4)
    )
    out = io.BytesIO()
    rough.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _check(size: tuple[int, int], encoding: str, quality: int, *, transparent: bool) -> None:
    width, height = size
    if width < 1 or height < 1 or width * height > MAX_PIXELS or max(size) > 16_000:
        raise ValueError(
            f"size is {width}x{height}; accepted is 1x1 and more, up to "
            f"{MAX_PIXELS} pixels and 16000 a side"
        )
    if encoding not in _FORMATS:
        raise ValueError(f"format is {encoding!r}; accepted are {', '.join(_FORMATS)}")
    if not 0 <= quality <= 100:
        raise ValueError(f"quality is {quality}; accepted is 0 to 100")
    if transparent and encoding == "jpeg":
        raise ValueError("a transparent picture needs the format png or webp, not jpeg")


def _seed(prompt: str, seed: int | None) -> str:
    """The seed as the scene keeps it; without one, the words are the seed."""
    words = " ".join(prompt.lower().split()).encode("utf-8", "replace")
    return f"{random.Random(words).getrandbits(48):x}" + ("" if seed is None else f"-{seed}")


def _open(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(
                    f"the source has {picture.width}x{picture.height} "
                    f"pixels; accepted are {MAX_PIXELS}"
                )
            picture.load()
            return picture.copy()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"the source ({len(data)} bytes) is not a picture that Pillow can read"
        ) from error


def _scene_in(picture: Image.Image) -> Scene | None:
    """The scene that a picture carries, if it was painted here."""
    note = picture.getexif().get(ExifTags.Base.ImageDescription)
    if not isinstance(note, str) or not note.startswith("{"):
        return None
    try:
        return Scene.from_json(note)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _refined(scene: Scene, reading: Reading) -> Scene:
    """An edit that names nothing the painter knows ("nicer, please") warms the light a little."""
    return replace(scene, tint=reading.tint or ("amber" if scene.tint != "amber" else "rose"))


def _encode(image: Image.Image, encoding: str, quality: int, scene: Scene | None) -> bytes:
    exif = Image.Exif()
    if scene is not None:
        exif[ExifTags.Base.ImageDescription] = scene.to_json()
    out = io.BytesIO()
    match encoding:
        case "png":
            image.save(out, "PNG", compress_level=4, exif=exif)
        case "jpeg":
            image.convert("RGB").save(out, "JPEG", quality=max(1, quality), exif=exif)
        case _:
            image.save(out, "WEBP", quality=quality, method=2, exif=exif)
    return out.getvalue()
