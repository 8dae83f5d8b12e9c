"""Who may come in: what the head of a request says, judged without any I/O.

Three questions, each with an answer of its own:

- `refused_address`: was it sent to us by our name, and by our own page? A page of somebody else in
  the same browser can send requests here, under a name of its own that leads to this machine; it
  cannot choose what `Host`, `Origin` and `Sec-Fetch-Site` say.
- `refused_person`: does it have the token, in the cookie or in `Authorization`?
- `refused_body`: is its body of a kind that no form of another page can send?

What any server of ours asks (the name, the page, the token) stands in `agentkit/_access.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import ip_address

from agentkit._access import Head, Site, has_bearer, is_foreign, is_same, sites_of
from agentkit._check import refused
from agentkit.web.addresses import FILES, IMAGES
from agentkit.web.refusal import Refusal

_BYTES = "application/octet-stream"
"""No form of another page can send it."""
_SAFE = frozenset({"GET", "HEAD"})
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
PAGE = frozenset({"", "/"})
"""The paths of the page."""
_OPEN = "/page/"
"""What is open to all: a browser asks for a manifest and a service worker without cookies."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whom we let in."""

    sites: tuple[Site, ...] = ()
    """Names besides those of loopback, which are taken with the port that we listen on."""
    token: str | None = None
    """None: the application around us knows its users."""


def check_address(where: str, host: str, sites: tuple[Site, ...], *, has_login: bool) -> None:
    """Raise `UsageError` for an address that other machines reach, unless it is known under which
    names they do, and each of them has to say who it is (`has_login`: by a token, or as a user).
    """
    if is_loopback(host):
        return
    if not has_login:
        raise refused(where, host, "is a loopback address, unless there is a token")
    if not sites:
        raise refused(
            where,
            host,
            "is a loopback address, unless it is said under which names browsers reach it "
            "(hosts), such as 'chat.example.org' or 'http://192.168.1.5:8080'",
        )


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach this address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def refused_address(head: Head, access: Access) -> Refusal | None:
    """Why the request was not meant for us, or was sent by the page of somebody else."""
    sites = sites_of(head, access.sites)
    if not sites:
        return Refusal(
            421,
            "This server is not known under that name.",
            "the address that it printed, or a name in app(hosts=[…])",
        )
    if head.method not in _METHODS:
        allowed = ", ".join(_METHODS)
        return Refusal(405, "There is no such method here.", allowed, (("allow", allowed),))
    foreign = Refusal(403, "A page of another site may not use this server.", "its own page")
    # A proxy may call us by a name of its own; the browser knows the one that was given to us.
    own = (*sites, *access.sites)
    if is_foreign(head, own):
        return foreign
    if head.method in _SAFE:
        return foreign if _is_read_by_others(head) else None
    return None if _is_sent_by_us(head, access) else foreign


def _is_read_by_others(head: Head) -> bool:
    """Whether another site would show or run what it asks for. It may link to the page."""
    if head.all("sec-fetch-site") in ([], ["same-origin"], ["none"]):
        return False
    return not (is_link(head) and head.path in PAGE)


def is_link(head: Head) -> bool:
    """Whether a person has followed a link on another site."""
    is_foreign = head.one("sec-fetch-site") in {"cross-site", "same-site"}
    goes = head.one("sec-fetch-mode") == "navigate" and head.one("sec-fetch-dest") == "document"
    return is_foreign and goes and head.method == "GET"


def _is_sent_by_us(head: Head, access: Access) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all.

    Every browser of today sends `Origin` with it. What sends neither that nor `Sec-Fetch-Site` is a
    program, which has no cookie of a person: it has the token itself, or whatever the application
    around us asks for.
    """
    site = head.all("sec-fetch-site")
    if site:
        return site == ["same-origin"]
    return bool(head.all("origin")) or access.token is None or has_bearer(head, access.token)


def is_open(head: Head) -> bool:
    """Whether anybody may have it: the files of the page, which are the same everywhere."""
    return head.path.startswith(_OPEN) and head.method in _SAFE


def refused_person(head: Head, access: Access) -> Refusal | None:
    """Why the request lacks the token, where there is one."""
    if access.token is None:
        return None
    if has_bearer(head, access.token) or has_cookie(head, access):
        return None
    return Refusal(
        401,
        "This server does not know you yet.",
        "the link with the token that `agentkit serve` printed; a program sends the header "
        "Authorization: Bearer TOKEN",
        (("www-authenticate", "Bearer"),),
    )


def has_cookie(head: Head, access: Access) -> bool:
    """Whether it has our cookie. Another server of this machine may have set one of the same name:
    each is looked at, and one that is not ours changes nothing.
    """
    if access.token is None:
        return False
    expected = cookie_value(access.token)
    names = {cookie_name(site) for site in sites_of(head, access.sites)}
    matches = [
        is_same(value, expected)
        for header in head.all("cookie")
        for name, _, value in (each.strip().partition("=") for each in header.split(";"))
        if name in names
    ]
    return any(matches)


def cookie_name(site: Site) -> str:
    """Its name has the port in it: browsers send a cookie to all ports of a machine."""
    return f"agentkit_{site.port}"


def cookie_value(token: str) -> str:
    """What the cookie says: it shows that somebody had the token, and is not the token itself."""
    return hmac.new(token.encode(), b"agentkit.web cookie", hashlib.sha256).hexdigest()


def cookie(site: Site, token: str, root: str) -> str:
    """The header `Set-Cookie` for those who came with the link."""
    path = f"/{root.strip('/')}"
    secure = "; Secure" if site.scheme == "https" else ""
    value = f"{cookie_name(site)}={cookie_value(token)}"
    return f"{value}; Path={path}; HttpOnly; SameSite=Strict{secure}"


def refused_body(head: Head) -> Refusal | None:
    """Why the body is of no kind that is accepted there. A form of another page sends none of
    these, and a script of it asks first, which is refused.
    """
    if head.method in _SAFE:
        return None
    kinds = head.all("content-type")
    if head.method == "DELETE" and not kinds and not _has_body(head):
        return None
    kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
    if head.method == "POST" and head.path == IMAGES:
        accepted = "the bytes of a picture, with a content-type such as image/png"
        return None if kind.startswith("image/") else Refusal(415, "Not a picture.", accepted)
    if head.method == "POST" and head.path == FILES:
        accepted = f"the bytes of a file, with the content-type {_BYTES}"
        return None if kind == _BYTES else Refusal(415, "Not the bytes of a file.", accepted)
    if kind == "application/json":
        return None
    return Refusal(415, "The body is not JSON.", "JSON, with the content-type application/json")


def _has_body(head: Head) -> bool:
    return bool(head.all("transfer-encoding")) or head.all("content-length") not in ([], ["0"])
