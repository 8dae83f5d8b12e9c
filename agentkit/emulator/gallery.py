"""The pictures of a conversation, in the order in which they came, each once."""

import hashlib
import re
from collections.abc import Sequence

from agentkit.emulator.ask import PastPicture, Turn
from agentkit.emulator.changes import Known
from agentkit.emulator.drawing import subjects, wants_drawing
from agentkit.emulator.studio import Studio

_MARKDOWN = re.compile(r"!\[([^\]]*)\]\((\S+?)\)")
_HANDLE = re.compile(r"\bimg_\d+\b")


def gallery_of(turns: Sequence[Turn], studio: Studio) -> list[Known]:
    """Named by the handles that the client wrote beside them, or `img_1`, `img_2`, … as they come."""
    found: list[Known] = []
    keys: dict[str, int] = {}
    asked = ""
    for turn in turns:
        if turn.role == "user" and turn.text.strip():
            asked = turn.text
        mine = turn.role == "assistant"
        shown = [*turn.pictures, *(_in_text(turn.text) if mine else ())]
        for number, picture in enumerate(shown):
            _add(found, keys, picture, _guess(asked, number) if mine else None, studio, mine=mine)
    return found


def _in_text(text: str) -> list[PastPicture]:
    return [PastPicture(url, prompt=alt or None) for alt, url in _MARKDOWN.findall(text)]


def _guess(asked: str, number: int) -> str | None:
    """What a picture without a prompt shows, by what the user had asked for."""
    if not wants_drawing(asked):
        return None
    wanted = subjects(asked)
    return wanted[min(number, len(wanted) - 1)]


def _add(
    found: list[Known], keys: dict[str, int], picture: PastPicture, guess: str | None, studio: Studio, *, mine: bool
) -> None:
    data = studio.look_up(picture.where)
    names = [picture.where] if picture.where else []
    if data is not None:
        names.append(hashlib.sha256(data).hexdigest())
    prompt = picture.prompt or (studio.prompt_of(data) if data else None) or guess
    if not names:
        names = [f"prompt:{prompt}"]
    handles = _HANDLE.findall(picture.label or "")
    known = next((keys[name] for name in names if name in keys), None)
    if known is None:
        known = len(found)
        found.append(Known(handles[-1] if handles else f"img_{known + 1}", prompt, data, mine))
    else:
        old = found[known]
        found[known] = Known(handles[-1] if handles else old.handle, old.prompt or prompt, old.data or data, old.mine)
    for name in names:
        keys[name] = known
