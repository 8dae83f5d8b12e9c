"""The pure core: what a run is, and what comes next for it. Nothing here waits, sends or knows what
time it is.
"""

from agentkit.run.handles import HANDLE
from agentkit.run.history import History
from agentkit.run.state import Nested, Run, RunStatus, Waiting
from agentkit.run.step import Ask, Call, Finish, Step, Summarise, Wait, next_step

__all__ = [
    "HANDLE",
    "Ask",
    "Call",
    "Finish",
    "History",
    "Nested",
    "Run",
    "RunStatus",
    "Step",
    "Summarise",
    "Wait",
    "Waiting",
    "next_step",
]
