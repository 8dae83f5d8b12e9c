"""Pictures that come from elsewhere than a reply: a user's, or a tool's, put into the store before they are sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agentkit.errors import ImageError
from agentkit.images.fetch import Fetcher
from agentkit.images.fit import InputLimits, fitted
from agentkit.images.inspect import Stored, store_bytes
from agentkit.images.store import ImageStore
from agentkit.values import Image


async def ingest(image: Image, store: ImageStore, fetcher: Fetcher, *, scale: bool = False) -> Image:
    """A picture of the user's or of a tool's, put into the store, its pixels counted; with `scale`, a larger one than
    models take is made smaller. Raises `ImageError` where it cannot be had or used."""
    if not image.sha256:
        if image.url is None:
            raise ImageError(f"{image!r} has neither bytes nor a URL")
        stored = await fetcher.fetch(image.url)
        image = _as(image, stored, store)
        return await _smaller(image, store) if scale else image
    if image.blobs == store and image.width is not None:
        return await _smaller(image, store) if scale else image
    if scale:
        image = await asyncio.to_thread(fitted, image, InputLimits(), scale=True)
    policy = fetcher.policy
    if image.size > policy.max_bytes:
        raise ImageError(
            f"it has {image.size} bytes; accepted are at most {policy.max_bytes} (FetchPolicy(max_bytes=…))"
        )
    stored = await asyncio.to_thread(lambda: store_bytes(store, image.bytes(), max_pixels=policy.max_pixels))
    return _as(image, stored, store)


def ingest_now(image: Image, store: ImageStore) -> Image:
    """`ingest` in a cancellation, which must not wait: nothing is fetched. Raises `ImageError` and `StoreError`."""
    if image.sha256 and image.blobs == store:
        return image
    return _as(image, store_bytes(store, image.bytes()), store)


def _as(image: Image, stored: Stored, store: ImageStore) -> Image:
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
    fit = await asyncio.to_thread(fitted, image, InputLimits(), scale=True)
    if fit is image or fit.sha256 == image.sha256:
        return image
    return _as(fit, await asyncio.to_thread(lambda: store_bytes(store, fit.bytes())), store)
