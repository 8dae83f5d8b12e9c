"""The addresses of a host, each of them checked before anything is sent there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence

from agentkit.errors import ImageError
from agentkit.images.addresses import (
    Address,
    Target,
    is_private_name,
    may_connect,
    read_address,
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host name and port."""


_LOOKUP_SECONDS = 5.0
"""For a name that goes to a proxy. Networks whose only way out is a proxy may have a resolver that
answers nothing of the outside, or nothing at all.
"""


class TemporaryFailure(ImageError):
    """A failure that may pass; after `after` seconds, if the server said so."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


async def checked_addresses(
    target: Target, resolve: Resolve, *, private: bool, trusted: bool
) -> list[Address]:
    """The addresses of the target's host. Unless it is `trusted`, one that is not public rejects it
    altogether; `private` ones may be allowed. Raises `ImageError`.
    """
    found = await _addresses(target, resolve)
    for address in found if not trusted else ():
        if not may_connect(address, private=private):
            raise _not_public(target)
    return list(dict.fromkeys(found))


async def check_for_proxy(target: Target, resolve: Resolve, *, private: bool) -> None:
    """Raise `ImageError` for a target that the proxy may not be asked for: one that has an address
    here that is not public, unless `private` ones are allowed. A name that is not known here is
    the proxy's to resolve, unless it means the own network wherever it is looked up.
    """
    found = await _known(target, resolve)
    is_bad = any(not may_connect(each, private=private) for each in found)
    if is_bad or (not found and not private and is_private_name(target.host)):
        raise _not_public(target)


async def is_near(target: Target, resolve: Resolve) -> bool:
    """Whether the target lies on this machine or in a private network."""
    found = await _known(target, resolve)
    return any(not may_connect(each, private=False) for each in found)


async def _known(target: Target, resolve: Resolve) -> list[Address]:
    """The addresses that are known here, which may be none."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LOOKUP_SECONDS):
            return await _resolved(target, resolve)
    return []


def _not_public(target: Target) -> ImageError:
    return ImageError(f"not fetched: {target.host} is no public address")


async def _addresses(target: Target, resolve: Resolve) -> list[Address]:
    host = target.host
    try:
        return await _resolved(target, resolve)
    except socket.gaierror as error:
        failure = TemporaryFailure if error.errno == socket.EAI_AGAIN else ImageError
        raise failure(f"the host {host} is not known") from None
    except OSError as error:
        reason = error.strerror or error
        raise TemporaryFailure(f"the host {host} cannot be looked up ({reason})") from None


async def _resolved(target: Target, resolve: Resolve) -> list[Address]:
    if target.address is not None:
        return [read_address(str(target.address))]
    return [read_address(each) for each in await resolve(target.host, target.port)]
