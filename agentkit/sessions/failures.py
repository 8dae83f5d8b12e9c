"""What SQLAlchemy and the drivers raise, as an error of agentkit's: without a secret, and without
statements and their values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from agentkit._redact import redacted
from agentkit.errors import SessionError
from agentkit.sessions.address import Address

BUSY_SECONDS = 30
"""How long a process waits for another one that writes to an SQLite file."""
_LONGEST = 400
"""Characters of a driver's words that a message shows."""
_ADVICE = {
    "SQLITE_BUSY": f"another program has held it locked for {BUSY_SECONDS} s",
    "SQLITE_CANTOPEN": "the file or its folder cannot be opened, or its disk is read-only",
    "SQLITE_CORRUPT": "the file is damaged: restore a copy of it",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_NOTADB": "the file is no SQLite database",
    "SQLITE_READONLY": "the file, its folder or its disk is read-only",
}


@contextmanager
def at_the_database(address: Address, what: str) -> Generator[None]:
    """Raise `SessionError` for what a database raises. `what` follows "cannot be"."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error, address, what)
        if failure is None:
            raise
        raise failure from None


def failure_of(error: BaseException, address: Address, what: str) -> SessionError | None:
    """What to raise in the place of an error; None for one that no database has raised."""
    if isinstance(error, SQLAlchemyError | sqlite3.Error):
        words = f"cannot be {what}: {_words(error, address)}"
    elif isinstance(error, UnicodeEncodeError):
        words = "cannot hold half a surrogate pair as text"
    else:
        return None
    return SessionError(f"the database {address.name} {words}")


def _words(error: Exception, address: Address) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(error, DBAPIError) and getattr(cause, "sqlstate", None):
        said = str(cause).partition("\n")[0]  # what follows may show values of a row
    else:
        said = " ".join(str(cause).split())
    for secret in address.secrets:
        said = said.replace(secret, "***")
    said = redacted(said[:_LONGEST])
    code = str(getattr(cause, "sqlite_errorname", ""))
    advice = next((told for each, told in _ADVICE.items() if code.startswith(each)), "")
    return f"{advice} ({said})" if advice else said
