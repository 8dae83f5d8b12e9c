"""Stored turns as the messages of a chat, told by the teller that tells them live."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from agentkit.run import Run
from agentkit.values import File, Image, Text
from agentkit.web import chunks
from agentkit.web.acts import acts_of
from agentkit.web.chunks import Chunk
from agentkit.web.message_facts import Ending
from agentkit.web.notes import Decided, Notes, Paused
from agentkit.web.telling import Teller
from agentkit.web.told_calls import Verdict
from agentkit.web.told_files import user_file
from agentkit.web.told_pictures import user_picture
from agentkit.web.ui_message import UIMessage, reduced

_NO_VERDICTS: Mapping[str, Verdict] = {}


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A message that goes on where it waited, or was interrupted."""

    teller: Teller
    """Tells what comes."""
    whole: list[Chunk]
    """All of it so far, for a client that has nothing of it."""
    rest: list[Chunk]
    """What is new, for the client that has its parts."""


def take_up(
    run: Run,
    notes: str = "",
    verdicts: Mapping[str, Verdict] = _NO_VERDICTS,
    *,
    emulator: bool = False,
    drawing: Collection[str] = (),
) -> TakenUp:
    """The message of a run that goes on: with what a person said (`verdicts`, by the ids of the
    calls), if it waited for that.
    """
    known = Notes.from_json(notes)
    teller = Teller(run, emulator=emulator, drawing={*drawing, *known.drawing})
    told = _told(teller, run, known) + teller.close()
    decided = teller.decide(verdicts)
    whole = _without_answered(told, decided)
    return TakenUp(teller, whole, [*teller.go_on(), *chunks.sent(decided)])


def answered_chunks(teller: Teller, paused: Paused, decided: Decided) -> list[Chunk]:
    """The chunks of a turn that waited, and went on, before they are told."""
    asked = [*teller.close(), *teller.tell(paused)]
    return _without_answered(asked, teller.tell(decided))


def _without_answered(told: Sequence[Chunk], decided: Sequence[Chunk]) -> list[Chunk]:
    """What is sent of these, without the questions that were answered."""
    answered = {each["approvalId"] for each in decided if each["type"] == chunks.ANSWERED}
    return [
        each
        for each in chunks.sent([*told, *decided])
        if each["type"] != "tool-approval-request" or each["approvalId"] not in answered
    ]


def ui_messages(run: Run, notes: str = "", ending: Ending | None = None) -> list[UIMessage]:
    """The user's message and the assistant's of a stored turn. `notes` are those of the teller that
    told it; `ending` says how it ended where neither they nor the run do.
    """
    return [user_message(run), assistant_message(run, notes, ending)]


def assistant_message(run: Run, notes: str = "", ending: Ending | None = None) -> UIMessage:
    """The assistant's message of a stored turn."""
    known = Notes.from_json(notes)
    teller = Teller(run, emulator=bool(known.emulator), drawing=known.drawing)
    told = _told(teller, run, known)
    is_open = run.status in {"running", "interrupted"}
    ending = ending or (known.ending if is_open else None) or Ending.of(run)
    return reduced([*told, *teller.end(run, ending)])


def _told(teller: Teller, run: Run, notes: Notes) -> list[Chunk]:
    """The chunks of what happened in the run by now, a pause it is in included."""
    told = teller.begin()
    for act in acts_of(run, notes):
        told += teller.tell(act)
    return told + (teller.close() + teller.pause(run) if run.status == "paused" else [])


def user_message(run: Run) -> UIMessage:
    """The user's message of a turn: its words, its pictures and files with their handles."""
    prompt = run.messages[run.start]
    parts: list[Chunk] = []
    known = {image.sha256: image for image in run.images}
    files = {file.sha256: file for file in run.files}
    for number, part in enumerate(prompt.parts, 1):
        if isinstance(part, Text):
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            parts += user_picture(known.get(part.sha256, part), number)
        elif isinstance(part, File):
            parts += user_file(files.get(part.sha256, part), number)
    return {"id": prompt_id(run), "role": "user", "parts": parts}


def prompt_id(run: Run) -> str:
    """What the user's message of a turn is called."""
    return f"{run.id}-prompt"
