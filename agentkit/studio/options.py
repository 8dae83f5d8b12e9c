"""What may be asked of the Image API, checked at the door: types always, values by
`agentkit.studio.checks`, as far as the catalogue knows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from agentkit._check import (
    argument,
    check_json,
    check_kind,
    check_model,
    check_number,
    check_session,
    check_text,
)
from agentkit.errors import UsageError
from agentkit.values import Image
from agentkit.wire.images import ImageRequest


class Options(TypedDict, total=False):
    """The parameters of a request for pictures. What is not given is not sent: the model's own
    defaults hold.
    """

    model: str
    """By default the studio's."""
    n: int
    """How many pictures at most, 1 to 10: providers may give fewer."""
    aspect_ratio: str
    """`16:9`, …, or `auto`."""
    resolution: str
    """`512`, `768`, `1K`, `1.5K`, `2K`, `4K`, …: the length of a side of a square picture."""
    size: str
    """A tier as in `resolution`, or pixels: `1536x1024`."""
    quality: str
    """`auto`, `low`, `medium`, `high`, `xhigh`, `max`, …"""
    output_format: str
    """`png`, `jpeg`, `webp`, `svg`, …"""
    background: str
    """`auto`, `transparent`, `opaque`, …"""
    output_compression: int
    """0 to 100, for jpeg and webp."""
    moderation: str
    """`auto`, `low`, …"""
    partial_images: int
    """How many previews a stream shows. For services other than OpenRouter, which shows what there
    is: 0 to 3 at OpenAI, which bills each.
    """
    input_fidelity: str
    """`low` or `high`: how closely an edit keeps to the pictures. For services other than
    OpenRouter.
    """
    mask: Image
    """For an edit at services other than OpenRouter: a PNG of the size of the first picture, in
    which what is to change is transparent.
    """
    response_format: str
    """`url` or `b64_json`, for services whose models have it. Either form of a reply is taken,
    whatever was asked for.
    """
    seed: int
    user: str
    """A stable name for the person who asks."""
    session_id: str
    """At most 256 characters: requests that belong together."""
    trace: Mapping[str, Any]
    """What observability tools are told: `trace_id`, `span_name`, …, and keys of your own."""
    provider: Mapping[str, Any]
    """Routing: `only`, `order`, `ignore`, `sort`, `allow_fallbacks`; and `options`, by provider,
    passed through to it.
    """
    extra: Mapping[str, Any]
    """Goes into the body as it is, and wins."""


_TEXTS = (
    "aspect_ratio",
    "resolution",
    "size",
    "quality",
    "output_format",
    "background",
    "moderation",
    "input_fidelity",
    "response_format",
    "user",
    "session_id",
)
_NUMBERS = ("n", "output_compression", "partial_images", "seed")
_OBJECTS = ("provider", "trace", "extra")
NAMES = ("model", *_TEXTS, *_NUMBERS, *_OBJECTS, "mask")


def request_of(
    owner: str,
    prompt: str,
    options: Mapping[str, Any],
    *,
    model: str,
    references: Sequence[Image] = (),
) -> ImageRequest:
    """The request. Raises `UsageError` that names what is of a wrong type, or unknown."""
    check_kind(argument(owner, "prompt"), prompt, str, "text")
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        _check(owner, name, value)
    given.setdefault("model", model)
    return ImageRequest(prompt=prompt, references=tuple(references), **given)


def _check(owner: str, name: str, value: object) -> None:
    if name not in NAMES:
        raise UsageError(
            f"{owner}({name}={value!r}): there is no such parameter; "
            f"accepted are {', '.join(NAMES)}"
        )
    where = argument(owner, name)
    if name == "model":
        check_model(where, value)
    elif name == "session_id":
        check_session(where, value)
    elif name in _TEXTS:
        check_text(where, value)
    elif name in _NUMBERS:
        check_number(where, value, whole=True)
    elif name == "mask":
        check_kind(where, value, Image, "an Image (Image.from_file, from_bytes, from_url)")
    else:
        check_json(where, value)
