"""What a person attaches: a picture, or a file of any other kind, as its bytes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentkit.errors import FileError, ImageError, UsageError

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.loop.begin import AgentLike
    from agentkit.values import File, Image

_PICTURES = frozenset({"png", "jpg", "jpeg", "webp", "gif", "avif", "heic", "bmp", "tif", "tiff"})
"""Endings of names that promise a picture: what is none then is told, and not sent as a file."""


def of_path(path: Path) -> Image | File:
    """The picture or the file at a path. Raises `ImageError` or `FileError`."""
    from agentkit.values import File, Image

    is_picture = _is_picture(_head(path), path.name)
    return Image.from_file(path) if is_picture else File.from_path(path)


def of_bytes(data: bytes, name: str = "") -> Image | File:
    """The picture or the file of these bytes. Raises `ImageError` or `FileError`."""
    from agentkit.values import File, Image

    if _is_picture(data, name):
        return Image.from_bytes(data)
    return File.from_bytes(data, name=name)


async def fetched(given: Sequence[Image | File], agent: Agent[Any]) -> list[Image | File]:
    """The same, with those of `-a URL` downloaded under the agent's `FetchPolicy`: only their bytes
    say what they are. Raises `UsageError` that names the one that cannot be had.
    """
    values: list[Image | File] = []
    for each in given:
        if each.sha256 or each.url is None:
            values.append(each)
            continue
        try:
            values.append(await of_url(each.url, agent))
        except (FileError, ImageError) as error:
            raise UsageError(f"-a {each.url}: {error}") from error
    return values


async def of_url(url: str, agent: AgentLike[Any]) -> Image | File:
    """The picture or the file at a URL, downloaded under the agent's `FetchPolicy`. Raises
    `ImageError` or `FileError`.
    """
    import asyncio

    from agentkit.values import File, Source
    from agentkit.values.blobs import opened, storing

    client, store = agent.client, agent.store
    fetcher = client.fetcher(agent.fetch, store)
    sha256 = await fetcher.fetch_file(url)

    def read() -> bytes:
        with storing("read from"), opened(store, sha256) as source:
            return source.read()

    data = await asyncio.to_thread(read)
    value = await asyncio.to_thread(of_bytes, data, File.from_url(url).file_name)
    if value.kind == "file":
        return replace(value, url=url)
    return replace(value, sources=(Source("user", url),))


def _head(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read, which is told by whoever needs it
    whole.
    """
    from agentkit.values.image_header import HEAD

    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(HEAD)
    except (OSError, ValueError):
        return b""
    return b""


def _is_picture(head: bytes, name: str) -> bool:
    """Whether it is one that a model can look at, or should be: SVG is words to them."""
    from agentkit.values.file_kind import SVG, extension_of
    from agentkit.values.image_header import HEAD, sniff

    kind = sniff(head[:HEAD])
    return kind != SVG if kind is not None else extension_of(name) in _PICTURES
