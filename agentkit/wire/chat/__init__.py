"""Chat Completions: requests encoded, replies decoded."""
