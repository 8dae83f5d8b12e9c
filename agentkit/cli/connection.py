"""The OpenRouter that a command talks to: the real one, or an emulator of its own."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from agentkit.errors import MissingKey

if TYPE_CHECKING:
    from agentkit.openrouter.client import OpenRouter

CHUNK_DELAY = 0.012
"""Seconds between two pieces of the emulator's streams, so that a reader can follow them."""

EMULATOR_NOTE = "The emulator answers: no model, no network, no cost. --live talks to OpenRouter."
"""What a chat says at its start where no model answers."""

Live = Annotated[
    bool,
    typer.Option(
        "--live",
        envvar="LIVE",
        help="Use OpenRouter, which needs OPENROUTER_API_KEY, instead of the emulator.",
    ),
]


class Address(NamedTuple):
    """Address and key of an OpenRouter. None: those of the environment."""

    base_url: str | None = None
    api_key: str | None = None

    def client(self, app_name: str) -> OpenRouter:
        """A client for it. An emulator of our own is reached without the proxy of the environment,
        which would look for it on its own machine.
        """
        from agentkit.openrouter.client import OpenRouter

        return OpenRouter(
            base_url=self.base_url,
            api_key=self.api_key,
            app_name=app_name,
            proxy=None if self.base_url is None else False,
        )


@contextmanager
def openrouter(*, live: bool) -> Generator[Address]:
    """The OpenRouter that a command talks to: the real one if `live`, else a new emulator."""
    if live:
        if not os.environ.get("OPENROUTER_API_KEY", "").strip():
            raise MissingKey(
                "--live needs a key: set OPENROUTER_API_KEY; without --live the emulator answers"
            )
        yield Address()
        return
    from agentkit.emulator import Emulator

    with Emulator(chunk_delay=CHUNK_DELAY) as running:
        yield Address(running.base_url, running.api_key)
