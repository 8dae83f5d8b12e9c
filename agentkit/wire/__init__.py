"""The two dialects of OpenRouter. Only this package and the emulator know a key of the wire. Pure:
no socket, no clock, no file.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.values import Api, Pieces
from agentkit.wire import chat, responses
from agentkit.wire.body import Encoded
from agentkit.wire.types import Decoder, NewFilter, Request, Unfiltered


def encode(api: Api, request: Request, encoded: Encoded) -> tuple[str, Pieces]:
    """The path and the body of this request in the given dialect."""
    match api:
        case "chat":
            return chat.PATH, chat.encode(request, encoded)
        case "responses":
            return responses.PATH, responses.encode(request, encoded)


def decoder(api: Api, server_tools: Sequence[str], new_filter: NewFilter = Unfiltered) -> Decoder:
    """A new decoder for one reply in the given dialect. `new_filter` makes what takes pictures out
    of a text.
    """
    match api:
        case "chat":
            return chat.ChatReply(server_tools, new_filter)
        case "responses":
            return responses.ResponsesReply(server_tools, new_filter)
