"""An OpenRouter on loopback, for demos and tests: real sockets, real pictures, a model that follows rules.

It is written from OpenRouter's API alone and imports nothing from the rest of agentkit, so that an error in one cannot
be cancelled by the same error in the other.
"""

from agentkit.emulator.catalogue import Model
from agentkit.emulator.ledger import Charge
from agentkit.emulator.script import CallTool, Draw, Failure, Place, Raw, RawReply, Reply, Say, Think, UseServerTool
from agentkit.emulator.server import Emulator
from agentkit.emulator.state import RecordedRequest

__all__ = [
    "CallTool",
    "Charge",
    "Draw",
    "Emulator",
    "Failure",
    "Model",
    "Place",
    "Raw",
    "RawReply",
    "RecordedRequest",
    "Reply",
    "Say",
    "Think",
    "UseServerTool",
]
