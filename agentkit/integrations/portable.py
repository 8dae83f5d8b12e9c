"""An agent as a tool of another framework: its name, its schema and an async function. What a
framework wants beside that is a few lines, see `agentkit.integrations.openai_agents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from agentkit._check import check_kind, check_number, check_pattern
from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.conversation import Conversation
from agentkit.errors import UsageError
from agentkit.integrations.chats import Chats, Pictures, Tell, uri_of, watched
from agentkit.run.lines import of_file
from agentkit.show.plain import line
from agentkit.tools.tool import NAME
from agentkit.values import Image, Text
from agentkit.values.image_display import data_url
from agentkit.values.image_header import RASTER_TYPES
from agentkit.wire.base64text import decode_base64

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

    @property
    def text(self) -> str:
        """The words, each picture as its handle, and the note behind them."""
        words = [
            part.text if isinstance(part, Text) else f"\n[{part.name}]\n" for part in self.parts
        ]
        return f"{''.join(words)}\n\n{self.note()}".strip()

    def pictures(self) -> list[Image]:
        """The pictures, as a model may look at them: itself, or a smaller copy of one of more than
        4 MB. It blocks: it reads, and may decode and encode.
        """
        urls = [data_url(image, _MOST_SHOWN) for image in self.answer.images if _is_shown(image)]
        return [Image.from_bytes(decode_base64(url.partition(",")[2])) for url in urls]

    def note(self) -> str:
        """What another model has to know beside the words: the handles of the pictures and files,
        their addresses, the id of the conversation, and whether a person has to decide.
        """
        lines = [
            f"[{image.name}: {image.width or '?'}×{image.height or '?'} {image.media_type}, "
            f"{image.size:,} bytes, {uri_of(image)}]"
            for image in self.answer.images
        ]
        lines += [f"[{of_file(each)}, {uri_of(each)}]" for each in self.answer.files]
        lines += [f"[a picture could not be had: {each.reason}]" for each in self.answer.failures]
        if self.answer.status == "paused":
            calls = ", ".join(each.name for each in self.answer.pending)
            lines.append(f"[not finished: it waits for a person, who has to decide on {calls}]")
            asked = [each.question.message for each in self.answer.pending if each.question]
            lines += [f"[the person is asked: {line(each, width=1000)}]" for each in asked]
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
        name, chat, parts = await self.prepared(prompt, images, conversation)
        answer = await watched(chat.stream(parts), tell, self.chats, name)
        return PortableReply(answer.shown, answer, name)

    async def prepared(
        self, prompt: str, images: Pictures = (), conversation: str | None = None
    ) -> tuple[str, Conversation[Any], list[str | Image]]:
        """A conversation's id, the conversation, and what it is to be sent. What cannot be sent
        changes no conversation, and begins none.
        """
        check_kind("call(prompt={!r})", prompt, str, "text")
        if not prompt.strip() and not images:
            raise UsageError("call(prompt=''): accepted is text that is not empty, or pictures")
        name, chat = self.chats.open(conversation)
        parts = [prompt, *await self.chats.pictures(images, chat)]
        self.chats.keep(name, chat)
        return name, chat, parts


def checked_arguments(given: object) -> tuple[str, list[str], str]:
    """The arguments that another model wrote: prompt, images and conversation. Raises
    `UsageError`.
    """
    if not isinstance(given, Mapping):
        raise UsageError(f"the arguments are {given!r:.60}; accepted is an object")
    arguments = cast("Mapping[str, object]", given)
    known: list[str] = list(SCHEMA["properties"])
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise UsageError(f"{unknown[0]!r:.80} is no argument; accepted: {', '.join(known)}")
    prompt, conversation = arguments.get("prompt"), arguments.get("conversation") or ""
    if not isinstance(prompt, str) or not isinstance(conversation, str):
        raise UsageError("prompt and conversation: accepted is text")
    images: object = arguments.get("images") or []
    texts = cast("list[object]", images) if isinstance(images, list) else [None]
    found = [each for each in texts if isinstance(each, str)]
    if len(found) != len(texts):
        raise UsageError("images: accepted is a list of texts")
    return prompt, found, conversation


_MOST_SHOWN = 4_000_000
"""Characters of a picture as another framework's model gets it."""


def _is_shown(image: Image) -> bool:
    """Whether models look at such pictures: an SVG is none of them."""
    return image.media_type in RASTER_TYPES and image.blobs is not None


def portable(agent: Agent[Any], name: str, description: str = "", *, kept: int = 100) -> Portable:
    """An agent as a tool of another framework, which calls it with a prompt, pictures, and the id
    of the conversation that goes on.

        drawing = portable(agent, "draw", "Draws and changes pictures.")
        reply = await drawing.call("Draw a fox")
        reply = await drawing.call("Now at night", conversation=reply.conversation)

    The latest `kept` conversations are held in memory, beside those that take a turn. Raises
    `UsageError` for an argument that cannot be right.
    """
    check_kind("portable(agent={!r})", agent, Agent, "an Agent")
    check_pattern("portable(name={!r})", name, NAME, "1 to 64 of a-z, A-Z, 0-9, _ and -")
    check_kind("portable(description={!r})", description, str, "text")
    check_number("portable(kept={!r})", kept, whole=True, least=1)
    said = description or f"Asks an agent ({agent.name}) that answers in words and pictures."
    return Portable(name, said, SCHEMA, Chats(agent, kept))
