"""Which addresses a URL may lead to: public ones, told by the address itself and never by its name.

Host names are read as a browser reads them (full-width digits are digits), but an IPv4 address in
any form other than four decimal numbers is refused outright: `2130706433`, `0177.0.0.1` and `127.1`
are only ever written to deceive.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from agentkit.errors import ImageError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 16_384
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
#: Signed URLs break where anything is escaped that was not, or twice.
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~|^`{}\"<>"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?\Z")
#: A last label of this form makes the host an IPv4 address to whatever resolves it.
_NUMERIC = re.compile(r"(\d+|0x[0-9a-f]*)\Z")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(*each: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(one) for one in each)


#: Not public, by the IANA registries, and what is public in name only: Azure's host, the 6to4
#: relays, IETF protocols (Teredo among them), documentation. Python's own `is_global` has differed
#: between its patch releases.
_NOT_PUBLIC = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: What `private=True` opens: the user's own networks. Link-local addresses, where clouds keep their
#: credentials, stay shut.
_PRIVATE = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
#: AWS and Alibaba put their metadata service into networks that are private, not link-local.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254")))
#: Names that mean this machine or the own network wherever they are looked up (RFC 6761, 6762,
#: 8375, and the one that ICANN keeps for such networks). Cloud metadata services have such names.
_PRIVATE_DOMAINS = ("localhost", "local", "internal", "home.arpa")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


@dataclass(frozen=True, slots=True)
class Target:
    """An http(s) URL, taken apart once: what is checked and what is connected to are the same."""

    url: str
    scheme: str
    host: str
    """ASCII, lowercase, without a trailing dot; an IPv6 address without brackets."""
    port: int
    address: Address | None
    """Where the host is an address itself."""

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, host: str) -> str:
        """The URL by which to connect to this host: the name itself, or one of its addresses, with
        which the name has no say any more.
        """
        host = f"[{host}]" if ":" in host else host
        parts = urlsplit(self.url)
        path, query = (quote(each, safe=_AS_IT_IS) for each in (parts.path, parts.query))
        return urlunsplit((self.scheme, f"{host}:{self.port}", path, query, ""))

    def join(self, location: str) -> Target:
        """Where a redirect from here leads. Raises `ImageError` as `parse` does."""
        try:
            return Target.parse(urljoin(self.url, location))
        except ValueError:
            raise ImageError("not fetched: the redirect leads to no URL") from None

    @classmethod
    def parse(cls, url: str) -> Target:
        """Raises `ImageError` where this is no http(s) URL that may be fetched."""
        if len(url) > _LONGEST_URL or _FORBIDDEN_IN_URL.search(url):
            raise ImageError(
                "not fetched: the URL is too long, or holds blanks, "
                "control characters or backslashes"
            )
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
            url.encode("utf-8")  # no lone surrogates
        except ValueError:
            raise ImageError("not fetched: this is no URL") from None
        if scheme not in _DEFAULT_PORTS:
            raise ImageError(
                "not fetched: only http and https are, not "
                f"{scheme[:20] + ':' if scheme else 'a path'}"
            )
        if "@" in parts.netloc:
            raise ImageError("not fetched: the URL holds a user name")
        if "[" in parts.netloc and ":" not in host:
            raise ImageError("not fetched: this is no IPv6 address")
        if port == 0:
            raise ImageError("not fetched: port 0")
        name, address = _read_host(host)
        return cls(url, scheme, name, port or _DEFAULT_PORTS[scheme], address)


def _read_host(host: str) -> tuple[str, Address | None]:
    if ":" in host:
        if "%" in host:
            raise ImageError("not fetched: an IPv6 address with a zone")
        try:
            return host, ipaddress.IPv6Address(host)
        except ValueError:
            raise ImageError("not fetched: this is no IPv6 address") from None
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _HOST.match(name):
        raise ImageError("not fetched: the URL has no proper host")
    name = name.removesuffix(".")
    if not _NUMERIC.match(name.rpartition(".")[2]):
        return name, None
    try:
        return name, ipaddress.IPv4Address(name)
    except ValueError:
        raise ImageError("not fetched: an IPv4 address in a form that only hides it") from None


def read_address(text: str) -> Address:
    """An address as a resolver gives it; one that is IPv4 inside IPv6 becomes what it is. Raises
    `ImageError`.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise ImageError("not fetched: the resolver gave no address") from None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def is_private_name(host: str) -> bool:
    """Whether a host name means a host of the own network wherever it is looked up: one without a
    dot, or below a domain that is kept for such hosts. The host may be an address, which is none.
    """
    if ":" in host or _NUMERIC.match(host.rpartition(".")[2]):
        return False
    return "." not in host or host.endswith(tuple(f".{each}" for each in _PRIVATE_DOMAINS))


def may_connect(address: Address, *, private: bool) -> bool:
    """Is this a public address? With `private`, one of the user's own networks will do too."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return may_connect(address.ipv4_mapped, private=private)
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return False
    if private and address not in _METADATA and any(address in network for network in _PRIVATE):
        return True
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False  # NAT64, IPv4-compatible, site-local, multicast and what is not assigned
    return not any(address in network for network in _NOT_PUBLIC)
