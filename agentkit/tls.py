"""Which certificates are trusted: read once, for reading them takes longer than most requests."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def trusted() -> ssl.SSLContext:
    """The context that every connection shares: the system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name
    now. Raises `OSError` where these cannot be read."""
    return _read(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _read(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    import httpx2

    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
