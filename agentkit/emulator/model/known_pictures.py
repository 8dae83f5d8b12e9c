"""The pictures of a conversation, in the order in which they came, each once."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from agentkit.emulator.model.drawing_words import subjects, wants_drawing
from agentkit.emulator.model.picture_changes import Known
from agentkit.emulator.painter.studio import Studio
from agentkit.emulator.wire.request import PastPicture, Turn

_MARKDOWN = re.compile(r"!\[([^\]]*)\]\((\S+?)\)")
_HANDLE = re.compile(r"\bimg_\d+\b")
_GROUP = re.compile(
    r"\[(picture|[^:\[\]]*pictures)( that are not shown here)?:?(.*?)\](?= \[|$)", re.DOTALL
)
_ENTRY = re.compile(r"(?:^|; )\s*(img_\d+)(?: \((.*?)\))?(?=; |$)", re.DOTALL)


def pictures_in(turns: Sequence[Turn], studio: Studio) -> list[Known]:
    """The pictures of the turns, in order.

    A picture has the name that the client wrote beside it, or the next of `img_1`, `img_2`, ….
    """
    found: list[Known] = []
    keys: dict[str, int] = {}
    asked = ""
    told = 0
    for turn in turns:
        if turn.role == "user" and turn.text.strip():
            asked = turn.text
        mine = turn.role == "assistant"
        shown = [*turn.pictures, *(_in_text(turn.text) if mine else ())]
        for number, picture in enumerate(shown):
            _add(found, keys, picture, _guess(asked, number) if mine else None, studio, mine=mine)
        if turn.asides:
            _name(found, told, " ".join(turn.asides))
            told = len(found)
    return found


def _name(found: list[Known], told: int, aside: str) -> None:
    """Give the latest pictures the names that the client tells; one that it did not send again is
    known by its prompt.
    """
    fresh = [index for index in range(told, len(found)) if not found[index].named]
    for _, absent, entries in _GROUP.findall(aside):
        for handle, about in _ENTRY.findall(entries.strip()):
            prompt = (
                about[about.find('"') + 1 : about.rfind('"')].rstrip("…") if '"' in about else ""
            )
            meant = [
                index
                for index in fresh
                if not absent or (prompt and (found[index].prompt or "").startswith(prompt))
            ]
            if meant:
                found[meant[0]] = replace(found[meant[0]], handle=handle, named=True)
                fresh.remove(meant[0])
            elif not any(known.handle == handle and known.named for known in found):
                found.append(Known(handle, prompt or None, None, mine=True, named=True))


def _in_text(text: str) -> list[PastPicture]:
    return [PastPicture(url, prompt=alt or None) for alt, url in _MARKDOWN.findall(text)]


def _guess(asked: str, number: int) -> str | None:
    """What a picture without a prompt shows, by what the user had asked for."""
    if not wants_drawing(asked):
        return None
    wanted = subjects(asked)
    return wanted[min(number, len(wanted) - 1)]


def _add(
    found: list[Known],
    keys: dict[str, int],
    picture: PastPicture,
    guess: str | None,
    studio: Studio,
    *,
    mine: bool,
) -> None:
    data = studio.look_up(picture.where)
    names = [picture.where] if picture.where else []
    if data is not None:
        names.append(hashlib.sha256(data).hexdigest())
    prompt = picture.prompt or (studio.prompt_of(data) if data else None) or guess
    if not names:
        names = [f"prompt:{prompt}"]
    handles = _HANDLE.findall(re.sub('".*"', "", picture.label or "", flags=re.DOTALL))
    known = next((keys[name] for name in names if name in keys), None)
    if known is None and (told := keys.get(f"prompt:{prompt}")) is not None:
        # The record of the tool was without its bytes: the link in the words is the same picture.
        known = told if found[told].data is None else None
    if known is None:
        known = len(found)
        handle = handles[-1] if handles else f"img_{known + 1}"
        found.append(Known(handle, prompt, data, mine, named=bool(handles)))
    else:
        old = found[known]
        handle = handles[-1] if handles else old.handle
        named = old.named or bool(handles)
        found[known] = Known(handle, old.prompt or prompt, old.data or data, old.mine, named=named)
    for name in names:
        keys[name] = known
