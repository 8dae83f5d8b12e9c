"""Pixels as people see them: pictures decoded upright, and modes that cameras, scanners and print
shops use made grey or RGB. Everything here blocks, and imports Pillow when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from agentkit.errors import ImageError
from agentkit.values.image_header import Info, inspect
from agentkit.values.image_metadata import ORIENTATION

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

HEIC_DECODER = "pip install pillow-heif"
"""The line that installs what decodes HEIC."""
_SAMPLE = 256
"""Pixels on a side of what is looked at to learn the range of 16-bit and float pixels."""
_BAND = 1 << 20
"""Pixels that are made grey at once."""
_OUTLIERS = 0.005
"""Share of the pixels at each end of the range that may lie outside: hot pixels, "no data"."""
_BRIGHT = 16
_DEEP = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
_PLAIN = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB"}


def decoded(data: bytes, *, max_pixels: int) -> PillowImage:
    """The picture, upright. Raises `ImageError` for SVG, for more than `max_pixels`, for a kind
    whose decoder is not installed, and for bytes that cannot be decoded.
    """
    try:
        info = inspect(BytesIO(data), max_pixels=max_pixels)  # a bomb is never opened
        if info.width is None:
            raise ImageError("it is SVG, which is never rasterised here")
        picture = _opened(data, info)
        if picture.width * picture.height > max_pixels:
            raise ValueError(f"it has too many pixels ({picture.width}×{picture.height})")
        picture.load()
        return _upright(picture, info)
    except Exception as error:  # decoders raise whatever they like, MemoryError among it
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"it cannot be decoded: {why}") from error


def check_decoder(media_type: str) -> None:
    """Raise `ImageError`, which says what to install, where pictures of this kind cannot be
    decoded.
    """
    if media_type == "image/heic":
        _heic()


def _heic() -> Any:
    try:
        return import_module("pillow_heif")  # not required: it brings 20 MB of a video codec
    except ImportError:
        raise ImageError(
            f"it is HEIC, for which no decoder is installed: {HEIC_DECODER}, or save it as JPEG"
        ) from None


def _opened(data: bytes, info: Info) -> PillowImage:
    import PIL.Image

    if info.media_type == "image/heic":
        return cast("PillowImage", _heic().HeifImageFile(BytesIO(data)))
    return PIL.Image.open(BytesIO(data), formats=[info.media_type.removeprefix("image/")])


def _upright(picture: PillowImage, info: Info) -> PillowImage:
    """The picture as it is to be seen. The decoders of HEIC and TIFF turn it themselves; what
    properties of AVIF say, Pillow tells as EXIF does.
    """
    from PIL import ImageOps

    if info.media_type == "image/avif":
        turned = ImageOps.exif_transpose(picture)
    elif info.orientation == 1 or info.media_type in {"image/heic", "image/tiff"}:
        return picture
    else:
        turned = _turned(picture, info.orientation)
    turned.format = picture.format
    return turned


def upright(picture: PillowImage) -> PillowImage:
    """A picture of Pillow's that somebody else has opened, turned as its metadata says."""
    try:
        picture.load()  # TIFF turns itself, and then says so no longer
        orientation: object = picture.getexif().get(ORIENTATION)
    except Exception:  # noqa: BLE001 - of a camera's own making, Pillow raises what it likes
        return picture
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        return _turned(picture, orientation)
    return picture


def _turned(picture: PillowImage, orientation: int) -> PillowImage:
    from PIL.Image import Transpose

    turned = picture.transpose(
        {
            2: Transpose.FLIP_LEFT_RIGHT,
            3: Transpose.ROTATE_180,
            4: Transpose.FLIP_TOP_BOTTOM,
            5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270,
            7: Transpose.TRANSVERSE,
            8: Transpose.ROTATE_90,
        }[orientation]
    )
    # Whoever turns it by its metadata again would turn it wrong.
    for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
        turned.info.pop(name, None)
    try:
        exif = turned.getexif()
        exif.pop(ORIENTATION, None)
        turned.info["exif"] = exif.tobytes()
    except Exception:  # noqa: BLE001 - of a camera's own making, Pillow raises what it likes
        turned.info.pop("exif", None)
    return turned


