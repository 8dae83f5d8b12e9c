"""The proxy that the environment names for an address, and what it exempts from it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from agentkit._redact import redacted
from agentkit.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_ACCEPTED = ("http", "https", "socks5", "socks5h")
_ALIASES = {"socks": "socks5"}
"""What desktops write into `ALL_PROXY`."""
_ENTRY = re.compile(
    r"(?:\w+://)?(?:\[([^\]]*)\]|([^\s:/]+)|([^\s]*:[^\s/]*:[^\s/]*))(/\d+)?(?::(\d+))?/?"
)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system's settings, on macOS and Windows) names for
    this address.

    Raises `UsageError` for one that is not spoken here.
    """
    from urllib.request import getproxies, getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    named = getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy:
        return None
    environment = getproxies_environment()
    if environment:
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if is_exempt(parts.hostname or "", port, environment.get("no", "")):
            return None
    elif proxy_bypass(parts.netloc):
        return None
    scheme, separator, rest = proxy.strip().partition("://")
    scheme = scheme.lower()
    found = f"{_ALIASES.get(scheme, scheme)}://{rest}" if separator else f"http://{proxy.strip()}"
    if not found.startswith(tuple(f"{each}://" for each in _ACCEPTED)) or not _is_address(found):
        raise UsageError(
            f"the environment names the proxy {redacted(proxy)!r} for {url}: "
            f"accepted are addresses of {', '.join(_ACCEPTED[:-1])} and {_ACCEPTED[-1]}"
        )
    return found


def _is_address(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a broken IPv6 address, or a port that is no number
        return False


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether this host is reached without a proxy: `NO_PROXY` lists, separated by commas or white
    space, host names (which stand for what is below them too), addresses, networks
    (`10.0.0.0/8`, `fd00::/8`) and `*`; each may have a port. A name is not looked up.

    The variable has no standard. This is what curl and Go agree on, and what curl alone has.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    return any(
        _fits(entry, host, address, port) for entry in re.split(r"[\s,]+", no_proxy) if entry
    )


def _fits(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if entry == "*":
        return True
    match = _ENTRY.fullmatch(entry)
    if match is None or (match[5] and int(match[5]) != port):
        return False
    name = (match[1] or match[2] or match[3] or "").lower().rstrip(".")
    if address is None:
        name = name.removeprefix("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    if match[4]:
        try:
            return address in ip_network(f"{name}{match[4]}", strict=False)
        except ValueError:  # no network
            return False
    return _address(name) == address


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that the host is, without a zone; one of IPv4 that is written as IPv6 as what it
    is. None for a name.
    """
    try:
        found = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
