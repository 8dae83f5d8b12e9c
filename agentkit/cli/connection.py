"""The OpenRouter that a command talks to: the real one, or an emulator of its own."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from agentkit.cli.stored_key import use_stored_key
from agentkit.errors import MissingKey, UsageError

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
        use_stored_key()
        if not os.environ.get("OPENROUTER_API_KEY", "").strip():
            raise MissingKey(
                "--live needs a key: set OPENROUTER_API_KEY; without --live the emulator answers"
            )
        yield Address()
        return
    from agentkit.emulator import Emulator

    with Emulator(chunk_delay=CHUNK_DELAY) as running:
        yield Address(running.base_url, running.api_key)


@contextmanager
def service(*, offline: bool, live: bool, own_client: bool = False) -> Generator[Address]:
    """OpenRouter, or if `offline` a new emulator. Raises `UsageError` for both at once, and
    `MissingKey` where there is no key; with `own_client`, that is left to the client.
    """
    if offline and live:
        raise UsageError("--offline and --live: accepted is one of them")
    if offline:
        with openrouter(live=False) as address:
            yield address
        return
    use_stored_key()
    is_elsewhere = own_client or os.environ.get("OPENROUTER_BASE_URL")
    if not is_elsewhere and not os.environ.get("OPENROUTER_API_KEY", "").strip():
        raise MissingKey(
            "no API key: set OPENROUTER_API_KEY, or keep one with `agentkit keys set`; "
            "--offline asks an emulator on this machine"
        )
    yield Address()


def chat_service(*, has_agent: bool, offline: bool, live: bool) -> AbstractContextManager[Address]:
    """What a chat talks to: an emulator, unless `live`; that of the agent's own client, if there is
    an agent and it is not to be `offline`.
    """
    is_live = live and not offline
    if has_agent and not offline:
        return service(offline=False, live=is_live, own_client=True)
    return openrouter(live=is_live)


@contextmanager
def environment_of(address: Address) -> Generator[None]:
    """The environment in which clients without an address of their own ask this one."""
    if address.base_url is None or address.api_key is None:
        yield
        return
    given = {
        "OPENROUTER_BASE_URL": address.base_url,
        "OPENROUTER_API_KEY": address.api_key,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        _restore(before)


def _restore(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
