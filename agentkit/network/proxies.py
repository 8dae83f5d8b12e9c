"""The proxy that a user or the environment names, and what the latter exempts from it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from agentkit._check import refused
from agentkit._redact import REDACTED
from agentkit.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_ACCEPTED = ("http", "https", "socks5", "socks5h")
_EXAMPLE = "http://user:password@proxy.example:3128"
_ALIASES = {"socks": "socks5"}
"""What desktops write into `ALL_PROXY`."""
NOTHING_SENT = "; nothing was sent or billed"
"""How the words of a `ProxyFailed` end."""
INSTALL_SOCKS = 'SOCKS needs one more package: pip install "agentkit-openrouter[socks]"'
_ENTRY = re.compile(
    r"(?:\w+://)?(?:\[([^\]]*)\]|([^\s:/]+)|([^\s]*:[^\s/]*:[^\s/]*))(/\d+)?(?::(\d+))?/?"
)


GivenProxy: TypeAlias = str | Literal[False] | None
"""A proxy's address; False: no proxy, whatever the environment names; None: what it names."""


def chosen_proxy(given: GivenProxy, url: str) -> str | None:
    """The proxy for this address, of which `NO_PROXY` exempts only where the environment names it.
    Raises as `proxy_for` does.
    """
    return proxy_for(url) if given is None else given or None


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
    found = _normal(proxy)
    if found is None:
        raise UsageError(
            f"the environment names the proxy {shown(proxy)!r} for {url}: "
            f"accepted are addresses of {', '.join(_ACCEPTED[:-1])} and {_ACCEPTED[-1]}"
        )
    return found


def checked_proxy(where: str, given: object) -> str:
    """The address of a proxy that a user names, as `proxy_for` gives it. `where` names the argument
    and has `{!r}` for the value, of which user name and password are not shown.

    Raises `UsageError` for what is no such address, and where the package that speaks SOCKS is
    missing.
    """
    accepted = f"is the address of a proxy ({', '.join(_ACCEPTED)}), such as {_EXAMPLE!r}"
    if not isinstance(given, str):
        raise refused(where, given, accepted)
    found = _normal(given)
    if found is None:
        raise refused(where, shown(given), accepted)
    if found.startswith("socks") and find_spec("socksio") is None:
        raise refused(where, shown(found), INSTALL_SOCKS)
    return found


def shown(proxy: str) -> str:
    """The address without user name and password, which may be no proper address."""
    before, at, host = proxy.strip().rpartition("@")
    scheme, separator, _ = before.partition("://")
    return f"{scheme + separator if separator else ''}{REDACTED}@{host}" if at else proxy.strip()


def _normal(proxy: str) -> str | None:
    """The address with its scheme, http by default, in lowercase, and with user name and password
    as a URL has them; None for what is none.
    """
    scheme, separator, rest = proxy.strip().partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower()) if separator else "http"
    try:
        parts = urlsplit(f"{scheme}://{rest if separator else proxy.strip()}")
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a broken IPv6 address, or a port that is no number
        return None
    if scheme not in _ACCEPTED or not is_address:
        return None
    user, at, host = parts.netloc.rpartition("@")
    words = [quote(unquote(each), safe="") for each in user.split(":", 1)]
    return urlunsplit((scheme, f"{':'.join(words)}{at}{host}", parts.path, "", ""))


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
