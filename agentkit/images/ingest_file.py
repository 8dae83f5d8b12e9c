"""Files of the user's, or of a tool's, put into the store before they are sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agentkit.errors import FileError, ImageError
from agentkit.images.drafts import SafeDraft
from agentkit.images.fetch import Fetcher
from agentkit.images.store import ImageStore
from agentkit.values import File
from agentkit.values.blobs import opened, read_some, storing
from agentkit.values.file_kind import clean_name, file_info

_CHUNK = 1 << 20


async def ingest_file(file: File, store: ImageStore, fetcher: Fetcher) -> File:
    """A file in the store, looked at. Raises `FileError` where it cannot be had or used, and
    `StoreError`.
    """
    if not file.sha256:
        if file.url is None:
            raise FileError(f"{file!r} has neither bytes nor a URL")
        try:
            sha256 = await fetcher.fetch_file(file.url)
        except ImageError as error:
            raise FileError(f"{file.url[:200]}: {error}") from error
        return await asyncio.to_thread(_described, replace(file, sha256=sha256), store)
    return await asyncio.to_thread(store_file, file, store)


def stored_file(file: File, store: ImageStore) -> File:
    """A file whose bytes are in the store, looked at. It blocks. Raises `FileError` for what nobody
    can use, and `StoreError`.
    """
    return _described(file, store)


def store_file(file: File, store: ImageStore) -> File:
    """A file that has bytes, in the store. It blocks. Raises `FileError` and `StoreError`."""
    if file.blobs == store and file.size:
        return file
    _copied(file, store)
    return _described(file, store)


def _copied(file: File, store: ImageStore) -> None:
    """Put the bytes into the store, piece by piece."""
    draft = SafeDraft(store)
    try:
        with file.open() as source:
            while chunk := read_some(source, _CHUNK):
                draft.write(chunk)
        if draft.sha256 != file.sha256:
            raise FileError(f"{file.file_name!r} has changed since it was made a File")
        draft.keep()
    finally:
        draft.discard()


def _described(file: File, store: ImageStore) -> File:
    """The file with what its stored bytes tell: what a saved value says may be anybody's word."""
    with storing("read from"), opened(store, file.sha256) as source:
        info = file_info(source, file.file_name)
    return replace(
        file,
        media_type=info.media_type,
        size=info.size,
        pages=info.pages,
        encoding=info.encoding,
        file_name=clean_name(file.file_name, info.media_type),
        blobs=store,
    )
