"""Structured logs of each request, invocation and image: never base64, never a key, never
configured for everyone.

Where the application configured structlog, its configuration is used; else the events go to the
standard library's logger `agentkit`, which stays silent unless the application listens. Values are
redacted before either sees them, and each stays on its line: what a server or a model wrote cannot
forge a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from agentkit._redact import redacted
from agentkit.show.plain import line

_WIDTH = 500


class Logger(Protocol):
    """What is needed of a logger."""

    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...


def logger() -> Logger:
    """The logger to use now: structlog may be configured at any time."""
    import structlog

    return _Careful(structlog.get_logger("agentkit")) if structlog.is_configured() else _plain()


class _Careful:
    """Passes on events whose values are fit to be written down."""

    def __init__(self, to: Logger, hears: Callable[[int], bool] = lambda _: True) -> None:
        self._to, self._hears = to, hears

    def info(self, event: str, **values: Any) -> None:
        if self._hears(20):
            self._to.info(event, **_fit(values))

    def warning(self, event: str, **values: Any) -> None:
        if self._hears(30):
            self._to.warning(event, **_fit(values))


def _fit(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return line(redacted(value if isinstance(value, str) else repr(value)), width=_WIDTH)


@cache
def _plain() -> Logger:
    """To the standard library's logger. What it does not listen to costs next to nothing."""
    import logging

    import structlog

    to = logging.getLogger("agentkit")
    wrapped = structlog.wrap_logger(
        to,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return _Careful(wrapped, to.isEnabledFor)
