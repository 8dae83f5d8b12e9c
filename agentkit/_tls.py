"""Which certificates are trusted: read once, for reading them takes longer than most requests."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from agentkit.errors import UsageError

if TYPE_CHECKING:
    import ssl


def trusted() -> ssl.SSLContext:
    """The context that every connection shares: the system's certificates, or those that
    SSL_CERT_FILE and SSL_CERT_DIR name now. Raises `UsageError` where these cannot be read."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return _read(file, folder)
    except OSError as error:  # which `ssl.SSLError` is
        raise UsageError(
            f"the certificates cannot be read (SSL_CERT_FILE={file!r}, "
            f"SSL_CERT_DIR={folder!r}): {error}"
        ) from error


@lru_cache(maxsize=4)
def _read(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    import httpx2

    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
