"""The pictures and files that go with the next message, and the handles that they will have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentkit.conversation import Conversation
from agentkit.run.handles import FILE_HANDLE
from agentkit.values import File, Image


def promised(given: Sequence[Image | File], chat: Conversation[Any]) -> tuple[str, ...]:
    """The handle that each of these will have in the conversation: bytes that are there already are
    one picture or one file, and keep its handle.
    """
    handles = {value.sha256: name for name, value in (*chat.images.items(), *chat.files.items())}
    numbers = [int(match[1]) for name in chat.files if (match := FILE_HANDLE.match(name))]
    following = {
        "img": int(chat.next_handle.removeprefix("img_")),
        "file": max(numbers, default=0) + 1,
    }
    names: list[str] = []
    for value in given:
        handle = handles.get(value.sha256)
        if handle is None:
            kind = "file" if value.kind == "file" else "img"
            handle = f"{kind}_{following[kind]}"
            following[kind] += 1
            if value.sha256:  # one that is only an address is no other one's copy
                handles[value.sha256] = handle
        names.append(handle)
    return tuple(names)
