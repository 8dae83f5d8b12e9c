"""Parts of messages that hold a picture in the form of another API, in the form of this one."""

from __future__ import annotations

from typing import Literal

from agentkit.wire import shapes
from agentkit.wire.common import IMAGE_PARTS, picture_of_part
from agentkit.wire.json import as_text
from agentkit.wire.server_calls import without_base64
from agentkit.wire.types import JsonObject, NewFilter


def standard_part(
    part: JsonObject, new_filter: NewFilter, kind: Literal["image_url", "output_image"]
) -> JsonObject:
    """A part of a content, or an entry of `images`: as it came, unless its picture is told in
    another form, as a file or with a `source` say.
    """
    is_standard = as_text(part.get("type")) in (*IMAGE_PARTS, None) and picture_of_part(part)
    if is_standard or isinstance(part.get("text"), str) or part.get("type") == "refusal":
        return part
    part = without_base64(part, new_filter)
    seen = next(shapes.pictures(dict(part)), None)
    if seen is None or not seen.values:
        return part
    url = seen.values[0]
    if kind == "output_image":
        return {"type": kind, "image_url": url}
    return {"type": kind, "image_url": {"url": url}}
