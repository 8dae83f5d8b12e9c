"""Conversations that outlive the process: in SQLite, or in Postgres."""
