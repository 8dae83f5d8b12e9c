"""Who may ask an MCP server over HTTP: the right host, no foreign page, the right token. Pure. The
rule is that of every server of ours; here the token comes in `Authorization` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentkit._access import Head, Site, has_bearer, is_foreign, sites_of


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class Doors:
    """What lets a request in."""

    token: str
    sites: tuple[Site, ...]
    """Names besides those of loopback, which are taken with the port that we listen on."""

    def refusal(self, head: Head) -> Refusal | None:
        """Why a request is refused; None lets it in."""
        sites = sites_of(head, self.sites)
        if not sites:
            return Refusal(421, "this server is not known under that Host")
        # A proxy may call us by a name of its own; a page knows the one that was given to us.
        if is_foreign(head, (*sites, *self.sites)):
            return Refusal(403, "pages of that Origin may not ask here")
        if not has_bearer(head, self.token):
            return Refusal(401, "accepted is Authorization: Bearer TOKEN")
        return None
