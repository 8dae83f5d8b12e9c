"""Who calls a server of ours over HTTP, judged without any I/O by what the head of a request says:
by which name it calls us (`Host`), whose page sent it (`Origin`), and whether it has the token. The
chat server and the MCP server share it.

A page of somebody else in the same browser can send requests here, under a name of its own that
leads to this machine; it cannot choose what `Host` and `Origin` say.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from agentkit._check import check_several, refused
from agentkit.errors import UsageError

LEAST_TOKEN = 16
"""Characters of a token that somebody chooses."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_TOKEN = re.compile(r"[A-Za-z0-9_~.+/=-]{16,200}\Z")
_HOST = re.compile(
    r"(?:(https?)://)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?"
)
_HOSTS = (
    "a list of names with their ports, such as 'chat.example.org' (for HTTPS), "
    "'chat.example.org:8443' or 'http://box.local:8080'"
)


@dataclass(frozen=True, slots=True)
class Site:
    """A name under which others reach us: `Site("https", "chat.example.org")`."""

    scheme: str
    authority: str
    """As the header `Host` has it: with the port, unless it is the scheme's own."""

    @property
    def origin(self) -> str:
        """As the header `Origin` has it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def port(self) -> int:
        """The port that the caller sees."""
        _, _, port = self.authority.rpartition(":")
        return int(port) if port.isdigit() else DEFAULT_PORTS[self.scheme]


@dataclass(frozen=True, slots=True)
class Head:
    """What of a request decides."""

    method: str
    path: str
    """Below where we are mounted."""
    scheme: str
    port: int | None
    """That we listen on; None for what is no TCP port."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case."""

    def all(self, name: str) -> list[str]:
        """Each value of a header."""
        return [value for each, value in self.headers if each == name]

    def one(self, name: str) -> str | None:
        """The value of a header; None where there is none, and where there are several: servers
        and browsers differ in which of them counts.
        """
        found = self.all(name)
        return found[0] if len(found) == 1 else None


def read_hosts(where: str, hosts: object) -> tuple[Site, ...]:
    """The sites of `hosts=…`. Raises `UsageError`."""
    several = check_several(where, hosts, _HOSTS)
    return tuple([_site(where, each) for each in several])


def _site(where: str, host: object) -> Site:
    found = _HOST.fullmatch(host.lower()) if isinstance(host, str) else None
    if found is None or int(found[3] or 1) not in range(1, 65536):
        raise refused(where, host, f"is {_HOSTS}")
    scheme = found[1] or "https"
    port = int(found[3]) if found[3] else None
    shown = "" if port is None or port == DEFAULT_PORTS[scheme] else f":{port}"
    return Site(scheme, found[2] + shown)


def check_token(where: str, token: object) -> str:
    """A token that somebody chose. Raises `UsageError`, which does not show it."""
    if not isinstance(token, str) or not _TOKEN.match(token):
        accepted = f"are {LEAST_TOKEN} to 200 letters, digits and any of _ ~ . + / = -"
        raise UsageError(f"{where}: accepted {accepted}")
    return token


def sites_of(head: Head, sites: Iterable[Site]) -> tuple[Site, ...]:
    """What the request calls us, if that is a name of ours: one of `sites`, or one of loopback with
    the port that we listen on. More than one where a name was given for both HTTP and HTTPS.
    """
    host = (head.one("host") or "").lower()
    named = tuple(site for site in sites if site.authority == host)
    if named or head.port is None or head.scheme not in DEFAULT_PORTS:
        return named
    names = [f"{name}:{head.port}" for name in _LOOPBACK]
    if head.port == DEFAULT_PORTS[head.scheme]:
        names += _LOOPBACK
    return (Site(head.scheme, host),) if host in names else ()


def is_foreign(head: Head, own: Iterable[Site]) -> bool:
    """Whether the page of none of these sites sent it. A program sends no `Origin`."""
    return bool(head.all("origin")) and head.one("origin") not in {site.origin for site in own}


def has_bearer(head: Head, token: str | None) -> bool:
    """Whether it has the token in `Authorization`."""
    scheme, _, value = (head.one("authorization") or "").partition(" ")
    return scheme.lower() == "bearer" and is_token(value.strip(), token)


def is_token(given: str, token: str | None) -> bool:
    """Whether this is the token. How long it takes does not tell how much of it is right."""
    return token is not None and is_same(given, token)


def is_same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
