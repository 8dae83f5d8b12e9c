"""What becomes of a picture that was seen on the wire: an `Image` in the store, or a failure."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.errors import ImageError, StoreError
from agentkit.images.inspect import BrokenImage, Stored
from agentkit.images.retriever import Retriever
from agentkit.images.store import ImageStore
from agentkit.values import Image, ImageFailure, Source
from agentkit.wire.shapes import is_url, without_signature
from agentkit.wire.types import ImageRef

Outcome = Image | ImageFailure
Trouble = tuple[str, ImageError | StoreError]
"""A value, and why it gave no picture."""


def image_of(ref: ImageRef, stored: Stored, store: ImageStore, model: str | None) -> Image:
    """The stored picture, with what the wire said of it."""
    urls = [without_signature(value) if is_url(value) else None for value in ref.values]
    sources = dict.fromkeys(Source(ref.place, url) for url in urls)
    return Image(
        stored.sha256,
        stored.media_type,
        stored.size,
        stored.width,
        stored.height,
        alt=ref.alt,
        prompt=ref.prompt,
        revised_prompt=ref.revised_prompt,
        model=model,
        invocation_id=ref.invocation_id,
        sources=tuple(sources),
        cost_usd=ref.cost_usd,
        blobs=store,
    )


def failure_of(
    ref: ImageRef, troubles: Sequence[Trouble], retriever: Retriever, reason: str | None = None
) -> ImageFailure:
    """Why none of its values gave the picture, and what is left of it. `reason` replaces what the
    wire and the troubles tell.
    """
    reasons = [ref.error] if ref.error else []
    reasons += [str(error) for _, error in troubles]
    told = "; ".join(dict.fromkeys(reasons)) or "no picture came"
    kept: str | None = None
    data: bytes | None = None
    for value, error in troubles:
        if kept is None and isinstance(error, BrokenImage):
            kept = error.kept
        if kept is None and data is None:
            data = retriever.leftover(value, error)
    url = next((value for value in ref.values if is_url(value)), None)
    source = Source(ref.place, url)
    return ImageFailure(source, url, reason or told, ref.invocation_id, kept, data)
