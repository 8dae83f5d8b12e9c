"""What comes of a request to the Image API."""

from __future__ import annotations

from dataclasses import dataclass

from agentkit.errors import ImageError
from agentkit.values import Image, ImageFailure, Usage


@dataclass(frozen=True, slots=True)
class Drawing:
    """The pictures of one request, and what they cost."""

    images: tuple[Image, ...]
    """In the order of arrival, at most as many as were asked for. Each has its prompt, model and
    parents; and its cost, where there is only one, so that it is the request's."""
    failures: tuple[ImageFailure, ...]
    """Pictures that came and cannot be used; what did come of their bytes is kept aside in the
    store.
    """
    usage: Usage
    """Of the request; `cost_usd` is None where the reply did not tell it."""
    model: str
    """The one that was asked."""
    prompt: str
    generation_id: str | None = None
    """OpenRouter's id of the request, where it was told: the key for `GET /generation`."""
    seconds: float = 0.0
    """From the sending to the last byte, retries included."""

    @property
    def image(self) -> Image:
        """The picture, or the first of several. Raises `ImageError` that says why there is none."""
        if not self.images:
            reasons = "; ".join(failure.reason for failure in self.failures)
            raise ImageError(
                f"no picture of {self.prompt[:80]!r} was had: {reasons or 'none came'}"
            )
        return self.images[0]
