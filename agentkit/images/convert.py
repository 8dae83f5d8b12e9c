"""The form in which a picture is sent: the one that it has, where models take that, else PNG or
JPEG. Everything here blocks.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from agentkit.errors import ImageError
from agentkit.images.stripped import without_location
from agentkit.values.image_header import Info, name_of
from agentkit.values.image_pixels import decoded, visible

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

TAKEN = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What models take, as OpenRouter's documentation says (Multimodal, Images)."""
SVG_REFUSED = "it is SVG, which no model takes: give it as PNG or JPEG"
MOST_PIXELS = 89_000_000
"""Beyond this many, Pillow takes a picture for a bomb."""
MOST_BYTES = 20 << 20
_LARGE = 5 << 20
"""Bytes beyond which an opaque picture is packed more tightly: some providers take no more."""
_LOSSY = frozenset({"image/jpeg", "image/webp", "image/avif", "image/heic"})
_SAMPLE = 512
"""Pixels on a side of what is encoded to learn how long a PNG would be."""
_QUALITIES = ((95, _LARGE), (85, _LARGE), (70, MOST_BYTES))
"""Qualities of JPEG, and how many bytes each may give."""


def is_taken(info: Info) -> bool:
    """Whether a picture can go as it is: it is of a kind that models take, stands upright, shows
    right, and does not tell where it was taken.
    """
    return _shows_right(info) and not info.located


def _shows_right(info: Info) -> bool:
    return info.media_type in TAKEN and info.orientation == 1 and not info.unusual


def converted(data: bytes, info: Info) -> bytes:
    """What is sent in the place of these bytes, where they cannot go as they are.

    One that only tells too much loses its metadata, and is not encoded anew; of any other, the
    first frame is. Raises `ImageError` for a kind that cannot be converted.
    """
    if info.media_type == "image/svg+xml":
        raise ImageError(SVG_REFUSED)
    if _shows_right(info):
        return without_location(data, info.media_type)
    picture = decoded(data, max_pixels=MOST_PIXELS)
    try:
        return _as_sent(visible(picture), data, info)
    except ImageError:
        raise
    except Exception as error:  # encoders raise whatever they like, too
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"the {name_of(info.media_type)} cannot be converted: {why}") from error


def _as_sent(picture: PillowImage, data: bytes, info: Info) -> bytes:
    """PNG for what is sharp or transparent, JPEG for what was JPEG or alike, or is too large."""
    is_transparent = "A" in picture.mode
    if is_transparent or (info.media_type not in _LOSSY and not _is_long(picture)):
        png = encoded(picture, "PNG")
        if len(png) <= (MOST_BYTES if is_transparent else _LARGE):
            return png
    choices: list[tuple[dict[str, Any], int]] = [
        ({"quality": quality}, most) for quality, most in _QUALITIES
    ]
    if info.media_type == "image/jpeg" and not info.unusual:
        choices.insert(0, (_camera_options(data), MOST_BYTES))
    for options, most in () if is_transparent else choices:
        jpeg = encoded(picture, "JPEG", **options)
        if len(jpeg) <= most:
            return jpeg
    raise ImageError(
        f"the {name_of(info.media_type)} has more than {MOST_BYTES >> 20} MiB in a form that "
        "models take; scale=True makes it smaller"
    )


def _is_long(picture: PillowImage) -> bool:
    """Whether a PNG of it would surely be too long: a scan of 24 megapixels takes seconds to
    encode. Its middle tells.
    """
    width, height = picture.size
    if width * height < 16 * _SAMPLE**2:
        return False
    left, top = (width - _SAMPLE) // 2, (height - _SAMPLE) // 2
    middle = picture.crop((left, top, left + _SAMPLE, top + _SAMPLE))
    expected = len(encoded(middle, "PNG")) * (width * height / _SAMPLE**2)
    return expected > 2 * _LARGE


def _camera_options(data: bytes) -> dict[str, Any]:
    """How a JPEG was encoded, so that turning it changes neither its quality nor its length by
    much.
    """
    from PIL import Image, JpegImagePlugin

    with Image.open(BytesIO(data), formats=["jpeg"]) as camera:
        tables: object = getattr(camera, "quantization", None)
        return {"qtables": tables, "subsampling": JpegImagePlugin.get_sampling(camera)}


def encoded(picture: PillowImage, form: str, **options: Any) -> bytes:
    """The bytes of a picture whose mode is L, LA, RGB or RGBA. It keeps its ICC profile where that
    is one of such pixels, and no other metadata.
    """
    file = BytesIO()
    profile: object = picture.info.get("icc_profile")
    space = b"GRAY" if picture.mode in {"L", "LA"} else b"RGB "
    fits = isinstance(profile, bytes) and profile[16:20] == space
    picture.save(file, form, **options, icc_profile=profile if fits else None)
    return file.getvalue()
