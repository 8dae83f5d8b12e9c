"""What comes of a request to the Image API."""

from __future__ import annotations

from dataclasses import dataclass

from agentkit.errors import ImageError
from agentkit.values import Image, ImageFailure, Usage


@dataclass(frozen=True, slots=True)
class Drawing:
    """The pictures of one request, and what they cost."""

    images: tuple[Image, ...]
    """In the order of arrival, at most as many as were asked for. If there is only one, its
    `cost_usd` is that of the request.
    """
    failures: tuple[ImageFailure, ...]
    """Pictures that arrived and cannot be used. Their bytes are kept aside in the store."""
    usage: Usage
    """What the request used. `cost_usd` is None if the reply did not tell it."""
    model: str
    """The model that was asked."""
    prompt: str
    """The words that were sent."""
    generation_id: str | None = None
    """OpenRouter's id of the request, if it was told. `OpenRouter.generation` asks about it."""
    seconds: float = 0.0
    """From the start of the request to the last byte, retries included."""

    @property
    def image(self) -> Image:
        """The picture, or the first of several. Raises `ImageError` that says why there is none."""
        if not self.images:
            reasons = "; ".join(failure.reason for failure in self.failures)
            raise ImageError(
                f"no picture of {self.prompt[:80]!r} was had: {reasons or 'none came'}"
            )
        return self.images[0]
