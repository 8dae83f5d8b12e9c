"""Conversations that outlive the process: in SQLite, or in Postgres."""

from agentkit.saved_conversation import Interrupted, SavedConversation
from agentkit.sessions.catalogue import SavedChat
from agentkit.sessions.sessions import Sessions

__all__ = ["Interrupted", "SavedChat", "SavedConversation", "Sessions"]
