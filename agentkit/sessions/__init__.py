"""Conversations that outlive the process: in SQLite, or in Postgres."""

from agentkit.budget import BudgetState, KeptBudget
from agentkit.conversation_record import Interrupted
from agentkit.saved_conversation import SavedConversation
from agentkit.sessions.catalogue import SavedChat
from agentkit.sessions.past import SavedRun
from agentkit.sessions.sessions import Sessions

__all__ = [
    "BudgetState",
    "Interrupted",
    "KeptBudget",
    "SavedChat",
    "SavedConversation",
    "SavedRun",
    "Sessions",
]
