"""The fixtures, as a plugin that pytest finds by itself: `emulator`, `scripted_model` and
`cassette`.

Every pytest run of an environment that has agentkit imports this module, so it imports nothing but
pytest. What a fixture needs is imported when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agentkit.emulator import Emulator
    from agentkit.testing.cassettes import Cassette


@pytest.fixture
def emulator_options() -> dict[str, Any]:
    """Arguments of the `Emulator` that `emulator` and `scripted_model` start: override it where
    a test needs faults, models or a seed of its own.
    """
    return {}


@pytest.fixture
def emulator(
    emulator_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """An OpenRouter on loopback, for this test alone. Agents without a client of their own speak
    to it. It answers by rules, or what `emulator.play(…)` scripts.
    """
    from agentkit.emulator import Emulator
    from agentkit.testing.scripted import in_use

    folder = tmp_path_factory.mktemp("agentkit")
    options: dict[str, Any] = {"any_model": True, **emulator_options}
    with Emulator(**options) as running, in_use(running, folder):
        yield running


@pytest.fixture
def scripted_model(emulator: Emulator, request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator without its rules: the model says what `scripted_model.play(…)` scripts, and
    nothing else. The test fails if a request finds no reply left, or a reply is left at its end.
    """
    from agentkit.testing.scripted import scripted

    failed = request.session.testsfailed
    with scripted(emulator) as check:
        yield emulator
        if request.session.testsfailed == failed:  # else it is the test itself that has the word
            check()


@pytest.fixture
def cassette_options() -> dict[str, Any]:
    """Arguments of the `agentkit.testing.cassette` that `cassette` opens: override it where a test
    needs others than its path and the mode of `--record-mode`.
    """
    return {}


@pytest.fixture
def cassette(
    request: pytest.FixtureRequest,
    cassette_options: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cassette]:
    """The test's own cassette, open: `cassettes/MODULE/TEST.yaml` beside its module. It is played;
    `pytest --record-mode=once` records those that are not there yet.
    """
    from agentkit.testing.cassettes import cassette_of, playing

    opened = cassette_of(request, **cassette_options)
    with playing(opened, tmp_path_factory.mktemp("agentkit")) as tape:
        yield tape
