"""Keys that are asked for before each request, for keys that end after an hour or that a vault
gives out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias

from agentkit._redact import Secret
from agentkit.errors import MissingKey
from agentkit.openrouter.address import key_of

KeyFunction: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives the key for the next request."""
_REMEMBERED = 8
"""Keys that are taken out of errors and logs, the latest ones."""


class FreshKey:
    """A key that a function of the user's gives before each request."""

    def __init__(self, function: KeyFunction) -> None:
        self._function = function
        self._latest: deque[Secret] = deque(maxlen=_REMEMBERED)

    async def fresh(self) -> Secret:
        """The key for the next request. Raises `MissingKey` where the function raises or gives
        none, and `UsageError` for what no header can hold; nothing was sent then.
        """
        name = getattr(self._function, "__name__", type(self._function).__name__)
        try:
            given = self._function()
            found = await given if isawaitable(given) else given
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises
            # Its words may hold a key that nobody knows as one.
            raise MissingKey(
                f"OpenRouter(api_key={name}): it raised {type(error).__name__}; nothing was sent"
            ) from None
        if not isinstance(found, str):
            kind = type(found).__name__
            raise MissingKey(
                f"OpenRouter(api_key={name}): it gave {kind}; accepted is a string, the key"
            )
        key = key_of(found)
        if not key:
            raise MissingKey(f"OpenRouter(api_key={name}): it gave an empty key; nothing was sent")
        self._latest.append(key)
        return key


Key: TypeAlias = Secret | FreshKey


def authorization(key: Key) -> dict[str, str]:
    """The header of a key that stays the same. No local variable of ours holds it, since a
    traceback may show these.
    """
    is_told = isinstance(key, Secret) and key
    return {"Authorization": f"Bearer {is_told.reveal()}"} if is_told else {}
