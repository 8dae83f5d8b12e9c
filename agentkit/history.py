"""What of a conversation is told again beside its messages: the handles by which pictures are called."""

from __future__ import annotations

from agentkit.values import Image, Message

_PROMPT = 80


def notes(messages: tuple[Message, ...]) -> dict[int, str]:
    """By position: a line that tells the model the handles of the pictures it can name to a tool.

    Each picture is told once, beside the first message of the user's side that follows it, or that holds it; so what was
    sent before never changes, and the provider's prompt cache holds.
    """
    lines: dict[int, str] = {}
    told: set[str] = set()
    fresh: list[Image] = []
    for index, message in enumerate(messages):
        fresh += [image for image in message.images if image.name and image.name not in told]
        told |= {image.name for image in fresh}
        if message.role != "assistant" and fresh:
            lines[index] = f"[pictures: {'; '.join(_named(image) for image in fresh)}]"
            fresh = []
    return lines


def _named(image: Image) -> str:
    words = image.prompt or image.alt or ("yours" if any(source.place == "user" for source in image.sources) else "")
    short = words if len(words) <= _PROMPT else words[: _PROMPT - 1] + "…"
    return f"{image.name} ({short})" if short else image.name
