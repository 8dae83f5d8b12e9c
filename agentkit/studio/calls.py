"""The name of a drawing in a call ledger: by it, another process finds what became of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from agentkit._check import argument, check_text, refused
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.paid_call import PaidCall


def named_call(owner: str, call: object, ledger: Ledger | None) -> str | PaidCall | None:
    """The name of a drawing; or `Context.drawing`, where a tool asks for it. Without a name, it has
    one of its own. Raises `UsageError` for what is neither, and for a name without a ledger.
    """
    where = argument(owner, "call")
    if call is None:
        return None if ledger is None else f"drawing_{secrets.token_hex(8)}"
    if isinstance(call, PaidCall):
        return call
    name = check_text(where, call)
    if ledger is None:
        raise refused(where, name, "is a name only where the studio has a ledger: Studio(ledger=…)")
    return name


@asynccontextmanager
async def opened(
    call: str | PaidCall | None, ledger: Ledger | None
) -> AsyncGenerator[PaidCall | None]:
    """The call in the ledger, which is this task's until the end of the block."""
    if not isinstance(call, str) or ledger is None:
        yield call if isinstance(call, PaidCall) else None
        return
    calls = await ledger.open(call)
    try:
        yield calls.turn(0)
    finally:
        await calls.close()
