"""One more try to have a picture that was announced and could not be had."""

from __future__ import annotations

import asyncio

from agentkit._check import refused
from agentkit.images.fetch import Fetcher
from agentkit.images.inspect import store_bytes
from agentkit.images.store import ImageStore
from agentkit.values import Image, ImageFailure


async def fetch_again(failure: ImageFailure, fetcher: Fetcher, store: ImageStore) -> Image:
    """The picture behind the URL of the failure, or in the bytes that the store would not take.
    Raises `ImageError` and `StoreError` where it still cannot be had, and `UsageError` for a
    failure that has neither.
    """
    if failure.url is not None:
        stored = await fetcher.fetch(failure.url)
    elif failure.data is not None:
        stored = await asyncio.to_thread(store_bytes, store, failure.data)
    else:
        accepted = "is one with a URL, or with the bytes that the store would not take"
        raise refused("chat.fetch_again({!r})", failure, accepted)
    return Image(
        stored.sha256,
        stored.media_type,
        stored.size,
        stored.width,
        stored.height,
        invocation_id=failure.invocation_id,
        sources=(failure.source,),
        blobs=store,
    )
