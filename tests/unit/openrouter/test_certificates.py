"""Certificates are read once, and where they cannot be, that is said, and nothing that had arrived
is lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit import Agent, OpenRouter
from agentkit.emulator import Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images import FetchPolicy
from agentkit.images.store import MemoryImageStore
from agentkit.network.tls import trusted
from tests.unit.openrouter.conftest import KEY
from tests.unit.openrouter.peer import PEM


def test_they_are_read_once_for_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    ours = trusted()
    assert trusted() is ours
    monkeypatch.delenv("SSL_CERT_FILE")
    assert trusted() is not ours


async def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    async with OpenRouter(api_key=KEY, base_url="https://127.0.0.1:9/api/v1") as client:
        with pytest.raises(
            UsageError, match=r"certificates cannot be read \(SSL_CERT_FILE='.*gone\.pem'"
        ):
            await client.get("/models")


async def test_a_file_that_is_gone_when_a_picture_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Emulator() as emulator:
        emulator.play(
            [Reply([Say("Hello.")]), Reply([Say("A ![fox](http://127.0.0.1:9/fox.png) for you.")])]
        )
        async with OpenRouter(api_key=KEY, base_url=emulator.base_url) as client:
            policy = FetchPolicy(hosts=("127.0.0.1",), private=True)
            agent = Agent(
                "openai/gpt-5.2",
                client=client,
                store=MemoryImageStore(),
                fetch=policy,
                checks=False,
            )
            await agent.run("Hello")
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
            answer = await agent.run("Draw")
    assert answer.text.startswith("A ")
    assert [each.url for each in answer.failures] == ["http://127.0.0.1:9/fox.png"]
    assert "certificates" in answer.failures[0].reason
