"""A chat server around an agent, for browsers and for other programs."""

from agentkit.web.application import WebApp, app

__all__ = ["WebApp", "app"]
