"""An OpenRouter on loopback, for demos and tests: real sockets, real pictures, a model that follows
rules.

It is written from OpenRouter's API alone and imports nothing from the rest of agentkit, so that an
error in one cannot be cancelled by the same error in the other.
"""

from agentkit.emulator.faults.active_faults import Faults, Strike
from agentkit.emulator.faults.fault_file import ChaosError, faults_from_file, faults_from_text
from agentkit.emulator.faults.values import (
    QUIRKS,
    Body,
    Endless,
    Fault,
    Lookup,
    ReplyError,
    Socket,
    Status,
    When,
)
from agentkit.emulator.listed_model import Model
from agentkit.emulator.script import (
    CallTool,
    Draw,
    Failure,
    Place,
    Playable,
    Raw,
    RawReply,
    Reply,
    Rule,
    Say,
    Think,
    UseServerTool,
)
from agentkit.emulator.server.ledger import Charge
from agentkit.emulator.server.posts import Post
from agentkit.emulator.server.server import Emulator
from agentkit.emulator.server.state import RecordedRequest

__all__ = [
    "QUIRKS",
    "Body",
    "CallTool",
    "ChaosError",
    "Charge",
    "Draw",
    "Emulator",
    "Endless",
    "Failure",
    "Fault",
    "Faults",
    "Lookup",
    "Model",
    "Place",
    "Playable",
    "Post",
    "Raw",
    "RawReply",
    "RecordedRequest",
    "Reply",
    "ReplyError",
    "Rule",
    "Say",
    "Socket",
    "Status",
    "Strike",
    "Think",
    "UseServerTool",
    "When",
    "faults_from_file",
    "faults_from_text",
]
