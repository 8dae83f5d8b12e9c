"""What the fixtures do: agents are pointed at an emulator, and it says only what was scripted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agentkit.openrouter.client import forget_shared_client
from agentkit.testing.asserts import assert_script_played
from agentkit.testing.environment import environment

if TYPE_CHECKING:
    from agentkit.emulator import Emulator


@contextlib.contextmanager
def in_use(emulator: Emulator, folder: Path) -> Generator[None]:
    """While the block runs, agents without a client of their own speak to the emulator, no proxy
    stands between, and those made meanwhile keep their pictures in `folder`.
    """
    exempt = ",".join(filter(None, (_no_proxy(), urlsplit(emulator.base_url).hostname)))
    changes = {
        "OPENROUTER_API_KEY": emulator.api_key,
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(folder),
        "NO_PROXY": exempt,
        "no_proxy": exempt,
    }
    # The next emulator may get the port of this one, and with it the same address and key.
    forget_shared_client()
    try:
        with environment(changes):
            yield
    finally:
        forget_shared_client()


@contextlib.contextmanager
def scripted(emulator: Emulator) -> Generator[Callable[[], None]]:
    """While the block runs, the emulator says only what was scripted. What is given checks that
    all of it was asked for, and nothing else.
    """
    rules, emulator.rules = emulator.rules, False
    try:
        yield partial(assert_script_played, emulator)
    finally:
        emulator.rules = rules


def _no_proxy() -> str | None:
    """What is exempt from the proxy now; the name in small letters wins, as elsewhere."""
    return os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
