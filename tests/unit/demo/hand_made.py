"""Answers and conversations made by hand, for what shows them."""

import hashlib
from io import BytesIO

from PIL import Image as Pillow

from agentkit import Answer, Image, ImageFailure, Invocation, Message, Run, Text, Usage
from agentkit.demo.player import Played, PlayedTurn
from agentkit.values import Api, MemoryBlobs, Source, ToolCall, ToolResult


def drawn(name: str, colour: str = "orange", **fields: object) -> Image:
    buffer = BytesIO()
    Pillow.new("RGB", (16, 9), colour).save(buffer, "PNG")
    data = buffer.getvalue()
    known = {
        "width": 16,
        "height": 9,
        "prompt": f"a fox called {name}",
        "blobs": MemoryBlobs(data),
        "sources": (Source("content"),),
    }
    return Image(
        hashlib.sha256(data).hexdigest(), "image/png", len(data), name=name, **(known | fields)
    )  # type: ignore[arg-type]


def answered(
    *parts: Text | Image,
    say: str = "hello",
    invocations: tuple[Invocation, ...] = (),
    rounds: tuple[int, ...] = (),
    failures: tuple[ImageFailure, ...] = (),
    status: str = "completed",
    cost: float | None = 0.01,
    returned: tuple[Image, ...] = (),
    refusal: str | None = None,
    closing: str | None = None,
) -> Answer:
    """The answer of a run that ended with these parts; `rounds` says how many calls each earlier
    reply held, `returned` which pictures came from tools."""
    images = (*returned, *(part for part in parts if isinstance(part, Image)))
    messages = [Message("user", (Text(say),))]
    for number, size in enumerate(rounds):
        calls = tuple(ToolCall(f"call_{number}_{index}", "weather", "{}") for index in range(size))
        messages += [
            Message("assistant", calls),
            Message(
                "tool", tuple(ToolResult(call.id, call.name, (Text("fine"),)) for call in calls)
            ),
        ]
    run = Run(
        "run_1",
        "openai/gpt-5.2",
        "chat",
        (*messages, Message("assistant", parts)),
        0,
        status=status,  # type: ignore[arg-type]
        invocations=invocations,
        images=images,
        arrived=tuple(image.name for image in images),
        failures=failures,
        spent=(
            Usage(
                input_tokens=1200,
                output_tokens=34,
                requests=1,
                priced_requests=int(cost is not None),
                cost_usd=cost,
            ),
        ),
        refusal=refusal,
        closing=closing,
    )
    return Answer.of(run)


def failed_picture(reason: str = "404") -> ImageFailure:
    return ImageFailure(
        Source("text", "https://example.org/x.png"), "https://example.org/x.png", reason
    )


def played(*turns: PlayedTurn, api: Api = "chat", planned: int | None = None) -> Played:
    images = {image.name: image for turn in turns if turn.answer for image in turn.answer.images}
    return Played(api, turns, planned or len(turns), images, 1_790_000_000.0, 12.5)


def turn(
    answer: Answer | None,
    *,
    number: int = 1,
    say: str = "hello",
    problems: tuple[str, ...] = (),
    error: str | None = None,
    model: str = "",
) -> PlayedTurn:
    return PlayedTurn(number, say, answer, problems, error, 1.25, 0.2, model)
