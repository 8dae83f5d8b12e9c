"""Photos as cameras, phones, scanners and print shops give them: a scene whose corners differ, so
that each way to turn it wrong is seen.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from typing import Any

import PIL.Image
import PIL.ImageDraw

SIZE = (120, 80)
CORNERS = {(10, 10): "red", (110, 10): "lime", (10, 70): "blue", (110, 70): "yellow"}
STORED = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""EXIF orientation → the `Transpose` that makes an upright scene lie as the camera stores it."""
ORIENTATION, GPS = 274, 34853
PLACE = b"GPSLatitude"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="59,54.8N"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def scene(size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    """An upright scene: red, green, blue and yellow in its corners, white between them."""
    picture = PIL.Image.new("RGB", size, "white")
    draw = PIL.ImageDraw.Draw(picture)
    width, height = size[0] // 4, size[1] // 4
    for (x, y), colour in CORNERS.items():
        left, top = (0 if x < 60 else size[0] - width), (0 if y < 40 else size[1] - height)
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    return picture


def saved(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of a picture; AVIF and JPEG at high quality, so that colours can be compared."""
    if form in {"JPEG", "AVIF"} and "quality" not in options:
        options["quality"] = 95
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def photo(
    orientation: int = 1,
    form: str = "JPEG",
    *,
    size: tuple[int, int] = SIZE,
    located: bool = False,
    **options: Any,
) -> bytes:
    """A photo of the scene that lies in its file as a camera would have held it."""
    exif = PIL.Image.Exif()
    exif[271] = "A maker of cameras"
    if orientation != 1:
        exif[ORIENTATION] = orientation
    if located:
        exif.get_ifd(GPS).update({1: "N", 2: (59.0, 54.0, 48.0), 3: "E", 4: (10.0, 45.0, 0.0)})
    picture = scene(size)
    if orientation != 1:
        picture = picture.transpose(PIL.Image.Transpose(STORED[orientation]))
    return saved(picture, form, exif=exif, **options)


def opened(data: bytes) -> PIL.Image.Image:
    picture = PIL.Image.open(BytesIO(data))
    picture.load()
    return picture


def wrong_corners(picture: PIL.Image.Image, tolerance: int = 70) -> list[str]:
    """What is wrong with a picture that should show the scene, upright."""
    if picture.width <= picture.height:
        return [f"it lies on its side: {picture.size}"]
    found: list[str] = []
    shown = picture.convert("RGB")
    for (x, y), name in CORNERS.items():
        wanted = PIL.Image.new("RGB", (1, 1), name).getpixel((0, 0))
        place = (x * picture.width // SIZE[0], y * picture.height // SIZE[1])
        got = shown.getpixel(place)
        assert isinstance(got, tuple)
        assert isinstance(wanted, tuple)
        if any(abs(a - b) > tolerance for a, b in zip(got, wanted, strict=True)):
            found.append(f"{name} is {got}")
    return found


def has_heic() -> bool:
    """Whether what decodes HEIC is installed."""
    return find_spec("pillow_heif") is not None


def heic(picture: PIL.Image.Image) -> bytes:
    """The picture as an iPhone saves it."""
    import pillow_heif

    file = BytesIO()
    phone: Any = pillow_heif.from_pillow(picture)
    phone.save(file, quality=95)
    return file.getvalue()
