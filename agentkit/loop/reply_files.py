"""The files that server tools left in a reply: fetched under the `FetchPolicy`, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentkit.errors import FileError, ImageError, RunError, StoreError
from agentkit.images.ingest_file import stored_file
from agentkit.images.retriever import MOST_AT_ONCE, TOO_LATE, Downloads
from agentkit.loop.context import Services
from agentkit.values import File, ImageFailure, Source
from agentkit.values.blobs import opened
from agentkit.wire.files import FileRef
from agentkit.wire.shapes import is_url, without_signature
from agentkit.wire.types import CONTAINER_FILE

Outcome = File | ImageFailure


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
                url = without_signature(ref.value) if is_url(ref.value) else None
                bare = File(sha256, "", 0, ref.name, url=url, invocation_id=ref.invocation_id)
                return await asyncio.to_thread(stored_file, bare, services.store)
        except TimeoutError:
            return _failure(ref, TOO_LATE)
        except (FileError, ImageError, StoreError, RunError) as error:
            return _failure(ref, str(error))

    return list(await asyncio.gather(*[one(number, ref) for number, ref in enumerate(refs)]))


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
