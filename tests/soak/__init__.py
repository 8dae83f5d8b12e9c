"""`make soak`: hundreds of streams for a long time, with a ledger and sessions."""
