"""The address of a session database: a URL, checked, without any I/O."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from agentkit._check import refused
from agentkit.errors import UsageError

_WHERE = "Sessions(url=…)"
"""Without the value, which may hold a password."""
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_ACCEPTED = (
    "is sqlite:///FILE, sqlite:// (in memory) or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
)
_SECRET = frozenset({"password", "sslpassword", "passfile", "sslkey"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a session database is."""

    url: URL = field(repr=False)
    """What SQLAlchemy connects to. It may hold a password."""
    name: str
    """The address without a password, for messages."""
    path: Path | None = None
    """The file of an SQLite database, absolute. None: in memory, or Postgres."""

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, which is a part of Python; else it is Postgres."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def secrets(self) -> list[str]:
        """What no message may show."""
        query = [value for name, value in self.url.query.items() if name in _SECRET]
        found = [self.url.password, *(each for each in query if isinstance(each, str))]
        return [str(each) for each in found if each]


def read_address(url: object) -> Address:
    """The address that a URL names. Raises `UsageError`, which shows no password."""
    if not isinstance(url, str) or not url.strip():
        raise refused("Sessions(url={!r})", url, _ACCEPTED)
    try:
        found = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise refused(_WHERE, url, f"{_ACCEPTED}; this is no URL") from None
    if found.drivername in _SQLITE:
        return _sqlite(found)
    if found.drivername in _POSTGRES:
        return _postgres(found)
    raise refused(_WHERE, url, f"{_ACCEPTED}; this begins with {found.drivername}://")


def _sqlite(url: URL) -> Address:
    if url.host or url.username or url.password:
        raise refused(_WHERE, url, "is sqlite:///FILE with three slashes, four for an absolute one")
    if url.query:
        raise refused(_WHERE, url, "is sqlite:///FILE without parameters")
    if url.database in {None, "", ":memory:"}:
        return Address(URL.create("sqlite+pysqlite"), "sqlite:// (in memory)")
    name = str(url.database)
    if "\0" in name or name.startswith("file:"):
        raise refused(_WHERE, url, "is sqlite:///FILE with the path of a file")
    path = Path(os.path.abspath(os.path.expanduser(name)))  # noqa: PTH100, PTH111 - no I/O
    return Address(URL.create("sqlite+pysqlite", database=str(path)), str(path), path)


def _postgres(url: URL) -> Address:
    if "@" in f"{url.host}{url.database}":
        raise refused(_WHERE, url, "is a password with @ written as %40, / as %2F and : as %3A")
    if find_spec("psycopg") is None:
        raise UsageError(
            f"{_WHERE}: Postgres needs the package psycopg: "
            "pip install 'agentkit-openrouter[sessions]'"
        )
    query = {name: "***" if name in _SECRET else value for name, value in url.query.items()}
    shown = url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)
    return Address(url.set(drivername="postgresql+psycopg"), shown)
