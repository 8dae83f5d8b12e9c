"""The server: its thread, its endpoints, the requests it has seen and what it billed."""
