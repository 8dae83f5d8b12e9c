"""A chat server around an agent, for browsers and for other programs."""
