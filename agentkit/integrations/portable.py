"""An agent as a tool of another framework: its name, its schema and an async function. What a
framework wants beside that is a few lines, see `agentkit.integrations.openai_agents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit._check import check_kind, check_number, check_pattern
from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.errors import UsageError
from agentkit.integrations.chats import Chats, Pictures, Tell, uri_of, watched
from agentkit.tools.tool import NAME
from agentkit.values import Image, Text

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {
            "type": "string",
            "description": "The task in words, with all that has to be known for it. Pictures of "
            "the conversation are named by their handles, such as img_1.",
        },
        "images": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Pictures to look at or to change: data URLs, http(s) URLs, "
            "agentkit://images/… addresses, or handles of the conversation.",
        },
        "conversation": {
            "type": "string",
            "description": "The id of a conversation that goes on, as the last result told it. "
            "Leave it out to begin a new one.",
        },
    },
    "required": ["prompt"],
    "additionalProperties": False,
}
"""What an agent takes as a tool."""


@dataclass(frozen=True, slots=True)
class PortableReply:
    """What came of one call."""

    parts: tuple[Text | Image, ...]
    """Words and pictures in order, those that its tools returned included."""
    answer: Answer[Any]
    """The whole answer: status, usage, failures, what waits for a person."""
    conversation: str
    """The id with which the next call goes on."""

    def note(self) -> str:
        """What another model has to know beside the words: the handles of the pictures, their
        addresses, the id of the conversation, and whether a person has to decide.
        """
        lines = [
            f"[{image.name}: {image.width or '?'}×{image.height or '?'} {image.media_type}, "
            f"{image.size:,} bytes, {uri_of(image)}]"
            for image in self.answer.images
        ]
        lines += [f"[a picture could not be had: {each.reason}]" for each in self.answer.failures]
        if self.answer.status == "paused":
            calls = ", ".join(each.name for each in self.answer.pending)
            lines.append(f"[not finished: it waits for a person, who has to decide on {calls}]")
        elif self.answer.status != "completed":
            why = self.answer.refusal or self.answer.limit_reason or self.answer.limit
            lines.append(f"[{self.answer.status}{f': {why}' if why else ''}]")
        return "\n".join([*lines, f"[conversation: {self.conversation}]"])


@dataclass(frozen=True, slots=True)
class Portable:
    """An agent as a tool, in the form from which other frameworks' tools are made."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(repr=False)
    """The JSON Schema of the arguments of `call`."""
    chats: Chats = field(repr=False, compare=False)

    async def call(
        self,
        prompt: str,
        images: Pictures = (),
        conversation: str | None = None,
        *,
        tell: Tell | None = None,
    ) -> PortableReply:
        """One turn: of the conversation with this id, or of a new one. `tell` is awaited with each
        event.

        A turn that waits for a person is told as such; a later call goes on without the calls that
        wait. One whose caller is cancelled is stopped, and what had come of it is kept. Raises
        `UsageError` and `ImageError` for what cannot be sent, and otherwise as `Agent.run` does.
        """
        check_kind("call(prompt={!r})", prompt, str, "text")
        if not prompt.strip() and not images:
            raise UsageError("call(prompt=''): accepted is text that is not empty, or pictures")
        name, chat = self.chats.open(conversation)
        parts = [prompt, *self.chats.pictures(images, chat)]
        answer = await watched(chat.stream(parts), tell, self.chats)
        return PortableReply(answer.shown, answer, name)


def portable(agent: Agent[Any], name: str, description: str = "", *, kept: int = 100) -> Portable:
    """An agent as a tool of another framework, which calls it with a prompt, pictures, and the id
    of the conversation that goes on.

        drawing = portable(agent, "draw", "Draws and changes pictures.")
        reply = await drawing.call("Draw a fox")
        reply = await drawing.call("Now at night", conversation=reply.conversation)

    The latest `kept` conversations are held in memory. Raises `UsageError` for an argument that
    cannot be right.
    """
    check_kind("portable(agent={!r})", agent, Agent, "an Agent")
    check_pattern("portable(name={!r})", name, NAME, "1 to 64 of a-z, A-Z, 0-9, _ and -")
    check_kind("portable(description={!r})", description, str, "text")
    check_number("portable(kept={!r})", kept, whole=True, least=1)
    said = description or f"Asks an agent ({agent.name}) that answers in words and pictures."
    return Portable(name, said, SCHEMA, Chats(agent, kept))
