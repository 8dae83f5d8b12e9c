"""OpenRouter over the network: the transport, the money law, the catalogue. No httpx2, aiohttp or
openai error leaves it.
"""

from __future__ import annotations

from agentkit.network.tls import Tls
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.ledger import Keep
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Damaged,
    Entry,
    LedgerStorage,
    RunLocks,
    StoredRun,
)
from agentkit.openrouter.price_list import Price
from agentkit.openrouter.retry import Retry
from agentkit.openrouter.service import Service
from agentkit.openrouter.stored_call import StoredCall
from agentkit.openrouter.transport import Timeouts

__all__ = [
    "CallKey",
    "Damaged",
    "Entry",
    "Keep",
    "LedgerStorage",
    "OpenRouter",
    "Price",
    "Retry",
    "RunLocks",
    "Service",
    "StoredCall",
    "StoredRun",
    "Timeouts",
    "Tls",
]
