"""The processes that tests start."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes import PATIENCE, started

THREADS = 16
CHILDREN = 15


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def entangled() -> Iterator[None]:
    """Threads take turns after every few steps."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("entangled")
def test_every_thread_is_told_the_same_exit_code(tmp_path: Path) -> None:
    codes: Counter[int | None] = Counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(CHILDREN):
            child = started(killed, folder=tmp_path)
            for waiting in [pool.submit(child.join, PATIENCE) for _ in range(THREADS)]:
                waiting.result()
            codes[child.exitcode] += 1
            child.close()
    assert codes == {-signal.SIGKILL: CHILDREN}
