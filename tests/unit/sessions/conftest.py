"""The databases of tests: an SQLite file, and a database of a real Postgres server."""

from tests.postgres import database_url, postgres_server, postgres_url

__all__ = ["database_url", "postgres_server", "postgres_url"]
