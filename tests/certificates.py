"""A real authority, and certificates of it, made anew for each run of the tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """The authority of a company."""

    made: trustme.CA

    def file(self, folder: Path) -> Path:
        """Its certificate, as an administrator hands it out."""
        path = folder / "ca.pem"
        self.made.cert_pem.write_to_path(path)
        return path

    def server(self, *names: str, asks: bool = False) -> ssl.SSLContext:
        """The context of a server with these names, which `asks` for a client certificate of the
        same authority.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.made.issue_cert(*names).configure_cert(context)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            self.made.configure_trust(context)
        return context

    def client(self, folder: Path) -> tuple[Path, Path]:
        """A client certificate and its key, as files."""
        issued = self.made.issue_cert("ada@company.example")
        certificate, key = folder / "ada.pem", folder / "ada.key"
        for number, part in enumerate(issued.cert_chain_pems):
            part.write_to_path(certificate, append=number > 0)
        issued.private_key_pem.write_to_path(key)
        return certificate, key


@lru_cache
def authority() -> Authority:
    return Authority(trustme.CA())
