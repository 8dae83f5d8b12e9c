"""What may be fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentkit.errors import UsageError
from agentkit.values.image_header import MAX_PIXELS

_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\Z")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What may be fetched. URLs in the image fields of a reply may lie on any public address, and on the origin of
    `base_url`; `hosts` governs those found in prose.

    Raises `UsageError` for values that cannot be.
    """

    hosts: tuple[str, ...] = ("openrouter.ai", "*.openrouter.ai")
    """Host names; `*.example.com` stands for all names under it."""
    max_bytes: int = 64 << 20
    max_pixels: int = MAX_PIXELS
    private: bool = False
    """May addresses of private networks be fetched from? Link-local ones never are."""
    seconds: float = 60.0
    """For one picture, all attempts and redirects included."""
    redirects: int = 5
    attempts: int = 3

    def __post_init__(self) -> None:
        if isinstance(self.hosts, str):
            raise UsageError(f"FetchPolicy(hosts=…) takes a tuple of host names, not the string {self.hosts!r}")
        hosts = tuple(each.lower() if isinstance(each, str) else each for each in self.hosts)  # pyright: ignore[reportUnnecessaryIsInstance]
        for each in hosts:
            if not isinstance(each, str) or not _HOST_PATTERN.match(each):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(
                    f"FetchPolicy(hosts=…) takes host names such as 'example.com' or '*.example.com', not {each!r}"
                )
        object.__setattr__(self, "hosts", hosts)
        for name, least in (("max_bytes", 1), ("max_pixels", 1), ("redirects", 0), ("attempts", 1)):
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"FetchPolicy({name}=…) takes a whole number of {least} or more, not {value!r}")
        if not isinstance(self.seconds, int | float) or not 0 < self.seconds < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"FetchPolicy(seconds=…) takes a positive number of seconds, not {self.seconds!r}")
        if not isinstance(self.private, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"FetchPolicy(private=…) takes True or False, not {self.private!r}")

    def allows(self, host: str) -> bool:
        """Is this host named by `hosts`?"""
        return any(host.endswith(each[1:]) if each.startswith("*.") else host == each for each in self.hosts)
