"""A turn in a notebook while it runs: words as they come, tools that run, previews, pictures."""

from __future__ import annotations

import asyncio
import base64
import importlib
from dataclasses import dataclass, field, fields
from typing import Any, Generic

from typing_extensions import TypeVar

from agentkit.answer import Answer
from agentkit.errors import UsageError
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    TextDelta,
)
from agentkit.show import html, plain
from agentkit.stream import AnswerStream
from agentkit.values.image_display import MAX_CHARACTERS, data_url, figure
from agentkit.values.image_header import RASTER_TYPES

OutputT = TypeVar("OutputT", default=Any)
PAUSE = 0.1
"""Seconds between two updates that only add words."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown(Answer[OutputT], Generic[OutputT]):
    """An answer that the notebook has shown already: as the last value of a cell, it is a line."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self)}

    @classmethod
    def already(cls, answer: Answer[OutputT]) -> Shown[OutputT]:
        """The same answer, shown."""
        given = {each.name: getattr(answer, each.name) for each in fields(answer)}
        return cls(**given)


async def shown(stream: AnswerStream[OutputT]) -> Answer[OutputT]:
    """Show a stream in the notebook while it runs, and return its answer. Raises `UsageError`
    outside of a notebook, before anything is sent.
    """
    display = _display()
    handle: Any = display.display(display.HTML(""), display_id=True)
    view = LiveView()
    last = 0.0
    clock = asyncio.get_running_loop().time
    try:
        async with stream:
            async for event in stream:
                view.take(event)
                if not isinstance(event, TextDelta) or clock() - last >= PAUSE:
                    handle.update(display.HTML(view.html()))
                    last = clock()
    finally:
        handle.update(display.HTML(view.html(is_over=True)))
    answer = stream.answer
    whole = html.answer(answer.shown, answer.failures, files=answer.files, source=data_url)
    handle.update(display.HTML(whole))
    return Shown.already(answer)


def _display() -> Any:
    """IPython's display functions. Raises `UsageError` where there is no notebook."""
    try:
        core: Any = importlib.import_module("IPython")
        display: Any = importlib.import_module("IPython.display")
    except ImportError:
        core = display = None
    if core is None or core.get_ipython() is None:
        raise UsageError(
            "chat.show(…): this is no notebook; accepted is a cell of Jupyter or IPython, and "
            "chat.stream(…) anywhere"
        )
    return display


@dataclass(slots=True)
class LiveView:
    """What has come of a turn, as HTML."""

    words: str = ""
    running: dict[str, str] = field(default_factory=dict[str, str])
    """Names of the calls that run, by id."""
    pictures: dict[str, str] = field(default_factory=dict[str, str])
    """Figures of previews and pictures, by the item of the run."""
    failures: list[str] = field(default_factory=list[str])

    def take(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case TextDelta():
                self.words += event.text
            case InvocationStarted():
                self.running[event.invocation.id] = event.invocation.name
            case InvocationProgress():
                self.running[event.invocation.id] = f"{event.invocation.name}: {event.message}"
            case InvocationFinished():
                self.running.pop(event.invocation.id, None)
            case ImagePreview():
                self.pictures[event.item] = _preview(event)
            case ImageReady():
                key = event.item or event.image.name
                self.pictures[key] = html.picture(event.image, data_url)
            case ImageFailed():
                self.pictures.pop(event.item, None)
                self.failures.append(plain.failed(event.failure))
            case _:
                pass

    def html(self, *, is_over: bool = False) -> str:
        """All of it. What runs is left out where the turn is over."""
        blocks = [html.prose(self.words)]
        blocks += self.pictures.values()
        blocks += [f"<p>{html.text(why)}</p>" for why in self.failures]
        if not is_over:
            blocks += [f"<p><i>{html.text(name)} …</i></p>" for name in self.running.values()]
        return f'<div class="agentkit-answer">{"".join(blocks)}</div>'


def _preview(event: ImagePreview) -> str:
    """A preview as a figure; one that is too large for a notebook is only told of."""
    size = len(event.data) * 4 // 3 + 40
    if event.media_type not in RASTER_TYPES or size > 4 * MAX_CHARACTERS:
        return "<p><i>a preview …</i></p>"
    encoded = base64.b64encode(event.data).decode("ascii")
    return figure(f"data:{event.media_type};base64,{encoded}", "a preview", ["preview"])
