"""Pictures to start from: whatever the user gave, fetched, looked at and put into the store before
anything is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from agentkit._check import argument, check_number
from agentkit.errors import ImageError, UsageError
from agentkit.images.fetch import Fetcher
from agentkit.images.ingest import InputLimits, ingest, scaled_to_fit, to_send
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.studio.checks import MAX_REFERENCES
from agentkit.values import Image

References = Image | str | Sequence[Image | str]
_ACCEPTED = "an Image (Image.from_file, from_bytes, from_url), an http(s) URL, or a list of them"


def pictures_of(owner: str, given: object) -> tuple[Image, ...]:
    """The pictures that a user gave. Raises `UsageError` for what is none, `ImageError` for a URL
    that is not http(s).
    """
    each = [given] if isinstance(given, Image | str) else given
    if not isinstance(each, Sequence) or isinstance(each, bytes | bytearray):
        raise UsageError(f"{owner}(images={given!r:.80}): accepted is {_ACCEPTED}")
    pictures = tuple(_picture(owner, one) for one in cast("Sequence[object]", each))
    if not pictures:
        raise UsageError(
            f"{owner}(images=[]): there is no picture to change; accepted is {_ACCEPTED}"
        )
    return pictures


def pictures_or_none(owner: str, given: object) -> tuple[Image, ...]:
    """As `pictures_of`, where there need not be any: None, or an empty list."""
    return () if given is None or given in ((), []) else pictures_of(owner, given)


def pictures_counted(owner: str, given: object) -> tuple[Image, ...]:
    """The pictures, or as many of which nothing is known as their number says. Raises
    `UsageError`.
    """
    if isinstance(given, int):
        check_number(argument(owner, "images"), given, whole=True, least=0, most=MAX_REFERENCES)
        return (Image("", "", 0),) * given
    return pictures_or_none(owner, given)


def _picture(owner: str, given: object) -> Image:
    if isinstance(given, Image):
        return given
    if isinstance(given, str):
        return Image.from_url(given)
    raise UsageError(f"{owner}(images=…): given is {given!r:.80}; accepted is {_ACCEPTED}")


async def stored(
    pictures: Sequence[Image],
    store: ImageStore,
    fetcher: Fetcher,
    outgoing: Outgoing,
    limits: InputLimits,
    *,
    scale: bool,
) -> tuple[Image, ...]:
    """The pictures as they can be sent. Raises `ImageError` that says which of them cannot, and
    why.
    """
    return tuple(
        [
            await _stored(
                image,
                store,
                fetcher,
                outgoing,
                limits,
                scale=scale,
                which=number if len(pictures) > 1 else None,
            )
            for number, image in enumerate(pictures, 1)
        ]
    )


async def _stored(
    image: Image,
    store: ImageStore,
    fetcher: Fetcher,
    outgoing: Outgoing,
    limits: InputLimits,
    *,
    scale: bool,
    which: int | None,
) -> Image:
    try:
        if not image.sha256:
            image = await ingest(image, store, fetcher)
        fitting = await asyncio.to_thread(scaled_to_fit, image, limits, scale=scale)
        return await to_send(fitting, store, fetcher, outgoing, limits)
    except ImageError as error:
        what = image.name or image.url or (f"number {which}" if which else "")
        raise ImageError(
            f"the picture to start from{f' ({what[:200]})' if what else ''}: {error}"
        ) from None


def names_of(pictures: Sequence[Image]) -> tuple[str, ...]:
    """What a picture made from these is said to be made from: their handles, or else their
    sha256.
    """
    return tuple(dict.fromkeys(image.name or image.sha256 for image in pictures))
