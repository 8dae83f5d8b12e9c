"""Statements that are carried out in every turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Values = Mapping[str, Any]
_SQLITE = sqlite_dialect(paramstyle="qmark")


class Statement:
    """A statement that is made once. SQLite's driver carries it out without SQLAlchemy, which takes
    several times as long for it as SQLite does; for Postgres, the way there is what takes time.

    An insert names its columns, and gets a value for each of them.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns

    def run(self, connection: Connection, values: Values) -> None:
        """Carry it out."""
        self.rows(connection, values)

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        """Carry it out. Returns the rows that it gives; none of a statement that gives none."""
        if connection.dialect.name != "sqlite":
            result = connection.execute(self._statement, dict(values))
            return result.all() if result.returns_rows else ()
        return _driver(connection).execute(*self._bound(values)).fetchall()

    def count(self, connection: Connection, values: Values) -> int:
        """Carry it out. Returns how many rows it has written."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, dict(values)).rowcount
        return _driver(connection).execute(*self._bound(values)).rowcount

    def value(self, connection: Connection, values: Values) -> Any:
        """The value that it gives; None where it gives no row."""
        found = self.rows(connection, values)
        return found[0][0] if found else None

    def run_many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Carry it out for each of these."""
        if not values:
            return
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, [dict(each) for each in values])
            return
        bound = [self._bound(each)[1] for each in values]
        _driver(connection).executemany(self._for_sqlite[0], bound)

    def _bound(self, values: Values) -> tuple[str, list[Any]]:
        """What the driver gets: the statement, and its values in their order."""
        text, names, fixed = self._for_sqlite
        return text, [values[each] if each in values else fixed[each] for each in names]

    @cached_property
    def _for_sqlite(self) -> tuple[str, Sequence[str], Values]:
        """The statement, the names of its values, and the values that are part of it."""
        element = cast("ClauseElement", self._statement)
        made = cast("SQLCompiler", element.compile(dialect=_SQLITE, column_keys=self._columns))
        fixed = {name: each.value for name, each in made.binds.items() if not each.required}
        return str(made), tuple(made.positiontup or ()), fixed


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
