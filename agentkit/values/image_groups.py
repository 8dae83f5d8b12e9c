"""Several pictures, as a tuple and as a mapping that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentkit.values.image import Image
from agentkit.values.image_display import displayed_together


class ImageTuple(tuple[Image, ...]):
    """A tuple of pictures that a notebook shows beside each other."""

    __slots__ = ()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Notebook display."""
        return {"text/plain": repr(self), "text/html": displayed_together(self)}


class ImageMapping(Mapping[str, Image]):
    """Pictures by their handles, in order: a view that grows with what it shows, and that a
    notebook shows beside each other.
    """

    __slots__ = ("_images",)

    def __init__(self, images: Mapping[str, Image]) -> None:
        self._images = images

    def __getitem__(self, name: str) -> Image:
        return self._images[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._images))

    def __len__(self) -> int:
        return len(self._images)

    def __or__(self, other: Mapping[str, Image]) -> dict[str, Image]:
        return {**self._images, **other}

    def __ror__(self, other: Mapping[str, Image]) -> dict[str, Image]:
        return {**other, **self._images}

    def copy(self) -> dict[str, Image]:
        """The pictures as they are now."""
        return dict(self._images)

    def __repr__(self) -> str:
        return repr(dict(self._images))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Notebook display."""
        return {"text/plain": repr(self), "text/html": displayed_together(self.values())}
