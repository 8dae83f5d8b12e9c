"""A network that can be cut off, for one test at a time: loopback is cut off with the rest."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

_NETWORK = {
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
}
_cut_off: list[str] = []


class NetworkUsed(RuntimeError):
    """Something reached for the network where there is none."""


def _watch(event: str, details: tuple[Any, ...]) -> None:
    if _cut_off and event in _NETWORK and not _is_address(event, details):
        raise NetworkUsed(f"{event} {details[1:] if event.startswith('socket.conn') else details}")


def _is_address(event: str, details: tuple[Any, ...]) -> bool:
    """Whether something is looked up that is an address already, for which nobody is asked."""
    if event != "socket.getaddrinfo":
        return False
    try:
        ip_address(details[0])
    except ValueError:
        return False
    return True


sys.addaudithook(_watch)  # it cannot be taken away again, so it asks each time


@contextmanager
def cut_off() -> Iterator[None]:
    """Within the block every attempt to connect, to send a datagram or to look up a name raises
    `NetworkUsed`.
    """
    _cut_off.append("by a test")
    try:
        yield
    finally:
        _cut_off.pop()


@pytest.fixture
def no_network() -> Iterator[None]:
    with cut_off():
        yield


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where agents without a store of their own keep pictures, in these tests."""
    folder = tmp_path / "pictures"
    monkeypatch.setenv("AGENTKIT_STORE", str(folder))
    return folder
