"""Where what others wrote lies, beside the repository: recorded traffic and OpenRouter's OpenAPI
document. Neither is part of the repository, so the tests that need them say so and are skipped
where they are absent."""

from __future__ import annotations

import pytest

from tests.recorded.recordings import WIRE
from tests.recorded.schemas import DOCUMENT, Spec


@pytest.fixture(scope="session")
def spec() -> Spec:
    """The spec with the known gaps let through; reading the document takes a second or two."""
    if not DOCUMENT.is_file():
        pytest.skip(f"OpenRouter's OpenAPI document is not there: {DOCUMENT}")
    return Spec.load()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why nothing recorded is tested, rather than pytest's "empty parameter set"."""
    if WIRE.is_dir():
        return
    for item in items:
        if item.path.name == "test_recorded.py":
            item.add_marker(
                pytest.mark.skip(reason=f"the recorded traffic is not there: {WIRE}"), append=False
            )
