from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buckets import Service, s3


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with s3() as service:
        yield service
