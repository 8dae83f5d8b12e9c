"""The addresses of a host, each of them checked before anything is sent there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from agentkit.errors import ImageError
from agentkit.images.addresses import Address, Target, may_connect, read_address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host name and port."""


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
            raise ImageError(f"not fetched: {target.host} is no public address")
    return list(dict.fromkeys(found))


async def _addresses(target: Target, resolve: Resolve) -> list[Address]:
    host = target.host
    if target.address is not None:
        return [read_address(str(target.address))]
    try:
        return [read_address(each) for each in await resolve(host, target.port)]
    except socket.gaierror as error:
        failure = TemporaryFailure if error.errno == socket.EAI_AGAIN else ImageError
        raise failure(f"the host {host} is not known") from None
    except OSError as error:
        reason = error.strerror or error
        raise TemporaryFailure(f"the host {host} cannot be looked up ({reason})") from None
