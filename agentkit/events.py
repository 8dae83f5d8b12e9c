"""The events of a run, as they happen. Each is a frozen value; `kind` tells them apart in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentkit.answer import AnswerStatus
from agentkit.values import File, Image, ImageFailure, Invocation, Message, Usage, fast_init

__all__ = [
    "Event",
    "ImageFailed",
    "ImagePreview",
    "ImageReady",
    "InvocationFinished",
    "InvocationProgress",
    "InvocationStarted",
    "ReasoningDelta",
    "RunFinished",
    "TextDelta",
    "TurnFinished",
]


@fast_init
@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the assistant's text. All of them together are `answer.text`.

    A possible link to a picture is held back until it is known whether it is one. The words after
    such a link wait until its download has ended.
    """

    text: str
    kind: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the reasoning that the model shows."""

    text: str
    kind: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, slots=True)
class InvocationStarted:
    """A tool call begins. For a server tool: as soon as the reply shows it.

    A call that waits for a person (for an approval, or for its result from outside) is told with
    the status `"pending"` before the run pauses, and again when it runs.
    """

    invocation: Invocation
    kind: Literal["invocation_started"] = "invocation_started"


@dataclass(frozen=True, slots=True)
class InvocationProgress:
    """A tool yielded something while it runs, or a server tool entered a phase (`in_progress`,
    `generating`).
    """

    invocation: Invocation
    message: str
    event: Event | None = None
    """If the tool is an agent: the agent's own event, in which pictures have the agent's handles.
    """
    kind: Literal["invocation_progress"] = "invocation_progress"


@dataclass(frozen=True, slots=True)
class InvocationFinished:
    """A tool call has its result, or its error."""

    invocation: Invocation
    files: tuple[File, ...] = ()
    """The files that it gave, stored and with their handles."""
    kind: Literal["invocation_finished"] = "invocation_finished"


@dataclass(frozen=True, slots=True)
class ImagePreview:
    """A coarse version of a picture that is still being drawn. It is held in memory only, and is
    never a final picture.
    """

    item: str
    """Which picture of the run it belongs to: the same text for all previews of one picture, and
    for its `ImageReady` or `ImageFailed`.
    """
    index: int
    """Its number among them."""
    data: bytes
    media_type: str
    kind: Literal["image_preview"] = "image_preview"

    def __repr__(self) -> str:
        return (
            f"ImagePreview(item={self.item!r}, index={self.index}, "
            f"{self.media_type}, {len(self.data)} bytes)"
        )


@dataclass(frozen=True, slots=True)
class ImageReady:
    """A picture is stored and has its handle. One that a reply shows in several places is told
    once.
    """

    image: Image
    item: str = ""
    """Which picture of the run it is, as in `ImagePreview.item`."""
    kind: Literal["image_ready"] = "image_ready"


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A picture was announced and cannot be obtained. The rest of the answer stands."""

    failure: ImageFailure
    item: str = ""
    """Which picture of the run it was to be, as in `ImagePreview.item`."""
    kind: Literal["image_failed"] = "image_failed"


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """One reply of the model is complete."""

    message: Message
    usage: Usage
    kind: Literal["turn_finished"] = "turn_finished"


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event: the answer is ready. `status` is that of the answer, and never
    `"interrupted"`.
    """

    status: AnswerStatus
    usage: Usage
    kind: Literal["run_finished"] = "run_finished"


Event = (
    TextDelta
    | ReasoningDelta
    | InvocationStarted
    | InvocationProgress
    | InvocationFinished
    | ImagePreview
    | ImageReady
    | ImageFailed
    | TurnFinished
    | RunFinished
)
"""Any event of a stream: a `match` over all ten can end in `assert_never`."""
