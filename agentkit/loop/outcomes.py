"""Requests that were sent before the process died: what is taken from the ledger, what is sent
again by itself, and what a person is asked.

| what the ledger has | words alone | what may draw |
|---|---|---|
| the whole reply | it is read, nothing is sent | it is read, nothing is sent |
| a part of it, or nothing; the look-up says that it was not billed | sent once more | sent once more |
| the same; the look-up says that it was billed, or nothing | sent once more, the first uncertain | a person is asked |
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from agentkit._log import logger
from agentkit.answer import run_of
from agentkit.errors import RunError
from agentkit.loop.context import RunContext
from agentkit.loop.tool_results import waiting_for
from agentkit.openrouter.paid_call import PaidCall, RunLedger
from agentkit.openrouter.stored_call import StoredCall, Verdict
from agentkit.run import Run
from agentkit.values import replace


async def sent_before(run: Run, context: RunContext) -> StoredCall | None:
    """The next request of this run as the ledger has it, if it was sent before and its reply has to
    be read, or its outcome found out, before anything else is decided.
    """
    if context.calls is None or run.waiting:
        return None
    stored = await context.calls.turn(run.turns).stored()
    return stored if stored is not None and stored.is_open else None


async def after_unknown(
    error: RunError, call: PaidCall, stored: StoredCall, draws: Callable[[], Awaitable[bool]]
) -> Run:
    """The run after a request that a process before has sent, and of whose reply only a part is
    there, with all that had arrived. It asks again, or waits for a person. Raises the error where
    the ledger is not to ask.
    """
    run = run_of(error)
    if run is None:
        raise error
    words = {"run": run.id, "call": str(stored.key), "generation": error.generation_id}
    if error.billed is False:
        logger().warning("request_repeated", **words, reason="it was not billed")
        return replace(run, partial=None)
    if not (stored.may_draw or await draws()):
        logger().warning("request_repeated", **words, reason="it could not draw")
        await call.decide("again", "itself")
        return replace(run, partial=None)
    if call.unknown == "fail":
        raise error
    logger().warning("request_outcome_unknown", **words, billed=error.billed)
    return replace(run, waiting=(*run.waiting, waiting_for(error, str(stored.key))))


async def decided(run: Run, verdicts: Mapping[str, Verdict], calls: RunLedger | None) -> Run:
    """The run once a person has said what becomes of its requests. A request to the model that is
    given up ends it: its status is `interrupted` then.

    Of a request of which nothing is said, the outcome is looked for again, if the ledger has it.
    """
    released: set[str] = set()
    ended = False
    agents = tuple(f"{each.call_id}/" for each in run.nested)
    for each in run.waiting:
        if each.why != "outcome" or each.call_id.startswith(agents):
            continue
        verdict = verdicts.get(each.call_id)
        if verdict is not None:
            if calls is not None:
                await calls.decide(each.key, verdict)
            ended = ended or (verdict == "give_up" and each.call_id == each.key)
            released.add(each.call_id)
        elif calls is not None and await calls.is_open(each.key):
            released.add(each.call_id)
    for each in run.waiting:
        if each.call_id in released and verdicts.get(each.call_id) != "again":
            run = run.without_broken(each.key)  # what had arrived of it is read once more
    waiting = tuple(each for each in run.waiting if each.call_id not in released)
    return replace(run, waiting=waiting, status="interrupted" if ended else run.status)
