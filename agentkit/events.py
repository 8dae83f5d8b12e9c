"""What a run tells while it goes on. Each event is a frozen value; `kind` tells them apart in
JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentkit.answer import AnswerStatus
from agentkit.values import Image, ImageFailure, Invocation, Message, Usage

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


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Some more of the assistant's text. All of them together are `answer.text`.

    What may be the link of a picture comes when that is decided, the words after such a link when
    its download has ended.
    """

    text: str
    kind: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Some more of the reasoning that the model shows."""

    text: str
    kind: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, slots=True)
class InvocationStarted:
    """A tool call begins: the user's own, or a server tool's as soon as the wire shows it."""

    invocation: Invocation
    kind: Literal["invocation_started"] = "invocation_started"


@dataclass(frozen=True, slots=True)
class InvocationProgress:
    """Something that a tool yielded while it runs, or a phase of a server tool (`in_progress`,
    `generating`).
    """

    invocation: Invocation
    message: str
    event: Event | None = None
    """Of an agent that is called as a tool: its own event, in which pictures have its own
    handles.
    """
    kind: Literal["invocation_progress"] = "invocation_progress"


@dataclass(frozen=True, slots=True)
class InvocationFinished:
    """A tool call has its result, or its error."""

    invocation: Invocation
    kind: Literal["invocation_finished"] = "invocation_finished"


@dataclass(frozen=True, slots=True)
class ImagePreview:
    """A coarse picture of one that is still being made. In memory only; never a final image."""

    item: str
    """Which picture it previews: the same for all previews of one."""
    index: int
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
    """A picture is in the store, and has its name."""

    image: Image
    kind: Literal["image_ready"] = "image_ready"


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A picture was announced and cannot be had. The answer stands."""

    failure: ImageFailure
    kind: Literal["image_failed"] = "image_failed"


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """One reply of the model is whole."""

    message: Message
    usage: Usage
    kind: Literal["turn_finished"] = "turn_finished"


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event of a run: its answer is ready. `status` is `Answer.status`, and never
    "interrupted".
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
