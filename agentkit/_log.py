"""Structured logs of each request, invocation and image: never base64, never a key, never
configured for everyone.

Where the application configured structlog, its configuration is used; else the events go to the
standard library's logger `agentkit`, which stays silent unless the application listens. Values are
redacted before either sees them, and each stays on its line: what a server or a model wrote cannot
forge a second one. A logger of the application that fails ends no run.

`docs/logs.md` lists the events with their fields. No field has the name of an attribute of
`logging.LogRecord`, which a handler that takes fields as `extra` would refuse.
"""

from __future__ import annotations

import logging
import sys
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
    """The logger to use now: structlog may be configured at any time. An application that did so
    has imported it. We do when the first event is heard: it takes a tenth of a program's start.
    """
    is_configured = getattr(sys.modules.get("structlog"), "is_configured", None)
    if is_configured is not None and is_configured():
        return _Careful(_of_the_application())
    return _PLAIN


def prepare() -> None:
    """Load what writes events, where that keeps nobody waiting and somebody listens."""
    if _is_heard(logging.INFO):
        _plain()


class _Careful:
    """Passes on values that are fit to be written down."""

    def __init__(self, to: Logger) -> None:
        self._to = to

    def info(self, event: str, **values: Any) -> None:
        self._pass_on(self._to.info, event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._pass_on(self._to.warning, event, values)

    def _pass_on(self, write: Callable[..., Any], event: str, values: dict[str, Any]) -> None:
        try:
            write(event, **_fit(values))
        except Exception:  # noqa: BLE001 - a processor of the application may raise anything
            _standard().exception("the event %r could not be logged", event)


class _Plain:
    """To the standard library's logger. What nobody listens to costs next to nothing."""

    def info(self, event: str, **values: Any) -> None:
        if _is_heard(logging.INFO):
            _plain().info(event, **values)

    def warning(self, event: str, **values: Any) -> None:
        if _is_heard(logging.WARNING):
            _plain().warning(event, **values)


_PLAIN = _Plain()


def _is_heard(level: int) -> bool:
    """Whether the application has a handler that is not ours, and wants this level."""
    found = _standard()
    if not found.isEnabledFor(level):
        return False
    return len(found.handlers) > 1 or (found.propagate and bool(logging.getLogger().handlers))


def _of_the_application() -> Logger:
    """The logger as the application configured it. An async one, whose methods would have to be
    awaited, has a sync one within.
    """
    import structlog

    bound = structlog.get_logger("agentkit").bind()
    return bound.sync_bl if isinstance(bound, structlog.stdlib.AsyncBoundLogger) else bound


def _fit(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return line(redacted(value if isinstance(value, str) else repr(value)), width=_WIDTH)


@cache
def _standard() -> logging.Logger:
    """The standard library's logger, with a handler that writes nothing: without any, Python would
    print warnings to stderr.
    """
    found = logging.getLogger("agentkit")
    found.addHandler(logging.NullHandler())
    return found


@cache
def _plain() -> Logger:
    import structlog

    wrapped = structlog.wrap_logger(
        _standard(),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return _Careful(wrapped)
