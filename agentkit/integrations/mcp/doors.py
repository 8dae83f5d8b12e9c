"""Who may ask an MCP server over HTTP: the right host, no foreign page, the right token. Pure."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentkit._check import refused

_HOST = re.compile(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?\Z|\[[0-9a-f:]{2,39}\](:[0-9]{1,5})?\Z"
)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LEAST_TOKEN = 16

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class Doors:
    """What lets a request in."""

    token: str
    hosts: frozenset[str]
    """Accepted values of `Host` beside those of loopback."""

    def refusal(self, headers: Headers, port: int | None) -> Refusal | None:
        """Why a request with these headers is refused; None lets it in. `port` is the server's."""
        own = {f"{name}:{port}" for name in _LOOPBACK}
        if port in {80, None}:
            own |= set(_LOOPBACK)
        hosts = [value.lower() for name, value in headers if name == "host"]
        if len(hosts) != 1 or hosts[0] not in own | self.hosts:
            return Refusal(421, "this server is not known under that Host")
        origins = [value for name, value in headers if name == "origin"]
        accepted = {f"{scheme}://{hosts[0]}" for scheme in ("http", "https")}
        if len(origins) > 1 or any(each.lower() not in accepted for each in origins):
            return Refusal(403, "pages of that Origin may not ask here")
        given = [value for name, value in headers if name == "authorization"]
        if len(given) != 1 or not self._is_token(given[0]):
            return Refusal(401, "accepted is Authorization: Bearer TOKEN")
        return None

    def _is_token(self, value: str) -> bool:
        scheme, _, token = value.partition(" ")
        right = hmac.compare_digest(token.strip(" ").encode(), self.token.encode())
        return right and scheme.lower() == "bearer"


def checked_hosts(hosts: Iterable[str]) -> frozenset[str]:
    """The names under which a server is reached. Raises `UsageError`."""
    accepted = "are host names, with a port where it is not the usual one: 'draw.example.org:8443'"
    if isinstance(hosts, str) or not isinstance(hosts, Iterable):
        raise refused("http(hosts={!r})", hosts, accepted)
    found = list(hosts)
    for each in found:
        if not isinstance(each, str) or not _HOST.match(each.lower()):
            raise refused("http(hosts={!r})", each, accepted)
    return frozenset(each.lower() for each in found)


def checked_token(token: object, where: str = "http(token=…)") -> str:
    """A token that is long enough, of characters that a header can hold. Raises `UsageError`."""
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{16,500}", token):
        accepted = f"is text of at least {LEAST_TOKEN} ASCII characters without blanks"
        raise refused(where, token, accepted)
    return token
