"""Money and pictures that runs share: `Budget`, the one object among settings that changes.

Before a request goes out, its worst known price is held; once its outcome is known, the true cost
takes the place of what was held. A request that does not fit is not sent, so a budget is overshot
at most by what the requests in flight cost more than was known of their price.
"""

from agentkit.budget.account import covers
from agentkit.budget.budget import Budget, KeptBudget, check_limits
from agentkit.budget.hold import Hold
from agentkit.budget.kept import (
    Ending,
    Keeper,
    KeptAccount,
    KeptHold,
    LedgerKey,
    Per,
    Reservation,
    Seen,
    shape_name,
)
from agentkit.budget.state import BudgetState

__all__ = [
    "Budget",
    "BudgetState",
    "Ending",
    "Hold",
    "Keeper",
    "KeptAccount",
    "KeptBudget",
    "KeptHold",
    "LedgerKey",
    "Per",
    "Reservation",
    "Seen",
    "check_limits",
    "covers",
    "shape_name",
]
