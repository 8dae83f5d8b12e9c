"""The files that server tools left in a reply: fetched under the `FetchPolicy`, and kept. What
turns out to be a picture is one, whatever it is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentkit.errors import FileError, ImageError, RunError, StoreError
from agentkit.images.ingest_file import stored_file
from agentkit.images.inspect import inspect_stored
from agentkit.images.outcome import image_of
from agentkit.images.retriever import MOST_AT_ONCE, TOO_LATE, Downloads
from agentkit.loop.context import Services
from agentkit.values import File, Image, ImageFailure, Source
from agentkit.values.blobs import opened, storing
from agentkit.values.file_kind import SVG
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.files import FileRef
from agentkit.wire.shapes import is_url, without_signature
from agentkit.wire.types import CONTAINER_FILE, ImageKey, ImageRef

Outcome = File | Image | ImageFailure


async def fetched(
    refs: Sequence[FileRef],
    services: Services,
    downloads: Downloads | None,
    grace: float | None = None,
) -> list[Outcome]:
    """Each file in the store, or why it is not there. `grace` is how many seconds that may take;
    None: as long as the policy lets it.
    """
    gate = asyncio.Semaphore(MOST_AT_ONCE)
    most = services.fetcher.policy.most_pictures

    async def one(number: int, ref: FileRef) -> Outcome:
        try:
            if ref.error is not None:
                raise FileError(ref.error)
            if number >= most:
                raise FileError(f"the reply has more than {most} files: those beyond are not kept")
            async with gate, asyncio.timeout(grace):
                sha256 = await _bytes_of(ref.value, services, downloads)
                return await asyncio.to_thread(_looked_at, ref, sha256, services)
        except TimeoutError:
            return _failure(ref, TOO_LATE)
        except (FileError, ImageError, StoreError, RunError) as error:
            return _failure(ref, str(error))

    return list(await asyncio.gather(*[one(number, ref) for number, ref in enumerate(refs)]))


def _looked_at(ref: FileRef, sha256: str, services: Services) -> File | Image:
    """What the stored bytes are. Raises as `stored_file` and `inspect_stored` do."""
    store = services.store
    with storing("read from"), opened(store, sha256) as source:
        kind = sniff(source.read(HEAD))
    if kind is None or kind == SVG:  # which goes as its words
        url = without_signature(ref.value) if is_url(ref.value) else None
        bare = File(sha256, "", 0, ref.name, url=url, invocation_id=ref.invocation_id)
        return stored_file(bare, store)
    most = services.fetcher.policy.max_pixels
    return image_of(ref_of(ref), inspect_stored(store, sha256, max_pixels=most), store, None)


def ref_of(ref: FileRef) -> ImageRef:
    """The file as a picture that was seen."""
    key = ImageKey("unclaimed", f"file:{ref.value}")
    return ImageRef(key, "item", (ref.value,), ref.name, invocation_id=ref.invocation_id)


async def _bytes_of(value: str, services: Services, downloads: Downloads | None) -> str:
    """The sha256 of what is behind a value: what was there before, if it was fetched once."""
    if downloads is not None and (known := downloads.known(value)) is not None:
        try:
            (await asyncio.to_thread(opened, services.store, known)).close()
        except FileNotFoundError:
            pass  # it is fetched once more
        else:
            return known
    fetcher = services.fetcher
    if is_url(value):
        sha256 = await fetcher.fetch_file(value)
    else:
        container, _, file = value.removeprefix(CONTAINER_FILE).partition("/")
        read = services.client.container_file
        sha256 = await fetcher.take_file(lambda take: read(container, file, take))
    if downloads is not None:
        await asyncio.to_thread(downloads.keep, value, sha256)
    return sha256


def _failure(ref: FileRef, reason: str) -> ImageFailure:
    """The failure, with the name of the file and where it lies."""
    is_remote = is_url(ref.value)
    place = "" if is_remote else f" ({ref.value.removeprefix(CONTAINER_FILE)[:200]})"
    url = without_signature(ref.value) if is_remote else None
    words = f"the file {ref.name or 'without a name'!r}{place}: {reason}"
    return ImageFailure(Source("file", url), url, words, ref.invocation_id)
