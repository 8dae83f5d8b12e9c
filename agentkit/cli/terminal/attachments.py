"""The pictures that go with the next message, and the handles that they will have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentkit.conversation import Conversation
from agentkit.values import Image


def promised(images: Sequence[Image], chat: Conversation[Any]) -> tuple[str, ...]:
    """The handle that each of these will have in the conversation: bytes that are there already are
    one picture, and keep its handle.
    """
    handles = {image.sha256: name for name, image in chat.images.items()}
    next_number = int(chat.next_handle.removeprefix("img_"))
    given: list[str] = []
    for image in images:
        handle = handles.get(image.sha256)
        if handle is None:
            handle = f"img_{next_number}"
            next_number += 1
            if image.sha256:  # one that is only an address is no other one's copy
                handles[image.sha256] = handle
        given.append(handle)
    return tuple(given)
