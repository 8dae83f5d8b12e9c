"""Conversations that outlive the process: in SQLite, or in Postgres."""

from agentkit.budget import BudgetState, KeptBudget
from agentkit.saved_conversation import Interrupted, SavedConversation
from agentkit.sessions.catalogue import SavedChat
from agentkit.sessions.sessions import Sessions

__all__ = [
    "BudgetState",
    "Interrupted",
    "KeptBudget",
    "SavedChat",
    "SavedConversation",
    "Sessions",
]
