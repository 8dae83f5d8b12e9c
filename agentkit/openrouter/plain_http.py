"""Where a key may travel unencrypted: over plain http everybody on the way reads it.

The user's own machine and networks will do, which is where gateways and the emulator run. A public
address will not, unless the user says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from agentkit._log import logger
from agentkit._redact import redacted
from agentkit.errors import ImageError, UsageError
from agentkit.images.addresses import Address, may_connect, read_address
from agentkit.images.resolve import Resolve, resolve_name

VARIABLE = "AGENTKIT_ALLOW_HTTP"


def is_allowed(allow_http: bool | None) -> bool:
    """What the user says: the argument, else the environment variable, of which `1` means yes."""
    return os.environ.get(VARIABLE, "").strip() == "1" if allow_http is None else allow_http


def check_literal(base_url: str, *, allowed: bool) -> None:
    """Raise `UsageError` for plain http to an address, in whatever form, that is public. Nothing
    is looked up.
    """
    host = _plain_host(base_url)
    if host is not None and not allowed and _is_public(_literals(host)):
        raise _refused(base_url, f"{host} is a public address")


async def check_name(
    base_url: str, *, allowed: bool, proxy: str | None = None, resolve: Resolve = resolve_name
) -> None:
    """Raise `UsageError` for plain http to a name that has a public address. A line in the log
    tells of any other plain http.

    A name is looked up once, when the connections of an event loop are opened, and one without a
    dot never: it is of the user's own network. One that has no address passes, as no connection
    comes of it; but not where a `proxy` is to look it up.
    """
    host = _plain_host(base_url)
    if host is None:
        return
    found = _literals(host)
    if not found and "." in host.rstrip(".") and not allowed:
        found = await _looked_up(host, urlsplit(base_url).port or 80, resolve)
        if not found and proxy is not None:
            raise _refused(base_url, f"{host} has no address here that is known to be private")
        if _is_public(found):
            raise _refused(base_url, f"{host} has a public address")
    if any(not each.is_loopback for each in found) or (not found and host != "localhost"):
        logger().warning("key_over_plain_http", address=redacted(base_url))
    else:
        logger().info("key_over_plain_http", address=redacted(base_url))


def _plain_host(base_url: str) -> str | None:
    parts = urlsplit(base_url)
    return parts.hostname if parts.scheme == "http" else None


def _literals(host: str) -> list[Address]:
    """The address that the host is, as the system reads it: `134744072` is one, too."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return _read([str(each[4][0]) for each in found])


async def _looked_up(host: str, port: int, resolve: Resolve) -> list[Address]:
    try:
        return _read(await resolve(host, port))
    except (OSError, UnicodeError):
        return []


def _read(found: Sequence[str]) -> list[Address]:
    addresses: list[Address] = []
    for each in found:
        try:
            addresses.append(read_address(each))
        except ImageError:
            continue
    return list(dict.fromkeys(addresses))


def _is_public(found: Sequence[Address]) -> bool:
    """Whether one of them is neither of this machine nor of the user's own networks."""
    return any(
        may_connect(each, private=False) or not (each.is_private or each.is_link_local)
        for each in found
    )


def _refused(base_url: str, why: str) -> UsageError:
    return UsageError(
        f"OpenRouter(base_url={redacted(base_url)!r}): the key would travel unencrypted, and "
        f"{why}; accepted is https, or allow_http=True (or {VARIABLE}=1) if that is meant"
    )
