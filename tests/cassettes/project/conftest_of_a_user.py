"""The `conftest.py` of a project that uses agentkit. Its tests are recorded against an emulator
where `RECORD` is set; else every attempt to reach a network fails.
"""

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import Draw, Emulator, Reply, Say

ADDRESS = Path(__file__).parent / "address"
SIZE = (512, 512)
SCRIPT = [
    Reply([Say("Here it is: "), Draw("a lighthouse", places=["markdown"], size=SIZE)]),
    Reply([Draw("the lighthouse at night", size=SIZE)]),
    Reply([Say("In the first it is day.")]),
]


def no_network(event: str, details: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.gethostbyname"}:
        raise RuntimeError(f"{event} {details}")
    if event == "socket.getaddrinfo":
        ip_address(details[0])  # a ValueError for a name


if not os.environ.get("RECORD"):
    sys.addaudithook(no_network)


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator | None]:
    if not os.environ.get("RECORD"):
        yield None
        return
    with Emulator(api_key=os.environ["OPENROUTER_API_KEY"]) as started:
        ADDRESS.write_text(started.base_url)
        yield started


@pytest.fixture
def base_url(running: Emulator | None) -> str:
    if running is not None:
        running.play(SCRIPT)
    return ADDRESS.read_text()


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {"filter_headers": ["authorization"]}
