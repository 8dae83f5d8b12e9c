"""From where pictures may be downloaded, and how large they may be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import cast

from agentkit._check import (
    argument,
    check_kind,
    check_number,
    check_optional,
    check_pattern,
    refused,
)
from agentkit.network.proxies import checked_proxy, shown
from agentkit.network.tls import Tls
from agentkit.values.image_header import MAX_PIXELS

_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _host_patterns(hosts: object) -> tuple[str, ...]:
    """The hosts in lowercase. Raises `UsageError` for what is no host name or pattern."""
    accepted = "a tuple of host names such as 'example.com' or '*.example.com'"
    where = "FetchPolicy(hosts={!r})"
    if isinstance(hosts, str) or not isinstance(hosts, Iterable):
        raise refused(where, hosts, f"is {accepted}")
    names = [
        each.lower() if isinstance(each, str) else each for each in cast("Iterable[object]", hosts)
    ]
    return tuple([check_pattern(where, each, _HOST_PATTERN, accepted) for each in names])


@dataclass(frozen=True, slots=True, repr=False)
class FetchPolicy:
    """From where pictures may be downloaded, and how large they may be.

    A URL in an image field of a reply may lie on any public address, and on the host of `base_url`.
    `hosts` governs the URLs that are found in text. Raises `UsageError` for a wrong value.
    """

    hosts: tuple[str, ...] = ("openrouter.ai", "*.openrouter.ai")
    """Host names. `*.example.com` stands for all names under it."""
    max_bytes: int = 64 << 20
    """Bytes of one picture."""
    max_pixels: int = MAX_PIXELS
    """Pixels of one picture, width × height."""
    private: bool = False
    """Whether addresses of private networks are allowed. Link-local addresses never are."""
    seconds: float = 60.0
    """For one picture, all attempts and redirects included."""
    redirects: int = 5
    """How many redirects are followed."""
    attempts: int = 3
    """How often a download is tried."""
    grace: float = 30.0
    """Seconds that downloads may still take once their run is over, cancelled or left: what they
    fetch was paid for. 0: they are stopped at once.
    """

    most_pictures: int = 256
    """Pictures of one reply that are kept. Of those beyond, each that has a URL is an
    `ImageFailure` with it.
    """
    proxy: str | None = None
    """The proxy through which pictures are fetched by URL: an address of http, https, socks5 or
    socks5h, with a user name and a password where it asks for them. None: no proxy, whatever the
    environment names. What lies on the origin of `base_url`, on this machine or in a private
    network, is fetched without it.
    """
    tls: Tls | None = None
    """Certificates of your own (`agentkit.openrouter.Tls`). None: the authorities of the client,
    whose own certificate only the origin of `base_url` is shown.
    """

    def __repr__(self) -> str:
        """As of any dataclass, but without the password of the proxy."""
        proxy = None if self.proxy is None else shown(self.proxy)
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        told = [f"{name}={(proxy if name == 'proxy' else value)!r}" for name, value in values]
        return f"FetchPolicy({', '.join(told)})"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", _host_patterns(self.hosts))
        least_of = {"max_bytes": 1, "max_pixels": 1, "redirects": 0, "attempts": 1}
        for name, least in (*least_of.items(), ("most_pictures", 1)):
            where = argument("FetchPolicy", name)
            check_number(where, getattr(self, name), whole=True, least=least)
        check_number("FetchPolicy(seconds={!r})", self.seconds, above=0, unit="seconds")
        check_number("FetchPolicy(grace={!r})", self.grace, least=0, unit="seconds")
        check_kind("FetchPolicy(private={!r})", self.private, bool, "True or False")
        if self.proxy is not None:
            proxy = checked_proxy("FetchPolicy(proxy={!r})", self.proxy)
            object.__setattr__(self, "proxy", proxy)
        check_optional("FetchPolicy(tls={!r})", self.tls, Tls, "Tls(…)")

    def allows(self, host: str) -> bool:
        """Whether this host is named by `hosts`."""
        return any(
            host.endswith(each[1:]) if each.startswith("*.") else host == each
            for each in self.hosts
        )
