"""Which certificates are trusted, and which are shown: read once, for reading them takes longer
than most requests.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agentkit._check import argument, check_kind, refused
from agentkit.errors import UsageError

if TYPE_CHECKING:
    import ssl

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of your own, in PEM files, for `OpenRouter(tls=…)` and `FetchPolicy(tls=…)`.

    The files are read at once, and again for the next connections after they have changed. Raises
    `UsageError` for a file that is missing, cannot be read or holds something else.
    """

    ca: str | os.PathLike[str] | None = None
    """Authorities that are trusted beside those of the system."""
    certificate: str | os.PathLike[str] | None = None
    """The client certificate that is shown to a server that asks for one, with the certificates
    between it and its authority. Its key may be in the same file.
    """
    key: str | os.PathLike[str] | None = None
    """The key of `certificate`, where it has a file of its own."""
    password: str | None = field(default=None, repr=False)
    """The password of the key, if it has one."""

    def __post_init__(self) -> None:
        for name in ("ca", "certificate", "key"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _readable(argument("Tls", name), given))
        if self.password is not None:
            check_kind("Tls(password=…)", self.password, str, "a string")
        if self.certificate is None:
            for name in ("key", "password"):
                if getattr(self, name) is not None:
                    raise UsageError(f"Tls({name}=…) belongs to a certificate=, which is missing")
            if self.ca is None:
                raise UsageError("Tls() is given no file: accepted are ca= and certificate=")
        import ssl

        self.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def load_into(self, context: ssl.SSLContext) -> None:
        """Add these certificates to a context. Raises `UsageError`."""
        if self.ca is not None:
            try:
                context.load_verify_locations(cafile=self.ca)
            except OSError as error:  # which `ssl.SSLError` is
                accepted = f"is a PEM file of certificates ({_reason(error)})"
                raise refused("Tls(ca={!r})", self.ca, accepted) from None
        if self.certificate is not None:
            self._load_certificate(context, self.certificate)

    def _load_certificate(
        self, context: ssl.SSLContext, certificate: str | os.PathLike[str]
    ) -> None:
        asked: list[str] = []

        def password() -> str:
            # Without it, OpenSSL would ask the terminal.
            asked.append(self.password or "")
            return asked[-1]

        try:
            context.load_cert_chain(certificate, self.key, password)
        except (OSError, ValueError) as error:
            if asked:
                raise UsageError(
                    f"Tls(password=…): accepted is the password of the key in "
                    f"{os.fspath(self.key or certificate)!r}, which has one"
                ) from None
            accepted = f"is a PEM file of a certificate and its key ({_reason(error)})"
            where = "Tls(certificate={!r})"
            if self.key is not None:
                accepted = f"are PEM files of a certificate and its key ({_reason(error)})"
                where = f"Tls(certificate={{!r}}, key={os.fspath(self.key)!r})"
            raise refused(where, certificate, accepted) from None

    def without_certificate(self) -> Tls | None:
        """The authorities alone."""
        if self.ca is None or self.certificate is None:
            return None if self.ca is None else self
        return replace(self, certificate=None, key=None, password=None)

    @property
    def stamps(self) -> tuple[_Stamp, ...]:
        """What changes when a file does."""
        files = [each for each in (self.ca, self.certificate, self.key) if each is not None]
        return tuple(_stamp(each) for each in files)


def trusted(tls: Tls | None = None) -> ssl.SSLContext:
    """The context that all connections with the same certificates share: those of the system, or
    those that SSL_CERT_FILE and SSL_CERT_DIR name now, and those of `tls`. Raises `UsageError`
    where these cannot be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return _read(file, folder, tls, () if tls is None else tls.stamps)
    except OSError as error:  # which `ssl.SSLError` is
        raise UsageError(
            f"the certificates cannot be read (SSL_CERT_FILE={file!r}, "
            f"SSL_CERT_DIR={folder!r}): {error}"
        ) from error


@lru_cache(maxsize=16)
def _read(
    _file: str | None, _folder: str | None, tls: Tls | None, _stamps: tuple[_Stamp, ...]
) -> ssl.SSLContext:
    import httpx2

    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    if tls is not None:
        tls.load_into(context)
    return context


def _readable(where: str, given: object) -> str:
    """The path of a file that can be read. Raises `UsageError`."""
    accepted = "is the path of a PEM file"
    path = os.fspath(cast("os.PathLike[str]", given)) if isinstance(given, os.PathLike) else given
    path = check_kind(where, path, str, accepted.removeprefix("is "))
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:  # a path with a zero byte
        raise refused(where, path, f"{accepted} ({_reason(error)})") from None
    return path


def _stamp(path: str | os.PathLike[str]) -> _Stamp:
    try:
        found = Path(path).stat()
    except OSError:  # told where it is read
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: Exception) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "the key is that of another certificate"
    return getattr(error, "strerror", None) or str(error)
