"""From where pictures may be downloaded, and how large they may be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from agentkit._check import argument, check_kind, check_number, check_pattern, refused
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


@dataclass(frozen=True, slots=True)
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", _host_patterns(self.hosts))
        for name, least in (("max_bytes", 1), ("max_pixels", 1), ("redirects", 0), ("attempts", 1)):
            where = argument("FetchPolicy", name)
            check_number(where, getattr(self, name), whole=True, least=least)
        check_number("FetchPolicy(seconds={!r})", self.seconds, above=0, unit="seconds")
        check_number("FetchPolicy(grace={!r})", self.grace, least=0, unit="seconds")
        check_kind("FetchPolicy(private={!r})", self.private, bool, "True or False")

    def allows(self, host: str) -> bool:
        """Whether this host is named by `hosts`."""
        return any(
            host.endswith(each[1:]) if each.startswith("*.") else host == each
            for each in self.hosts
        )
