"""The server of the kills over Postgres."""

from tests.postgres import postgres_server

__all__ = ["postgres_server"]
