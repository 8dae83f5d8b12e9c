"""Pictures that come from elsewhere than a reply: a user's, or a tool's, put into the store before
they are sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from agentkit._check import argument, check_number
from agentkit.errors import ImageError
from agentkit.images.convert import MOST_BYTES, MOST_PIXELS, SVG_REFUSED, encoded
from agentkit.images.fetch import Fetcher
from agentkit.images.inspect import Stored, store_bytes
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.values import Image, MemoryBlobs
from agentkit.values.image_header import MAX_PIXELS, inspect
from agentkit.values.image_pixels import check_decoder, decoded, visible


async def ingest(
    image: Image, store: ImageStore, fetcher: Fetcher, *, scale: bool = False
) -> Image:
    """A picture of the user's or of a tool's, put into the store, its pixels counted. With `scale`,
    one that is larger than models take is made smaller. Raises `ImageError` if it cannot be read or
    used, and `StoreError`.
    """
    if not image.sha256:
        if image.url is None:
            raise ImageError(f"{image!r} has neither bytes nor a URL")
        stored = await fetcher.fetch(image.url)
        image = as_stored(image, stored, store)
        return await _smaller(image, store) if scale else image
    if image.blobs == store and image.width is not None:
        return await _smaller(image, store) if scale else image
    if scale:
        image = await asyncio.to_thread(scaled_to_fit, image, InputLimits(), scale=True)
    policy = fetcher.policy
    if image.size > policy.max_bytes:
        raise ImageError(
            f"it has {image.size} bytes; accepted are at most "
            f"{policy.max_bytes} (FetchPolicy(max_bytes=…))"
        )
    stored = await asyncio.to_thread(
        lambda: store_bytes(store, image.bytes(), max_pixels=policy.max_pixels)
    )
    return as_stored(image, stored, store)


async def to_send(
    image: Image,
    store: ImageStore,
    fetcher: Fetcher,
    outgoing: Outgoing,
    limits: InputLimits | None = None,
    *,
    scale: bool = False,
) -> Image:
    """A picture of the user's, in the store and ready to be sent. Raises `ImageError`, also for a
    kind that no model takes and that cannot be converted, and for one that goes beyond the limits
    as it would be sent; and `StoreError`.
    """
    if image.media_type == "image/svg+xml":
        raise ImageError(SVG_REFUSED)
    check_decoder(image.media_type)
    image = await ingest(image, store, fetcher, scale=scale)
    form = await outgoing.form(image, store)
    if form is not None and form.refusal is not None:
        raise ImageError(form.refusal)
    limits = limits or InputLimits()
    size = image.size if form is None else form.size
    if max(image.width or 0, image.height or 0) > limits.max_side or size > _most_bytes(limits):
        what = f"{image.width}×{image.height} pixels, {size} bytes"
        raise _too_large(what, limits, _HINT)
    return image


def _most_bytes(limits: InputLimits) -> int:
    """A picture within its limits may have become longer when it was converted."""
    return max(limits.max_bytes, MOST_BYTES)


def as_stored(image: Image, stored: Stored, store: ImageStore) -> Image:
    """The picture with what the store says of it, to be read from there."""
    return replace(
        image,
        sha256=stored.sha256,
        media_type=stored.media_type,
        size=stored.size,
        width=stored.width,
        height=stored.height,
        blobs=store,
    )


async def _smaller(image: Image, store: ImageStore) -> Image:
    """A picture of the store, no larger than models take it."""
    fit = await asyncio.to_thread(scaled_to_fit, image, InputLimits(), scale=True)
    if fit is image or fit.sha256 == image.sha256:
        return image
    return as_stored(fit, await asyncio.to_thread(lambda: store_bytes(store, fit.bytes())), store)


_HINT = "; scale=True makes it smaller"
_STEP = 0.8
_QUALITY = 90
_KEPT = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class InputLimits:
    """How large a picture may be that is given to a model. Providers differ; these are what the
    common ones take.
    """

    max_bytes: int = 20 << 20
    max_side: int = 8192
    """Pixels."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_side"):
            where = argument("InputLimits", name)
            check_number(where, getattr(self, name), whole=True, least=1)

    def __str__(self) -> str:
        return f"{self.max_side}×{self.max_side} pixels and {self.max_bytes / (1 << 20):g} MiB"


def scaled_to_fit(image: Image, limits: InputLimits, *, scale: bool = False) -> Image:
    """The picture, if it is whole and within the limits; with `scale`, a larger one is made
    smaller, its shape kept.

    The picture has to have bytes (`from_url` alone has none yet). It blocks: it reads, decodes and
    encodes. Raises `ImageError` that says what the picture is and what is accepted. SVG has no
    pixels, and is never rasterised.
    """
    if image.width is not None and image.height is not None and _fits(image, limits):
        return image
    with image.open() as file:
        info = inspect(file, max_pixels=MOST_PIXELS if scale else MAX_PIXELS)
    measured = replace(
        image, media_type=info.media_type, size=info.size, width=info.width, height=info.height
    )
    if _fits(measured, limits):
        return measured
    if info.width is not None and scale:
        return _scaled(measured, limits)
    if info.width is None:
        raise _too_large(f"{info.size} bytes of SVG", limits)
    what = f"{info.width}×{info.height} pixels, {info.size} bytes"
    raise _too_large(what, limits, _HINT)


def _too_large(what: str, limits: InputLimits, hint: str = "") -> ImageError:
    return ImageError(f"the picture is too large ({what}): accepted are at most {limits}{hint}")


def _fits(image: Image, limits: InputLimits) -> bool:
    return (
        image.size <= limits.max_bytes
        and max(image.width or 0, image.height or 0) <= limits.max_side
        and (image.width or 0) * (image.height or 0) <= MAX_PIXELS
    )


def _scaled(image: Image, limits: InputLimits) -> Image:
    """A smaller picture of the same kind, upright, if models take that kind; else PNG, or JPEG if
    nothing shows through.
    """
    picture = visible(decoded(image.bytes(), max_pixels=MOST_PIXELS))
    longest = max(picture.size)
    scale = (MAX_PIXELS / (picture.width * picture.height)) ** 0.5
    side = min(limits.max_side, longest, int(longest * scale) or 1)
    form = _KEPT.get(image.media_type) or ("PNG" if "A" in picture.mode else "JPEG")
    while side >= 1:
        picture.thumbnail((side, side))
        data = encoded(picture, form, **({} if form == "PNG" else {"quality": _QUALITY}))
        if len(data) <= limits.max_bytes:
            made = Image.from_bytes(data, alt=image.alt)
            return replace(
                image,
                sha256=made.sha256,
                media_type=made.media_type,
                size=made.size,
                width=picture.width,
                height=picture.height,
                blobs=MemoryBlobs(data),
            )
        side = int(max(picture.size) * _STEP)
    raise ImageError(f"the picture cannot be made small enough: accepted are at most {limits}")
