"""Environment variables for as long as a test runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping


@contextlib.contextmanager
def environment(changes: Mapping[str, str]) -> Generator[None]:
    """While the block runs, these variables have these values."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
