"""Structured logs of each request, invocation and image: never base64, never a key, never configured for everyone.

Where the application configured structlog, its configuration is used; else the events go to the standard library's
logger `agentkit`, which stays silent unless the application listens.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol


class Logger(Protocol):
    """What is needed of a logger."""

    def debug(self, event: str, **values: Any) -> Any: ...
    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...


def logger() -> Logger:
    """The logger to use now: structlog may be configured at any time."""
    import structlog

    return structlog.get_logger("agentkit") if structlog.is_configured() else _quiet()


@cache
def _quiet() -> Logger:
    import logging

    import structlog

    return structlog.wrap_logger(
        logging.getLogger("agentkit"),
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
