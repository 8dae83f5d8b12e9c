"""The studio in an agent's hands: any model that can call tools can draw and edit, within what the
run may spend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from agentkit.budget import Budget
from agentkit.errors import BudgetExceeded, RunError
from agentkit.openrouter.stored_call import Undecided
from agentkit.studio.options import Options
from agentkit.studio.stream import DrawingLog, Work
from agentkit.studio.values import Drawing
from agentkit.tools import Billed, Context, Tool, ToolResultError, tool
from agentkit.values import Image

Result = Billed[dict[str, Any]]


class Draws(Protocol):
    """Makes ready a request of a studio: a drawing from words, or one from these pictures."""

    def __call__(
        self,
        prompt: str,
        images: Sequence[Image] | None,
        budget: Budget | None,
        given: Options,
        call: object,
    ) -> Work: ...


def tools_of(draws: Draws, options: Options) -> list[Tool[..., Any]]:
    """`draw_image` and `edit_image`, which draw with these options; the model chooses words and
    shape.
    """

    def shaped(aspect_ratio: str | None) -> Options:
        return {**options, "aspect_ratio": aspect_ratio} if aspect_ratio is not None else options

    @tool
    async def draw_image(
        context: Context[Any], prompt: str, aspect_ratio: str | None = None
    ) -> Result:
        """Draw a new picture from words alone. To change a picture that exists, use edit_image.

        Args:
            prompt: What to draw, in full: the one who draws knows nothing of this conversation.
            aspect_ratio: Width to height, such as 1:1, 16:9 or 2:3.
        """
        return await _drawn(context, draws, prompt, None, shaped(aspect_ratio))

    @tool
    async def edit_image(
        context: Context[Any], images: list[Image], prompt: str, aspect_ratio: str | None = None
    ) -> Result:
        """Change a picture of this conversation, or make a new one out of several.

        Args:
            images: The picture to change, or the pictures to start from.
            prompt: What to change, in full: the one who draws sees these pictures and knows nothing
                else.
            aspect_ratio: Width to height, such as 1:1, 16:9 or 2:3; left out, as the model likes.
        """
        return await _drawn(context, draws, prompt, images, shaped(aspect_ratio))

    return [draw_image, edit_image]


async def _drawn(
    context: Context[Any],
    draws: Draws,
    prompt: str,
    images: Sequence[Image] | None,
    options: Options,
) -> Result:
    """The pictures and what they cost. What had come before an error, or before the call was
    stopped, is a result where there are pictures, or where it was paid for: an error would take the
    cost from the run.
    """
    log = DrawingLog()
    try:
        drawing = await draws(prompt, images, context.budget, options, context.drawing)(log)
    except Undecided:
        raise
    except BudgetExceeded as error:
        raise ToolResultError(
            "not drawn: it would pass the limit of what may be spent, or of "
            f"how many pictures are drawn ({error})"
        ) from None
    except RunError as error:
        came = error.drawing
        if not isinstance(came, Drawing) or not (came.images or came.usage.cost_usd):
            raise
        return _told(came, str(error))
    except asyncio.CancelledError:
        # Whoever stops a call takes what it gives all the same: see `loop.tool_calls`.
        if log.drawing is None or not (log.drawing.images or log.drawing.usage.cost_usd):
            raise
        return _told(log.drawing, "stopped: its time, or that of the run, was over")
    return _told(drawing)


def _told(drawing: Drawing, *problems: str) -> Result:
    failed = [*(failure.reason for failure in drawing.failures), *problems]
    told: dict[str, Any] = {"images": list(drawing.images)}
    return Billed({**told, "failed": failed} if failed else told, drawing.usage)
