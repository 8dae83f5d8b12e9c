"""The output items of a Responses result, before they are encoded: which part goes into which."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentkit.emulator.job import Job
from agentkit.emulator.script import CallTool, Draw, Json, Place, Raw, Say, Think, UseServerTool
from agentkit.emulator.wire.image_places import places_of


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """A drawing in one of its places."""

    draw: Draw
    place: Place


@dataclass(slots=True)
class MessagePart:
    """One message item: its texts and pictures, in order."""

    contents: list[Say | PlacedPicture] = field(default_factory=list[Say | PlacedPicture])


OutputPart = MessagePart | Think | CallTool | PlacedPicture | UseServerTool | Raw


def output_parts(job: Job) -> list[OutputPart]:
    """The content of a reply, one part for each output item.

    Texts that follow one another share a message, and so do pictures that stand inside a text.
    """
    parts: list[OutputPart] = []
    for item in job.reply.content:
        if isinstance(item, Draw):
            for place in places_of(item, "responses", native=job.native, preferred=job.places):
                picture = PlacedPicture(item, place)
                if place in ("markdown", "bare_link", "content_parts"):
                    _open_message(parts).contents.append(picture)
                else:
                    parts.append(picture)
        elif isinstance(item, Say):
            _open_message(parts).contents.append(item)
        else:
            parts.append(item)
    return parts


def _open_message(parts: list[OutputPart]) -> MessagePart:
    """The message at the end of the parts. A new one is added where something else stands there."""
    if parts and isinstance(parts[-1], MessagePart):
        return parts[-1]
    message = MessagePart()
    parts.append(message)
    return message


def joined_text(says: Sequence[Say]) -> tuple[str, list[Json]]:
    """Several texts as one, with links in paragraphs of their own, and the citations."""
    text = ""
    notes: list[Json] = []
    linked = False
    for say in says:
        is_link = bool(say.annotations and say.annotations[0].get("link"))
        apart = (
            text
            and not text.endswith("\n")
            and not say.text.startswith("\n")
            and (is_link or linked)
        )
        text += ("\n\n" if apart else "") + say.text
        linked = is_link
        if not is_link:
            notes += [
                {"type": "url_citation", "start_index": 0, "end_index": 0, "title": "", **note}
                for note in say.annotations
            ]
    return text, notes
