"""The studio in an agent's hands: any model that can call tools can draw and edit, within what the run may spend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentkit.budget import Budget, Hold
from agentkit.errors import APIError, ConnectionFailed, ImageError, RunError, UsageError
from agentkit.studio.options import Options
from agentkit.studio.values import Drawing
from agentkit.tools import Billed, Context, Tool, ToolResultError, tool
from agentkit.values import Image

if TYPE_CHECKING:
    from agentkit.studio.studios import Studio

Result = Billed[dict[str, Any]]


def tools_of(studio: Studio, options: Options) -> list[Tool[..., Any]]:
    """`draw_image` and `edit_image`, which draw with these options; the model chooses words and shape."""

    def shaped(aspect_ratio: str | None) -> Options:
        return {**options, "aspect_ratio": aspect_ratio} if aspect_ratio is not None else options

    @tool
    async def draw_image(context: Context[Any], prompt: str, aspect_ratio: str | None = None) -> Result:
        """Draw a new picture from words alone. To change a picture that exists, use edit_image.

        Args:
            prompt: What to draw, in full: the one who draws knows nothing of this conversation.
            aspect_ratio: Width to height, such as 1:1, 16:9 or 2:3.
        """
        return await _drawn(context, studio, prompt, (), shaped(aspect_ratio))

    @tool
    async def edit_image(
        context: Context[Any], images: list[Image], prompt: str, aspect_ratio: str | None = None
    ) -> Result:
        """Change a picture of this conversation, or make a new one out of several.

        Args:
            images: The picture to change, or the pictures to start from.
            prompt: What to change, in full: the one who draws sees these pictures and knows nothing else.
            aspect_ratio: Width to height, such as 1:1, 16:9 or 2:3; left out, as the model likes.
        """
        return await _drawn(context, studio, prompt, images, shaped(aspect_ratio), edit=True)

    return [draw_image, edit_image]


async def _drawn(
    context: Context[Any], studio: Studio, prompt: str, images: Sequence[Image], options: Options, *, edit: bool = False
) -> Result:
    """The pictures and what they cost. Pictures that had come before an error are a result: they may have been paid for."""
    with await _hold(context, studio, prompt, len(images), options) as hold:
        try:
            drawing = await (studio.edit(images, prompt, **options) if edit else studio.draw(prompt, **options))
        except (UsageError, ImageError):
            hold.release()  # nothing was sent
            raise
        except RunError as error:
            _settle(hold, error)
            if error.drawing is None or not error.drawing.images:
                raise
            return _told(error.drawing, str(error))
        hold.settle(drawing.usage.cost_usd, len(drawing.images))
        return _told(drawing)


async def _hold(context: Context[Any], studio: Studio, prompt: str, images: int, options: Options) -> Hold:
    """What the request may cost, held in the run's budget before it is sent. Raises `ToolResultError` where it does not fit."""
    budget = context.budget or Budget()
    shape = ("studio", options.get("model", studio.model))
    price = None
    if budget.remaining_usd is not None:
        price = await studio.price(prompt=prompt, images=images, **options)
        price = max(price or 0.0, budget.dearest(shape) or 0.0)
    hold = budget.reserve(price or 0.0, options.get("n", 1), shape=shape)
    if hold is None:
        raise ToolResultError(
            "not drawn: it would pass the limit of what may be spent, or of how many pictures are drawn"
        )
    return hold


def _settle(hold: Hold, error: RunError) -> None:
    """All or nothing (WIRE, "Money"): what ended with an error status was not billed. Else it is open what it cost."""
    came = len(error.drawing.images) if error.drawing is not None else 0
    unbilled = error.generation is not None and error.generation.billed is False
    if not came and (unbilled or isinstance(error, APIError | ConnectionFailed)):
        hold.release()
    elif error.drawing is not None and error.drawing.usage.cost_usd is not None:
        hold.settle(error.drawing.usage.cost_usd, came)
    else:
        hold.keep(came)


def _told(drawing: Drawing, *problems: str) -> Result:
    failed = [*(failure.reason for failure in drawing.failures), *problems]
    told: dict[str, Any] = {"images": list(drawing.images)}
    return Billed({**told, "failed": failed} if failed else told, drawing.usage)
