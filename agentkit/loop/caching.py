"""Whether a run marks its prompt for the provider's prompt cache, and what becomes of it."""

from __future__ import annotations

from agentkit._log import logger
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.wire.cache_marks import CacheMarks, marked_where, marks_of, takes_hour
from agentkit.wire.types import Request

MOST_UNREAD = 3
"""Writes in a row that nothing was read of, after which `auto` marks no more."""


def marks(run: Run, context: RunContext) -> CacheMarks | None:
    """The marks of the next request of this run."""
    services, audience = context.services, context.declared(run.model).audience
    if not services.client.service.fields.openrouter:
        return None
    encoded = services.encoded
    stopped = encoded.unread_writes >= MOST_UNREAD and encoded.audience == audience
    pays = services.is_conversation or run.start > 0 or bool(context.tools)
    return marks_of(context.settings, audience, run.api, pays=pays, stopped=stopped)


def note(request: Request, run: Run, context: RunContext) -> None:
    """Count the writes of a request that was answered, the last of this run's. A line in the log
    says where `auto` stops.
    """
    cache, encoded = request.cache, context.services.encoded
    if cache is None or cache.silent:
        return
    usage = run.spent[-1]
    if usage.cached_tokens:
        encoded.unread_writes = 0
    elif usage.cache_write_tokens:
        encoded.unread_writes += 1
        if encoded.unread_writes == MOST_UNREAD and context.settings.cache in {None, "auto"}:
            logger().warning("cache_stopped", run=run.id, model=run.model, writes=MOST_UNREAD)


def tell(run: Run, context: RunContext) -> None:
    """A line in the log for a cache setting that the model does not know; it has no effect."""
    wanted, audience = context.settings.cache, context.audience(run.model)
    if not context.services.client.service.fields.openrouter:
        return
    where = marked_where(audience)
    if where is None:
        reason = "this model has no marks of a prompt cache, or it is not known which one answers"
    elif wanted == "1h" and not takes_hour(audience):
        reason = "this model keeps a prompt for five minutes"
    else:
        return
    logger().warning("cache_not_taken", run=run.id, model=run.model, cache=wanted, reason=reason)
