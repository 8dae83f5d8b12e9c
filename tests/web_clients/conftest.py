"""The clients, started once for the tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web_clients.node import Clients, missing


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    if (why := missing()) is not None:
        pytest.skip(why)
    clients = Clients()
    yield clients
    clients.close()
