"""Where a picture goes. A place that a dialect lacks is replaced by its nearest kin there."""

from collections.abc import Sequence
from typing import Any, Literal

from agentkit.emulator.painter.studio import Picture
from agentkit.emulator.script import Draw, Place

Dialect = Literal["chat", "responses"]

_KIN: dict[Dialect, dict[Place, Place | None]] = {
    "chat": {
        "server_tool_item": "server_tool_call",
        "image_generation_call": "server_tool_call",
        "partial_image": None,
        "images_data": None,
        "images_stream": None,
        "code_interpreter_call": "server_tool_call",
        "browser_use": "server_tool_call",
        "container_file": "server_tool_call",
    },
    "responses": {
        "message_images": "image_generation_call",
        "server_tool_call": "server_tool_item",
        "partial_image": None,
        "images_data": None,
        "images_stream": None,
    },
}
_DEFAULT: dict[tuple[Dialect, bool], Sequence[Place]] = {
    ("chat", False): ("server_tool_call", "markdown"),
    ("chat", True): ("message_images",),
    ("responses", False): ("server_tool_item",),
    ("responses", True): ("image_generation_call",),
}
_AS_DATA = ("data_url", "base64", "imageB64", "result_data_url", "result_base64")
AS_LINK = ("url", "imageUrl", "result_url")


def places_of(
    draw: Draw, dialect: Dialect, *, native: bool, preferred: Sequence[Place] = ()
) -> tuple[Place, ...]:
    """The places of a picture in a dialect: those of the drawing, those preferred, or the dialect's
    own.
    """
    kin = _KIN[dialect]
    for wanted in (draw.places, preferred, _DEFAULT[dialect, native]):
        found: dict[Place, None] = {}
        for place in wanted:
            mapped = kin.get(place, place)
            if mapped is not None:
                found[mapped] = None
        if found:
            return tuple(found)
    raise AssertionError("every dialect has a default place")


def previews_of(draw: Draw) -> int:
    return draw.preview_count or ("partial_image" in draw.places)


def reference(draw: Draw, picture: Picture, *, link: bool) -> str:
    """The picture as a temporary URL or as a data URL; `link` says which, unless the drawing's
    shape does.
    """
    if draw.shape in _AS_DATA:
        link = False
    elif draw.shape in AS_LINK:
        link = True
    return picture.url if link else picture.data_url


def link_text(draw: Draw, picture: Picture, place: Place) -> str:
    """The picture as it stands in prose."""
    url = reference(draw, picture, link=True)
    if place == "bare_link":
        return url
    alt = " ".join((draw.revised_prompt or draw.prompt).split()).translate(
        str.maketrans("[]", "()")
    )
    return f"![{alt[:120]}]({url})"


def item_fields(draw: Draw, picture: Picture) -> dict[str, Any]:
    """The fields that hold the picture in an `openrouter:image_generation` item."""
    match draw.shape:
        case "imageB64":
            return {"imageB64": picture.base64}
        case "result_url":
            return {"result": picture.url}
        case "result_data_url" | "data_url":
            return {"result": picture.data_url}
        case "result_base64" | "base64":
            return {"result": picture.base64}
        case "imageUrl" | "url" | "file" | None:
            return {"imageUrl": picture.url}


def call_result(draw: Draw, picture: Picture) -> str:
    """The `result` of an `image_generation_call` item."""
    match draw.shape:
        case "base64" | "imageB64" | "result_base64":
            return picture.base64
        case "url" | "imageUrl" | "result_url" | "file":
            return picture.url
        case "data_url" | "result_data_url" | None:
            return picture.data_url
