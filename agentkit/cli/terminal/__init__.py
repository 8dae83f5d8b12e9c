"""The chat in a terminal: what is typed, what is shown, and the one writer between them."""
