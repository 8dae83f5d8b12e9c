"""OpenAI's Image API, as it and services like it have it: values → the JSON of
`POST /images/generations`, and the form of `POST /images/edits`.

Its replies have the shape of OpenRouter's, see `agentkit.wire.images`. Source: the types of
OpenAI's SDK, version 3.52.
"""

from __future__ import annotations

from typing import Any

from agentkit.wire.form import Body, form_of
from agentkit.wire.images import ImageRequest
from agentkit.wire.json import write


def generation(request: ImageRequest) -> Body:
    """The body of a request for pictures from words."""
    fields = {**_fields(request), "moderation": request.moderation}
    given = {name: value for name, value in fields.items() if value is not None}
    return Body((write({**given, **request.extra}),))


def edit(request: ImageRequest) -> Body:
    """The form of a request for pictures that start from others."""
    fields = {**_fields(request), "input_fidelity": request.input_fidelity, **request.extra}
    name = "image" if len(request.references) == 1 else "image[]"
    files = [(name, image) for image in request.references]
    if request.mask is not None:
        files.append(("mask", request.mask))
    return form_of(fields, files)


def _fields(request: ImageRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "size": request.size,
        "quality": request.quality,
        "output_format": request.output_format,
        "background": request.background,
        "output_compression": request.output_compression,
        "partial_images": request.partial_images if request.stream else None,
        "response_format": request.response_format,
        "user": request.user,
        "stream": request.stream or None,
    }