def visible(picture: PillowImage) -> PillowImage:
    """The same picture as L, LA, RGB or RGBA, its colours as they are meant, without what does not
    show. `info` keeps its ICC profile, where that still fits.
    """
    mode = picture.mode
    if mode in _DEEP:
        return _shallow(picture)
    if picture.has_transparency_data and mode not in {"LA", "La", "RGBA", "RGBa", "PA"}:
        return _opaque(_converted(picture, "LA" if mode in {"1", "L"} else "RGBA"))
    if mode == "P":
        return _converted(picture, "RGB")
    if mode in {"CMYK", "LAB"}:
        return _managed(picture)
    target = _PLAIN.get(mode) or (mode if mode in {"L", "LA", "RGB", "RGBA"} else "RGB")
    return _opaque(_converted(picture, target))


def _converted(picture: PillowImage, mode: str) -> PillowImage:
    return picture if picture.mode == mode else picture.convert(mode)


def _opaque(picture: PillowImage) -> PillowImage:
    """The picture without an alpha channel through which nothing shows."""
    if picture.mode not in {"LA", "RGBA"} or picture.getchannel("A").getextrema() != (255, 255):
        return picture
    return picture.convert("L" if picture.mode == "LA" else "RGB")


def _managed(picture: PillowImage) -> PillowImage:
    """The colours of a print shop as sRGB: by the profile that is in the picture, where there is
    one that can be read.
    """
    from PIL import ImageCms

    cms: Any = ImageCms  # not typed in full
    profile = picture.info.get("icc_profile")
    made: PillowImage | None = None
    try:
        if picture.mode == "LAB":
            source = cms.createProfile("LAB")
        else:
            source = BytesIO(profile) if profile else None
        if source is not None:
            srgb = cms.createProfile("sRGB")
            made = cms.profileToProfile(picture, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        made = None
    made = picture.convert("RGB") if made is None else made
    made.info.pop("icc_profile", None)
    return made


def _shallow(picture: PillowImage) -> PillowImage:
    """8 bits of grey for 16 bits, 32 bits and floats, so that something is seen."""
    from PIL import Image

    width, height = picture.size
    low, high = _range(_sample(picture), is_whole=picture.mode != "F")
    step = 255 / (high - low)
    scale = _scale(step, -low * step)
    grey = Image.new("L", picture.size)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):  # as a whole, its floats would fill the memory
        band = _floats(picture.crop((0, top, width, min(top + rows, height))))
        grey.paste(cast("PillowImage", cast("Any", band).point(scale)).convert("L"), (0, top))
    return grey


def _sample(picture: PillowImage) -> PillowImage:
    """Some of the pixels, as floats."""
    size = (min(picture.width, _SAMPLE), min(picture.height, _SAMPLE))
    return _floats(cast("PillowImage", cast("Any", picture).resize(size, 0)))


def _scale(factor: float, offset: float) -> Callable[[Any], Any]:
    return lambda value: value * factor + offset


def _floats(picture: PillowImage) -> PillowImage:
    return picture if picture.mode == "F" else picture.convert("I").convert("F")


def _range(sample: PillowImage, *, is_whole: bool) -> tuple[float, float]:
    """The values that stand for black and white: those of 8, 12 or 16 bits, or 0 to 1, where they
    fit what is there; else the least and the most that is there.
    """
    pixels = memoryview(sample.tobytes()).cast("f")
    known = sorted(value for value in pixels if math.isfinite(value))
    if not known:
        return 0.0, 1.0
    outliers = int(len(known) * _OUTLIERS)
    low, high = known[outliers], known[-1 - outliers]
    ranges = (255.0, 4095.0, 65535.0) if is_whole else (1.0, 255.0)
    for most in ranges:
        # Floats a little above 1 are highlights, and no dark picture of 8 bits.
        if low >= 0 and high <= most and (is_whole or most == 1 or high >= _BRIGHT):
            return 0.0, most
    around = max(abs(low), 1.0)
    return (low, high) if high > low else (low - around, low + around)
