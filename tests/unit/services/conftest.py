"""Servers that are not OpenRouter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.services.stubs import Local, OpenAI, Stub, running


@pytest.fixture
async def openai() -> AsyncIterator[Stub]:
    async with running(OpenAI()) as stub:
        yield stub


@pytest.fixture
async def local() -> AsyncIterator[Stub]:
    async with running(Local()) as stub:
        yield stub
