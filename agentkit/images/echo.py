"""The pictures of a reply that goes to the model again: by what each string is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from agentkit.errors import ImageError
from agentkit.images.retriever import Retriever
from agentkit.images.spool import Spool
from agentkit.values import BlobRef
from agentkit.wire.shapes import is_url
from agentkit.wire.types import ImageRef

_DATA_URL = re.compile(r"data:image/[\w.+-]+", re.IGNORECASE)
_AS_URLS = {"images", "content"}
"""Places that take a URL: bare base64, which some servers give there, would be refused."""
_SENT_AS_BYTES = {"images", "content", "image_generation_call"}
"""Places where the picture itself is sent instead of its URL, which expires."""


async def blob_refs(
    raw: tuple[bytes, ...], seen: Iterable[ImageRef], spool: Spool, retriever: Retriever
) -> dict[bytes, BlobRef]:
    """What stands in the raw items for a picture → the stored picture to send in its place.

    References in a place that is not known here (a new kind of item) are stored as well: no image
    is lost.
    """
    refs: dict[bytes, BlobRef] = {}
    references = (each for item in raw for each in spool.references(item.decode()))
    images = tuple(seen)
    urls = {value for image in images if image.place in _AS_URLS for value in image.values}
    for reference in dict.fromkeys(references):
        if (ref := await _ref_of_blob(reference, spool, retriever)) is not None:
            is_url_there = reference in urls
            refs[reference.encode()] = replace(ref, form="data_url") if is_url_there else ref
    for image in images:
        for value in image.values:
            if value.encode() not in refs and (ref := _ref_of_value(value, image, retriever)):
                refs[value.encode()] = ref
    return refs


async def _ref_of_blob(reference: str, spool: Spool, retriever: Retriever) -> BlobRef | None:
    """The picture that the spool took. One that is broken is sent as it came, if it was kept."""
    blob = spool.blobs[reference]
    media_type = blob.media_type or "image/png"
    try:
        stored = await retriever.get(reference)
        sha256, media_type = stored.sha256, stored.media_type
    except ImageError:
        sha256 = blob.kept
    if sha256 is None:
        return None
    return BlobRef(sha256, media_type, "data_url" if blob.media_type else "base64")


def _ref_of_value(value: str, image: ImageRef, retriever: Retriever) -> BlobRef | None:
    """The picture of a URL or of short base64; None where the value itself is sent."""
    stored = retriever.stored(value)
    if stored is None:
        return None
    if is_url(value):
        as_bytes = image.place in _SENT_AS_BYTES
        return BlobRef(stored.sha256, stored.media_type) if as_bytes else None
    as_url = image.place in _AS_URLS or _DATA_URL.match(value) is not None
    form = "data_url" if as_url else "base64"
    return BlobRef(stored.sha256, stored.media_type, form)
