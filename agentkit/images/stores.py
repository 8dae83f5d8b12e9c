"""Which store a text names: a folder, or the URL of an object store."""

from __future__ import annotations

import os
from functools import lru_cache

from agentkit.images.bucket import is_url
from agentkit.images.store import FileImageStore, ImageStore, checked_store

_NAMING = (
    "AGENTKIT_STORE",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "HOME",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
)
"""Environment variables by which the store is found."""


def store_at(place: str) -> ImageStore:
    """The store in this folder, or at this URL: `s3://…`, `gs://…`, `az://…`, `file:///…`. Raises
    `UsageError` for what cannot be one.
    """
    if not is_url(place):
        return FileImageStore(place)
    from agentkit.images.object_store import ObjectImageStore

    return ObjectImageStore(place)


def given_store(owner: str, store: object) -> ImageStore | None:
    """A store that may be left out. Raises `UsageError` for what is none, or where the default one
    cannot be.
    """
    if store is None:
        default_store()
        return None
    return checked_store(owner, store)


def default_store() -> ImageStore:
    """The store of all who were given none: what `AGENTKIT_STORE` names now, else the folder in the
    user's data folder. Raises `UsageError` for one that cannot be.
    """
    return _default_store(*map(os.environ.get, _NAMING))


@lru_cache(maxsize=4)
def _default_store(place: str | None, *_: str | None) -> ImageStore:
    return store_at(place) if place else FileImageStore()


def place_of(store: ImageStore) -> str:
    """The folder or the URL of a store, as a person knows it."""
    place: object = getattr(store, "url", None) or getattr(store, "path", None) or repr(store)
    return str(place)
